package serve

import (
	"context"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/warm"
)

// warmUp starts the guest, waits until it is at the point, and freezes it.
func warmUp(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg *Config, points *hooks) (warm.Frozen, error) {
	in := cfg.WASI
	in.Stdin = nil // it is the children's
	if cfg.Guest != nil {
		p, err := cfg.Guest.Start(ctx, rt, mod, in, cfg.Process)
		if err != nil {
			return warm.Frozen{}, err
		}
		return warm.FreezeAndClose(ctx, p)
	}
	wc := warm.Config{At: warm.Kind(cfg.At), WASI: in, Process: cfg.Process, Again: func(c *spindle.Caller) {
		if f := points.get(c.Process()); f != nil {
			f(c)
		}
	}}
	if name, ok := cfg.At.export(); ok {
		wc.At, wc.Export = warm.Export, name
	}
	return warm.Up(ctx, rt, mod, wc)
}

// finish runs a child to its end.
func finish(ctx context.Context, p *spindle.Process, cfg *Config) error {
	if cfg.Guest != nil {
		return warm.Ended(cfg.Guest.Answer(ctx, p))
	}
	if name, ok := cfg.At.export(); ok {
		return warm.Call(ctx, p.Instance(cfg.Process.Name), name)
	}
	return p.Wait(context.Background()) // the guest itself ends when ctx does
}
