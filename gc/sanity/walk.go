package sanity

import (
	"fmt"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// walk goes through everything that is reachable by strong references. It implements vm.Slots.
type walk struct {
	mem *heap.Memory
	// object says what is wrong with an object, before its fields are read.
	object func(r heap.Ref) string
	// edge, if set, says what is wrong with a reference in the word at a place; see Error for the rest.
	edge func(from heap.Ref, at uint32, to heap.Ref) string

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
func (w *walk) Slot(p *uint32) { w.visit(*p, 0) }

// Pinned implements vm.Slots.
func (w *walk) Pinned(r uint32) { w.visit(r, 0) }

// run goes through all that is reachable from the roots told so far and returns an *Error for the first thing that is wrong.
func (w *walk) run() error {
	for len(w.work) > 0 && w.found == nil {
		r := w.work[len(w.work)-1]
		w.work = w.work[:len(w.work)-1]
		w.scan(r)
	}
	return w.found
}

func (w *walk) visit(r, from heap.Ref) {
	if !heap.IsObject(r) || w.found != nil {
		return
	}
	if _, seen := w.from[r]; seen {
		return
	}
	if w.from == nil {
		w.from = map[heap.Ref]heap.Ref{}
	}
	w.from[r] = from
	// What is beside the object comes first: plan PageProtect makes dead ones inaccessible.
	msg := misplaced(w.mem, r)
	if msg == "" {
		msg = w.object(r)
	}
	if msg == "" {
		msg = malformed(w.mem, r)
	}
	if msg != "" {
		w.fail(r, msg)
		return
	}
	w.work = append(w.work, r)
}

func (w *walk) fail(r heap.Ref, msg string) {
	if w.found == nil {
		w.found = &Error{Ref: r, Path: w.path(r), Msg: msg}
	}
}

// misplaced says why a reference cannot be one to an object.
func misplaced(m *heap.Memory, r heap.Ref) string {
	if r%8 != 0 {
		return "the reference is not aligned"
	}
	if m.SpaceOf(r) == 0 {
		return "its block belongs to no space"
	}
	if m.Hidden(r) {
		return "its memory is inaccessible: it was dead"
	}
	return ""
}

// malformed says why what it refers to is no object.
func malformed(m *heap.Memory, r heap.Ref) string {
	if to, copied := m.Forwarded(r); copied {
		return fmt.Sprintf("the object was copied to %#x, and the reference was not updated", to)
	}
	typ := uint32(m.TypeOf(r))
	types := m.Types.All()
	if int(typ) >= len(types) {
		return fmt.Sprintf("its header has type %#x, which there is not", typ)
	}
	size := types[typ].Bytes(m.Length(r))
	if size == 0 || m.SpaceOf(r+size-1) != m.SpaceOf(r) {
		return fmt.Sprintf("an object of %d bytes does not fit there", size)
	}
	return ""
}

func (w *walk) scan(r heap.Ref) {
	typ := &w.mem.Types.All()[w.mem.TypeOf(r)]
	for _, off := range typ.Refs {
		w.field(r, r+off)
	}
	if typ.ElemRef {
		for i := range w.mem.Length(r) {
			w.field(r, r+heap.HeaderSize+4*i)
		}
	}
	if typ.IsWeak() {
		typ.EachWeak(r, w.mem.Length(r), func(at uint32) { w.weak(r, at) })
		// Between collections a value is there only while its key is alive.
		typ.EachEphemeron(r, w.mem.Length(r), func(at uint32) {
			w.weak(r, at)
			w.field(r, at+4)
		})
	}
}

// weak looks at what a weak field refers to, and does not follow it.
func (w *walk) weak(r heap.Ref, at uint32) {
	to := *w.mem.Slot(at)
	if !heap.IsObject(to) || w.found != nil {
		return
	}
	msg := misplaced(w.mem, to)
	if msg == "" {
		msg = w.object(to)
	}
	if msg == "" {
		msg = malformed(w.mem, to)
	}
	if msg == "" && w.edge != nil {
		msg = w.edge(r, at, to)
	}
	if msg != "" {
		w.fail(r, fmt.Sprintf("its weak field at %d is %#x: %s", at-r, to, msg))
	}
}

func (w *walk) field(r heap.Ref, at uint32) {
	to := *w.mem.Slot(at)
	w.visit(to, r)
	if w.edge != nil && heap.IsObject(to) && w.found == nil {
		if msg := w.edge(r, at, to); msg != "" {
			w.fail(r, msg)
		}
	}
}

func (w *walk) path(r heap.Ref) []heap.Ref {
	const most = 20
	var p []heap.Ref
	for from := w.from[r]; from != 0 && len(p) < most; from = w.from[from] {
		p = append(p, from)
	}
	return p
}
