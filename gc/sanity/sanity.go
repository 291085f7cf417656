// Package sanity goes through a heap once more before and after a collection, alone and in the simplest way, and says what is wrong with what the mutators and
// the collector left. It is slow and for debugging: what it finds, a mutator would have found much later.
package sanity

import (
	"fmt"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// Checker checks one heap after a collection, while the world stands: tell Roots the roots, then Run.
type Checker struct {
	Mem *heap.Memory
	// Live says whether the collector found an object.
	Live func(r heap.Ref) bool
	// Log tells that all live objects have their Log bit: after a collection of a generational plan there is no young one.
	Log bool
	// Image is the space of objects that are remembered for ever, without a Log bit, once they have been written to; 0 if there is none.
	Image heap.SpaceID
	// Lines tells of a space whether the lines of its live objects are marked with Epoch: those of others are free, and will be allocated in.
	Lines func(heap.SpaceID) bool
	Epoch byte

	walk walk
}

// Roots is told the roots.
func (c *Checker) Roots() vm.Slots {
	c.walk.mem, c.walk.object = c.Mem, c.wrong
	return &c.walk
}

// Run checks everything that is reachable and returns an *Error for the first thing that is wrong.
func (c *Checker) Run() error { return c.walk.run() }

// wrong looks at one object.
func (c *Checker) wrong(r heap.Ref) string {
	if !c.Live(r) {
		return "the collector has not found it"
	}
	if c.Log && !c.Mem.Log.Test(r) && c.Mem.SpaceOf(r) != c.Image {
		return "it has survived, and writes to it would not be remembered"
	}
	if c.Lines != nil && c.Lines(c.Mem.SpaceOf(r)) {
		if _, moved := c.Mem.Forwarded(r); moved || int(c.Mem.TypeOf(r)) >= len(c.Mem.Types.All()) {
			return "" // it has no size; the walk says so
		}
		for l := r >> heap.LogLine; l <= (r+c.Mem.SizeOf(r)-1)>>heap.LogLine; l++ {
			if *c.Mem.Lines.At(l) != c.Epoch {
				return fmt.Sprintf("it lies in the free line %#x", l<<heap.LogLine)
			}
		}
	}
	return ""
}
