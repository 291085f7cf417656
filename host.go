package spindle

import (
	"sync"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// HostFunc is a Go function that guests can import. Make one with RawFunc, or with Proc0…Proc8 (no result) and Func0…Func8 (one result) from
// a plain Go signature. It may be used in any number of Processes and Runtimes at the same time.
type HostFunc struct {
	Name string // for errors, backtraces and dumps; empty: in each Runtime, that of the first import that it is linked to ("module.name")
	Type FuncType

	call    func(c *Caller, slots []uint64)
	restart bool

	mu    sync.Mutex
	first binding                      // guarded by mu; most are used in one Runtime only
	more  map[*wasm.TypeSpace]*vm.Func // guarded by mu; in further Runtimes
}

// binding is a host function in a Runtime.
type binding struct {
	types *wasm.TypeSpace
	fn    *vm.Func
}

// RawFunc makes a host function in slot form: call reads its arguments from slots and writes its results over them.
// len(slots) is the larger of both counts; slots are valid only during the call. Of results with 32 bits the upper half of the slot does not
// matter.
func RawFunc(t FuncType, call func(c *Caller, slots []uint64)) *HostFunc {
	return &HostFunc{Type: t, call: call}
}

// Named sets the function's name and returns it.
func (h *HostFunc) Named(name string) *HostFunc {
	h.Name = name
	return h
}

// Restartable says that while the function is in Caller.Block it has not yet done anything that must not be done again, and returns it: a child that is
// forked meanwhile makes the call again from its arguments. A function that waits and is not restartable makes a freeze wait for it.
func (h *HostFunc) Restartable() *HostFunc {
	h.restart = true
	return h
}

func (h *HostFunc) extern(p *Process) (vm.Extern, error) { return h.bind(p, h.Name) }

// linked returns what x is for an import.
func linked(p *Process, im *wasm.Import, x Extern) (vm.Extern, error) {
	if h, ok := x.(*HostFunc); ok && h.Name == "" {
		return h.bind(p, im.Module+"."+im.Name)
	}
	return x.extern(p)
}

// bind makes the function known in the Process's Runtime, by a name if it is not yet.
func (h *HostFunc) bind(p *Process, name string) (vm.Extern, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	types := p.rt.types
	fn := h.more[types]
	if h.first.types == types {
		fn = h.first.fn
	}
	if fn == nil {
		var err error
		if fn, err = vm.NewHostFunc(types, name, h.Type, h.serve); err != nil {
			return vm.Extern{}, err
		}
		fn.Host.Restart = h.restart
		switch {
		case h.first.fn == nil:
			h.first = binding{types, fn}
		case h.more == nil:
			h.more = map[*wasm.TypeSpace]*vm.Func{types: fn}
		default:
			h.more[types] = fn
		}
	}
	return vm.Extern{Kind: KindFunc, Func: fn}, nil
}

// serve calls the function for a guest.
func (h *HostFunc) serve(t *vm.Thread, slots []uint64) error {
	c := t.HostData.(*Caller)
	c.fail = nil // a panic may have left one
	h.call(c, slots)
	if c.fail != nil {
		return c.finish()
	}
	narrow(h.Type.Results, slots)
	return nil
}

// Value is a Go type that has a WebAssembly counterpart: 32-bit integers are i32, 64-bit integers i64, floats f32 and f64.
type Value interface {
	int32 | uint32 | int64 | uint64 | float32 | float64
}

// V128 is a vector in slot form: its low half goes first.
type V128 struct{ Lo, Hi uint64 }
