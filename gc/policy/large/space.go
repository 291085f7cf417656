// Package large is the space of large objects: each has memory of its own, does not move, and goes when a collection does not find it.
package large

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// LogGranule is the unit of objects' memory: an object of 8 KiB and a byte loses a sixteenth of its size, larger ones less.
const LogGranule = 9

// Space is a large-object space.
type Space struct {
	policy.Marked
	Runs Runs
}

// New makes a space.
func New(id heap.SpaceID, mem *heap.Memory) *Space {
	return &Space{Marked: policy.Marked{ID: id, Mem: mem}, Runs: Runs{ID: id, Mem: mem, Log: LogGranule}}
}

// Alloc returns zeroed memory of size bytes.
func (s *Space) Alloc(size uint32, t policy.Taker) (heap.Ref, error) { return s.Runs.Alloc(size, t) }

// Prepare forgets what earlier collections found, for one of the whole heap.
func (s *Space) Prepare() {
	s.Runs.Each(func(r heap.Ref) {
		s.Mem.Mark.Unset(r)
		s.Mem.Log.Unset(r)
	})
}

// Each calls f for the objects that were found alive.
func (s *Space) Each(f func(heap.Ref)) {
	s.Runs.Each(func(r heap.Ref) {
		if s.Mem.Mark.Test(r) {
			f(r)
		}
	})
}

// Release gives back what no collection has found alive.
func (s *Space) Release() {
	s.Runs.Sweep(func(r heap.Ref) bool {
		if s.Mem.Mark.Test(r) {
			if s.Log {
				s.Mem.Log.Set(r)
			}
			return true
		}
		s.Mem.Log.Unset(r)
		return false
	})
}
