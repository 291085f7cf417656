// Package immortal is the space of objects that live as long as the heap: they do not move, are never freed, and what they refer to is alive. No collection looks
// for them; all of them are roots of a collection of the whole heap, and of one of the young those are that have been written to.
package immortal

import (
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/large"
	"github.com/spindle-wasm/spindle/gc/scheduler"
)

// Space is an immortal space. Its objects have their mark bits always, which is how they are found.
type Space struct {
	// Log: objects have their Log bit after a collection, for the write barrier.
	Log bool

	id    heap.SpaceID
	mem   *heap.Memory
	large large.Runs

	mu            sync.Mutex
	cursor, limit uint32   // guarded by mu; where small objects go
	blocks        []uint32 // guarded by mu; of small objects
}

// maxSmall is the size up to which objects share blocks by bumping.
const maxSmall = heap.BlockSize / 8

// New makes a space.
func New(id heap.SpaceID, mem *heap.Memory) *Space {
	return &Space{id: id, mem: mem, large: large.Runs{ID: id, Mem: mem, Log: large.LogGranule}}
}

// Alloc returns zeroed memory of size bytes. Born must follow, when it holds an object, before the next collection.
func (s *Space) Alloc(size uint32, t policy.Taker) (heap.Ref, error) {
	if size > maxSmall {
		return s.large.Alloc(size, t)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit-s.cursor < size {
		b, zero, err := t.Take(1, s.id)
		if err != nil {
			return 0, err
		}
		if !zero {
			clear(s.mem.Bytes(b<<heap.LogBlock, heap.BlockSize))
		}
		s.blocks = append(s.blocks, b)
		s.cursor, s.limit = b<<heap.LogBlock, (b+1)<<heap.LogBlock
	}
	r := s.cursor
	s.cursor += size
	return r, nil
}

// Born makes an object one of the space. Of a generational plan it must be remembered as well: nobody has traced it.
func (s *Space) Born(r heap.Ref) { s.mem.Mark.Set(r) }

// Trace implements policy.Space.
func (s *Space) Trace(_ *policy.Tracer, r heap.Ref) heap.Ref { return r }

// Live implements policy.Space.
func (s *Space) Live(heap.Ref) bool { return true }

// Role implements policy.Space: there is nothing to be done for a reference to one.
func (s *Space) Role() policy.Role { return 0 }

// Each calls f for every object.
func (s *Space) Each(f func(heap.Ref)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.blocks {
		policy.EachMarked(s.mem, b, f)
	}
	s.large.Each(f)
}

// Roots adds packets that trace what all objects refer to, for a collection of the whole heap.
func (s *Space) Roots(sched *scheduler.Scheduler) {
	var refs []heap.Ref
	s.Each(func(r heap.Ref) { refs = append(refs, r) })
	policy.Rescan(sched, refs)
}

// Release ends a collection.
func (s *Space) Release() {
	if s.Log {
		s.Each(func(r heap.Ref) { s.mem.Log.Set(r) })
	}
}

// Inherit makes a space that has just been made what another one is, whose memory its own is a copy of.
func (s *Space) Inherit(from *Space) {
	s.large.Inherit(&from.large)
	from.mu.Lock()
	defer from.mu.Unlock()
	s.cursor, s.limit, s.blocks = from.cursor, from.limit, slices.Clone(from.blocks)
}

// Surrender forgets all blocks: they belong to another space now. The world stands.
func (s *Space) Surrender() {
	s.large.Surrender()
	s.cursor, s.limit, s.blocks = 0, 0, nil
}
