package policy

import "github.com/spindle-wasm/spindle/gc/heap"

// Marked is what spaces have in common whose objects are found alive by their mark bits and do not move while they are looked for.
type Marked struct {
	ID  heap.SpaceID
	Mem *heap.Memory
	// Log: what was found alive gets its Log bit in Release, for the write barrier.
	Log bool
}

// Trace implements Space.
func (s *Marked) Trace(t *Tracer, r heap.Ref) heap.Ref {
	if s.Mem.Mark.Set(r) {
		t.Push(r)
	}
	return r
}

// Live implements Space.
func (s *Marked) Live(r heap.Ref) bool { return s.Mem.Mark.Test(r) }

// Role implements Space.
func (s *Marked) Role() Role { return Marks }
