// Package barrier is what generational plans remember of mutators' writes between two collections. Only objects that a collection has found alive, the
// old ones, have their Log bit (heap.Memory.Log); they alone are remembered, since the others are traced anyway.
//
// What an engine must do, if plan.Constraints.Barrier is ObjectBarrier, between a write and the next safepoint:
//
//	write of one reference   if the object's Log bit is set: Mutator.Remember(object)
//	bulk write of references if the array's Log bit is set: Mutator.RememberSlice(array, first, n); or let Mutator.CopyRefs, FillRefs and InitRefs do both
//	write of a foreign word  in a forkable heap: like one of a reference, for the objects of its image are not gone through (plan.Base.Warmup)
//	nothing                  for objects that were made since the last safepoint, for numbers, and for words that are no objects (heap.IsObject)
//
// Weak fields and those of ephemerons are written like others. See Blackburn and Hosking, Barriers: Friend or Foe, ISMM 2004, for the test that is inlined
// before a call, and MMTk's region barrier for slices.
package barrier

import (
	"cmp"
	"slices"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// Slice is elements [First, First+N) of an array of references.
type Slice struct {
	Array    heap.Ref
	First, N uint32
}

// Buffer is what one mutator has remembered. It is the mutator's, and the collector's while the world stands; it holds offsets only and can be copied for a
// fork with Append.
type Buffer struct {
	Objects []heap.Ref
	Slices  []Slice
}

const (
	// shortArray is up to how many elements an array is remembered as a whole: scanning it costs less than more slices of it.
	shortArray = 64
	// maxSlices bounds a buffer, whatever a program copies: what comes after them is remembered by arrays, each once.
	maxSlices = 1024
)

// Object remembers an object if it is old and no mutator has remembered it yet.
func (b *Buffer) Object(m *heap.Memory, r heap.Ref) {
	if m.Log.Unset(r) {
		b.Objects = append(b.Objects, r)
	}
}

// Slice remembers elements of an array of references, weak ones or ephemerons if it is old. The array keeps its Log bit, since its other elements are not remembered, unless it
// is remembered as a whole: then the next writes to it cost nothing.
func (b *Buffer) Slice(m *heap.Memory, array heap.Ref, first, n uint32) {
	if n == 0 || !m.Log.Test(array) {
		return
	}
	if length := m.Length(array); length <= shortArray || n > length/2 || !m.Types.All()[m.TypeOf(array)].ElemRef {
		b.Object(m, array)
		return
	}
	s := Slice{array, first, n}
	// Loops that go through an array piece by piece make one slice.
	if k := len(b.Slices) - 1; k >= 0 && b.Slices[k].join(s) {
		return
	}
	if len(b.Slices) == maxSlices {
		b.Object(m, array)
		return
	}
	b.Slices = append(b.Slices, s)
}

// join makes s a part of l, if the two overlap or touch.
func (l *Slice) join(s Slice) bool {
	if s.Array != l.Array || s.First > l.First+l.N || l.First > s.First+s.N {
		return false
	}
	end := max(l.First+l.N, s.First+s.N)
	l.First = min(l.First, s.First)
	l.N = end - l.First
	return true
}

// Distinct leaves no element in two slices, and none of an array that is remembered as a whole: workers scan them at the same time. The world stands.
func (b *Buffer) Distinct(m *heap.Memory) {
	slices.SortFunc(b.Slices, func(x, y Slice) int {
		return cmp.Or(cmp.Compare(x.Array, y.Array), cmp.Compare(x.First, y.First))
	})
	kept := b.Slices[:0]
	for _, s := range b.Slices {
		if k := len(kept) - 1; m.Log.Test(s.Array) && (k < 0 || !kept[k].join(s)) {
			kept = append(kept, s)
		}
	}
	b.Slices = kept
}

// Empty reports whether nothing is remembered.
func (b *Buffer) Empty() bool { return len(b.Objects) == 0 && len(b.Slices) == 0 }

// Append adds what another buffer holds.
func (b *Buffer) Append(o Buffer) {
	b.Objects = append(b.Objects, o.Objects...)
	b.Slices = append(b.Slices, o.Slices...)
}

// Take empties the buffer and returns what it held.
func (b *Buffer) Take() Buffer {
	o := *b
	*b = Buffer{}
	return o
}
