package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// commands makes the subcommands.
var commands = []struct {
	name string
	make func(*app) *cobra.Command
}{
	{"run", newRun}, {"validate", newValidate}, {"wat2wasm", newWat2wasm}, {"wasm2wat", newWasm2wat},
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
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetOut(a.stdout)
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
	return root
}

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// fileArgs wants at least one file, or exactly one, and completes to files of the given extensions.
func fileArgs(cmd *cobra.Command, exactlyOne bool, exts ...string) {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("which file? (%s)", cmd.UseLine())
		case exactlyOne && len(args) > 1:
			return usagef("one file at a time, not %d", len(args))
		}
		return nil
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return exts, cobra.ShellCompDirectiveFilterFileExt
	}
}

// errReported is returned when what went wrong has been said already.
var errReported = errors.New("reported")
