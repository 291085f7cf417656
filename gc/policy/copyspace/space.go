// Package copyspace is a space whose live objects move to another space; what they leave goes back as a whole (Cheney, 1970).
package copyspace

import (
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Space is a copying space. Between collections objects are allocated in it; Prepare makes it a source of copies.
type Space struct {
	id   heap.SpaceID
	mem  *heap.Memory
	from bool // its objects move; changes only while the world stands

	copyTo int // which of a tracer's copy allocators takes the copies

	// Of spaces whose copies go to one that marks: copies are marked, and lines of pinned objects too.
	marks bool

	held atomic.Int64 // blocks

	mu   sync.Mutex
	runs []run // guarded by mu
}

// MaxSmall is the largest object that pays in a copying space. What the end of a block has no room for is lost until the next collection, at most that; larger objects do better
// among the large ones, where they are not copied either.
const MaxSmall = heap.BlockSize / 8

// Copies returns how many blocks the copies of so many may take: they may come in an order that leaves an eighth of each block empty, and each worker has a block that it has not
// filled.
func Copies(blocks int64, workers int) int64 { return blocks + blocks/7 + 1 + int64(workers) }

type run struct{ first, n uint32 }

// Values of heap.Memory.States in blocks of the space.
const (
	stateMoves  = 0
	statePinned = 1 // holds a live object that does not move: the block stays
)

// New makes a space.
func New(id heap.SpaceID, mem *heap.Memory) *Space { return &Space{id: id, mem: mem} }

// NewNursery makes a space whose copies go to one that marks objects and lines.
func NewNursery(id heap.SpaceID, mem *heap.Memory) *Space {
	return &Space{id: id, mem: mem, marks: true}
}

// Source is where an allocator of the space gets memory from.
func (s *Space) Source(t policy.Taker) *Source { return &Source{s, t} }

// Source implements alloc.Source.
type Source struct {
	s *Space
	t policy.Taker
}

// Refill implements alloc.Source.
func (f *Source) Refill(size uint32) (lo, hi uint32, err error) {
	n := (size + heap.BlockSize - 1) >> heap.LogBlock
	b, _, err := f.t.Take(n, f.s.id)
	if err != nil {
		return 0, 0, err
	}
	f.s.add(run{b, n})
	return b << heap.LogBlock, (b + n) << heap.LogBlock, nil
}

// Prepare makes the space's objects move in this collection, to where a tracer's copy allocator of that number puts them.
func (s *Space) Prepare(copyTo int) { s.from, s.copyTo = true, copyTo }

// Trace implements policy.Space.
func (s *Space) Trace(t *policy.Tracer, r heap.Ref) heap.Ref {
	if !s.from {
		return r // a copy
	}
	if s.mem.Pin.Test(r) {
		if s.mem.Mark.Set(r) {
			*s.mem.States.At(r >> heap.LogBlock) = statePinned
			t.Push(r)
		}
		return r
	}
	header, copied, claimed := s.mem.Claim(r)
	if !claimed {
		return copied
	}
	size := t.Size(header)
	to, err := t.Copy[s.copyTo].Alloc(size)
	if err != nil {
		s.mem.Unclaim(r, header)
		t.Failed(err)
		return r
	}
	policy.CopyObject(s.mem, r, to, header, size)
	if s.marks {
		s.mem.Mark.Set(to)
	}
	s.mem.Settle(r, to)
	t.Push(to)
	return to
}

// Live implements policy.Space.
func (s *Space) Live(r heap.Ref) bool {
	if !s.from {
		return true
	}
	if s.mem.Pin.Test(r) {
		return s.mem.Mark.Test(r)
	}
	_, copied := s.mem.Forwarded(r)
	return copied
}

// Role implements policy.Space.
func (s *Space) Role() (r policy.Role) {
	if s.from {
		r |= policy.Asks
	}
	if s.marks {
		r |= policy.Lines
	}
	return r
}

// Release gives back what live objects have left. Blocks with pinned objects go to adopt, with the marks of these.
func (s *Space) Release(adopt func(block uint32)) {
	s.mu.Lock()
	runs := s.runs
	s.runs = nil
	s.mu.Unlock()
	s.from = false
	s.held.Store(0)
	for _, r := range runs {
		pinned := false
		for b := r.first; b < r.first+r.n; b++ {
			pinned = pinned || *s.mem.States.At(b) == statePinned
		}
		if !pinned {
			s.mem.Give(r.first, r.n)
			continue
		}
		for b := r.first; b < r.first+r.n; b++ {
			adopt(b)
		}
	}
}

// Adopt makes a block one of the space; marks in it are forgotten.
func (s *Space) Adopt(b uint32) {
	*s.mem.Spaces.At(b) = s.id
	s.mem.Mark.Clear(b<<heap.LogBlock, heap.BlockSize)
	s.add(run{b, 1})
}

func (s *Space) add(r run) {
	for b := r.first; b < r.first+r.n; b++ {
		*s.mem.States.At(b) = stateMoves
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, r)
	s.held.Add(int64(r.n))
}

// Blocks returns how many blocks the space has.
func (s *Space) Blocks() int64 { return s.held.Load() }
