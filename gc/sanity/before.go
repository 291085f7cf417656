package sanity

import (
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// Before checks one heap before a collection, while the world stands: tell Roots the roots, then Run. It finds references to what is no object, such as one that was not a
// root when its object died or moved, before the collector stumbles over them.
//
// Under a generational plan it checks besides that the mutators' barriers have remembered every reference from an old object to a young one. Old are the objects that
// the last collection left with their Log bit; a missing barrier shows here, not only when the young object is missed.
type Before struct {
	Mem *heap.Memory
	// Log tells that the plan is generational.
	Log    bool
	Buffer barrier.Buffer // all mutators'

	objects map[heap.Ref]bool
	slices  map[heap.Ref][]barrier.Slice
	walk    walk
}

// Roots is told the roots.
func (c *Before) Roots() vm.Slots {
	c.objects, c.slices = map[heap.Ref]bool{}, map[heap.Ref][]barrier.Slice{}
	for _, r := range c.Buffer.Objects {
		c.objects[r] = true
	}
	for _, s := range c.Buffer.Slices {
		c.slices[s.Array] = append(c.slices[s.Array], s)
	}
	c.walk = walk{mem: c.Mem, object: func(heap.Ref) string { return "" }}
	if c.Log {
		c.walk.object, c.walk.edge = c.object, c.edge
	}
	return &c.walk
}

// Run checks everything that is reachable and returns an *Error for the first thing that is wrong.
func (c *Before) Run() error { return c.walk.run() }

func (c *Before) object(r heap.Ref) string {
	if c.Mem.Mark.Test(r) && !c.Mem.Log.Test(r) && !c.objects[r] {
		return "it is old and has no Log bit, but nobody has remembered it"
	}
	return ""
}

func (c *Before) edge(from heap.Ref, at uint32, to heap.Ref) string {
	if !c.Mem.Log.Test(from) || c.Mem.Log.Test(to) || c.objects[to] {
		return "" // from is young or remembered, or to is old
	}
	i := (at - from - heap.HeaderSize) / 4
	if slices.ContainsFunc(c.slices[from], func(s barrier.Slice) bool { return i >= s.First && i < s.First+s.N }) {
		return ""
	}
	return fmt.Sprintf("it is old, and at %d it refers to the young object %#x: nobody has remembered that", at-from, to)
}
