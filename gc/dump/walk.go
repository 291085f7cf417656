// Package dump tells what is in a heap: a census by type, and a dump of all objects, types, roots and references as a stream that tools read.
//
// Both are taken while the world stands, from within plan.Base.Inspect, after a collection of the whole heap.
package dump

import (
	"cmp"
	"slices"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// Global is the number of the mutator that global roots have.
const Global = -1

// Root is a place outside of the heap that refers to an object.
type Root struct {
	Mutator int // from 0; Global
	Pinned  bool
	Ref     heap.Ref
}

// walker goes through everything that a heap's roots lead to, breadth first.
type walker struct {
	mem  *heap.Memory
	seen []uint64 // a bit for each 8 bytes
	next []heap.Ref
	root func(Root)
	from int // whose roots are told
}

// walk calls root for each root, then object for each object that is reachable by strong references. Of these, values of ephemerons are some: after a collection
// their keys are alive.
func walk(v *plan.View, root func(Root), object func(heap.Ref)) {
	w := &walker{mem: v.Mem, seen: make([]uint64, (uint64(v.Mem.Blocks())<<heap.LogBlock)/8/64), root: root}
	for i := range v.Mutators() {
		w.from = i
		v.Roots(i, w)
	}
	w.from = Global
	v.GlobalRoots(w)
	for len(w.next) > 0 {
		now := w.next
		w.next = nil
		for _, r := range now {
			object(r)
			Fields(w.mem, r, func(_ uint32, to heap.Ref, weak bool) {
				if !weak {
					w.visit(to)
				}
			})
		}
	}
}

// Slot implements vm.Slots.
func (w *walker) Slot(p *uint32) { w.add(*p, false) }

// Pinned implements vm.Slots.
func (w *walker) Pinned(r uint32) { w.add(r, true) }

func (w *walker) add(r heap.Ref, pinned bool) {
	if heap.IsObject(r) {
		w.root(Root{w.from, pinned, r})
		w.visit(r)
	}
}

func (w *walker) visit(r heap.Ref) {
	if word, bit := &w.seen[r/8/64], uint64(1)<<(r/8%64); *word&bit == 0 {
		*word |= bit
		w.next = append(w.next, r)
	}
}

// Fields calls f for each reference in an object: its offset, where it leads, and whether it is weak (the key of an ephemeron is). Words that refer to no object are left out.
func Fields(m *heap.Memory, r heap.Ref, f func(off uint32, to heap.Ref, weak bool)) {
	typ, length := &m.Types.All()[m.TypeOf(r)], m.Length(r)
	field := func(at uint32, weak bool) {
		if to := *m.Slot(at); heap.IsObject(to) {
			f(at-r, to, weak)
		}
	}
	for _, off := range typ.Refs {
		field(r+off, false)
	}
	if typ.ElemRef {
		for i := range length {
			field(r+heap.HeaderSize+4*i, false)
		}
	}
	typ.EachWeak(r, length, func(at uint32) { field(at, true) })
	typ.EachEphemeron(r, length, func(at uint32) {
		field(at, true)
		field(at+4, false)
	})
}

// Count is how many objects of a type there are.
type Count struct {
	Type  heap.TypeID
	Name  string
	Count uint64
	Bytes uint64
}

// Census counts the objects that are reachable, by type: the types with the most bytes first, those with as many by name.
func Census(v *plan.View) []Count {
	types := v.Mem.Types.All()
	counts := make([]Count, len(types))
	walk(v, func(Root) {}, func(r heap.Ref) {
		c := &counts[v.Mem.TypeOf(r)]
		c.Count++
		c.Bytes += uint64(v.Mem.SizeOf(r))
	})
	for i := range counts {
		counts[i].Type, counts[i].Name = heap.TypeID(i), types[i].Name
	}
	return sorted(counts)
}

func sorted(counts []Count) []Count {
	counts = slices.DeleteFunc(counts, func(c Count) bool { return c.Count == 0 })
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return counts
}
