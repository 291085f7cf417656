// Package warm starts WASI programs, waits until they are warm, and freezes them: for servers that fork them, and for files.
package warm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// Kind is a kind of place where a program is frozen.
type Kind string

// The kinds.
const (
	Stdin     Kind = "stdin"      // where it first waits for its standard input
	Accept    Kind = "accept"     // where it first waits for a connection on a listening socket that it is given, the first one
	ForkPoint Kind = "fork-point" // its call of snapshot(), which returns 1 in what is made of the image
	Export    Kind = "export"     // when what has to run before an export has returned
	After     Kind = "after"      // anywhere, after a time
)

// Config says what is started, and where it is frozen.
type Config struct {
	At     Kind
	Export string        // for Export: the name. What is made of the image calls it: it takes nothing, and returns nothing or an i32
	After  time.Duration // for After

	WASI    wasi.Config    // for Stdin, without that
	Process spindle.Config // Forkable is set

	// Again is called when a Process made of the image says snapshot(); nil does nothing.
	Again func(*spindle.Caller)
}

// Frozen is what came of a freeze.
type Frozen struct {
	Image *spindle.Image
	Size  spindle.MemoryUse // of the frozen Process; zero where the system does not tell
	Err   error
}

// options have what lives in a garbage-collected heap become the image's: many Processes are made of it, or it goes into a file.
var options = spindle.FreezeOptions{Warmup: true}

// Freeze makes the image.
func Freeze(ctx context.Context, p *spindle.Process) (f Frozen) {
	f.Image, _, f.Err = p.Freeze(ctx, options)
	f.Measure(p)
	return f
}

// Measure sets Size for a Process that has just been frozen.
func (f *Frozen) Measure(p *spindle.Process) {
	if f.Err == nil {
		f.Size, _ = p.MemoryUse()
	}
}

// Snapshot is a program's call of snapshot() where it makes the image. made has room for one. It returns when the program is to end.
func Snapshot(ctx context.Context, c *spindle.Caller, made chan<- Frozen) {
	var f Frozen
	f.Image, _, f.Err = c.Freeze(ctx, options, spindle.Answer{Results: []uint64{1}})
	select {
	case made <- f:
	default: // by another thread, a second time
		if f.Err == nil {
			_ = f.Image.Close()
		}
	}
	stopped := c.Stopped()
	_ = c.Block(func() { <-stopped })
}

// Up starts a program, waits until it is at its point, and freezes it there. The program that was frozen ends: what it would do next is for what is made of the image.
func Up(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg Config) (Frozen, error) {
	cfg.Process.Forkable = true
	if cfg.At == Export {
		p, err := startBefore(ctx, rt, mod, &cfg)
		if err != nil {
			return Frozen{}, err
		}
		return FreezeAndClose(ctx, p)
	}
	made := make(chan Frozen, 1)
	var reached <-chan struct{}
	switch cfg.At {
	case Stdin:
		g := newGate()
		defer g.Close() // last, when the program has ended
		cfg.WASI.Stdin, reached = g, g.asked
	case Accept:
		d := NewDoor()
		defer d.Close()
		cfg.WASI.Listeners, reached = append([]net.Listener{d}, cfg.WASI.Listeners...), d.Asked
	case After:
		there := make(chan struct{})
		defer time.AfterFunc(cfg.After, func() { close(there) }).Stop()
		reached = there
	case ForkPoint:
		imports := spindle.Imports{}
		maps.Copy(imports, cfg.Process.Imports)
		imports[wasi.ForkModule] = wasi.Forks(cfg.point(ctx, made))
		cfg.Process.Imports = imports
	default:
		return Frozen{}, fmt.Errorf("there is no point %q", cfg.At)
	}
	p, err := wasi.Start(ctx, rt, mod, cfg.WASI, cfg.Process)
	if err != nil {
		return Frozen{}, err
	}
	var f Frozen
	select {
	case <-reached:
		return FreezeAndClose(ctx, p)
	case f = <-made:
		f.Measure(p)
		return f.closed(p)
	case <-p.Done():
		if f.Err = p.Wait(ctx); f.Err == nil {
			f.Err = errors.New("it has ended")
		}
		f.Err = fmt.Errorf("the program did not come to the point %q: %w", cfg.At, f.Err)
	case <-ctx.Done():
		f.Err = context.Cause(ctx)
	}
	return f.closed(p)
}

// point is what snapshot() does.
func (cfg *Config) point(ctx context.Context, made chan<- Frozen) func(c *spindle.Caller) int32 {
	again := cfg.Again
	return func(c *spindle.Caller) int32 {
		switch {
		case c.Process().Generation() == 0:
			Snapshot(ctx, c, made)
		case again != nil:
			again(c)
		}
		return 0 // a child that is there again goes on
	}
}

// FreezeAndClose freezes a Process that stands at its point, and ends it.
func FreezeAndClose(ctx context.Context, p *spindle.Process) (Frozen, error) {
	f := Freeze(ctx, p)
	return f.closed(p)
}

func (f Frozen) closed(p *spindle.Process) (Frozen, error) {
	if err := p.Close(); err != nil && f.Err == nil {
		f.Err = errors.Join(err, f.Image.Close())
	}
	if f.Err != nil {
		f.Image = nil
	}
	return f, f.Err
}

// startBefore starts a program and runs what comes before its exports may be called.
func startBefore(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg *Config) (*spindle.Process, error) {
	e, ok := mod.Export(cfg.Export)
	switch {
	case !ok || e.Kind != spindle.KindFunc:
		return nil, fmt.Errorf("the module exports no function %q", cfg.Export)
	case len(e.Func.Params) > 0 || len(e.Func.Results) > 1 || len(e.Func.Results) == 1 && e.Func.Results[0] != spindle.TypeI32:
		return nil, fmt.Errorf("the function %q takes arguments or returns more than an i32", cfg.Export)
	}
	cfg.Process.Entry = cfg.Export
	inst, err := wasi.Instantiate(ctx, rt, mod, cfg.WASI, cfg.Process)
	if err != nil {
		return nil, err
	}
	if _, reactor := mod.Export("_initialize"); !reactor && cfg.Export != "_start" {
		if e, ok := mod.Export("_start"); ok && e.Kind == spindle.KindFunc {
			if _, err := inst.Call(ctx, "_start"); err != nil {
				return nil, errors.Join(fmt.Errorf("_start did not return: %w", err), inst.Close())
			}
		}
	}
	return inst.Process(), nil
}

// Call calls the export of a Process made of the image. A result other than 0 is an ExitError.
func Call(ctx context.Context, inst *spindle.Instance, name string) error {
	results, err := inst.Call(ctx, name)
	if err == nil && len(results) == 1 && uint32(results[0]) != 0 {
		return &spindle.ExitError{Code: uint32(results[0])}
	}
	return Ended(err)
}

// Ended is nil for a guest that has ended of its own accord and says that all is well.
func Ended(err error) error {
	var exit *spindle.ExitError
	if errors.As(err, &exit) && exit.Code == 0 {
		return nil
	}
	return err
}
