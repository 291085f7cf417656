// Package large is the space of large objects: each has blocks of its own, does not move, and goes when a collection does not find it.
package large

import (
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Space is a large-object space.
type Space struct {
	policy.Marked

	mu      sync.Mutex
	objects []object // guarded by mu
}

type object struct{ first, n uint32 }

// New makes a space.
func New(id heap.SpaceID, mem *heap.Memory) *Space {
	return &Space{Marked: policy.Marked{ID: id, Mem: mem}}
}

// Alloc returns zeroed memory of size bytes.
func (s *Space) Alloc(size uint32, t policy.Taker) (heap.Ref, error) {
	n := uint32((uint64(size) + heap.BlockSize - 1) >> heap.LogBlock)
	b, err := t.Take(n, s.ID)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.objects = append(s.objects, object{b, n})
	s.mu.Unlock()
	return b << heap.LogBlock, nil
}

// Prepare forgets what earlier collections found, for one of the whole heap.
func (s *Space) Prepare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.objects {
		s.Mem.Mark.Unset(o.first << heap.LogBlock)
		s.Mem.Log.Unset(o.first << heap.LogBlock)
	}
}

// Each calls f for the objects that were found alive.
func (s *Space) Each(f func(heap.Ref)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.objects {
		if r := o.first << heap.LogBlock; s.Mem.Mark.Test(r) {
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
		if r := o.first << heap.LogBlock; s.Mem.Mark.Test(r) {
			kept = append(kept, o)
			if s.Log {
				s.Mem.Log.Set(r)
			}
		} else {
			s.Mem.Log.Unset(r)
			s.Mem.Give(o.first, o.n)
		}
	}
	s.objects = kept
}
