package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands makes the subcommands.
var commands = []struct {
	name string
	make func(*app) *cobra.Command
}{
	{"run", newRun}, {"snapshot", newSnapshot}, {"serve", newServe}, {"validate", newValidate}, {"wat2wasm", newWat2wasm}, {"wasm2wat", newWasm2wat},
	{"inspect", newInspect}, {"wast", newWast}, {"version", newVersion},
}

// newRoot makes the command for a command line: of the subcommands only the one that it names, if it does. That saves a tenth of a
// millisecond, which a small guest needs as a whole.
func newRoot(a *app, args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "spindle",
		Short: "Run WebAssembly",
		Long: `Spindle runs WebAssembly programs (.wasm, or .wat text), and checks, converts and
inspects modules.`,
		Example: `  spindle run hello.wat
  spindle run --dir . app.wasm arguments...
  spindle run --invoke add math.wasm 1 2
  spindle inspect app.wasm`,
		SilenceErrors: true, // errors.go shows them
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetOut(a.out)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	for _, c := range commands {
		if len(args) > 0 && args[0] == c.name {
			root.CompletionOptions.DisableDefaultCmd = true
			root.AddCommand(c.make(a))
			return root
		}
	}
	for _, c := range commands {
		root.AddCommand(c.make(a))
	}
	root.Version = version()
	root.SetVersionTemplate(versionLine())
	root.InitDefaultVersionFlag()
	root.Flags().Lookup("version").Usage = "tell the version"
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		plainUsage(root)
	}
	// Cobra's own commands take any argument.
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(cmd *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return noSuchCommand(root, rest)
				}
				return nil
			}
		case "completion":
			c.Short = "Make a script that completes command lines, for a shell"
			c.Args = func(cmd *cobra.Command, args []string) error {
				if len(args) > 0 {
					return usagef("there are no completions for %s", args[0])
				}
				return nil
			}
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			for _, shell := range c.Commands() {
				shell.Args = noArgs
			}
		}
	}
	return root
}

// noSuchCommand refuses arguments that should have begun with a command's name, and says what may have been meant.
func noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	switch filepath.Ext(args[0]) {
	case ".wasm", ".wat":
		return usagef("unknown command %q; 'spindle run %s' runs it", args[0], args[0])
	case ".wast":
		return usagef("unknown command %q; 'spindle wast %s' runs it", args[0], args[0])
	}
	root.SuggestionsMinimumDistance = 2
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usagef("unknown command %q", args[0])
}

// plainUsage takes away the quotes around arguments' names, which only help understands, from what a shell shows of flags.
func plainUsage(root *cobra.Command) {
	for _, c := range root.Commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments", cmd.Name())
	}
	return nil
}

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// fileCount says what a command's arguments are.
type fileCount int

const (
	oneFile fileCount = iota
	files
	fileAndArgs // a file and whatever it wants to be told
)

// fileArgs has a command want files, and complete to those of the given extensions.
func fileArgs(cmd *cobra.Command, count fileCount, exts ...string) {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("which file? (%s)", cmd.UseLine())
		case count == oneFile && len(args) > 1:
			return usagef("one file at a time, not %d", len(args))
		}
		return nil
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0 || count == files:
			return exts, cobra.ShellCompDirectiveFilterFileExt
		case count == oneFile:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
}

// errReported is returned when what went wrong has been said already.
var errReported = errors.New("reported")
