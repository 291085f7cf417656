package modgen

import "github.com/spindle-wasm/spindle/internal/wasm"

// someRef puts a reference on the stack and returns its type; the one that lies there, if there is one.
func (b *body) someRef() wasm.ValType {
	if have := b.usable(); len(have) > 0 && have[len(have)-1].IsRef() && b.c.oneIn(2) {
		return have[len(have)-1]
	}
	t := b.refType()
	b.value(t)
	return t
}

// refOp writes an instruction on references that needs no label.
func (b *body) refOp() {
	switch b.c.n(6) {
	case 0:
		b.refNull(b.heapType())
	case 1:
		b.refFunc(uint32(b.c.n(int(b.refuel))))
	case 2:
		b.someRef()
		b.op(wasm.OpRefIsNull, 1, []wasm.ValType{wasm.I32})
	case 3:
		if b.has(wasm.FeatureFunctionReferences) {
			t := b.someRef()
			if b.risk > 0 || !t.Nullable() {
				b.op(wasm.OpRefAsNonNull, 1, []wasm.ValType{t.WithNull(false)})
			}
		}
	case 4:
		if b.has(wasm.FeatureGc) {
			b.need(wasm.EqRef, wasm.EqRef)
			b.op(wasm.OpRefEq, 2, []wasm.ValType{wasm.I32})
		}
	default:
		if b.has(wasm.FeatureGc) {
			b.gcRefOp()
		}
	}
}

func (b *body) gcRefOp() {
	switch b.c.n(4) {
	case 0:
		b.need(wasm.I32)
		b.op(wasm.OpRefI31, 1, []wasm.ValType{wasm.RefTo(wasm.HeapI31, false)})
	case 1:
		b.need(wasm.RefTo(wasm.HeapI31, b.risk > 0 && b.c.oneIn(2)))
		b.op(pick(b.c, []wasm.Opcode{wasm.OpI31GetS, wasm.OpI31GetU}), 1, []wasm.ValType{wasm.I32})
	case 2:
		null := b.c.oneIn(2)
		b.need(wasm.RefTo(wasm.HeapExtern, null))
		b.op(wasm.OpAnyConvertExtern, 1, []wasm.ValType{wasm.RefTo(wasm.HeapAny, null || b.maybeNull())})
	default:
		null := b.c.oneIn(2)
		b.need(wasm.RefTo(wasm.HeapAny, null))
		b.op(wasm.OpExternConvertAny, 1, []wasm.ValType{wasm.RefTo(wasm.HeapExtern, null || b.maybeNull())})
	}
}

// maybeNull forgets now and then that a reference is not null, which is always right.
func (b *body) maybeNull() bool { return b.c.oneIn(4) }

// castTypes picks the types of a cast: to is below from, or at least of its hierarchy.
func (b *body) castTypes() (from, to wasm.ValType) {
	to = b.refType()
	if b.c.oneIn(2) {
		to = to.WithNull(!to.Nullable())
	}
	if b.c.oneIn(3) {
		return wasm.RefTo(b.types.top(to.Heap()), true), to
	}
	// A type above the target.
	h := to.Heap()
	for !b.c.exhausted() && !b.c.oneIn(2) {
		switch {
		case h.Concrete() && b.types.subs[h].Super >= 0:
			h = wasm.HeapType(b.types.subs[h].Super)
		case h.Concrete():
			h = kindHeap[b.types.subs[h].Kind]
		case len(above[h]) > 0:
			h = above[h][b.c.n(len(above[h]))]
		}
	}
	return wasm.RefTo(h, to.Nullable() || b.c.oneIn(2)), to
}

// cast writes ref.test or ref.cast.
func (b *body) cast() {
	from, to := b.castTypes()
	b.value(from)
	test, op := wasm.OpRefTest, wasm.OpRefCast
	if to.Nullable() {
		test, op = wasm.OpRefTestNull, wasm.OpRefCastNull
	}
	if b.tame() && !b.types.match(from, to) && !b.c.oneIn(16) {
		b.emit(test)
		b.code = wasm.AppendHeapType(b.code, to.Heap())
		b.pop(1)
		b.push(wasm.I32)
		return
	}
	b.emit(op)
	b.code = wasm.AppendHeapType(b.code, to.Heap())
	b.pop(1)
	b.push(to)
}

// landing runs f inside of a block that takes ts when it is branched to, unless an open label takes them already; f gets the
// depth of the label and writes a branch there.
func (b *body) landing(ts []wasm.ValType, f func(depth int)) {
	if b.c.oneIn(2) {
		if d, ok := b.pickIndex(len(b.labels), func(d int) bool { return b.types.matchAll(ts, b.label(d).targets()) }); ok {
			f(d)
			return
		}
	}
	b.emit(wasm.OpBlock)
	b.code = append(b.code, b.blockType(nil, ts)...)
	b.open(wasm.OpBlock, nil, ts)
	b.instrs(b.c.n(2))
	f(0)
	b.instrs(b.c.n(3))
	b.close()
}

// branchRef writes a branch that takes a reference of type from with it, or not: the stack has targets and then the reference.
// It leaves the targets, and rest if it is not Bottom.
func (b *body) branchRef(depth int, from wasm.ValType, passes bool, rest wasm.ValType, write func()) {
	ts := b.label(depth).targets()
	if passes {
		ts = ts[:len(ts)-1]
	}
	b.need(ts...)
	b.value(from)
	write()
	b.pop(len(ts) + 1)
	b.push(ts...)
	if rest != wasm.Bottom {
		b.push(rest)
	}
}

// brOnNull writes br_on_null or br_on_non_null.
func (b *body) brOnNull() {
	t := b.refType().WithNull(true)
	if b.c.oneIn(2) {
		d := b.target()
		b.branchRef(d, t, false, t.WithNull(false), func() { b.emit(wasm.OpBrOnNull, uint64(d)) })
		return
	}
	b.landing([]wasm.ValType{t.WithNull(false)}, func(d int) {
		b.branchRef(d, t, true, wasm.Bottom, func() { b.emit(wasm.OpBrOnNonNull, uint64(d)) })
	})
}

// brOnCast writes br_on_cast or br_on_cast_fail (specification: Validation, Control Instructions).
func (b *body) brOnCast() {
	from, to := b.castTypes()
	if !b.types.match(to, from) {
		return
	}
	rest := from
	if to.Nullable() {
		rest = from.WithNull(false)
	}
	op, taken, next := wasm.OpBrOnCast, to, rest
	if b.c.oneIn(2) {
		op, taken, next = wasm.OpBrOnCastFail, rest, to
	}
	b.landing([]wasm.ValType{taken}, func(d int) {
		b.branchRef(d, from, true, next, func() {
			flags := byte(0)
			if from.Nullable() {
				flags |= 1
			}
			if to.Nullable() {
				flags |= 2
			}
			b.emit(op)
			b.code = appendU(append(b.code, flags), uint64(d))
			b.code = wasm.AppendHeapType(wasm.AppendHeapType(b.code, from.Heap()), to.Heap())
		})
	})
}
