// Package large is the space of large objects: each has blocks of its own, does not move, and goes when a collection does not find it.
package large

import (
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Space is a large-object space.
type Space struct {
	id  heap.SpaceID
	mem *heap.Memory

	mu      sync.Mutex
	objects []object // guarded by mu
}

type object struct{ first, n uint32 }

// New makes a space.
func New(id heap.SpaceID, mem *heap.Memory) *Space { return &Space{id: id, mem: mem} }

// Alloc returns zeroed memory of size bytes.
func (s *Space) Alloc(size uint32, t policy.Taker) (heap.Ref, error) {
	n := uint32((uint64(size) + heap.BlockSize - 1) >> heap.LogBlock)
	b, err := t.Take(n, s.id)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.objects = append(s.objects, object{b, n})
	s.mu.Unlock()
	return b << heap.LogBlock, nil
}

// Trace implements policy.Space.
func (s *Space) Trace(t *policy.Tracer, r heap.Ref) heap.Ref {
	if s.mem.Mark.Set(r) {
		t.Push(r)
	}
	return r
}

// Live implements policy.Space.
func (s *Space) Live(r heap.Ref) bool { return s.mem.Mark.Test(r) }

// Lines implements policy.Space.
func (s *Space) Lines() bool { return false }

// Prepare forgets what earlier collections found, for one of the whole heap.
func (s *Space) Prepare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.objects {
		s.mem.Mark.Unset(o.first << heap.LogBlock)
		s.mem.Log.Unset(o.first << heap.LogBlock)
	}
}

// Each calls f for the objects that were found alive.
func (s *Space) Each(f func(heap.Ref)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.objects {
		if r := o.first << heap.LogBlock; s.mem.Mark.Test(r) {
			f(r)
		}
	}
}

// Release gives back what no collection has found alive.
func (s *Space) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.objects[:0]
	for _, o := range s.objects {
		if r := o.first << heap.LogBlock; s.mem.Mark.Test(r) {
			kept = append(kept, o)
		} else {
			s.mem.Log.Unset(r)
			s.mem.Give(o.first, o.n)
		}
	}
	s.objects = kept
}
