package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// options are what the command line says.
type options struct {
	module, source, serve, admin, require, rehearse string
	show                                            bool
	bench                                           int
	files                                           []string
}

func main() {
	var o options
	flag.StringVar(&o.module, "ruby", "", "the module: ruby+stdlib.wasm, or ruby.wasm without the standard library")
	flag.StringVar(&o.source, "e", "", "a script in place of files")
	flag.BoolVar(&o.show, "p", false, "print each script's value")
	flag.StringVar(&o.serve, "serve", "", "answer HTTP requests at this address, each in a fork that has loaded the file")
	flag.StringVar(&o.admin, "admin", "", "with -serve: the status page, metrics and POST /refork at this address")
	flag.StringVar(&o.require, "require", "", "with -serve and -bench: libraries to load before the file, with commas between")
	flag.StringVar(&o.rehearse, "rehearse", "", "with -serve and -bench: paths to ask for before the interpreter is frozen, with commas between")
	flag.IntVar(&o.bench, "bench", 0, "measure this many requests to the file's application")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: ruby -ruby ruby+stdlib.wasm [-p] {-e SCRIPT | FILE...}\n"+
			"       ruby -ruby ruby+stdlib.wasm {-serve ADDRESS [-admin ADDRESS] | -bench N} [-require NAME,...] [-rehearse PATH,...] APP.rb")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.files = flag.Args()
	if !o.valid() {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := o.run(ctx)
	var exc *Error
	if errors.As(err, &exc) && exc.Exit >= 0 {
		os.Exit(exc.Exit)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serves reports whether the one file is an application.
func (o *options) serves() bool { return o.serve != "" || o.bench > 0 }

func (o *options) valid() bool {
	if o.serves() {
		return o.module != "" && o.source == "" && len(o.files) == 1 && (o.serve == "" || o.bench == 0)
	}
	return o.module != "" && o.require+o.rehearse+o.admin == "" && (o.source == "") != (len(o.files) == 0)
}

func (o *options) run(ctx context.Context) error {
	wasm, err := os.ReadFile(o.module)
	if err != nil {
		return err
	}
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.Compile(ctx, wasm)
	if err != nil {
		return err
	}
	if !o.serves() {
		return o.scripts(ctx, rt, mod)
	}
	list := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }
	app := &Application{File: o.files[0], Libraries: list(o.require), Rehearse: list(o.rehearse)}
	if o.serve == "" {
		return bench(ctx, rt, mod, app, o.bench, os.Stdout)
	}
	l, err := net.Listen("tcp", o.serve)
	if err != nil {
		return err
	}
	defer l.Close()
	var admin net.Listener
	if o.admin != "" {
		if admin, err = net.Listen("tcp", o.admin); err != nil {
			return err
		}
		defer admin.Close()
	}
	return answer(ctx, rt, mod, l, admin, config(app, slog.New(slog.NewTextHandler(os.Stderr, nil))))
}

// scripts runs scripts, one after the other in one interpreter.
func (o *options) scripts(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module) error {
	texts := []string{o.source}
	for k, name := range o.files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		texts = append(texts[:k], string(b))
	}
	sys, err := wasi.New(wasi.Config{Args: []string{"ruby"}, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		return err
	}
	vm, err := New(ctx, rt, mod, sys, spindle.Config{})
	if err != nil {
		return errors.Join(err, sys.Close())
	}
	defer vm.Close()
	for _, text := range texts {
		value, err := vm.Eval(ctx, text)
		if err != nil {
			return err
		}
		if o.show {
			fmt.Println(value)
		}
	}
	return nil
}
