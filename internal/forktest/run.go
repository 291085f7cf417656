package forktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// Guest is a program that tests fork.
type Guest struct {
	Name string
	// Source is the module that is started, in the text format; Lib, if not empty, another one that it imports as "lib".
	Source, Lib string
	// Stdin is what children read. The original's input comes when it is not frozen any more.
	Stdin string
	// Files says that it has a directory of its own as descriptor 3.
	Files bool
	// GC says that it has a garbage-collected heap.
	GC bool
	// Threads says that only an image of all threads goes on as the original does.
	Threads bool
	// Waiting and InHost are how many threads at least wait and are in a host function when it is frozen.
	Waiting, InHost int
	// Vanish is how many threads an image of the main thread alone does not have.
	Vanish int
	// Until is the last safepoint at which it may be frozen, 0 for any: a copy has another identifier, and other children.
	Until int
	// Trapping says that it ends with a trap; the others exit with 0.
	Trapping bool
	// Varies says that two runs may print different things, though the copies of one do not.
	Varies bool
}

// The names of a guest's instances.
const (
	MainName = "main"
	LibName  = "lib"
)

// World is a Runtime with a guest compiled in it.
type World struct {
	Guest *Guest
	RT    *spindle.Runtime
	Dir   string // the guest's directory, if it has one
	Mods  map[string]*spindle.Module

	// Hold keeps a guest that asks ("host" "go"), and is no child, from going on to its end.
	Hold atomic.Bool

	mu      sync.Mutex
	outs    map[*spindle.Process]*Buffer // guarded by mu
	printed map[*spindle.Process]string  // guarded by mu; when each was frozen last
}

// Out returns what a Process prints to.
func (w *World) Out(p *spindle.Process) *Buffer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outs[p]
}

func (w *World) setOut(p *spindle.Process, out *Buffer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outs[p] = out
}

// NewWorld compiles a guest in a Runtime of its own. dir is its directory, if it has one.
func NewWorld(ctx context.Context, g *Guest, dir string) (*World, error) {
	w := &World{Guest: g, Dir: dir, RT: spindle.NewRuntime(), Mods: map[string]*spindle.Module{}, outs: map[*spindle.Process]*Buffer{}, printed: map[*spindle.Process]string{}}
	for name, src := range map[string]string{MainName: g.Source, LibName: g.Lib} {
		if src == "" {
			continue
		}
		m, err := w.RT.CompileText(ctx, []byte(src))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), w.RT.Close())
		}
		w.Mods[name] = m
	}
	return w, nil
}

// Close closes the Runtime.
func (w *World) Close() error { return w.RT.Close() }

// system returns WASI state for the guest.
func (w *World) system(stdin io.Reader, stdout io.Writer) (*wasi.System, error) {
	cfg := wasi.Config{Stdin: stdin, Stdout: stdout}
	if w.Guest.Files {
		cfg.Mounts = []wasi.Mount{{Guest: "/", Host: w.Dir}}
	}
	return wasi.New(cfg)
}

// Imports are what guests import: WASI with what it prints going to out, threads, the calls that fork, and a function of the host.
func (w *World) Imports(sys *wasi.System) spindle.Imports {
	return spindle.Imports{
		wasi.ModuleName: sys, wasi.ThreadModule: wasi.Threads(), wasi.WasixModule: wasi.Wasix(sys), wasi.ForkModule: wasi.Forks(nil),
		"probe": probe{w: w},
		"host": spindle.HostModule{
			"mix": spindle.Func1(func(_ *spindle.Caller, n uint64) uint64 { return n*31 + 7 }),
			"go": spindle.Func0(func(c *spindle.Caller) uint32 {
				if c.Process().Generation() == 0 && w.Hold.Load() {
					runtime.Gosched()
					return 0
				}
				return 1
			}),
		},
	}
}

// Start starts the guest. The Process owns its WASI state.
func (w *World) Start(ctx context.Context, cfg spindle.Config, stdin io.Reader) (*spindle.Process, error) {
	out := NewBuffer("")
	sys, err := w.system(stdin, out)
	if err != nil {
		return nil, err
	}
	cfg.Name, cfg.Imports = MainName, w.Imports(sys)
	at := cfg.AtSafepoint
	if at != nil {
		cfg.AtSafepoint = func(p *spindle.Process) {
			if w.Out(p) == nil { // the first one: its children are known before they run
				w.setOut(p, out)
			}
			at(p)
		}
	}
	p, err := w.start(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, sys.Close())
	}
	w.setOut(p, out)
	return p, nil
}

func (w *World) start(ctx context.Context, cfg spindle.Config) (*spindle.Process, error) {
	lib := w.Mods[LibName]
	if lib == nil {
		return w.RT.Start(ctx, w.Mods[MainName], cfg)
	}
	// A library is instantiated first, so the guest is called.
	p, err := w.RT.NewProcess(cfg)
	if err != nil {
		return nil, err
	}
	if _, err = p.Instantiate(ctx, lib, LibName); err == nil {
		_, err = p.Instantiate(ctx, w.Mods[MainName], MainName)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Wait waits for the end of a Process, which Start or a fork made, and tells of it. It is not closed.
func (w *World) Wait(ctx context.Context, p *spindle.Process) (Outcome, error) {
	var err error
	if p.Done() != nil {
		err = p.Wait(ctx)
	} else {
		_, err = p.Instance(MainName).Call(ctx, "_start")
	}
	if ctx.Err() != nil {
		return Outcome{}, fmt.Errorf("the guest goes on: %w", context.Cause(ctx))
	}
	state, stateErr := State(p, w.Mods)
	return Outcome{Output: w.Out(p).String(), End: End(err), State: state}, stateErr
}

// shaped reports whether threads have to be somewhere for a freeze.
func (g *Guest) shaped() bool { return g.Waiting+g.InHost > 0 }

// Ready reports whether the threads are where the guest wants them for a freeze.
func (w *World) Ready(ctx context.Context, p *spindle.Process) bool {
	g := w.Guest
	if !g.shaped() {
		return true
	}
	dump, err := p.ThreadDump(ctx)
	if err != nil {
		return false
	}
	n := map[spindle.ThreadState]int{}
	for _, t := range dump.Threads {
		n[t.State]++
	}
	return n[spindle.ThreadWaiting] >= g.Waiting && n[spindle.ThreadInHost] >= g.InHost
}
