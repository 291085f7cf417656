package main

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/warm"
	"github.com/spindle-wasm/spindle/wasi"
)

// snapshotFlags are the flags of snapshot.
type snapshotFlags struct {
	features featureFlags
	guest    runFlags // those of run that snapshot has too
	out      string
	at       string
}

func newSnapshot(a *app) *cobra.Command {
	var f snapshotFlags
	cmd := &cobra.Command{
		Use:                   "snapshot -o FILE [flags] MODULE [argument...]",
		DisableFlagsInUseLine: true,
		Short:                 "Run a program up to a point, and write it to a file",
		Long: `Start a WASI program (.wasm, or .wat text), wait until it is at a point, and write all of it,
memories, stacks and threads, to a file. "spindle run FILE" goes on from there, any number
of times.

--at says where: when the program waits for its standard input (stdin), when it calls
spindle.snapshot (fork-point), when _initialize or _start has returned (export:NAME; the file
then runs that export), or after a time (after:TIME, such as after:2s).

The file is as secret as the program's memory.`,
		Example: `  spindle snapshot -o app.snap app.wasm
  spindle snapshot -o app.snap --at after:500ms --dir . app.wasm arguments...
  spindle run --dir . app.snap`,
		RunE: func(cmd *cobra.Command, args []string) error {
			features, err := f.features.set(cmd.Flags())
			if err != nil {
				return err
			}
			return a.snapshot(cmd.Context(), &f, features, args[0], args[1:])
		},
	}
	fileArgs(cmd, fileAndArgs, "wasm", "wat")
	flags := cmd.Flags()
	flags.SetInterspersed(false) // what follows the module is the guest's
	flags.StringVarP(&f.out, "output", "o", "", "write to `FILE`")
	flags.StringVar(&f.at, "at", "stdin", "stop the program at this `POINT`: stdin, fork-point, export:NAME, after:TIME")
	flags.StringArrayVar(&f.guest.dirs, "dir", nil, "give the guest a directory: `HOST[::GUEST][:ro]`, under the name GUEST, read-only")
	flags.StringArrayVar(&f.guest.env, "env", nil, "give the guest an environment variable: `NAME=VALUE`, or NAME for the command's own")
	flags.StringArrayVar(&f.guest.listen, "tcplisten", nil, "give the guest a socket that listens on `ADDRESS`: descriptors after the directories")
	flags.Var(&f.guest.maxMemory, "max-memory", "largest `SIZE` of all linear memories together, such as 64MiB")
	flags.Var(&f.guest.maxStack, "max-stack", "`SIZE` of the guest's stack (8MiB if not given)")
	f.guest.gc.addHeap(cmd, flags)
	f.features.add(cmd)
	_ = cmd.MarkFlagFilename("output", "snap")
	_ = cmd.MarkFlagDirname("dir")
	_ = cmd.RegisterFlagCompletionFunc("env", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return os.Environ(), cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.RegisterFlagCompletionFunc("at", cobra.FixedCompletions(
		[]string{"stdin", "fork-point", "export:", "after:"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	for _, name := range []string{"tcplisten", "max-memory", "max-stack"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return cmd
}

// parsePoint reads where a snapshot is made.
func parsePoint(s string) (at warm.Config, err error) {
	name, arg, has := strings.Cut(s, ":")
	switch at.At = warm.Kind(name); {
	case !has && (at.At == warm.Stdin || at.At == warm.ForkPoint):
		return at, nil
	case has && at.At == warm.Export && arg != "":
		at.Export = arg
		return at, nil
	case has && at.At == warm.After:
		if at.After, err = time.ParseDuration(arg); err == nil && at.After >= 0 {
			return at, nil
		}
	}
	return at, usagef("--at %q: want stdin, fork-point, export:NAME or after:TIME", s)
}

func (a *app) snapshot(ctx context.Context, f *snapshotFlags, features spindle.Features, name string, args []string) error {
	at, err := parsePoint(f.at)
	switch {
	case err != nil:
		return err
	case f.out == "":
		return usagef("where to? (-o FILE)")
	case f.guest.maxStack > math.MaxInt:
		return usagef("--max-stack %v is more than this system can address", &f.guest.maxStack)
	}
	if err := f.guest.gc.check(); err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop(nil)
	rt := spindle.NewRuntime(f.guest.runtimeOptions(features)...)
	defer rt.Close()
	mod, file, err := a.compile(ctx, rt, name)
	if err != nil {
		return err
	}
	wc, err := a.wasiConfig(&f.guest, append([]string{filepath.Base(file.name)}, args...))
	if err != nil {
		return err
	}
	if wc.Listeners, err = listen(f.guest.listen); err != nil {
		return err
	}
	at.WASI, at.Process = wc, spindle.Config{Name: "main", GC: f.guest.gc.heapConfig()}
	made, err := warm.Up(ctx, rt, mod, at)
	if err != nil {
		closeAll(wc.Listeners)
		return file.wrapGuest(err)
	}
	defer made.Image.Close()
	return a.writeFile(f.out, func(w io.Writer) error {
		_, err := made.Image.WriteTo(w)
		return err
	})
}

// isSnapshot tells a snapshot by its first bytes.
func isSnapshot(name string) bool {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, len(spindle.SnapshotMagic))
	_, err = io.ReadFull(f, b)
	return err == nil && string(b) == spindle.SnapshotMagic
}

// checkSnapshot compares a file's checksums.
func checkSnapshot(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return spindle.CheckSnapshot(f)
}

// runSnapshot goes on with a program out of a file.
func (a *app) runSnapshot(ctx context.Context, f *runFlags, rt *spindle.Runtime, name string, args []string, dump *dumper) (err error) {
	if f.invoking {
		return usagef("--invoke is not for a snapshot")
	}
	if err := f.gc.checkSnapshot(); err != nil {
		return err
	}
	in := &file{name: name}
	if len(args) > 0 {
		args = append([]string{filepath.Base(name)}, args...)
	}
	wc, err := a.wasiConfig(f, args)
	if err != nil {
		return err
	}
	if wc.Listeners, err = listen(f.listen); err != nil {
		return err
	}
	sys, err := wasi.New(wc)
	if err != nil {
		closeAll(wc.Listeners)
		return err
	}
	defer sys.Close()
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
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
	cfg := spindle.Config{MaxThreads: f.maxThreads, GC: gc, Imports: spindle.Imports{
		wasi.ModuleName: sys, wasi.ThreadModule: wasi.Threads(), wasi.WasixModule: wasi.Wasix(sys),
		wasi.ForkModule: wasi.Forks(nil),
	}}
	if cfg.MaxThreads == 0 {
		cfg.MaxThreads = -1
	}
	img, err := rt.OpenImage(ctx, from, spindle.OpenConfig{Config: cfg, Check: f.check})
	if err != nil {
		return in.wrap(err)
	}
	defer img.Close()
	if p, err = img.Fork(ctx, spindle.ForkConfig{}); err != nil {
		return in.wrap(err)
	}
	dump.watch(p, in)
	if p.Done() != nil {
		return in.wrapGuest(p.Wait(context.Background())) // the guest itself ends when ctx does
	}
	inst := p.Instance("main")
	if inst == nil {
		return in.wrap(errors.New("nothing to run: the guest stands nowhere"))
	}
	return in.wrapGuest(warm.Call(ctx, inst, img.Entry()))
}
