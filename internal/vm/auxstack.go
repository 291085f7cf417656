package vm

import (
	"math"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// The stack that C code keeps in linear memory has no guard pages: what overruns it writes over other data. Engines find out when the
// stack pointer, a global, is about to be lowered: they compare it with Context.AuxFloor, and with AuxTop where it may have wrapped
// round, and leave the rest to Thread.Overrun. Both are bounds of the running instance in this thread.
//
// No program that is right may trap. So it takes three things: bounds that are certain; a stack pointer that was within them before; and
// an instruction that makes room for a frame (PointerSets), as opposed to one that moves to another stack: fibres, longjmp and unwinding
// set the stack pointer to anything.

// auxOff as a floor and math.MaxUint64 as a top turn the check off.
const auxOff = math.MinInt64

// auxBounds are the lowest and the highest value of a C stack's pointer. They are int64 and uint64 for the sake of the comparisons that
// the engine makes: the floor with a difference of addresses that may be negative.
type auxBounds struct {
	floor int64
	top   uint64
}

var noAuxBounds = auxBounds{auxOff, math.MaxUint64}

// wideAux are the bounds of a stack of which nothing is known: it ends at address 0.
func wideAux(m *wasm.Module) auxBounds {
	if m.Memories[0].Is64 {
		return auxBounds{0, math.MaxInt64}
	}
	return auxBounds{0, math.MaxUint32}
}

// FindStackPointer returns the global that points at a module's C stack in linear memory; see wasm.CStack.
func FindStackPointer(m *wasm.Module) (global uint32, ok bool) {
	s := m.CStack()
	return s.Pointer, s.Known
}

// SetAuxStack says where the C stack of inst lies in this thread: its pointer begins at high and must not get below low. low 0 means that
// nothing is known but that stacks end at address 0. It does nothing if the module has no known stack pointer, or if the thread was told not
// to check. It does not write the stack pointer. Instances that share the stack pointer share its bounds.
// Preconditions: the caller owns t; inst is in t's store.
func (t *Thread) SetAuxStack(inst *Instance, low, high uint64) {
	x, ok := FindStackPointer(inst.Module)
	if !ok || t.NoStackCheck {
		return
	}
	b := wideAux(inst.Module)
	if low < high && high <= b.top {
		b = auxBounds{int64(low), high}
	}
	at := inst.globalAddr(x)
	for _, i := range t.Store.Instances {
		if x, ok := FindStackPointer(i.Module); ok && i.globalAddr(x) == at {
			i.setAux(t, b)
		}
	}
}

func (i *Instance) setAux(t *Thread, b auxBounds) {
	i.view.aux = b
	if t.Ctx.Instance == i.Index {
		t.Ctx.AuxFloor, t.Ctx.AuxTop = b.floor, b.top
	}
}

// AuxStack returns the bounds that SetAuxStack has set, or that instantiation has found; ok is false if there is no check.
func (t *Thread) AuxStack(inst *Instance) (low, high uint64, ok bool) {
	b := inst.view.aux
	return uint64(b.floor), b.top, b != noAuxBounds
}

// initAux gives a new instance the bounds of the main thread's C stack; in a plan, those of a thread of which nothing is known yet.
func (i *Instance) initAux(t *Thread, plan bool) {
	s := i.Module.CStack()
	if !s.Known || t.NoStackCheck {
		return
	}
	if int(s.Pointer) < i.Module.NumImportedGlobals {
		i.view.aux = wideAux(i.Module)
		for _, other := range t.Store.Instances {
			if x, ok := FindStackPointer(other.Module); ok && other != i && other.globalAddr(x) == i.globalAddr(s.Pointer) {
				i.view.aux = other.view.aux
			}
		}
		return
	}
	high := s.High
	if high == 0 {
		high = *slotAt(i.globalAddr(s.Pointer))
	}
	switch {
	case high == 0: // the module sets it up itself
	case plan:
		t.SetAuxStack(i, 0, 0)
	default:
		t.SetAuxStack(i, s.Low, high)
	}
}

func (i *Instance) globalAddr(x uint32) uintptr {
	if n := i.Module.NumImportedGlobals; int(x) >= n {
		return i.view.globals + uintptr(int(x)-n)*GlobalSize
	}
	return i.impGlobals[x]
}

// Overrun reports whether a stack pointer of inst that an instruction lowers from old to new overruns its stack: from within its bounds to
// below them. new is the difference of addresses, which may be negative, or a wrapped address.
func (inst *Instance) Overrun(old uint64, new int64) bool {
	b := inst.view.aux
	if int64(old) < b.floor || old > b.top {
		return false // on another stack
	}
	// An address beyond the top is a wrapped one if nothing can be there.
	return new < b.floor || uint64(new) > b.top && uint64(new) > inst.Memories[0].Len()
}
