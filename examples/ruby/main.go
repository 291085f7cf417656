package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

func main() {
	module := flag.String("ruby", "", "the module: ruby+stdlib.wasm, or ruby.wasm without the standard library")
	source := flag.String("e", "", "a script in place of files")
	show := flag.Bool("p", false, "print each script's value")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: ruby -ruby ruby+stdlib.wasm [-p] {-e SCRIPT | FILE...}")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *module == "" || (*source == "") == (flag.NArg() == 0) {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, *module, *source, flag.Args(), *show)
	var exc *Error
	if errors.As(err, &exc) && exc.Exit >= 0 {
		os.Exit(exc.Exit)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, module, source string, files []string, show bool) error {
	scripts, err := read(source, files)
	if err != nil {
		return err
	}
	wasm, err := os.ReadFile(module)
	if err != nil {
		return err
	}
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.Compile(ctx, wasm)
	if err != nil {
		return err
	}
	sys, err := wasi.New(wasi.Config{Args: []string{"ruby"}, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		return err
	}
	vm, err := New(ctx, rt, mod, sys)
	if err != nil {
		return err
	}
	defer vm.Close()
	for _, s := range scripts {
		value, err := vm.Eval(ctx, s)
		if err != nil {
			return err
		}
		if show {
			fmt.Println(value)
		}
	}
	return nil
}

// read gives the scripts' texts: one for -e, or one for each file.
func read(source string, files []string) ([]string, error) {
	if source != "" {
		return []string{source}, nil
	}
	var out []string
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, string(b))
	}
	return out, nil
}
