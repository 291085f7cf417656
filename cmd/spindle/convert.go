package main

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

func newWat2wasm(a *app) *cobra.Command {
	var output string
	var noNames, noCheck bool
	cmd := &cobra.Command{
		Use:                   "wat2wasm [flags] FILE",
		DisableFlagsInUseLine: true,
		Short:                 "Assemble text into a binary module",
		Long: `Assemble a module in the text format (.wat; "-" reads standard input) into the binary format.
Identifiers go to the name section. The result is validated.`,
		Example: `  spindle wat2wasm hello.wat               writes hello.wasm
  spindle wat2wasm hello.wat -o out.wasm
  spindle wat2wasm - -o - < hello.wat | spindle inspect -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := a.load(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if bytes.HasPrefix(f.data, magic) {
				return f.wrap(errors.New("this is a binary module already"))
			}
			if output == "" {
				if output = "-"; args[0] != "-" {
					output = strings.TrimSuffix(args[0], filepath.Ext(args[0])) + ".wasm"
				}
				if output == args[0] && output != "-" {
					return usagef("the result would replace %s (-o says where it goes)", args[0])
				}
			}
			done := a.working("assembling", f)
			err = f.assemble(wat.Options{NoNames: noNames})
			if err == nil && !noCheck {
				_, err = decode(f, true)
			}
			done()
			if err != nil {
				return err
			}
			return a.writeFile(output, func(w io.Writer) error {
				_, err := w.Write(f.bin)
				return err
			})
		},
	}
	fileArgs(cmd, oneFile, "wat", "wast")
	cmd.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write, - is standard output")
	cmd.Flags().BoolVar(&noNames, "no-names", false, "leave identifiers out of the name section")
	cmd.Flags().BoolVar(&noCheck, "no-check", false, "do not validate")
	return cmd
}

func newWasm2wat(a *app) *cobra.Command {
	var output string
	var noNames bool
	cmd := &cobra.Command{
		Use:                   "wasm2wat [flags] FILE",
		DisableFlagsInUseLine: true,
		Short:                 "Print a binary module as text",
		Long: `Print a binary module (.wasm; "-" reads standard input) in the text format. The text assembles
back to the same module. The module must be well-formed, but need not be valid.`,
		Example: `  spindle wasm2wat app.wasm
  spindle wasm2wat app.wasm -o app.wat`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := a.load(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if output == "" {
				return usagef("-o wants the name of a file, or -")
			}
			done := func() {}
			if output != "-" { // the text is to be seen as it comes
				done = a.working("printing", f)
			}
			defer done()
			if _, err := f.binary(); err != nil {
				return err
			}
			m, err := decode(f, false)
			if err != nil {
				return err
			}
			return f.wrapMalformed(a.writeFile(output, func(w io.Writer) error {
				return wat.Print(w, m, wat.PrintOptions{NoNames: noNames})
			}))
		},
	}
	fileArgs(cmd, oneFile, "wasm")
	cmd.Flags().StringVarP(&output, "output", "o", "-", "`FILE` to write, - is standard output")
	cmd.Flags().BoolVar(&noNames, "no-names", false, "print indices in place of names")
	return cmd
}

// decode decodes a file's module, and validates it if that is asked for.
func decode(f *file, validate bool) (*wasm.Module, error) {
	m, err := wasm.Decode(f.bin, wasm.DecodeOptions{Features: spindle.AllFeatures})
	if err == nil && validate {
		err = wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{})
	}
	return m, f.wrap(err)
}

// wrapMalformed adds the file's name to errors about its contents.
func (f *file) wrapMalformed(err error) error {
	switch err.(type) { //nolint:errorlint // the printer's own errors are not wrapped
	case *spindle.MalformedError, *spindle.ImplementationLimitError, *spindle.FeatureError:
		return f.wrap(err)
	}
	return err
}
