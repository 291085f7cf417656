package vm

import (
	"context"

	gcvm "github.com/spindle-wasm/spindle/gc/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// What package gc asks of the VM: where mutators stand, and their roots. All of it runs on GC workers.

var _ gcvm.Binding = (*Heap)(nil)

// hostCode is the thread of the mutator that host code allocates with.
type hostCode struct{}

// StopMutators implements gc/vm.Binding. Threads that are idle, blocked, parked or in a host function stand already: they see the hold before they touch
// guest state again, and host code that touches objects meanwhile waits for Heap.host.
func (h *Heap) StopMutators() {
	h.mu.Lock()
	for _, t := range h.threads {
		t.holdForCollection(1)
	}
	for _, t := range h.threads {
		t.AwaitReadable(context.Background()) //nolint:errcheck // that context never ends
	}
	h.host.Lock()
	h.refs.mu.Lock()
	h.refs.beginMarking()
	h.swept = false
}

// ResumeMutators implements gc/vm.Binding.
func (h *Heap) ResumeMutators() {
	h.refs.mu.Unlock()
	h.host.Unlock()
	for _, t := range h.threads {
		t.holdForCollection(-1)
	}
	h.mu.Unlock()
}

// Block implements gc/vm.Binding.
func (h *Heap) Block(thread gcvm.Thread, wait func()) {
	if t, ok := thread.(*Thread); ok {
		t.Block(wait) //nolint:errcheck // a stop is met at the next safepoint
		return
	}
	h.host.RUnlock() // see Heap.allocate
	wait()
	h.host.RLock()
}

// Roots implements gc/vm.Binding.
func (h *Heap) Roots(thread gcvm.Thread, s gcvm.Slots) {
	t, ok := thread.(*Thread)
	if !ok {
		return
	}
	t.mu.Lock() // as for all who look at frames
	defer t.mu.Unlock()
	t.Store.VisitRoots(func(p *uint64, typ wasm.ValType) { h.root(s, lowHalf(p), typ) }, func(refs []Ref, typ wasm.ValType) {
		top := h.types.ts.TopOf(typ)
		if top == wasm.HeapFunc {
			return
		}
		for i := range refs {
			h.word(s, &refs[i], top)
		}
	})
	t.locals.visit(func(r Ref) { h.pinned(s, r) }, h.refs.markExn)
	if e := t.eval; e != nil {
		for i := range e.stack {
			if v := &e.stack[i]; v.ref {
				h.word(s, lowHalf(&v.lo), wasm.HeapAny)
			}
		}
	}
}

func (h *Heap) root(s gcvm.Slots, p *uint32, typ wasm.ValType) { h.word(s, p, h.types.ts.TopOf(typ)) }

// word tells of a place that holds a word of a hierarchy.
func (h *Heap) word(s gcvm.Slots, p *uint32, top wasm.HeapType) {
	if top != wasm.HeapAny && top != wasm.HeapExtern || IsHost(*p) {
		h.refs.mark(*p, top)
		return
	}
	s.Slot(p)
}

// pinned tells of an object, or a host value, that host code names by its word.
func (h *Heap) pinned(s gcvm.Slots, r Ref) {
	if IsHost(r) {
		h.refs.mark(r, wasm.HeapExtern)
		return
	}
	s.Pinned(r)
}

// GlobalRoots implements gc/vm.Binding: handles, what the scopes of host code hold, and fields of exceptions. While a full collection looks for what is
// alive, exceptions are no roots, but those that need no reference: see WeakRefs.
func (h *Heap) GlobalRoots(s gcvm.Slots) {
	h.holds.visit(func(p *uint32) { s.Slot(p) })
	h.scopes.visit(func(r Ref) { h.pinned(s, r) }, h.refs.markExn)
	if h.full = h.gc.CollectsAll(); h.full && !h.swept {
		h.refs.markKept()
		return
	}
	h.refs.visitFields(func(p *uint64, typ wasm.ValType) { h.root(s, lowHalf(p), typ) })
}

// Foreign implements gc/vm.Binding.
func (h *Heap) Foreign(class uint8, word uint32) {
	if class == foreignExn {
		h.refs.markExn(word)
	} else {
		h.refs.mark(word, wasm.HeapAny)
	}
}

// WeakRefs implements gc/vm.Binding: it goes on from the exceptions that were found, and when there are no more, frees those that were not, and host values
// likewise. A collection of young objects does not see all references to them, and frees none.
func (h *Heap) WeakRefs(_ func(uint32) bool, trace func(uint32) uint32) (again bool) {
	if !h.full || h.swept {
		return false
	}
	if h.refs.scanFound(func(p *uint64, typ wasm.ValType) {
		word := lowHalf(p)
		if top := h.types.ts.TopOf(typ); top != wasm.HeapAny && top != wasm.HeapExtern || IsHost(*word) {
			h.refs.mark(*word, top)
			return
		}
		*word = trace(*word)
	}) {
		return true
	}
	h.refs.sweep(true)
	h.swept = true
	return false
}
