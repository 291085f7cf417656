package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/spindle-wasm/spindle"
)

// featureFlags are the switches that say what a module may use.
type featureFlags struct {
	list string
	off  map[string]*bool
}

const featuresHelp = `
Features: all finished ones are on. --features gives another list: names divided by
commas, "all", "mvp" (none of them), and "-name" to take one away. --disable-NAME
switches one off. Names:%s.
`

// add defines the flags. The many --disable-… are left out of the list of flags; the long help has their names.
func (f *featureFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.list, "features", "all", "features that modules may use, as a `LIST`")
	f.off = map[string]*bool{}
	names := spindle.AllFeatures.Names()
	for _, n := range names {
		f.off[n] = flags.Bool("disable-"+n, false, "")
		flags.Lookup("disable-" + n).Hidden = true
	}
	cmd.Long += "\n" + fmt.Sprintf(featuresHelp, wrapWords(names, 80))
	_ = cmd.RegisterFlagCompletionFunc("features", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		head := typed[:strings.LastIndexByte(typed, ',')+1]
		out := []string{head + "all", head + "mvp"}
		for _, n := range names {
			out = append(out, head+n, head+"-"+n)
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// set returns the features that the flags ask for.
func (f *featureFlags) set(flags *pflag.FlagSet) (spindle.Features, error) {
	set := spindle.AllFeatures
	if flags.Changed("features") {
		var err error
		if set, err = parseFeatures(f.list); err != nil {
			return 0, err
		}
	}
	for name, off := range f.off {
		if *off {
			bit, err := spindle.ParseFeature(name)
			if err != nil {
				return 0, err
			}
			set &^= bit
		}
	}
	return set, nil
}

func parseFeatures(list string) (spindle.Features, error) {
	var set spindle.Features
	for i, word := range strings.Split(list, ",") {
		word = strings.TrimSpace(word)
		name, minus := strings.CutPrefix(word, "-")
		switch {
		case word == "all" || minus && i == 0:
			set = spindle.AllFeatures
		case word == "mvp":
			set = 0
			continue
		}
		if word == "all" {
			continue
		}
		bit, err := spindle.ParseFeature(name)
		if err != nil {
			return 0, usagef("--features: %w", err)
		}
		if minus {
			set &^= bit
		} else {
			set |= bit
		}
	}
	return set, nil
}

func wrapWords(words []string, width int) string {
	var b strings.Builder
	col := len("switches one off. Names:")
	for i, w := range words {
		if i > 0 {
			b.WriteByte(',')
			col++
		}
		if col += 1 + len(w); col >= width {
			b.WriteByte('\n')
			col = len(w)
		} else {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	return b.String()
}
