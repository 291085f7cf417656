package vm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	gcvm "github.com/spindle-wasm/spindle/gc/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Heap is the GC heap of a Process: package gc's, with the Process's threads as its mutators. It is made when the first module with structs or arrays
// is instantiated, belongs to the main thread, and is closed with it.
type Heap struct {
	gc    *gc.Heap
	mem   *heap.Memory
	types *gcTypes
	pools *Pools

	// mu is held by a collection from StopMutators to ResumeMutators: no thread joins or leaves meanwhile. Lock order: before Thread.mu.
	mu      sync.Mutex
	threads []*Thread // guarded by mu
}

// needHeap makes the thread's heap unless there is one, for a module that brings types of the space. Preconditions: t is the main thread.
func (t *Thread) needHeap(ts *wasm.TypeSpace) error {
	g := gcTypesOf(ts)
	if h := t.heap; h != nil {
		_, err := g.hold(h.pools, true)
		return err
	}
	supers, err := g.hold(t.pools, false)
	if err != nil {
		return err
	}
	h := &Heap{types: g, pools: t.pools}
	cfg := t.GC
	cfg.Types = &g.types
	if h.gc, err = gc.New(h, cfg); err != nil {
		g.drop(t.pools)
		return err
	}
	h.mem = h.gc.Mem
	h.join(t, supers)
	return nil
}

// close gives everything back. Preconditions: all threads have left.
func (h *Heap) close() {
	h.gc.Close() //nolint:errcheck // nothing to be done about address space that does not go
	h.types.drop(h.pools)
}

// join makes t a mutator. It waits while a collection runs: the caller's goroutine must own no thread in guest code.
func (h *Heap) join(t *Thread, supers uintptr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.heap, t.mutator = h, h.gc.NewMutator(t)
	h.threads = append(h.threads, t)
	c := t.Ctx
	c.Heap, c.LogBits, c.Supers = h.mem.Base(), h.mem.Log.Base(), supers
	c.Alloc, c.AllocMax = addrOfVar(&t.mutator.Bump), t.mutator.Inline()
}

// leave is the end of join. Preconditions: as for join, and t will not run again.
func (h *Heap) leave(t *Thread) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.threads = slices.DeleteFunc(h.threads, func(x *Thread) bool { return x == t })
	t.mutator.Destroy()
	t.mutator = nil
}

// StopMutators implements gc/vm.Binding: threads that are idle, blocked, parked or in a host function stand already.
func (h *Heap) StopMutators() {
	h.mu.Lock()
	for _, t := range h.threads {
		t.Hold(0, 1)
	}
	for _, t := range h.threads {
		t.AwaitReadable(context.Background()) //nolint:errcheck // that context never ends
	}
}

// ResumeMutators implements gc/vm.Binding.
func (h *Heap) ResumeMutators() {
	for _, t := range h.threads {
		t.Hold(0, -1)
	}
	h.mu.Unlock()
}

// Block implements gc/vm.Binding.
func (h *Heap) Block(t gcvm.Thread, wait func()) {
	t.(*Thread).Block(wait) //nolint:errcheck // a stop is met at the next safepoint
}

// Roots implements gc/vm.Binding.
func (h *Heap) Roots(thread gcvm.Thread, s gcvm.Slots) {
	t := thread.(*Thread)
	t.mu.Lock()
	defer t.mu.Unlock()
	ts := h.types.ts
	traced := func(typ wasm.ValType) bool {
		top := ts.TopOf(typ)
		return top == wasm.HeapAny || top == wasm.HeapExtern
	}
	t.Store.VisitRoots(func(p *uint64, typ wasm.ValType) {
		if traced(typ) {
			s.Slot(lowHalf(p))
		}
	}, func(refs []Ref, typ wasm.ValType) {
		if traced(typ) {
			for i := range refs {
				s.Slot(&refs[i])
			}
		}
	})
}

// GlobalRoots implements gc/vm.Binding.
func (h *Heap) GlobalRoots(gcvm.Slots) {}

// Foreign implements gc/vm.Binding.
func (h *Heap) Foreign(uint8, uint32) {}

// WeakRefs implements gc/vm.Binding.
func (h *Heap) WeakRefs(func(uint32) bool, func(uint32) uint32) bool { return false }

// NewStruct makes an object with all fields zero. It may collect: all references that the caller holds must be in slots that the maps tell, and are to
// be read again from there. Errors: a trap, or the order to stop.
// Preconditions: the exit state of the context is set.
func (t *Thread) NewStruct(l *Layout) (Ref, error) { return t.allocate(l, 0) }

// NewArray is NewStruct for an array of n elements.
func (t *Thread) NewArray(l *Layout, n uint32) (Ref, error) { return t.allocate(l, n) }

func (t *Thread) allocate(l *Layout, n uint32) (Ref, error) {
	r, err := t.mutator.Alloc(heap.TypeID(l.ID), n)
	if err != nil {
		return 0, allocationTrap(err)
	}
	return r, nil
}

// allocationTrap says what became of an allocation in the words of the one who set the limit.
func allocationTrap(err error) error {
	trap := &TrapError{Code: TrapAllocation}
	var size *gc.SizeError
	switch {
	case errors.As(err, &size):
		trap.Detail = fmt.Sprintf("an array cannot have %d elements", size.Length)
	default:
		trap.Detail = err.Error()
	}
	return trap
}

// Remember is the slow half of the write barrier: guest code calls it after it has stored a reference to an object in obj, whose Log bit is set.
func (t *Thread) Remember(obj Ref) { t.mutator.Remember(obj) }
