package vm

// The bulk instructions of arrays. Bounds are checked before anything is written. Nothing collects between the first and the last write: a pause waits, as for
// all bulk operations (see chunks), so addresses of elements stay good, and an array is remembered at most once.

// arrayAt returns the address of an array's first element, and how many there are. r must not be null.
func (t *Thread) arrayAt(r Ref) (addr uintptr, n uint64) {
	addr = t.Ctx.Heap + uintptr(r)
	return addr + 8, *slotAt(addr) >> 32
}

// elements returns the address of elements [at, at+n) of an array, for writing.
func (t *Thread) elements(l *Layout, r Ref, at, n uint32) (uintptr, error) {
	if r == NullRef {
		return 0, NewTrap(TrapNullArray)
	}
	addr, size := t.arrayAt(r)
	if !inBounds(uint64(at), uint64(n), size) {
		return 0, NewTrap(TrapArrayOutOfBounds)
	}
	if l.Elem.Kind.Barrier() && n > 0 && refsAt(t.Ctx.LogBits+uintptr(r>>8)*4, 1)[0]&(1<<(r>>3&31)) != 0 {
		t.Remember(r)
	}
	return addr + uintptr(at)<<l.ElemShift, nil
}

// ArrayFill is array.fill; v is the value in slot form.
func (t *Thread) ArrayFill(l *Layout, r Ref, at uint32, v []uint64, n uint32) error {
	to, err := t.elements(l, r, at, n)
	if err != nil {
		return err
	}
	k := int(n)
	switch l.ElemShift {
	case 0:
		b := bytesAt(to, k)
		return t.chunks(uint64(n), chunk, func(o, c uint64) { fillBytes(b[o:o+c], byte(v[0])) })
	case 1:
		return fillWith(t, viewAt[uint16](to, k), uint16(v[0]))
	case 2:
		return fillWith(t, viewAt[uint32](to, k), uint32(v[0]))
	case 3:
		return fillWith(t, viewAt[uint64](to, k), v[0])
	}
	return fillWith(t, viewAt[[2]uint64](to, k), [2]uint64{v[0], v[1]})
}

// fillWith sets all elements, in pieces.
func fillWith[E any](t *Thread, to []E, v E) error {
	return t.chunks(uint64(len(to)), refChunk, func(o, n uint64) {
		part := to[o : o+n]
		for i := range part {
			part[i] = v
		}
	})
}

// ArrayCopy is array.copy: n elements of src from s on go to dst at d on. l is the layout of dst; src has elements of the same size.
func (t *Thread) ArrayCopy(l *Layout, dst Ref, d uint32, src Ref, s, n uint32) error {
	if dst == NullRef || src == NullRef {
		return NewTrap(TrapNullArray)
	}
	from, size := t.arrayAt(src)
	if !inBounds(uint64(s), uint64(n), size) {
		return NewTrap(TrapArrayOutOfBounds)
	}
	to, err := t.elements(l, dst, d, n)
	if err != nil {
		return err
	}
	bytes := int(n) << l.ElemShift
	return move(t, bytesAt(to, bytes), bytesAt(from+uintptr(s)<<l.ElemShift, bytes), chunk, dst == src && d > s)
}

// ArrayNewData is array.new_data. It may collect.
func (t *Thread) ArrayNewData(l *Layout, inst *Instance, seg, s, n uint32) (Ref, error) {
	data, bytes := inst.data(seg), uint64(n)<<l.ElemShift
	if !inBounds(uint64(s), bytes, uint64(len(data))) {
		return 0, NewTrap(TrapMemoryOutOfBounds)
	}
	r, err := t.NewArray(l, n)
	if err != nil {
		return 0, err
	}
	addr, _ := t.arrayAt(r)
	return r, move(t, bytesAt(addr, int(bytes)), data[s:uint64(s)+bytes], chunk, false)
}

// ArrayInitData is array.init_data: n elements from byte s of the segment on go to the array at d on.
func (t *Thread) ArrayInitData(l *Layout, r Ref, d uint32, inst *Instance, seg, s, n uint32) error {
	to, err := t.elements(l, r, d, n)
	if err != nil {
		return err
	}
	data, bytes := inst.data(seg), uint64(n)<<l.ElemShift
	if !inBounds(uint64(s), bytes, uint64(len(data))) {
		return NewTrap(TrapMemoryOutOfBounds)
	}
	return move(t, bytesAt(to, int(bytes)), data[s:uint64(s)+bytes], chunk, false)
}

// ArrayNewElem is array.new_elem. It may collect.
func (t *Thread) ArrayNewElem(l *Layout, inst *Instance, seg, s, n uint32) (Ref, error) {
	if !inBounds(uint64(s), uint64(n), inst.elemLen(seg)) {
		return 0, NewTrap(TrapTableOutOfBounds)
	}
	r, err := t.NewArray(l, n)
	if err != nil {
		return 0, err
	}
	addr, _ := t.arrayAt(r)
	return r, t.copyElems(addr, inst, seg, s, n)
}

// ArrayInitElem is array.init_elem: n elements from s of the segment on go to the array at d on.
func (t *Thread) ArrayInitElem(l *Layout, r Ref, d uint32, inst *Instance, seg, s, n uint32) error {
	to, err := t.elements(l, r, d, n)
	if err != nil {
		return err
	}
	if !inBounds(uint64(s), uint64(n), inst.elemLen(seg)) {
		return NewTrap(TrapTableOutOfBounds)
	}
	return t.copyElems(to, inst, seg, s, n)
}

func (t *Thread) copyElems(to uintptr, inst *Instance, seg, s, n uint32) error {
	refs := refsAt(to, int(n))
	return t.chunks(uint64(n), refChunk, func(o, c uint64) { inst.copyElems(refs[o:o+c], seg, uint64(s)+o) })
}
