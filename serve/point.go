package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// gate is a standard input that has nothing, and tells when somebody wants to read it: package wasi calls Read when the guest reads, or polls, and not before.
type gate struct {
	asked, closed chan struct{}
	once          sync.Once
}

func newGate() *gate { return &gate{asked: make(chan struct{}), closed: make(chan struct{})} }

func (g *gate) Read([]byte) (int, error) {
	g.once.Do(func() { close(g.asked) })
	<-g.closed
	return 0, io.EOF
}

// warm is a guest at its point: img, or p, which is to be frozen.
type warm struct {
	frozen
	p   *spindle.Process
	end func() // after p is closed
}

// warmUp starts the guest, waits until it is at the point, and freezes it. The guest that was frozen ends: what it would do next is the children's.
func warmUp(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg *Config, points *hooks) (f frozen, err error) {
	var w warm
	name, export := cfg.At.export()
	switch {
	case cfg.Guest != nil:
		wc := cfg.WASI
		wc.Stdin = nil
		w.p, err = cfg.Guest.Start(ctx, rt, mod, wc, cfg.Process)
	case export:
		w.p, err = startBefore(ctx, rt, mod, cfg, name)
	default:
		w, err = startUntil(ctx, rt, mod, cfg, points)
	}
	if err != nil {
		return f, err
	}
	if w.end != nil {
		defer w.end()
	}
	if f = w.frozen; f.img == nil {
		f = freeze(ctx, w.p)
	} else {
		f.measure(w.p)
	}
	if err := w.p.Close(); err != nil && f.err == nil {
		f.err = errors.Join(err, f.img.Close())
	}
	return f, f.err
}

// frozen is what came of a freeze.
type frozen struct {
	img  *spindle.Image
	size spindle.MemoryUse
	err  error
}

func freeze(ctx context.Context, p *spindle.Process) (f frozen) {
	f.img, _, f.err = p.Freeze(ctx, spindle.FreezeOptions{Warmup: true})
	f.measure(p)
	return f
}

// measure tells how large the image is. Where the system does not tell it is of no size.
func (f *frozen) measure(p *spindle.Process) {
	if f.err == nil {
		f.size, _ = p.MemoryUse()
	}
}

// snapshot is the guest's call of snapshot() where it makes an image, which answers 1 in children. It returns when the guest is to end.
func snapshot(ctx context.Context, c *spindle.Caller, made chan<- frozen) {
	var f frozen
	f.img, _, f.err = c.Freeze(ctx, spindle.FreezeOptions{Warmup: true}, spindle.Answer{Results: []uint64{1}})
	select {
	case made <- f:
	default: // by another thread, a second time
		if f.err == nil {
			_ = f.img.Close()
		}
	}
	stopped := c.Stopped()
	_ = c.Block(func() { <-stopped })
}

// startUntil starts a guest and waits until it is at the point.
func startUntil(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg *Config, points *hooks) (w warm, err error) {
	wc, pc := cfg.WASI, cfg.Process
	wc.Stdin = nil
	var asked <-chan struct{}
	made := make(chan frozen, 1)
	switch cfg.At {
	case PointStdin:
		g := newGate()
		w.end = func() { close(g.closed) }
		wc.Stdin, asked = g, g.asked
	case PointAccept:
		d := newDoor()
		w.end = func() { _ = d.Close() }
		wc.Listeners, asked = append([]net.Listener{d}, wc.Listeners...), d.asked
	case PointFork:
		pc.Imports = maps.Clone(pc.Imports)
		if pc.Imports == nil {
			pc.Imports = spindle.Imports{}
		}
		pc.Imports[wasi.ForkModule] = wasi.Forks(func(c *spindle.Caller) int32 {
			if c.Process().Generation() > 0 {
				if again := points.get(c.Process()); again != nil {
					again(c)
				}
				return 0 // a child that is there again goes on to the end of its input
			}
			snapshot(ctx, c, made)
			return 0
		})
	}
	if w.p, err = wasi.Start(ctx, rt, mod, wc, pc); err == nil {
		select {
		case <-asked:
			return w, nil
		case w.frozen = <-made:
			return w, nil
		case <-w.p.Done():
			if err = w.p.Wait(ctx); err == nil {
				err = errors.New("it has ended")
			}
			err = fmt.Errorf("the guest did not come to the point %q: %w", cfg.At, err)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		_ = w.p.Close()
	}
	if w.end != nil {
		w.end()
	}
	return w, err
}

// startBefore starts a guest and runs what comes before its exports may be called.
func startBefore(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg *Config, name string) (*spindle.Process, error) {
	e, ok := mod.Export(name)
	switch {
	case !ok || e.Kind != spindle.KindFunc:
		return nil, fmt.Errorf("the module exports no function %q", name)
	case len(e.Func.Params) > 0 || len(e.Func.Results) > 1 || len(e.Func.Results) == 1 && e.Func.Results[0] != spindle.TypeI32:
		return nil, fmt.Errorf("the function %q takes arguments or returns more than an i32", name)
	}
	wc := cfg.WASI
	wc.Stdin = nil
	inst, err := wasi.Instantiate(ctx, rt, mod, wc, cfg.Process)
	if err != nil {
		return nil, err
	}
	if _, reactor := mod.Export("_initialize"); !reactor {
		if e, ok := mod.Export("_start"); ok && e.Kind == spindle.KindFunc && name != "_start" {
			if _, err := inst.Call(ctx, "_start"); err != nil {
				return nil, errors.Join(fmt.Errorf("_start did not return: %w", err), inst.Close())
			}
		}
	}
	return inst.Process(), nil
}

// finish runs a child to its end.
func finish(ctx context.Context, p *spindle.Process, cfg *Config) error {
	if cfg.Guest != nil {
		return done(cfg.Guest.Answer(ctx, p))
	}
	name, ok := cfg.At.export()
	if !ok {
		return p.Wait(context.Background()) // the guest itself ends when ctx does
	}
	results, err := p.Instance(cfg.Process.Name).Call(ctx, name)
	if err == nil && len(results) == 1 && uint32(results[0]) != 0 {
		return &spindle.ExitError{Code: uint32(results[0])}
	}
	return done(err)
}
