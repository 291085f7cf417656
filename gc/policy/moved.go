package policy

import (
	"math/bits"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// The closure where objects move. It goes by groups as in closure.go, and keeps the place of each reference, which may change. Before spaces are asked
// what becomes of objects, all headers of a group's are loaded: that is where copies are claimed.

// drainMoved is Drain for a collection in which spaces may have to be asked.
func (t *Tracer) drainMoved() {
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
				t.moveEdges(v, e)
				e = 0
			}
			for m := s.Refs(); m != 0; m &= m - 1 {
				at := r + heap.HeaderSize + uint32(bits.TrailingZeros64(m))*4
				x := v.Load(at)
				b.edges[e&(edgeRoom-1)], b.slots[e&(edgeRoom-1)] = x, at
				e += isRef(x)
			}
			if !s.Plain() {
				t.moveEdges(v, e)
				e = 0
				t.rest(r, h)
			}
		}
		t.moveEdges(v, e)
	}
}

// moveEdges traces the first n references in the buffer, and writes where their objects are now to where they were found.
func (t *Tracer) moveEdges(v heap.View, n int) {
	b := &t.buffers
	k := 0
	var touched uint64
	for i, r := range b.edges[:n] {
		b.edges[k&(edgeRoom-1)], b.slots[k&(edgeRoom-1)] = r, b.slots[i]
		role := t.roles[v.Space(r)]
		k += int(uint32(role&Marks)&^v.Marked(r) | uint32(role&Asks)>>1)
	}
	for _, r := range b.edges[:k] {
		touched ^= v.Header(r)
	}
	b.touched = touched
	for i, r := range b.edges[:k] {
		id := v.Space(r)
		if t.roles[id]&Asks != 0 {
			if to := t.Spaces[id].Trace(t, r); to != r {
				v.Store(b.slots[i], to)
			}
		} else if t.Alone && v.SetAlone(r) || !t.Alone && v.Set(r) {
			t.stack = append(t.stack, r)
		}
	}
}

// moveSlots is moveEdges for n words from an offset on.
func (t *Tracer) moveSlots(v heap.View, at, n uint32) {
	b := &t.buffers
	for n > 0 {
		k := min(n, edgeRoom)
		e := 0
		for i := range k {
			x := v.Load(at + 4*i)
			b.edges[e&(edgeRoom-1)], b.slots[e&(edgeRoom-1)] = x, at+4*i
			e += isRef(x)
		}
		t.moveEdges(v, e)
		at, n = at+4*k, n-k
	}
}
