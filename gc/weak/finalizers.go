package weak

import (
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// Candidate is an object with a finalizer; what Tag means is the VM's. One object may have several.
type Candidate struct {
	Ref heap.Ref
	Tag uint64
}

// Finalizers are the objects of a heap that the VM wants to see again when nothing refers to them any more. It is safe for concurrent use. It holds no
// pointers: Clone is all that a fork needs.
//
// Each registration ends once: when a collection does not find its object, it goes to the ready queue, in the order of collections, and within one
// in the order of registration, whichever objects refer to each other. The queue keeps the objects alive until the VM takes them, and they may live on
// from there; they are not finalised again unless they are registered again.
type Finalizers struct {
	mu         sync.Mutex
	candidates []Candidate // guarded by mu
	old        int         // guarded by mu; so many of them were alive in the last collection
	ready      []Candidate // guarded by mu
}

// Add registers an object.
func (f *Finalizers) Add(r heap.Ref, tag uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.candidates = append(f.candidates, Candidate{r, tag})
}

// Next takes the first of the ready queue, and reports false if it is empty.
func (f *Finalizers) Next() (Candidate, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ready) == 0 {
		return Candidate{}, false
	}
	c := f.ready[0]
	f.ready = f.ready[1:]
	return c, true
}

// Counts returns how many registrations wait for their objects to die, and how many are ready.
func (f *Finalizers) Counts() (waiting, ready int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.candidates), len(f.ready)
}

// Roots tells the objects of the ready queue.
func (f *Finalizers) Roots(s vm.Slots) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.ready {
		s.Slot(&f.ready[i].Ref)
	}
}

// Decide makes those ready whose objects are not alive, traces them, and returns how many they are. In a collection of the young it looks only at those
// that were registered since the last one: the others' objects are old.
func (f *Finalizers) Decide(young bool, live func(heap.Ref) bool, trace Trace) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := 0
	if young {
		from = f.old
	}
	before := len(f.ready)
	kept := f.candidates[:from]
	for _, c := range f.candidates[from:] {
		if live(c.Ref) {
			c.Ref = trace(c.Ref)
			kept = append(kept, c)
		} else {
			f.ready = append(f.ready, c)
		}
	}
	f.candidates, f.old = kept, len(kept)
	// Now, since a trace makes others alive whose turn would have been later.
	for i := range f.ready[before:] {
		c := &f.ready[before+i]
		c.Ref = trace(c.Ref)
	}
	return len(f.ready) - before
}

// Forward tells all objects where they go.
func (f *Finalizers) Forward(forward func(heap.Ref) heap.Ref) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, list := range [][]Candidate{f.candidates, f.ready} {
		for i := range list {
			list[i].Ref = forward(list[i].Ref)
		}
	}
}

// Clone copies everything.
func (f *Finalizers) Clone() *Finalizers {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Finalizers{candidates: slices.Clone(f.candidates), old: f.old, ready: slices.Clone(f.ready)}
}

// All returns the registrations that wait for their objects to die, and those that are ready.
func (f *Finalizers) All() (waiting, ready []Candidate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.candidates), slices.Clone(f.ready)
}

// NewFinalizers makes what All has told of; every object counts as old.
func NewFinalizers(waiting, ready []Candidate) *Finalizers {
	return &Finalizers{candidates: slices.Clone(waiting), old: len(waiting), ready: slices.Clone(ready)}
}
