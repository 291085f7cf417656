// Package sanity goes through a heap once more after a collection, alone and in the simplest way, and says what is wrong with what the collector left.
// It is slow and for debugging: what it finds, a mutator would have found much later.
package sanity

import (
	"fmt"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// Checker checks one heap while the world stands. It implements vm.Slots: tell it the roots, then Run.
type Checker struct {
	Mem *heap.Memory
	// Live says whether the collector found an object.
	Live func(r heap.Ref) bool
	// Log tells that all live objects have their Log bit: after a collection of a generational plan there is no young one.
	Log bool

	from  map[heap.Ref]heap.Ref // which object led to which; 0: a root
	work  []heap.Ref
	found error
}

// Error says what is wrong, and how to get there from a root.
type Error struct {
	Ref  heap.Ref
	Path []heap.Ref // from the object back to the root's
	Msg  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("gc: sanity: %#x: %s (reached by way of %#x)", e.Ref, e.Msg, e.Path)
}

// Slot implements vm.Slots.
func (c *Checker) Slot(p *uint32) { c.visit(*p, 0) }

// Pinned implements vm.Slots.
func (c *Checker) Pinned(r uint32) { c.visit(r, 0) }

// Run checks everything that is reachable from the roots told so far and returns an *Error for the first thing that is wrong.
func (c *Checker) Run() error {
	for len(c.work) > 0 && c.found == nil {
		r := c.work[len(c.work)-1]
		c.work = c.work[:len(c.work)-1]
		c.scan(r)
	}
	return c.found
}

// Objects returns how many objects have been reached.
func (c *Checker) Objects() int { return len(c.from) }

func (c *Checker) visit(r, from heap.Ref) {
	if !heap.IsObject(r) || c.found != nil {
		return
	}
	if _, seen := c.from[r]; seen {
		return
	}
	if c.from == nil {
		c.from = map[heap.Ref]heap.Ref{}
	}
	c.from[r] = from
	if msg := c.wrong(r); msg != "" {
		c.found = &Error{Ref: r, Path: c.path(r), Msg: msg}
		return
	}
	c.work = append(c.work, r)
}

// wrong looks at one object.
func (c *Checker) wrong(r heap.Ref) string {
	if r%8 != 0 {
		return "the reference is not aligned"
	}
	space := c.Mem.SpaceOf(r)
	if space == 0 {
		return "its block belongs to no space"
	}
	if to, copied := c.Mem.Forwarded(r); copied {
		return fmt.Sprintf("the object was copied to %#x, and the reference was not updated", to)
	}
	typ := uint32(c.Mem.TypeOf(r))
	types := c.Mem.Types.All()
	if int(typ) >= len(types) {
		return fmt.Sprintf("its header has type %#x, which there is not", typ)
	}
	size := types[typ].Bytes(c.Mem.Length(r))
	if size == 0 || c.Mem.SpaceOf(r+size-1) != space {
		return fmt.Sprintf("an object of %d bytes does not fit there", size)
	}
	if !c.Live(r) {
		return "the collector has not found it"
	}
	if c.Log && !c.Mem.Log.Test(r) {
		return "it has survived, and writes to it would not be remembered"
	}
	return ""
}

func (c *Checker) scan(r heap.Ref) {
	typ := &c.Mem.Types.All()[c.Mem.TypeOf(r)]
	for _, off := range typ.Refs {
		c.visit(*c.Mem.Slot(r + off), r)
	}
	if typ.ElemRef {
		for _, v := range c.Mem.Slots(r+heap.HeaderSize, int(c.Mem.Length(r))) {
			c.visit(v, r)
		}
	}
}

func (c *Checker) path(r heap.Ref) []heap.Ref {
	const most = 20
	var p []heap.Ref
	for from := c.from[r]; from != 0 && len(p) < most; from = c.from[from] {
		p = append(p, from)
	}
	return p
}
