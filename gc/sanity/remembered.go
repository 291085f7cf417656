package sanity

import (
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// Remembered checks before a collection of a generational plan that the mutators' barriers have remembered every reference from an old object to a young one.
// Old are the objects that the last collection left with their Log bit; a missing barrier shows here, not only when the young object is missed.
type Remembered struct {
	Mem    *heap.Memory
	Buffer barrier.Buffer // all mutators'

	objects map[heap.Ref]bool
	slices  map[heap.Ref][]barrier.Slice
	walk    walk
}

// Roots is told the roots.
func (c *Remembered) Roots() vm.Slots {
	c.objects, c.slices = map[heap.Ref]bool{}, map[heap.Ref][]barrier.Slice{}
	for _, r := range c.Buffer.Objects {
		c.objects[r] = true
	}
	for _, s := range c.Buffer.Slices {
		c.slices[s.Array] = append(c.slices[s.Array], s)
	}
	c.walk = walk{mem: c.Mem, object: c.object, edge: c.edge}
	return &c.walk
}

// Run checks everything that is reachable and returns an *Error for the first thing that is wrong.
func (c *Remembered) Run() error { return c.walk.run() }

func (c *Remembered) object(r heap.Ref) string {
	if c.Mem.Mark.Test(r) && !c.Mem.Log.Test(r) && !c.objects[r] {
		return "it is old and has no Log bit, but nobody has remembered it"
	}
	return ""
}

func (c *Remembered) edge(from heap.Ref, at uint32, to heap.Ref) string {
	if !c.Mem.Log.Test(from) || c.Mem.Log.Test(to) || c.objects[to] {
		return "" // from is young or remembered, or to is old
	}
	i := (at - from - heap.HeaderSize) / 4
	if slices.ContainsFunc(c.slices[from], func(s barrier.Slice) bool { return i >= s.First && i < s.First+s.N }) {
		return ""
	}
	return fmt.Sprintf("it is old, and at %d it refers to the young object %#x: nobody has remembered that", at-from, to)
}
