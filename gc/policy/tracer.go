// Package policy has the kinds of spaces that plans are made of, and the tracer that goes through the objects in them.
package policy

import (
	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/scheduler"
)

// Space is a part of the heap where objects live and die by one rule.
type Space interface {
	// Trace finds an object alive: it pushes it if it was not found before, and returns its place, which is new if the space moves objects.
	// Several workers trace at the same time.
	Trace(t *Tracer, r heap.Ref) heap.Ref
	// Live tells, after the trace, whether an object was found.
	Live(r heap.Ref) bool
	// Role says what becomes of the space's objects in the collection that has been prepared.
	Role() Role
}

// Role is what a closure must know of a space, so that it need not call it for each reference. Without Marks and Asks, Trace does nothing.
type Role uint8

const (
	// Marks: all that Trace does is to set the mark bit, and to push the object if it was not set.
	Marks Role = 1 << iota
	// Asks: Trace must be called. It is the second bit: closures shift it.
	Asks
	// Lines of live objects are to be marked (Common.Epoch).
	Lines
)

// Common is what all workers of a collection share.
type Common struct {
	Mem     *heap.Memory
	Spaces  [256]Space // by heap.SpaceID; nil where there is none
	Epoch   byte       // what a live line is marked with in this collection
	Log     bool       // live objects have their Log bit after a collection
	Alone   bool       // there is one worker: nobody else changes mark bits in the closure
	Foreign func(class uint8, word uint32)
	// Failed is told of a collector's error that leaves the heap unusable, as when the system has no memory for a copy.
	Failed func(error)

	roles [256]Role // of Spaces, in this collection
	still bool      // none of them Asks
}

// Prepared is called when the spaces have been prepared for a collection.
func (c *Common) Prepared() {
	c.still = true
	for i, s := range c.Spaces {
		c.roles[i] = 0
		if s != nil {
			c.roles[i] = s.Role()
		}
		c.still = c.still && c.roles[i]&Asks == 0
	}
}

// HasLines tells whether the lines of a space's live objects were marked in the last collection.
func (c *Common) HasLines(s heap.SpaceID) bool { return c.roles[s]&Lines != 0 }

// chunk is how many objects a packet holds, and how many reference slots of one array a worker scans at a stretch (MMTk: 4096).
const chunk = 4096

// Tracer is one worker's part in finding live objects. It implements vm.Slots.
type Tracer struct {
	*Common
	Copy    []alloc.Bump // of spaces that move objects, by their own numbers
	Objects uint64       // found in this collection
	Bytes   uint64
	// Weak are the objects with weak fields or ephemerons that were found since somebody took them from here.
	Weak []heap.Ref

	w       *scheduler.Worker
	shapes  []heap.Shape
	stack   []heap.Ref
	spare   [][]heap.Ref // of packets that are done, for those to come
	buffers buffers
}

// Begin prepares a worker's tracer for a collection.
func (t *Tracer) Begin(w *scheduler.Worker) {
	t.w, t.shapes, t.Objects, t.Bytes, t.Weak = w, t.Mem.Types.Shapes(), 0, 0, t.Weak[:0]
}

// Push makes a live object's fields be traced. Spaces call it, once for each object.
func (t *Tracer) Push(r heap.Ref) { t.stack = append(t.stack, r) }

// Size returns the size of an object with that header.
func (t *Tracer) Size(header uint64) uint32 {
	return t.shapes[uint32(header)].Bytes(uint32(header >> 32))
}

// Trace finds the object that a word refers to alive and returns its place. A word that refers to none comes back as it is.
func (t *Tracer) Trace(r heap.Ref) heap.Ref {
	if r&3 != 0 {
		return r
	}
	s := t.Spaces[t.Mem.SpaceOf(r)]
	if s == nil {
		return r
	}
	return s.Trace(t, r)
}

// Slot implements vm.Slots.
func (t *Tracer) Slot(p *uint32) {
	if r := *p; heap.IsObject(r) {
		if n := t.Trace(r); n != r {
			*p = n
		}
	}
}

// Pinned implements vm.Slots. Roots are gone through twice: Pins sees what must not move before anything does.
func (t *Tracer) Pinned(uint32) {}

// Pins is the pass over the roots that finds what must not move. It implements vm.Slots.
type Pins struct {
	*Tracer
	found []heap.Ref
	fresh []heap.Ref // not pinned before
}

// Slot implements vm.Slots.
func (p *Pins) Slot(*uint32) {}

// Pinned implements vm.Slots.
func (p *Pins) Pinned(r uint32) {
	if !heap.IsObject(r) || p.roles[p.Mem.SpaceOf(r)] == 0 {
		return // no object, or nothing becomes of it
	}
	p.found = append(p.found, r)
	if p.Mem.Pin.Set(r) {
		p.fresh = append(p.fresh, r)
	}
}

// Close makes what was found be traced in the closure, and unpinned after it.
func (p *Pins) Close() {
	if len(p.found) == 0 {
		return
	}
	s := p.w.Scheduler()
	s.Add(scheduler.Closure, &pinned{p.found})
	s.Add(scheduler.Release, &unpin{p.fresh})
}

// pinned is a packet of roots that do not move.
type pinned struct{ refs []heap.Ref }

func (p *pinned) Run(w *scheduler.Worker) {
	t := Of(w)
	for _, r := range p.refs {
		t.Trace(r)
	}
	t.Drain()
}

// unpin is a packet that lets objects move again which only roots of this collection pinned.
type unpin struct{ refs []heap.Ref }

func (p *unpin) Run(w *scheduler.Worker) {
	t := Of(w)
	for _, r := range p.refs {
		t.Mem.Pin.Unset(r)
	}
}

// Drain traces everything that is reachable from the pushed objects, sharing with other workers.
func (t *Tracer) Drain() {
	if t.still {
		t.drainMarked()
	} else {
		t.drainMoved()
	}
}

// offer gives the older half of the stack, whose objects lead to the most, to a worker that has nothing to do, and of a long stack a packet to whoever
// comes: a stack stays short in a heap that is deep and wide.
func (t *Tracer) offer() {
	switch n := len(t.stack); {
	case n >= 4*chunk:
		t.share(chunk)
	case n >= 2*group && t.w.Wanted():
		t.share(n / 2)
	}
}

func (t *Tracer) share(n int) {
	var refs []heap.Ref
	if k := len(t.spare) - 1; k >= 0 {
		refs, t.spare = t.spare[k], t.spare[:k]
	}
	t.w.Add(&objects{append(refs, t.stack[:n]...)})
	t.stack = t.stack[:copy(t.stack, t.stack[n:])]
}

// rest traces what a Shape does not have.
func (t *Tracer) rest(r heap.Ref, header uint64) {
	typ := &t.Mem.Types.All()[uint32(header)]
	length := uint32(header >> 32)
	for _, off := range typ.Refs {
		if off >= heap.HeaderSize+heap.ShapeBytes {
			t.Slot(t.Mem.Slot(r + off))
		}
	}
	if typ.ElemRef {
		t.scanSlots(r+heap.HeaderSize, length)
	}
	for _, f := range typ.Foreign {
		if typ.Elem == 0 {
			t.Foreign(f.Class, *t.Mem.Slot(r + f.Offset))
			continue
		}
		for _, v := range t.Mem.Slots(r+heap.HeaderSize, int(length)) {
			t.Foreign(f.Class, v)
		}
	}
	if typ.IsWeak() {
		t.Weak = append(t.Weak, r)
	}
}

// scanSlots traces an array's references; of a long array the rest becomes a packet.
func (t *Tracer) scanSlots(at, n uint32) {
	if n > chunk {
		t.w.Add(&slots{at: at + 4*chunk, n: n - chunk})
		n = chunk
	}
	if t.still {
		t.markSlots(t.Mem.View(), at, n)
		return
	}
	t.moveSlots(t.Mem.View(), at, n)
}

// Of returns a worker's tracer.
func Of(w *scheduler.Worker) *Tracer { return w.Data.(*Tracer) }

// objects is a packet of objects whose fields are to be traced.
type objects struct{ refs []heap.Ref }

func (p *objects) Run(w *scheduler.Worker) {
	t := Of(w)
	t.stack = append(t.stack, p.refs...)
	t.spare = append(t.spare, p.refs[:0])
	t.Drain()
}

// slots is a packet for the rest of a long array of references.
type slots struct{ at, n uint32 }

func (p *slots) Run(w *scheduler.Worker) {
	t := Of(w)
	t.scanSlots(p.at, p.n)
	t.Drain()
}
