package plan

import "github.com/spindle-wasm/spindle/gc/heap"

// The bulk writes of references: with the barrier that the plan asks for, and without safepoints, so that an engine that wants some works
// in pieces. Arrays are of a type with ElemRef or ElemWeak, and the elements within their lengths: the engine has checked that.

// CopyRefs copies n elements from one array of references to another one or to another part of itself.
func (m *Mutator) CopyRefs(dst heap.Ref, to uint32, src heap.Ref, from, n uint32) {
	mem := m.base.Mem
	copy(elems(mem, dst, to, n), elems(mem, src, from, n))
	m.RememberSlice(dst, to, n)
}

// FillRefs writes one reference, null or immediate into n elements.
func (m *Mutator) FillRefs(array heap.Ref, first, n uint32, r heap.Ref) {
	s := elems(m.base.Mem, array, first, n)
	for i := range s {
		s[i] = r
	}
	if heap.IsObject(r) {
		m.RememberSlice(array, first, n)
	}
}

// InitRefs writes references from outside of the heap into elements. refs is read at once; it need not be roots afterwards.
func (m *Mutator) InitRefs(array heap.Ref, first uint32, refs []heap.Ref) {
	copy(elems(m.base.Mem, array, first, uint32(len(refs))), refs)
	m.RememberSlice(array, first, uint32(len(refs)))
}

func elems(m *heap.Memory, array heap.Ref, first, n uint32) []uint32 {
	return m.Slots(array+heap.HeaderSize+4*first, int(n))
}

// RememberSlice is the barrier of bulk writes: it is called after references were written into n elements of an array from first on, and before the next
// safepoint. Plans without a barrier set no Log bit, and it does nothing.
func (m *Mutator) RememberSlice(array heap.Ref, first, n uint32) {
	m.barrier.Slice(m.base.Mem, array, first, n)
}
