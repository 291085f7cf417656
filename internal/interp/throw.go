package interp

import (
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// throw is a safepoint, as is throwRef: throwing can be a loop's only backward branch. It comes first, as a clone of the thread begins again here.
func throw(t *vm.Thread, in *Instr) error {
	if err := safepoint(t); err != nil {
		return err
	}
	tag := t.Current().Tags[in.imm]
	r := t.Store.NewException(tag, operands(t, in, tag.Slots()))
	if r == vm.NullRef {
		return t.Trap(vm.TrapOutOfMemory)
	}
	return raise(t, r, nil)
}

func throwRef(t *vm.Thread, in *Instr) error {
	if err := safepoint(t); err != nil {
		return err
	}
	r := vm.Ref(operands(t, in, 1)[0])
	if r == vm.NullRef {
		return t.Trap(vm.TrapNullException)
	}
	return raise(t, r, nil)
}

// raise goes on at the innermost clause of this activation that catches the exception. Without one the exception is
// returned as an error: ex, which came from an activation above, or a new one.
func raise(t *vm.Thread, r vm.Ref, ex *vm.Exception) error {
	ctx := t.Ctx
	tag, fields := t.Store.Exception(r)
	w := innermost(t)
	for ok := w.valid(); ok; ok = w.up() {
		if w.leaving() {
			continue
		}
		c := w.meta.clause(w.at, func(c *catch) bool {
			return c.kind == wasm.CatchAll || c.kind == wasm.CatchAllRef || w.inst.Tags[c.tag] == tag
		})
		if c == nil {
			continue
		}
		withRef := c.kind == wasm.CatchTagRef || c.kind == wasm.CatchAllRef
		if withRef {
			t.Store.EscapeException(r) // may collect, so before anything changes
		}
		n := 0
		if c.kind == wasm.CatchTag || c.kind == wasm.CatchTagRef {
			n = copy(slotsAt(w.fp+uintptr(c.slot)*8, len(fields)), fields)
		}
		if withRef {
			*slotAt(w.fp + uintptr(c.slot+n)*8) = uint64(r)
		} else {
			t.Store.DropException(r)
		}
		ctx.PC, ctx.FP = w.meta.start+uintptr(c.target)*instrSize, w.fp
		if w.inst.Index != ctx.Instance {
			t.SwitchTo(w.inst)
		}
		return nil
	}
	if ex == nil {
		ex = &vm.Exception{Ref: r, Store: t.Store}
	}
	if ex.Trace == nil { // a host function's own begins at its caller
		ex.Trace = t.Backtrace(&vm.TrapError{}).Frames
	}
	return ex
}

// clause returns the first clause around an instruction that matches, innermost region first.
func (m *funcMeta) clause(at int, match func(*catch) bool) *catch {
	for i := range m.regions {
		r := &m.regions[i]
		if at < r.start || at >= r.end {
			continue
		}
		for k := range r.catches {
			if match(&r.catches[k]) {
				return &r.catches[k]
			}
		}
	}
	return nil
}
