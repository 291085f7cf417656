package sanity

import (
	"fmt"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// Image checks before a collection of a heap with an image that the mutators' barriers have remembered every object of it that refers to one outside: those that are
// remembered have no Log bit any more. The collector goes through no others.
type Image struct {
	Mem   *heap.Memory
	Space heap.SpaceID

	walk walk
}

// Roots is told the roots.
func (c *Image) Roots() vm.Slots {
	c.walk = walk{mem: c.Mem, object: func(heap.Ref) string { return "" }, edge: c.edge}
	return &c.walk
}

// Run checks everything that is reachable and returns an *Error for the first thing that is wrong.
func (c *Image) Run() error { return c.walk.run() }

func (c *Image) edge(from heap.Ref, at uint32, to heap.Ref) string {
	if c.Mem.SpaceOf(from) != c.Space || c.Mem.SpaceOf(to) == c.Space || !c.Mem.Log.Test(from) {
		return ""
	}
	return fmt.Sprintf("it is in the image, and at %d it refers to %#x, which is not: nobody has remembered that", at-from, to)
}
