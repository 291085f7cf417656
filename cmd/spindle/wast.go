package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wast"
	"github.com/spindle-wasm/spindle/internal/wat"
)

func newWast(a *app) *cobra.Command {
	var features featureFlags
	var timeout time.Duration
	var verbose, prints bool
	var jobs int
	cmd := &cobra.Command{
		Use:                   "wast [flags] FILE|DIRECTORY...",
		DisableFlagsInUseLine: true,
		Short:                 "Run test scripts",
		Long: `Run .wast scripts, the form of the official test suites. Of a directory, all scripts in it and
below it run. Prints a line for each file, with the commands that failed below it, and
as the last line how many commands passed and failed. The exit code is 1 if one failed.`,
		Example: `  spindle wast i32.wast
  spindle wast testsuite/
  spindle wast --features all,-multi-memory,-memory64,-reference-types proposals/threads`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case timeout < 0:
				return usagef("--timeout %v is negative", timeout)
			case jobs < 0:
				return usagef("--jobs %d is negative", jobs)
			case jobs == 0:
				jobs = runtime.GOMAXPROCS(0)
			}
			set, err := features.set(cmd.Flags())
			if err != nil {
				return err
			}
			files, err := scripts(args)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop(nil)
			r := &scriptRun{app: a, features: set, timeout: timeout, verbose: verbose, prints: prints}
			return r.run(ctx, files, jobs)
		},
	}
	fileArgs(cmd, files, "wast")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "stop a script after this `TIME`; 0 is never")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show each command")
	cmd.Flags().BoolVar(&prints, "print", false, "show what the functions of spectest print")
	cmd.Flags().IntVarP(&jobs, "jobs", "j", 0, "how `MANY` scripts run at the same time; 0 is one for each processor")
	features.add(cmd)
	return cmd
}

// scripts finds the scripts that the arguments name.
func scripts(args []string) (files []string, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		n := len(files)
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Ext(path) == ".wast" {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(files) == n {
			return nil, fmt.Errorf("%s: there is no .wast file in it or below it", arg)
		}
	}
	return files, nil
}

// scriptRun runs scripts in parallel and shows their outcomes in order.
type scriptRun struct {
	*app
	features        spindle.Features
	timeout         time.Duration
	verbose, prints bool
}

type outcome struct {
	passed, failed int
	text           string
}

func (r *scriptRun) run(ctx context.Context, files []string, jobs int) error {
	outcomes := make([]chan outcome, len(files))
	for i := range outcomes {
		outcomes[i] = make(chan outcome, 1)
	}
	var next, finished atomic.Int64
	var wg sync.WaitGroup
	for range min(jobs, len(files)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(files); i = next.Add(1) - 1 {
				outcomes[i] <- r.script(ctx, files[i])
				finished.Add(1)
			}
		})
	}
	defer wg.Wait()
	label := func() string { return fmt.Sprintf("%d of %d scripts", finished.Load(), len(files)) }
	passed, failed := 0, 0
	done := r.progress(label)
	defer func() { done() }()
	for _, ch := range outcomes {
		o := <-ch
		passed += o.passed
		failed += o.failed
		done() // the line on the terminal makes room for the outcome
		fmt.Fprint(r.out, o.text)
		done = r.progress(label)
	}
	done()
	done = func() {}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return errReported
	}
	return nil
}

// script runs one script and tells how it went.
func (r *scriptRun) script(ctx context.Context, name string) (o outcome) {
	var text strings.Builder
	f, err := r.load(ctx, name)
	var script *wat.Script
	if err == nil {
		script, err = wat.ParseScript(f.data)
		err = f.wrap(err)
	}
	if err != nil {
		return outcome{failed: 1, text: fmt.Sprintf("%s: cannot be read\n  %s\n", name, indent(describe(err)))}
	}
	cfg := wast.Config{Off: spindle.AllFeatures &^ r.features, Report: func(res wast.Result) {
		switch {
		case res.Err != nil:
			fmt.Fprintf(&text, "  %s:%d: %v: %s\n", name, res.Pos.Line, res.Kind, indent(res.Err.Error()))
		case r.verbose:
			fmt.Fprintf(&text, "  %s:%d: %v: ok\n", name, res.Pos.Line, res.Kind)
		}
	}}
	if r.prints {
		cfg.Out = r.out
	}
	runCtx := ctx
	if r.timeout > 0 {
		var cancel context.CancelFunc
		runCtx, cancel = context.WithTimeout(ctx, r.timeout)
		defer cancel()
	}
	o.passed, o.failed = wast.Run(runCtx, script, cfg)
	note := ""
	if runCtx.Err() != nil && ctx.Err() == nil {
		note = fmt.Sprintf(", not done within %v", r.timeout)
	}
	o.text = fmt.Sprintf("%s: %d passed, %d failed%s\n%s", name, o.passed, o.failed, note, text.String())
	return o
}

func indent(s string) string { return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ") }
