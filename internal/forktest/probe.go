package forktest

import "github.com/spindle-wasm/spindle"

// probe is an import module of guests' Processes that sees them when all threads stand: it notes what they have printed by then.
type probe struct {
	spindle.HostModule
	w *World
}

var (
	_ spindle.ForkState   = probe{}
	_ spindle.SavedModule = probe{}
	_ spindle.OpenState   = probe{}
)

// Freeze implements spindle.ForkState.
func (f probe) Freeze(p *spindle.Process) (spindle.FrozenModule, error) {
	if out := f.w.Out(p); out != nil {
		f.w.mu.Lock()
		defer f.w.mu.Unlock()
		f.w.printed[p] = out.String()
	}
	return f, nil
}

// Fork implements spindle.FrozenModule.
func (f probe) Fork(*spindle.Process, any) (spindle.ImportModule, error) { return f, nil }

// Close implements spindle.FrozenModule.
func (f probe) Close() error { return nil }

// Save implements spindle.SavedModule.
func (f probe) Save() ([]byte, error) { return nil, nil }

// Open implements spindle.OpenState.
func (f probe) Open([]byte) (spindle.FrozenModule, error) { return f, nil }

// Printed returns what a Process had printed when it was last frozen.
func (w *World) Printed(p *spindle.Process) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.printed[p]
}
