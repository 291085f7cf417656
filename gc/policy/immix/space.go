// Package immix is the mark-region space (Blackburn and McKinley, PLDI 2008): blocks of lines; objects are allocated by bumping through free lines, and
// a collection marks the lines that live objects touch. What is between them is free again, without a free list.
package immix

import (
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Values of heap.Memory.States in blocks of the space.
const (
	stateUsed     = iota // full, or in use by an allocator
	stateReusable        // has free lines
)

// Space is an Immix space.
type Space struct {
	id    heap.SpaceID
	mem   *heap.Memory
	epoch func() byte // what live lines were marked with in the last collection

	mu       sync.Mutex
	blocks   []uint32 // guarded by mu
	reusable []uint32 // guarded by mu; last one first
}

// New makes a space. epoch returns what live lines are marked with.
func New(id heap.SpaceID, mem *heap.Memory, epoch func() byte) *Space {
	return &Space{id: id, mem: mem, epoch: epoch}
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
func (s *Space) Lines() bool { return true }

// Prepare forgets what earlier collections found, for one of the whole heap.
func (s *Space) Prepare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reusable = s.reusable[:0]
	for _, b := range s.blocks {
		s.mem.Mark.Clear(b<<heap.LogBlock, heap.BlockSize)
		s.mem.Log.Clear(b<<heap.LogBlock, heap.BlockSize)
	}
}

// PrepareYoung prepares for a collection that keeps what earlier ones found.
func (s *Space) PrepareYoung() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reusable = s.reusable[:0]
}

// Release sorts the blocks by what their lines say: none alive, some, all.
func (s *Space) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	epoch := s.epoch()
	s.reusable = s.reusable[:0] // those that copies have not used are found again
	kept := s.blocks[:0]
	for _, b := range s.blocks {
		live := 0
		lines := s.mem.Lines.Range(b*heap.LinesPerBlock, heap.LinesPerBlock)
		for i, l := range lines {
			if l == epoch {
				live++
			} else {
				lines[i] = 0 // epochs come around
			}
		}
		switch live {
		case 0:
			s.mem.Mark.Clear(b<<heap.LogBlock, heap.BlockSize)
			s.mem.Log.Clear(b<<heap.LogBlock, heap.BlockSize)
			s.mem.Give(b, 1)
			continue
		case heap.LinesPerBlock:
			*s.mem.States.At(b) = stateUsed
		default:
			*s.mem.States.At(b) = stateReusable
			s.reusable = append(s.reusable, b)
		}
		kept = append(kept, b)
	}
	s.blocks = kept
}

// Adopt makes a block one of the space, with the marks of objects and lines in it.
func (s *Space) Adopt(b uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.mem.Spaces.At(b) = s.id
	s.blocks = append(s.blocks, b)
}

// takeReusable takes a block with free lines.
func (s *Space) takeReusable() (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := len(s.reusable) - 1
	if k < 0 {
		return 0, false
	}
	b := s.reusable[k]
	s.reusable = s.reusable[:k]
	*s.mem.States.At(b) = stateUsed
	return b, true
}

// takeFree takes an empty block.
func (s *Space) takeFree(t policy.Taker) (uint32, error) {
	b, err := t.Take(1, s.id)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.mem.States.At(b) = stateUsed
	s.blocks = append(s.blocks, b)
	return b, nil
}
