package policy

import "github.com/spindle-wasm/spindle/gc/heap"

// Marked is what spaces have in common whose objects are found alive by their mark bits and do not move while they are looked for.
type Marked struct {
	ID  heap.SpaceID
	Mem *heap.Memory
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

// Lines implements Space.
func (s *Marked) Lines() bool { return false }
