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

// warmUp starts the guest, waits until it is at the point, and freezes it. The guest that was frozen ends: what it would do next is the children's.
func warmUp(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg *Config) (*spindle.Image, error) {
	if cfg.Guest != nil {
		return warmUpGuest(ctx, rt, mod, cfg)
	}
	if name, ok := cfg.At.export(); ok {
		return warmUpTo(ctx, rt, mod, cfg, name)
	}
	wc, pc := cfg.WASI, cfg.Process
	wc.Stdin = nil
	var asked <-chan struct{}
	made := make(chan frozen, 1)
	switch cfg.At {
	case PointStdin:
		g := newGate()
		defer close(g.closed) // last, when the guest has ended
		wc.Stdin, asked = g, g.asked
	case PointAccept:
		d := newDoor()
		defer d.Close()
		wc.Listeners, asked = append([]net.Listener{d}, wc.Listeners...), d.asked
	case PointFork:
		pc.Imports = maps.Clone(pc.Imports)
		if pc.Imports == nil {
			pc.Imports = spindle.Imports{}
		}
		pc.Imports[wasi.ForkModule] = wasi.Forks(func(c *spindle.Caller) int32 {
			if c.Process().Generation() > 0 {
				return 0 // a child that is there again: it goes on to the end of its input
			}
			img, _, err := c.Freeze(ctx, spindle.FreezeOptions{Warmup: true}, spindle.Answer{Results: []uint64{1}})
			select {
			case made <- frozen{img, err}:
			default: // by another thread, a second time
				if err == nil {
					_ = img.Close()
				}
			}
			stopped := c.Stopped()
			_ = c.Block(func() { <-stopped })
			return 0
		})
	}
	p, err := wasi.Start(ctx, rt, mod, wc, pc)
	if err != nil {
		return nil, err
	}
	var f frozen
	select {
	case <-asked:
		f.img, _, f.err = p.Freeze(ctx, spindle.FreezeOptions{Warmup: true})
	case f = <-made:
	case <-p.Done():
		if err = p.Wait(ctx); err == nil {
			err = errors.New("it has ended")
		}
		f.err = fmt.Errorf("the guest did not come to the point %q: %w", cfg.At, err)
	case <-ctx.Done():
		f.err = context.Cause(ctx)
	}
	if err := p.Close(); err != nil && f.err == nil {
		f.err = errors.Join(err, f.img.Close())
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.img, nil
}

type frozen struct {
	img *spindle.Image
	err error
}

// warmUpTo warms a guest up by what it runs before an export may be called.
func warmUpTo(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg *Config, name string) (*spindle.Image, error) {
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
	defer inst.Close()
	if _, reactor := mod.Export("_initialize"); !reactor {
		if e, ok := mod.Export("_start"); ok && e.Kind == spindle.KindFunc && name != "_start" {
			if _, err := inst.Call(ctx, "_start"); err != nil {
				return nil, fmt.Errorf("_start did not return: %w", err)
			}
		}
	}
	img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{Warmup: true})
	return img, err
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
