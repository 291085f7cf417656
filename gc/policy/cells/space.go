package cells

import (
	"sync"

	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Space is a mark-sweep space. States of its blocks are their classes.
type Space struct {
	policy.Marked

	mu     sync.Mutex
	blocks []uint32             // guarded by mu
	avail  [numClasses][]uint32 // guarded by mu; blocks that have had dead objects at the last collection
}

// New makes a space.
func New(id heap.SpaceID, mem *heap.Memory) *Space {
	return &Space{Marked: policy.Marked{ID: id, Mem: mem}}
}

// Prepare forgets the marks of the last collections, for one of the whole heap.
func (s *Space) Prepare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.blocks {
		s.Mem.Mark.Clear(b<<heap.LogBlock, heap.BlockSize)
		if s.Log {
			s.Mem.Log.Clear(b<<heap.LogBlock, heap.BlockSize)
		}
	}
}

// Release gives back blocks without live objects; cells of the others are found by allocators.
func (s *Space) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.avail {
		s.avail[c] = s.avail[c][:0]
	}
	kept := s.blocks[:0]
	for _, b := range s.blocks {
		if s.Mem.Mark.None(b<<heap.LogBlock, heap.BlockSize) {
			s.Mem.Give(b, 1)
			continue
		}
		c := *s.Mem.States.At(b)
		s.avail[c] = append(s.avail[c], b)
		if s.Log {
			s.Mem.Log.Copy(s.Mem.Mark, b<<heap.LogBlock, heap.BlockSize)
		}
		if s.Mem.Poisons {
			s.Mem.FillGaps(b, func(f func(heap.Ref)) { policy.EachMarked(s.Mem, b, f) })
		}
		kept = append(kept, b)
	}
	s.blocks = kept
}

// Each calls f for the objects that were found alive.
func (s *Space) Each(f func(heap.Ref)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.blocks {
		policy.EachMarked(s.Mem, b, f)
	}
}

func (s *Space) takeAvail(c int) (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := len(s.avail[c]) - 1
	if k < 0 {
		return 0, false
	}
	b := s.avail[c][k]
	s.avail[c] = s.avail[c][:k]
	return b, true
}

func (s *Space) takeFree(c int, t policy.Taker) (uint32, error) {
	b, _, err := t.Take(1, s.ID)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.Mem.States.At(b) = byte(c)
	s.blocks = append(s.blocks, b)
	return b, nil
}

// Allocator allocates in the space: runs of free cells, one for each class.
type Allocator struct {
	classes [numClasses]run
}

// run is the cells of one class that an allocator has found, and where it looks for more.
type run struct {
	alloc.Bump
	s     *Space
	t     policy.Taker
	class int
	block uint32 // 0: none
	cell  uint32 // where to look on
}

// Allocator makes an allocator.
func (s *Space) Allocator(t policy.Taker) *Allocator {
	a := &Allocator{}
	for c := range a.classes {
		r := &a.classes[c]
		r.s, r.t, r.class = s, t, c
		r.From, r.Zero = r, s.Mem
	}
	return a
}

// Alloc returns a zeroed cell for an object of that size, at most Max.
func (a *Allocator) Alloc(size uint32) (heap.Ref, error) {
	r := &a.classes[class(size)]
	return r.Bump.Alloc(sizes[r.class])
}

// Reset forgets what the allocator has, at the start of a collection.
func (a *Allocator) Reset() {
	for c := range a.classes {
		a.classes[c].Bump.Reset() // and by it the run's
	}
}

// Reset forgets the current block.
func (r *run) Reset() { r.block = 0 }

// Refill implements alloc.Source: the next run of cells without marks.
func (r *run) Refill(size uint32) (lo, hi uint32, err error) {
	cells := heap.BlockSize / size
	for {
		if base := r.block << heap.LogBlock; r.block != 0 {
			for r.cell < cells && r.s.Mem.Mark.Test(base+r.cell*size) {
				r.cell++
			}
			first := r.cell
			for r.cell < cells && !r.s.Mem.Mark.Test(base+r.cell*size) {
				r.cell++
			}
			if first < r.cell {
				lo, hi = base+first*size, base+r.cell*size
				return lo, hi, nil
			}
		}
		b, ok := r.s.takeAvail(r.class)
		if !ok {
			break
		}
		r.block, r.cell = b, 0
	}
	r.block = 0
	b, err := r.s.takeFree(r.class, r.t)
	if err != nil {
		return 0, 0, err
	}
	return b << heap.LogBlock, b<<heap.LogBlock + cells*size, nil
}
