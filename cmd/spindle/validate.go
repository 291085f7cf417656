package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/spindle-wasm/spindle"
)

func newValidate(a *app) *cobra.Command {
	var features featureFlags
	cmd := &cobra.Command{
		Use:                   "validate [flags] MODULE...",
		DisableFlagsInUseLine: true,
		Short:                 "Check modules",
		Long: `Check that modules (.wasm, or .wat text; "-" reads standard input) are well-formed and
valid. Prints a line for each; the exit code is 1 if one is not valid.

Of a file made by "spindle snapshot" it compares all checksums.`,
		Example: `  spindle validate app.wasm
  spindle validate --disable-simd --disable-threads *.wasm
  spindle validate --features mvp,mutable-globals app.wasm`,
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := features.set(cmd.Flags())
			if err != nil {
				return err
			}
			rt := spindle.NewRuntime(spindle.WithFeatures(set))
			defer rt.Close()
			failed := false
			for _, name := range args {
				f := &file{name: name}
				if isSnapshot(name) {
					err = f.wrap(checkSnapshot(name))
				} else {
					_, f, err = a.compile(cmd.Context(), rt, name)
				}
				if err != nil {
					a.say("%s", describe(err))
					failed = true
					continue
				}
				fmt.Fprintf(a.out, "%s: valid\n", f.name)
			}
			if failed {
				return errReported
			}
			return nil
		},
	}
	fileArgs(cmd, files, "wasm", "wat")
	features.add(cmd)
	return cmd
}
