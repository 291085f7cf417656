package policy

import (
	"math/bits"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// A collection is spent here, and in moved.go where objects move.
//
// A heap is larger than the caches, and the next object is anywhere in it. So an object costs a miss for its header, and one for its mark bit per
// reference; each takes as long as some hundred instructions. The processor waits for many at a time if it is told of them at a time, and a branch
// that it cannot foresee (is there a reference, is it marked) ends that. So objects are traced by the group, in loops that do one thing each:
//
//  1. load the headers of a group;
//  2. put their references into a buffer; words that are none are overwritten by the next;
//  3. keep those without mark bits, in the same way;
//  4. set their mark bits and push them.
//
// No loop but the last has a branch that depends on the heap's graph.
const (
	// group is how many objects are looked at together.
	group = 32
	// edgeRoom is how many references the buffer holds.
	edgeRoom = 512
)

// buffers are a worker's, of the loops above.
type buffers struct {
	refs    [group]heap.Ref
	headers [group]uint64
	edges   [edgeRoom]heap.Ref
	slots   [edgeRoom]uint32 // where the edges were found, if they may change
	touched uint64           // so that headers are loaded
}

// isRef is 1 if a word refers to an object, 0 if not: heap.IsObject without a branch.
func isRef(r heap.Ref) (n int) {
	// The lowest two bits come to the top.
	if bits.RotateLeft32(r, -2)-1 < 1<<30-1 {
		n = 1
	}
	return n
}

// next takes the newest objects off the stack, k of them, and loads their headers.
func (t *Tracer) next(v heap.View) (k int) {
	b := &t.buffers
	k = min(len(t.stack), group)
	top := t.stack[len(t.stack)-k:]
	t.stack = t.stack[:len(t.stack)-k]
	for i, r := range top {
		b.refs[i&(group-1)] = r
		b.headers[i&(group-1)] = v.Header(r)
	}
	t.Objects += uint64(k)
	return k
}

// markLines marks the lines of an object, of a space that wants it.
func (t *Tracer) markLines(v heap.View, r heap.Ref, size uint32) {
	if t.roles[v.Space(r)]&Lines == 0 {
		return
	}
	first, last := r>>heap.LogLine, (r+size-1)>>heap.LogLine
	v.MarkLine(first, t.Epoch)
	v.MarkLine(last, t.Epoch) // the same one, mostly; a store is cheaper than to ask
	for l := first + 1; l < last; l++ {
		v.MarkLine(l, t.Epoch)
	}
}

// drainMarked is Drain for a collection in which all spaces mark or do nothing.
func (t *Tracer) drainMarked() {
	v, b := t.Mem.View(), &t.buffers
	for len(t.stack) > 0 {
		t.offer()
		k := t.next(v)
		e := 0
		for i := range k {
			r, h := b.refs[i&(group-1)], b.headers[i&(group-1)]
			s := t.shapes[uint32(h)]
			size := s.Bytes(uint32(h >> 32))
			t.Bytes += uint64(size)
			t.markLines(v, r, size)
			if e > edgeRoom-heap.ShapeBytes/4 {
				t.markEdges(v, e)
				e = 0
			}
			for m := s.Refs(); m != 0; m &= m - 1 {
				x := v.Load(r + heap.HeaderSize + uint32(bits.TrailingZeros64(m))*4)
				b.edges[e&(edgeRoom-1)] = x
				e += isRef(x)
			}
			if !s.Plain() {
				t.markEdges(v, e)
				e = 0
				t.rest(r, h)
			}
		}
		t.markEdges(v, e)
	}
}

// markEdges marks and pushes the objects that the first n references in the buffer lead to.
func (t *Tracer) markEdges(v heap.View, n int) {
	b := &t.buffers
	k := 0
	for _, r := range b.edges[:n] {
		b.edges[k&(edgeRoom-1)] = r
		k += int(uint32(t.roles[v.Space(r)]&Marks) &^ v.Marked(r))
	}
	if len(t.stack)+k > cap(t.stack) {
		t.stack = append(t.stack, make([]heap.Ref, k)...)[:len(t.stack)]
	}
	s := t.stack[:len(t.stack)+k]
	at := len(t.stack)
	for _, r := range b.edges[:k] {
		if t.Alone {
			if !v.SetAlone(r) {
				continue
			}
		} else if !v.Set(r) {
			continue
		}
		s[at] = r
		at++
	}
	t.stack = s[:at]
}

// markSlots is markEdges for n words from an offset on.
func (t *Tracer) markSlots(v heap.View, at, n uint32) {
	b := &t.buffers
	for n > 0 {
		k := min(n, edgeRoom)
		e := 0
		for i := range k {
			x := v.Load(at + 4*i)
			b.edges[e&(edgeRoom-1)] = x
			e += isRef(x)
		}
		t.markEdges(v, e)
		at, n = at+4*k, n-k
	}
}
