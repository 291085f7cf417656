package modgen

import "github.com/spindle-wasm/spindle/internal/wasm"

func defaultable(fields []wasm.FieldType) bool {
	for _, f := range fields {
		if !f.Type.Defaultable() {
			return false
		}
	}
	return true
}

// newDefault writes a struct.new_default or array.new_default of type x, if it has one.
func (b *body) newDefault(x uint32) bool {
	s := &b.types.subs[x]
	if !defaultable(s.Fields) {
		return false
	}
	ref := []wasm.ValType{wasm.RefTo(wasm.HeapType(x), false)}
	if s.Kind == wasm.CompStruct {
		b.op(wasm.OpStructNewDefault, 0, ref, uint64(x))
		return true
	}
	b.code = append(b.code, byte(wasm.OpI32Const))
	b.code = appendU(b.code, uint64(b.c.n(32)))
	b.push(wasm.I32)
	b.op(wasm.OpArrayNewDefault, 1, ref, uint64(x))
	return true
}

// aggregate writes a struct or array instruction.
func (b *body) aggregate() {
	if b.c.oneIn(16) {
		b.value(wasm.ArrayRef)
		b.op(wasm.OpArrayLen, 1, []wasm.ValType{wasm.I32})
		return
	}
	x, ok := b.aggregateBelow(wasm.HeapAny)
	if !ok {
		return
	}
	if s := b.types.subs[x]; s.Kind == wasm.CompStruct {
		b.structOp(x, &s)
	} else {
		b.arrayOp(x, &s)
	}
}

// getOp is the instruction that reads a field of a storage type.
func (b *body) getOp(t wasm.ValType, plain, signed, unsigned wasm.Opcode) wasm.Opcode {
	if t.Unpacked() == t {
		return plain
	}
	return pick(b.c, []wasm.Opcode{signed, unsigned})
}

// object puts a reference to an object of type x on the stack.
func (b *body) object(x uint32) { b.value(wasm.RefTo(wasm.HeapType(x), b.risk > 0 && b.c.oneIn(4))) }

func (b *body) structOp(x uint32, s *wasm.SubType) {
	ref := []wasm.ValType{wasm.RefTo(wasm.HeapType(x), false)}
	op := b.c.n(4)
	if op > 1 && len(s.Fields) == 0 {
		op = 0
	}
	switch op {
	case 0:
		var ts []wasm.ValType
		for _, f := range s.Fields {
			ts = append(ts, f.Type.Unpacked())
		}
		b.need(ts...)
		b.op(wasm.OpStructNew, len(ts), ref, uint64(x))
	case 1:
		b.newDefault(x)
	default:
		i := b.c.n(len(s.Fields))
		f := s.Fields[i]
		b.object(x)
		if f.Mutable && op == 3 {
			b.value(f.Type.Unpacked())
			b.op(wasm.OpStructSet, 2, nil, uint64(x), uint64(i))
			return
		}
		get := b.getOp(f.Type, wasm.OpStructGet, wasm.OpStructGetS, wasm.OpStructGetU)
		b.op(get, 1, []wasm.ValType{f.Type.Unpacked()}, uint64(x), uint64(i))
	}
}

func (b *body) arrayOp(x uint32, s *wasm.SubType) {
	ref := []wasm.ValType{wasm.RefTo(wasm.HeapType(x), false)}
	f := s.Fields[0]
	t := f.Type.Unpacked()
	index := func() { b.tamed(wasm.I32, 7) }
	data := func() (uint64, bool) {
		return uint64(b.c.n(max(len(b.datas), 1))), !f.Type.IsRef() && len(b.datas) > 0
	}
	elem := func() (uint64, bool) {
		e, ok := b.pickIndex(len(b.elems), func(e int) bool { return b.types.match(b.elems[e].elemType(), f.Type) })
		return uint64(e), ok
	}
	switch op := b.c.n(11); {
	case op == 0:
		n := b.c.n(5)
		for range n {
			b.value(t)
		}
		b.op(wasm.OpArrayNewFixed, n, ref, uint64(x), uint64(n))
	case op == 1:
		b.value(t)
		b.value(wasm.I32)
		b.mask(wasm.I32, 31)
		b.op(wasm.OpArrayNew, 2, ref, uint64(x))
	case op == 2:
		b.newDefault(x)
	case op == 3:
		if d, ok := data(); ok {
			index()
			index()
			b.op(wasm.OpArrayNewData, 2, ref, uint64(x), d)
		}
	case op == 4:
		if e, ok := elem(); ok {
			index()
			index()
			b.op(wasm.OpArrayNewElem, 2, ref, uint64(x), e)
		}
	case op == 5 || !f.Mutable:
		b.object(x)
		index()
		b.op(b.getOp(f.Type, wasm.OpArrayGet, wasm.OpArrayGetS, wasm.OpArrayGetU), 2, []wasm.ValType{t}, uint64(x))
	case op == 6:
		b.object(x)
		index()
		b.value(t)
		b.op(wasm.OpArraySet, 3, nil, uint64(x))
	case op == 7:
		b.object(x)
		index()
		b.value(t)
		index()
		b.op(wasm.OpArrayFill, 4, nil, uint64(x))
	case op == 8:
		y, ok := b.pickIndex(len(b.types.subs), func(y int) bool {
			o := &b.types.subs[y]
			return o.Kind == wasm.CompArray && b.types.match(o.Fields[0].Type, f.Type)
		})
		if !ok {
			return
		}
		b.object(x)
		index()
		b.object(uint32(y))
		index()
		index()
		b.op(wasm.OpArrayCopy, 5, nil, uint64(x), uint64(y))
	case op == 9:
		if d, ok := data(); ok {
			b.object(x)
			index()
			index()
			index()
			b.op(wasm.OpArrayInitData, 4, nil, uint64(x), d)
		}
	default:
		if e, ok := elem(); ok {
			b.object(x)
			index()
			index()
			index()
			b.op(wasm.OpArrayInitElem, 4, nil, uint64(x), e)
		}
	}
}
