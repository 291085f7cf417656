package vm

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// object returns the layout of the object that r refers to.
func (s *Scope) object(r Ref) (*Layout, error) {
	switch {
	case r == NullRef:
		return nil, &RefError{Kind: RefNull}
	case IsI31(r), IsHost(r):
		return nil, refErrorf(RefType, "not a struct or an array")
	case !s.set.has(r) && !s.h.knows(s.t, r):
		return nil, refErrorf(RefDead, "%#x is no local reference", r)
	}
	return s.h.layout(r), nil
}

func (h *Heap) layout(r Ref) *Layout { return LayoutOf(h.types.ts, wasm.TypeID(h.mem.TypeOf(r))) }

// TypeOf returns the layout of an object's type.
func (s *Scope) TypeOf(r Ref) (*Layout, error) {
	if err := s.h.enter(); err != nil {
		return nil, err
	}
	defer s.h.leaveHost()
	return s.object(r)
}

// NewStruct makes a struct of the values in slot form (a v128 takes two slots), or with all fields zero if there are none. The object is a local reference.
func (s *Scope) NewStruct(l *Layout, values []uint64) (Ref, error) {
	types := make([]wasm.ValType, len(l.Fields))
	for i, f := range l.Fields {
		types[i] = f.Type.Unpacked()
	}
	return s.make(l, 0, types, values, func(r Ref) {
		for i := range l.Fields {
			if len(values) == 0 {
				return // zero already
			}
			n := types[i].Slots()
			s.h.store(r, &l.Fields[i], l.Fields[i].Off, values[:n])
			values = values[n:]
		}
	})
}

// NewArray makes an array of n elements, all of the value, or zero if there is none. The object is a local reference.
func (s *Scope) NewArray(l *Layout, n uint32, value []uint64) (Ref, error) {
	return s.make(l, n, []wasm.ValType{l.Elem.Type.Unpacked()}, value, func(r Ref) {
		for i := range n {
			if len(value) == 0 {
				return // zero already
			}
			s.h.store(r, &l.Elem, heap.HeaderSize+i<<l.ElemShift, value)
		}
	})
}

// NewArrayOf makes an array of numbers of the elements in p, as they lie in memory (see Copy).
func (s *Scope) NewArrayOf(l *Layout, p []byte) (Ref, error) {
	if l.Elem.Kind >= StoreRef {
		return 0, refErrorf(RefType, "not an array of numbers")
	}
	n := uint64(len(p)) >> l.ElemShift
	if n<<l.ElemShift != uint64(len(p)) {
		return 0, refErrorf(RefBounds, "%d bytes are no whole elements of %d", len(p), 1<<l.ElemShift)
	}
	return s.make(l, uint32(min(n, math.MaxUint32)), []wasm.ValType{l.Elem.Type.Unpacked()}, nil, func(r Ref) {
		copy(s.h.mem.Bytes(r+heap.HeaderSize, len(p)), p)
	})
}

func (s *Scope) make(l *Layout, n uint32, types []wasm.ValType, values []uint64, init func(Ref)) (Ref, error) {
	if len(values) == 0 {
		if i := slices.IndexFunc(types, func(t wasm.ValType) bool { return !t.Defaultable() }); i >= 0 && (l.Kind == wasm.CompStruct || n > 0) {
			return 0, refErrorf(RefNull, "%s has no default value", types[i])
		}
	} else if want := countSlots(types); len(values) != want {
		return 0, refErrorf(RefBounds, "the values take %d slots, not %d", want, len(values))
	}
	h := s.h
	if err := h.enterWriter(); err != nil {
		return 0, err
	}
	defer h.leaveWriter()
	if len(values) > 0 {
		if err := s.t.checkRefs(types, values); err != nil {
			return 0, err
		}
	}
	if h.every {
		h.gc.Collect(h.mutator, true) //nolint:errcheck // a heap that failed says so below
	}
	r, err := h.mutator.Alloc(heap.TypeID(l.ID), n)
	switch {
	case h.closed:
		return 0, ErrHeapClosed
	case err != nil:
		return 0, h.allocationTrap(err)
	}
	s.set.add(r)
	init(r)
	return r, nil
}

// store writes a field or element at an offset in an object. Preconditions: the caller is a writer.
func (h *Heap) store(r Ref, f *FieldLayout, off uint32, v []uint64) {
	h.write(h.mutator, r, f, off, v[0], v[len(v)-1])
}

// write is store on behalf of a mutator.
func (h *Heap) write(m *gc.Mutator, r Ref, f *FieldLayout, off uint32, lo, hi uint64) {
	p := h.mem.Bytes(r+off, 1<<f.Kind.Shift())
	switch f.Kind {
	case StoreI8:
		p[0] = byte(lo)
	case StoreI16:
		binary.LittleEndian.PutUint16(p, uint16(lo))
	case StoreI64:
		binary.LittleEndian.PutUint64(p, lo)
	case StoreV128:
		binary.LittleEndian.PutUint64(p, lo)
		binary.LittleEndian.PutUint64(p[8:], hi)
	default:
		*h.mem.Slot(r + off) = uint32(lo)
		if f.Kind.Barrier() && h.mem.Log.Test(r) {
			m.Remember(r)
		}
	}
}

// load reads a field or element; packed ones zero-extended. A reference is a local one then.
func (s *Scope) load(r Ref, f *FieldLayout, off uint32) (lo, hi uint64) {
	h := s.h
	p := h.mem.Bytes(r+off, 1<<f.Kind.Shift())
	switch f.Kind {
	case StoreI8:
		return uint64(p[0]), 0
	case StoreI16:
		return uint64(binary.LittleEndian.Uint16(p)), 0
	case StoreI64:
		return binary.LittleEndian.Uint64(p), 0
	case StoreV128:
		return binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
	case StoreRef:
		w := *h.mem.Slot(r + off)
		s.set.add(w)
		return uint64(w), 0
	case StoreExn:
		w := *h.mem.Slot(r + off)
		s.set.addExn(w)
		return uint64(w), 0
	}
	return uint64(*h.mem.Slot(r + off)), 0
}

// place finds field i of a struct, or element i of an array.
func (s *Scope) place(r Ref, kind wasm.CompKind, i uint32) (l *Layout, f *FieldLayout, off uint32, err error) {
	if l, err = s.object(r); err != nil {
		return nil, nil, 0, err
	}
	switch {
	case l.Kind != kind && kind == wasm.CompStruct:
		return nil, nil, 0, refErrorf(RefType, "the object is an array")
	case l.Kind != kind:
		return nil, nil, 0, refErrorf(RefType, "the object is a struct")
	case kind == wasm.CompStruct:
		if int64(i) >= int64(len(l.Fields)) {
			return nil, nil, 0, refErrorf(RefBounds, "field %d of %d", i, len(l.Fields))
		}
		return l, &l.Fields[i], l.Fields[i].Off, nil
	}
	if n := s.h.mem.Length(r); i >= n {
		return nil, nil, 0, refErrorf(RefBounds, "element %d of %d", i, n)
	}
	return l, &l.Elem, heap.HeaderSize + i<<l.ElemShift, nil
}

// Get reads field i of a struct (kind CompStruct), or element i of an array, in slot form; hi is of a v128.
func (s *Scope) Get(r Ref, kind wasm.CompKind, i uint32) (lo, hi uint64, err error) {
	if err := s.h.enter(); err != nil {
		return 0, 0, err
	}
	defer s.h.leaveHost()
	_, f, off, err := s.place(r, kind, i)
	if err != nil {
		return 0, 0, err
	}
	lo, hi = s.load(r, f, off)
	return lo, hi, nil
}

// Set writes a field or element. Fields and elements that are immutable stay.
func (s *Scope) Set(r Ref, kind wasm.CompKind, i uint32, v []uint64) error {
	if err := s.h.enterWriter(); err != nil {
		return err
	}
	defer s.h.leaveWriter()
	l, f, off, err := s.place(r, kind, i)
	if err != nil {
		return err
	}
	def := s.h.types.ts.Def(l.ID).Fields[0]
	if kind == wasm.CompStruct {
		def = s.h.types.ts.Def(l.ID).Fields[i]
	}
	if !def.Mutable {
		return refErrorf(RefImmutable, "%s %d", map[wasm.CompKind]string{wasm.CompStruct: "field", wasm.CompArray: "element"}[kind], i)
	}
	types := [1]wasm.ValType{f.Type.Unpacked()}
	if n := types[0].Slots(); len(v) != n {
		return refErrorf(RefBounds, "the value takes %d slots, not %d", n, len(v))
	}
	if err := s.t.checkRefs(types[:], v); err != nil {
		return err
	}
	s.h.store(r, f, off, v)
	return nil
}

// Len returns an array's length.
func (s *Scope) Len(r Ref) (uint32, error) {
	if err := s.h.enter(); err != nil {
		return 0, err
	}
	defer s.h.leaveHost()
	l, err := s.object(r)
	if err != nil {
		return 0, err
	}
	if l.Kind != wasm.CompArray {
		return 0, refErrorf(RefType, "the object is a struct")
	}
	return s.h.mem.Length(r), nil
}

// Copy copies elements of an array of numbers, from element first on, as they lie in memory (little-endian): into p, or out of it if write is set. The length
// of p is a multiple of an element's size.
func (s *Scope) Copy(r Ref, first uint32, p []byte, write bool) error {
	if err := s.h.enter(); err != nil {
		return err
	}
	defer s.h.leaveHost()
	l, err := s.object(r)
	switch {
	case err != nil:
		return err
	case l.Kind != wasm.CompArray || l.Elem.Kind >= StoreRef:
		return refErrorf(RefType, "not an array of numbers")
	case write && !s.h.types.ts.Def(l.ID).Fields[0].Mutable:
		return refErrorf(RefImmutable, "elements")
	case len(p)&(1<<l.ElemShift-1) != 0:
		return refErrorf(RefBounds, "%d bytes are no whole elements of %d", len(p), 1<<l.ElemShift)
	}
	n, have := uint64(len(p))>>l.ElemShift, uint64(s.h.mem.Length(r))
	if !inBounds(uint64(first), n, have) {
		return refErrorf(RefBounds, "elements %d to %d of %d", first, uint64(first)+n, have)
	}
	b := s.h.mem.Bytes(r+heap.HeaderSize+first<<l.ElemShift, len(p))
	if write {
		copy(b, p)
	} else {
		copy(p, b)
	}
	return nil
}
