package tutorial

import (
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// maxSmall is the largest object that goes into a Space; the heap's large-object space, which every plan has, takes the others. A quarter of a block at most is
// lost at its end.
const maxSmall = heap.BlockSize / 4

// Space is a space of whole blocks. Its objects stay where they are, unless a collection has been told that they move (Prepare).
type Space struct {
	id  heap.SpaceID
	mem *heap.Memory

	// Of the running collection; changes while the world stands.
	moves  bool
	copies int // the number of the copy allocator that takes the objects

	held atomic.Int64 // len(blocks), for those who ask without the lock

	mu     sync.Mutex
	blocks []uint32 // guarded by mu
}

// NewSpace makes a space without blocks.
func NewSpace(id heap.SpaceID, mem *heap.Memory) *Space { return &Space{id: id, mem: mem} }

// Blocks returns how many blocks the space has.
func (s *Space) Blocks() int64 { return s.held.Load() }

// From is where an allocator of the space gets its memory: a block at a time, out of what the taker allows.
func (s *Space) From(t policy.Taker) alloc.Source { return &source{s, t} }

type source struct {
	s *Space
	t policy.Taker
}

// Refill implements alloc.Source. The allocator zeroes what it hands out.
func (f *source) Refill(uint32) (lo, hi uint32, err error) {
	b, _, err := f.t.Take(1, f.s.id)
	if err != nil {
		return 0, 0, err
	}
	f.s.add(b)
	return b << heap.LogBlock, (b + 1) << heap.LogBlock, nil
}

func (s *Space) add(b uint32) {
	*s.mem.States.At(b) = free
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = append(s.blocks, b)
	s.held.Store(int64(len(s.blocks)))
}

// The states of the space's blocks (heap.Memory.States).
const (
	free  = 0 // nothing in it has to stay
	holds = 1 // an object in it must stay where it is
)

// Prepare makes the objects move in this collection, to where a worker's copy allocator of that number puts them.
func (s *Space) Prepare(copies int) { s.moves, s.copies = true, copies }

// Role implements policy.Space: Trace need not be called while objects stay.
func (s *Space) Role() policy.Role {
	if s.moves {
		return policy.Asks
	}
	return 0
}

// Trace implements policy.Space. Several workers may come to an object at the same time; the header, which Claim takes away, decides who copies it.
func (s *Space) Trace(t *policy.Tracer, r heap.Ref) heap.Ref {
	if !s.moves {
		return r
	}
	if s.mem.Pin.Test(r) {
		s.keep(t, r)
		return r
	}
	header, copied, claimed := s.mem.Claim(r)
	if !claimed {
		return copied
	}
	size := t.Size(header)
	to, err := t.Copy[s.copies].Alloc(size)
	if err != nil {
		s.mem.Unclaim(r, header)
		t.Failed(err)
		return r
	}
	policy.CopyObject(s.mem, r, to, header, size)
	if t.Log {
		s.mem.Log.Set(to)
	}
	s.mem.Settle(r, to)
	t.Push(to)
	return to
}

// keep finds an object alive that must not move. Its mark bit says that it has been found.
func (s *Space) keep(t *policy.Tracer, r heap.Ref) {
	if !s.mem.Mark.Set(r) {
		return
	}
	*s.mem.States.At(r >> heap.LogBlock) = holds
	if t.Log {
		s.mem.Log.Set(r)
	}
	t.Push(r)
}

// Live implements policy.Space. It is asked when the trace is over.
func (s *Space) Live(r heap.Ref) bool {
	if !s.moves {
		return true
	}
	if s.mem.Pin.Test(r) {
		return s.mem.Mark.Test(r)
	}
	_, copied := s.mem.Forwarded(r)
	return copied
}

// Release gives back the blocks after a collection in which the objects moved. Those with objects that stayed become blocks of to.
func (s *Space) Release(to *Space) {
	s.mu.Lock()
	blocks := s.blocks
	s.blocks = nil
	s.mu.Unlock()
	s.held.Store(0)
	s.moves = false
	for _, b := range blocks {
		s.mem.Mark.Clear(b<<heap.LogBlock, heap.BlockSize)
		if *s.mem.States.At(b) == holds {
			*s.mem.Spaces.At(b) = to.id
			to.add(b)
			continue
		}
		s.mem.Log.Clear(b<<heap.LogBlock, heap.BlockSize)
		s.mem.Give(b, 1)
	}
}
