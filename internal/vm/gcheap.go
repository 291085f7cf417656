package vm

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// HeapConfig configures the GC heap of a Process.
type HeapConfig struct {
	gc.Config
	// EverySafepoint makes each safepoint of guest code a collection; for tests.
	EverySafepoint bool
}

// Heap is the GC heap of a Process: package gc's, with the Process's threads as its mutators. It is made when the first module with structs or arrays
// is instantiated, belongs to the main thread, and is closed with it.
//
// Who may touch objects: a thread in guest code, and who has Heap.host. See the package doc for the order of locks.
type Heap struct {
	gc    *gc.Heap
	mem   *heap.Memory
	types *gcTypes
	pools *Pools
	refs  *refTables
	main  *Thread
	every bool // HeapConfig.EverySafepoint

	// mu is held by a collection from StopMutators to ResumeMutators: no thread joins or leaves meanwhile.
	mu      sync.Mutex
	threads []*Thread // guarded by mu

	// host is held, for reading, by host code while it touches objects or local roots, and by a collection from when all threads stand.
	host   sync.RWMutex
	closed bool // guarded by host

	alloc   sync.Mutex  // held by host code that allocates; before host
	mutator *gc.Mutator // of host code; guarded by alloc

	stats  heapStats
	holds  handleTable
	scopes scopes

	full  bool // of a running collection: it is of the whole heap, so exceptions and host values are swept
	swept bool // of a running collection: that has been done
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
	h := &Heap{types: g, pools: t.pools, main: t, every: t.GC.EverySafepoint}
	cfg := t.GC.Config
	cfg.Types = &g.types
	told := cfg.Stats
	cfg.Stats = func(c gc.Collection) {
		h.stats.add(c)
		if told != nil {
			told(c)
		}
	}
	if h.gc, err = gc.New(h, cfg); err != nil {
		g.drop(t.pools)
		return err
	}
	h.mem = h.gc.Mem
	h.refs = t.Store.refs
	h.refs.shared = true
	h.mutator = h.gc.NewMutator(hostCode{})
	h.join(t, supers)
	return nil
}

// Heap returns the GC heap of the thread's Process, nil if it has none. Any goroutine may call it.
func (t *Thread) Heap() *Heap { return t.published.Load() }

// GC returns the heap in terms of package gc.
func (h *Heap) GC() *gc.Heap { return h.gc }

// close gives everything back. Preconditions: all threads have left.
func (h *Heap) close() {
	h.alloc.Lock() // host code that waits for a collection
	h.host.Lock()
	h.closed = true
	h.host.Unlock()
	h.alloc.Unlock()
	h.gc.Close() //nolint:errcheck // nothing to be done about address space that does not go
	h.types.drop(h.pools)
	h.refs.drop()
}

// join makes t a mutator. It waits while a collection runs: the caller's goroutine must own no thread in guest code.
func (h *Heap) join(t *Thread, supers uintptr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.adopt(t, h.gc.NewMutator(t), supers)
}

// adopt makes t, with its mutator, one of the heap's threads. No collection runs.
func (h *Heap) adopt(t *Thread, m *gc.Mutator, supers uintptr) {
	t.heap, t.mutator, t.Store.refs = h, m, h.refs
	t.published.Store(h)
	h.threads = append(h.threads, t)
	c := t.Ctx
	c.Heap, c.LogBits, c.Supers = h.mem.Base(), h.mem.Log.Base(), supers
	c.Alloc, c.AllocMax = addrOfVar(&t.mutator.Bump), t.mutator.Inline()
	if h.every {
		c.AllocMax = 0
		t.mu.Lock()
		t.setFlagLocked(FlagEvery)
		t.mu.Unlock()
	}
}

// leave is the end of join. Preconditions: as for join, and t will not run again.
func (h *Heap) leave(t *Thread) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.threads = slices.DeleteFunc(h.threads, func(x *Thread) bool { return x == t })
	t.mutator.Destroy()
	t.mutator = nil
	t.locals.truncate(localMark{})
}

// NewStruct makes an object with all fields zero. It may collect: all references that the caller holds must be in slots that the maps tell, and are to
// be read again from there. Errors: a trap, or the order to stop.
// Preconditions: the exit state of the context is set.
func (t *Thread) NewStruct(l *Layout) (Ref, error) { return t.allocate(l, 0) }

// NewArray is NewStruct for an array of n elements.
func (t *Thread) NewArray(l *Layout, n uint32) (Ref, error) { return t.allocate(l, n) }

func (t *Thread) allocate(l *Layout, n uint32) (Ref, error) {
	if t.heap.every {
		t.heap.gc.Collect(t.mutator, true) //nolint:errcheck // a heap that failed says so below
	}
	r, err := t.mutator.Alloc(heap.TypeID(l.ID), n)
	if err != nil {
		if e := t.stopped(); e != nil { // the heap may be full of what the thread would not need any more
			return 0, e
		}
		return 0, t.heap.allocationTrap(err)
	}
	return r, nil
}

// allocationTrap says what became of an allocation in the words of the one who set the limit.
func (h *Heap) allocationTrap(err error) error {
	var size *gc.SizeError
	switch {
	case errors.As(err, &size):
		return &TrapError{Code: TrapAllocation, Detail: fmt.Sprintf("an array cannot have %d elements", size.Length)}
	case errors.Is(err, gc.ErrOutOfMemory):
		return &TrapError{Code: TrapAllocation, Detail: fmt.Sprintf("out of memory: the GC heap has at most %d bytes (plan %s)", h.gc.Opts.MaxBytes, h.gc.Plan().Constraints().Name)}
	}
	return &TrapError{Code: TrapAllocation, Cause: err}
}

// Remember is the slow half of the write barrier: guest code calls it after it has stored a reference to an object in obj, whose Log bit is set.
func (t *Thread) Remember(obj Ref) { t.mutator.Remember(obj) }
