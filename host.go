package spindle

import (
	"sync"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// HostFunc is a Go function that guests can import. Make one with RawFunc, or with Proc0…Proc8 (no result) and Func0…Func8 (one result) from
// a plain Go signature. It may be used in any number of Processes and Runtimes at the same time.
type HostFunc struct {
	Name string // for backtraces and dumps; optional
	Type FuncType

	call func(c *Caller, slots []uint64)

	mu    sync.Mutex
	bound map[*wasm.TypeSpace]*vm.Func // guarded by mu
}

// RawFunc makes a host function in slot form: call reads its arguments from slots and writes its results over them.
// len(slots) is the larger of both counts; slots are valid only during the call.
func RawFunc(t FuncType, call func(c *Caller, slots []uint64)) *HostFunc {
	return &HostFunc{Type: t, call: call}
}

// Named sets the function's name and returns it.
func (h *HostFunc) Named(name string) *HostFunc {
	h.Name = name
	return h
}

func (h *HostFunc) extern(p *Process) (vm.Extern, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, ok := h.bound[p.rt.types]
	if !ok {
		call := h.call
		var err error
		f, err = vm.NewHostFunc(p.rt.types, h.Name, h.Type, func(t *vm.Thread, slots []uint64) error {
			c := t.HostData.(*Caller)
			call(c, slots)
			if c.fail != nil {
				return c.finish()
			}
			return nil
		})
		if err != nil {
			return vm.Extern{}, err
		}
		if h.bound == nil {
			h.bound = map[*wasm.TypeSpace]*vm.Func{}
		}
		h.bound[p.rt.types] = f
	}
	return vm.Extern{Kind: KindFunc, Func: f}, nil
}

// Value is a Go type that has a WebAssembly counterpart: 32-bit integers are i32, 64-bit integers i64, floats f32 and f64.
type Value interface {
	int32 | uint32 | int64 | uint64 | float32 | float64
}

// V128 is a vector in slot form: its low half goes first.
type V128 struct{ Lo, Hi uint64 }
