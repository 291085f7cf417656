package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/spindle-wasm/spindle"
)

// runFlags are the flags of run.
type runFlags struct {
	features   featureFlags
	dirs       []string
	env        []string
	listen     []string
	invoke     string
	invoking   bool // invoke was given: "" is a name that an export may have
	timeout    time.Duration
	maxMemory  sizeFlag
	maxStack   sizeFlag
	maxThreads int
	noCheck    bool
	check      bool
	gc         gcFlags
}

func newRun(a *app) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:                   "run [flags] MODULE [argument...]",
		DisableFlagsInUseLine: true,
		Short:                 "Run a program",
		Long: `Run a WASI program (.wasm, or .wat text; "-" reads standard input): its _start, or with
--invoke one exported function. A file made by "spindle snapshot" goes on from where it was made.

The guest has the command's standard input, output and error, sees the arguments after
the module's name, and nothing of the host but what flags give it. Ctrl-C stops it.

On SIGQUIT (Ctrl-\), where the system has that, the command prints to standard error where
every guest thread is, and the guest goes on.

The exit code is the guest's. Others: 134 the guest trapped (its backtrace is shown),
124 it ran longer than --timeout, 130 Ctrl-C, 2 wrong usage, 1 all else.`,
		Example: `  spindle run hello.wat
  spindle run app.wasm --flags after the module are the guest's
  spindle run --dir . --dir /srv/data::/data:ro app.wasm
  spindle run --env HOME --env LANG=C app.wasm
  spindle run --tcplisten 127.0.0.1:8080 server.wasm
  spindle run --invoke add math.wasm 1 -2
  spindle run --timeout 10s --max-memory 64MiB app.wasm
  spindle run --gc semispace --gc-heap 1GiB --gc-stats app.wasm`,
		RunE: func(cmd *cobra.Command, args []string) error {
			features, err := f.features.set(cmd.Flags())
			if err != nil {
				return err
			}
			f.invoking = cmd.Flags().Changed("invoke")
			return a.run(cmd.Context(), &f, features, args[0], args[1:])
		},
	}
	fileArgs(cmd, fileAndArgs, "wasm", "wat")
	flags := cmd.Flags()
	flags.SetInterspersed(false) // what follows the module is the guest's
	flags.StringArrayVar(&f.dirs, "dir", nil, "give the guest a directory: `HOST[::GUEST][:ro]`, under the name GUEST, read-only")
	flags.StringArrayVar(&f.env, "env", nil, "give the guest an environment variable: `NAME=VALUE`, or NAME for the command's own")
	flags.StringArrayVar(&f.listen, "tcplisten", nil, "give the guest a socket that listens on `ADDRESS`: descriptors after the directories")
	flags.StringVar(&f.invoke, "invoke", "", "call the exported `FUNCTION` with the arguments, print its results")
	flags.DurationVar(&f.timeout, "timeout", 0, "stop after this `TIME`, such as 500ms or 2m")
	flags.Var(&f.maxMemory, "max-memory", "largest `SIZE` of all linear memories together, such as 64MiB")
	flags.Var(&f.maxStack, "max-stack", "`SIZE` of the guest's stack (8MiB if not given)")
	flags.IntVar(&f.maxThreads, "max-threads", spindle.DefaultMaxThreads, "at most `N` guest threads beside the main one")
	flags.BoolVar(&f.noCheck, "no-stack-check", false, "let C functions overrun their stack in linear memory")
	flags.BoolVar(&f.check, "check", false, "before a snapshot goes on, read all of it and refuse it if it is damaged or made up")
	f.gc.add(cmd, flags)
	f.features.add(cmd)
	_ = cmd.MarkFlagDirname("dir")
	_ = cmd.RegisterFlagCompletionFunc("env", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return os.Environ(), cobra.ShellCompDirectiveNoFileComp
	})
	for _, name := range []string{"tcplisten", "invoke", "timeout", "max-memory", "max-stack", "max-threads"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

// runtimeOptions returns those of the Runtime that the flags ask for. Preconditions: the stack's size fits into an int.
func (f *runFlags) runtimeOptions(features spindle.Features) []spindle.Option {
	opts := []spindle.Option{spindle.WithFeatures(features)}
	if f.maxMemory > 0 {
		opts = append(opts, spindle.WithMaxMemory(uint64(f.maxMemory)))
	}
	if f.maxStack > 0 {
		opts = append(opts, spindle.WithStackSize(int(f.maxStack)))
	}
	if f.noCheck {
		opts = append(opts, spindle.WithoutStackCheck())
	}
	return opts
}

func (a *app) run(ctx context.Context, f *runFlags, features spindle.Features, name string, args []string) (err error) {
	if f.timeout < 0 {
		return usagef("--timeout %v is negative", f.timeout)
	}
	if f.maxThreads < 0 {
		return usagef("--max-threads %d is negative", f.maxThreads)
	}
	if f.maxStack > math.MaxInt {
		return usagef("--max-stack %v is more than this system can address", &f.maxStack)
	}
	if err := f.gc.check(); err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop(nil)
	dump := &dumper{w: a.stderr}
	defer dump.onQuit()()
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	rt := spindle.NewRuntime(f.runtimeOptions(features)...)
	defer rt.Close()
	if isSnapshot(name) {
		return a.runSnapshot(ctx, f, rt, name, args, dump)
	}
	if f.check {
		return usagef("--check is for a snapshot")
	}
	mod, file, err := a.compile(ctx, rt, name)
	if err != nil {
		return err
	}
	guestArgs := append([]string{filepath.Base(file.name)}, args...)
	if f.invoking {
		guestArgs = guestArgs[:1]
	}
	if e, ok := mod.Export("_start"); !f.invoking && (!ok || e.Kind != spindle.KindFunc) {
		return noStart(mod, file)
	}
	imports, done, err := a.imports(f, rt, mod, guestArgs)
	if err != nil {
		return err
	}
	defer done()
	cfg := spindle.Config{Imports: imports, MaxThreads: f.maxThreads}
	if cfg.MaxThreads == 0 {
		cfg.MaxThreads = -1
	}
	var p *spindle.Process
	gc, ended, err := f.gc.config(a.stderr, &p)
	if err != nil {
		return err
	}
	defer func() {
		if failed := ended(); err == nil {
			err = failed
		}
	}()
	cfg.GC = gc
	if f.invoking {
		return file.wrapGuest(a.invoke(ctx, rt, mod, cfg, f.invoke, args, func(made *spindle.Process) {
			p = made
			dump.watch(p, file)
		}))
	}
	if p, err = rt.Start(ctx, mod, cfg); err != nil {
		return file.wrapGuest(err)
	}
	dump.watch(p, file)
	return file.wrapGuest(p.Wait(context.Background())) // the guest itself ends when ctx does
}

// wrapGuest adds the file to errors about its module, and to those that have a backtrace.
func (f *file) wrapGuest(err error) error {
	var (
		link  *spindle.LinkError
		limit *spindle.LimitError
		trap  *spindle.TrapError
		exc   *spindle.ExceptionError
	)
	switch {
	case errors.As(err, &link):
		return f.wrap(link)
	case errors.As(err, &limit):
		return f.wrap(limit)
	case errors.As(err, &trap), errors.As(err, &exc):
		return f.wrap(err)
	}
	return err
}

func noStart(mod *spindle.Module, f *file) error {
	funcs := exportedFuncs(mod)
	if funcs == "" {
		return f.wrap(errors.New("nothing to run: the module exports no functions"))
	}
	return f.wrap(fmt.Errorf("nothing to run: the module exports no function _start\n  (--invoke calls one of: %s)", funcs))
}

// exportedFuncs names the first exported functions.
func exportedFuncs(mod *spindle.Module) string {
	var funcs []string
	for e := range mod.Exports() {
		if e.Kind == spindle.KindFunc {
			funcs = append(funcs, printable([]byte(e.Name)))
		}
		if len(funcs) > 8 {
			funcs[8] = "…"
			break
		}
	}
	return joinWords(funcs)
}

// interruptible returns a context that Ctrl-C ends. A second Ctrl-C ends the command at once, as if nobody listened.
func interruptible(parent context.Context) (context.Context, context.CancelCauseFunc) {
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, os.Interrupt)
	go func() {
		select {
		case <-ch:
			signal.Stop(ch)
			cancel(errInterrupted)
		case <-ctx.Done():
			signal.Stop(ch)
		}
	}()
	return ctx, cancel
}
