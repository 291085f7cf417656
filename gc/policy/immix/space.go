// Package immix is the mark-region space (Blackburn and McKinley, PLDI 2008): blocks of lines; objects are allocated by bumping through free lines, and
// a collection marks the lines that live objects touch. What is between them is free again, without a free list.
package immix

import (
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Space is an Immix space.
type Space struct {
	policy.Marked
	epoch func() byte // what live lines were marked with in the last collection

	mu       sync.Mutex
	blocks   []uint32 // guarded by mu
	reusable []uint32 // guarded by mu; last one first
	whole    bool     // the running collection is of the whole heap

	evacuation evacuation
}

// New makes a space. epoch returns what live lines are marked with.
func New(id heap.SpaceID, mem *heap.Memory, epoch func() byte) *Space {
	return &Space{Marked: policy.Marked{ID: id, Mem: mem}, epoch: epoch}
}

// Role implements policy.Space.
func (s *Space) Role() policy.Role {
	if s.evacuation.on {
		return policy.Asks | policy.Lines
	}
	return policy.Marks | policy.Lines
}

// Prepare forgets which objects earlier collections found, for one of the whole heap; one of the young keeps them. Lines stay as they are until Release: in blocks that no
// allocator has had since the last one, those that are 0 are free, and copies go there.
func (s *Space) Prepare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole = true
	for _, b := range s.blocks {
		s.Mem.Mark.Clear(b<<heap.LogBlock, heap.BlockSize)
		s.Mem.Log.Clear(b<<heap.LogBlock, heap.BlockSize)
	}
}

// Release sorts the blocks by what their lines say: none alive, some, all. After a collection of the young, in which nothing becomes free but what was filled since the
// last one, it looks at the blocks that allocators have had: others are what they were, and the pause does not grow with the heap.
func (s *Space) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.evacuation.on {
		s.settleLocked()
	}
	epoch := s.epoch()
	whole := s.whole
	s.whole = false
	if whole {
		s.reusable = s.reusable[:0] // those that copies have not used are found again
	}
	kept := s.blocks[:0]
	for _, b := range s.blocks {
		if !whole && *s.Mem.States.At(b) == stateStays {
			kept = append(kept, b)
			continue
		}
		live := 0
		lines := s.Mem.Lines.Range(b*heap.LinesPerBlock, heap.LinesPerBlock)
		for i, l := range lines {
			// Without a branch: which lines are alive cannot be foreseen.
			var is byte
			if l == epoch {
				is = 1
			}
			live += int(is)
			lines[i] = l & -is // epochs come around
		}
		switch live {
		case 0:
			s.Mem.Mark.Clear(b<<heap.LogBlock, heap.BlockSize)
			s.Mem.Log.Clear(b<<heap.LogBlock, heap.BlockSize)
			s.Mem.Give(b, 1)
			continue
		case heap.LinesPerBlock:
		default:
			s.reusable = append(s.reusable, b)
		}
		if s.Log {
			// What is marked is old. By words, where the closure would set bits one at a time.
			s.Mem.Log.Copy(s.Mem.Mark, b<<heap.LogBlock, heap.BlockSize)
		}
		if s.Mem.Poisons {
			s.Mem.FillGaps(b, func(f func(heap.Ref)) { policy.EachMarked(s.Mem, b, f) })
		}
		*s.Mem.States.At(b) = stateStays
		kept = append(kept, b)
	}
	s.blocks = kept
}

// Adopt makes a block one of the space, with the marks of objects and lines in it.
func (s *Space) Adopt(b uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.Mem.Spaces.At(b), *s.Mem.States.At(b) = s.ID, stateFilled
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
	*s.Mem.States.At(b) = stateFilled
	return b, true
}

// takeFree takes an empty block.
func (s *Space) takeFree(t policy.Taker) (uint32, error) {
	b, _, err := t.Take(1, s.ID)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.Mem.States.At(b) = stateFilled
	s.blocks = append(s.blocks, b)
	return b, nil
}
