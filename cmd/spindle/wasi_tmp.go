package main

import "github.com/spindle-wasm/spindle"

func (a *app) wasiImports(f *runFlags, mod *spindle.Module, args []string) (spindle.Imports, error) {
	return spindle.Imports{}, nil
}
