package interp

import (
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// walker goes up the frames of one activation.
type walker struct {
	t    *vm.Thread
	inst *vm.Instance
	fp   uintptr
	meta *funcMeta // nil at the end
	at   int       // index of the instruction where the frame is
	when moment
}

// innermost starts at the context's exit state.
func innermost(t *vm.Thread) walker {
	return walkFrom(t, t.Ctx.PC, t.Ctx.FP, t.Ctx.Instance)
}

func walkFrom(t *vm.Thread, pc, fp uintptr, inst uint32) walker {
	w := walker{t: t, fp: fp, inst: t.Store.Instances[inst]}
	w.locate(pc)
	return w
}

func (w *walker) valid() bool { return w.meta != nil }

// locate finds the function of an address, which is a return address if it is marked as in flight.
func (w *walker) locate(pc uintptr) {
	w.when = atInstr
	if pc&inFlight != 0 {
		w.when = inCall
		pc = pc&^inFlight - instrSize
	}
	if w.meta = codeOf(w.inst).find(pc); w.meta != nil {
		w.at = int((pc - w.meta.start) / instrSize)
	}
}

// leaving reports whether the frame is in a tail call, and there only because a host function cannot take its place: the guest has left it and
// its handlers (specification: Execution, Control Instructions, return_call_ref: handlers and frame go before the call).
func (w *walker) leaving() bool {
	if w.when != inCall {
		return false
	}
	_, tail := isTail(instrAt(w.meta.start + uintptr(w.at)*instrSize))
	return tail
}

// up goes to the caller's frame; false at the activation's end.
func (w *walker) up() bool {
	ret, delta := readHeader(w.fp + uintptr(w.meta.header)*8)
	w.fp -= delta
	if ret == addrOf(&stubRestore) {
		b := slotsAt(w.fp, bridgeSlots)
		w.fp -= uintptr(b[bridgeInstance]>>32)*8 + uintptr(b[bridgeDelta])
		w.inst = w.t.Store.Instances[uint32(b[bridgeInstance])]
		ret = uintptr(b[bridgeReturn])
	}
	if ret == addrOf(&stubDone) {
		w.meta = nil
		return false
	}
	w.locate(ret | inFlight)
	return w.valid()
}

// walk visits all frames of a thread, innermost first.
func walk(t *vm.Thread, visit func(*walker) bool) {
	pc, fp, inst := t.Ctx.PC, t.Ctx.FP, t.Ctx.Instance
	for i := len(t.Activations) - 1; i >= 0; i-- {
		if pc == 0 {
			return
		}
		w := walkFrom(t, pc, fp, inst)
		for ok := w.valid(); ok; ok = w.up() {
			if !visit(&w) {
				return
			}
		}
		a := &t.Activations[i]
		pc, fp, inst = a.PC, a.FP, a.Instance
	}
}

// Frames implements vm.Engine.
func (e *Engine) Frames(t *vm.Thread, visit func(vm.Frame) bool) {
	walk(t, func(w *walker) bool {
		return visit(vm.Frame{Instance: w.inst, Func: w.meta.fn, Offset: codeOf(w.inst).offset(w.meta.fn, w.at)})
	})
}

// StackRefs implements vm.Engine.
func (e *Engine) StackRefs(t *vm.Thread, visit func(slot *uint64, typ wasm.ValType)) {
	walk(t, func(w *walker) bool {
		for _, r := range w.meta.refs {
			for i := range uintptr(r.n) {
				visit(slotAt(w.fp+(uintptr(r.slot)+i)*8), r.typ)
			}
		}
		for _, r := range findMap(w.meta.maps, w.at, w.when) {
			visit(slotAt(w.fp+uintptr(r.slot)*8), r.typ)
		}
		return true
	})
}

// Extent implements vm.Engine.
func (e *Engine) Extent(t *vm.Thread) (uintptr, error) {
	if len(t.Activations) == 0 {
		return t.Top, nil
	}
	w := innermost(t)
	if !w.valid() {
		return 0, &BugError{"a thread stands where no function is"}
	}
	top := w.fp + uintptr(w.meta.frame)
	if w.when == inCall { // the host function's results may need more than the frame has
		top = max(top, t.Top)
	}
	return top, nil
}
