package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

//go:embed adapter.rb
var adapter string

// appDir is where the guest sees the application's directory, read-only.
const appDir = "/app"

// Application is a serve.Guest: a Ruby program that is loaded once, and then answers requests, each in a fork.
type Application struct {
	File      string   // whose value is what has a method call(env)
	Libraries []string // required before it is loaded
	Rehearse  []string // paths, with queries perhaps, that it is asked for before it is frozen

	vm           *VM // that was frozen; in children its handles are good
	object, name uint32
}

// library is what may be required by name: it is put into Ruby's source.
var library = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

// Start implements serve.Guest.
func (a *Application) Start(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, wc wasi.Config, pc spindle.Config) (*spindle.Process, error) {
	wc.Args = []string{"ruby"}
	wc.Env = append(wc.Env, heapSize()...)
	wc.Mounts = append(wc.Mounts, wasi.Mount{Host: filepath.Dir(a.File), Guest: appDir, ReadOnly: true})
	sys, err := wasi.New(wc)
	if err != nil {
		return nil, err
	}
	if a.vm, err = New(ctx, rt, mod, sys, pc); err != nil {
		return nil, errors.Join(err, sys.Close())
	}
	if err := a.load(ctx); err != nil {
		return nil, errors.Join(err, a.vm.Close())
	}
	return a.vm.inst.Process(), nil
}

// quote makes a literal of Ruby's.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// heapSize are variables that let Ruby's heap grow to so many bytes of each size of object before it collects: most requests end before that, and a collection
// takes longer than they do, and writes to pages that were the image's.
func heapSize() (env []string) {
	const young, heaps, smallest = 8 << 20, 5, 24
	for k := range heaps {
		env = append(env, fmt.Sprintf("RUBY_GC_HEAP_%d_INIT_SLOTS=%d", k, young/(smallest<<k)))
	}
	return env
}

func (a *Application) load(ctx context.Context) error {
	steps := []string{adapter}
	for _, name := range a.Libraries {
		if !library.MatchString(name) {
			return fmt.Errorf("ruby: there can be no library %q", name)
		}
		steps = append(steps, fmt.Sprintf("require '%s'", name))
	}
	steps = append(steps, fmt.Sprintf("Spindle.load(%s)", quote(path.Join(appDir, filepath.Base(a.File)))))
	for _, uri := range a.Rehearse {
		steps = append(steps, fmt.Sprintf("Spindle.rehearse(%s)", quote(uri)))
	}
	steps = append(steps, "Spindle.warm")
	for _, s := range steps {
		if _, err := a.vm.Eval(ctx, s); err != nil {
			return err
		}
	}
	err := a.vm.fill(ctx)
	if err != nil {
		return err
	}
	if a.object, err = a.vm.eval(ctx, "Spindle"); err != nil {
		return err
	}
	a.name, err = a.vm.intern(ctx, "answer")
	return err
}

// Answer implements serve.Guest. The exception of an application that fails after it has begun its answer is the error.
func (a *Application) Answer(ctx context.Context, child *spindle.Process) error {
	vm, err := a.vm.Child(child)
	if err != nil {
		return err
	}
	_, err = vm.protected(ctx, "rb-funcallv-protect", a.object, a.name, 0, 0)
	return err
}
