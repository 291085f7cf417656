package modgen

import (
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// enter writes the head of a block of a random signature.
func (b *body) enter(op wasm.Opcode) {
	params, results := b.pickBlock()
	if op == wasm.OpIf {
		b.need(append(append([]wasm.ValType(nil), params...), wasm.I32)...)
		b.pop(1)
	} else {
		b.need(params...)
	}
	b.emit(op)
	b.code = append(b.code, b.blockType(params, results)...)
	b.open(op, params, results)
}

func (b *body) block() {
	b.enter(wasm.OpBlock)
	b.instrs(b.c.n(8))
	b.close()
}

func (b *body) loop() {
	b.enter(wasm.OpLoop)
	b.useFuel()
	b.instrs(b.c.n(8))
	if b.c.oneIn(2) && !b.top().dead {
		// Most random conditions are constant; this goes around a few times.
		targets := b.top().params
		b.need(targets...)
		x := b.newLocal(wasm.I32, true)
		b.private[x] = true
		b.code = appendU(wasm.AppendOpcode(b.code, wasm.OpLocalGet), uint64(x))
		b.code = append(b.code, byte(wasm.OpI32Const), 1, byte(wasm.OpI32Add), byte(wasm.OpLocalTee))
		b.code = wasm.AppendSigned(append(appendU(b.code, uint64(x)), byte(wasm.OpI32Const)), int64(b.c.span(1, 16)))
		b.code = append(b.code, byte(wasm.OpI32LtU), byte(wasm.OpBrIf), 0)
		b.pop(len(targets))
		b.push(targets...)
	}
	b.close()
}

func (b *body) ifElse() {
	b.enter(wasm.OpIf)
	b.instrs(b.c.n(6))
	// Without an else, the parameters are the results.
	l := b.top()
	if !b.types.matchAll(l.params, l.results) || b.c.oneIn(2) {
		b.otherwise()
		b.instrs(b.c.n(6))
	}
	b.close()
}

// target picks a label for a branch; inner ones are likelier.
func (b *body) target() int {
	n := len(b.labels)
	return min(b.c.n(n), b.c.n(n))
}

func (b *body) br() {
	d := b.target()
	b.need(b.label(d).targets()...)
	b.terminal(wasm.OpBr, uint64(d))
}

func (b *body) ret() {
	if b.c.oneIn(2) {
		b.need(b.typ.Results...)
		b.terminal(wasm.OpReturn)
	}
}

func (b *body) brIf() {
	d := b.target()
	ts := b.label(d).targets()
	b.need(append(append([]wasm.ValType(nil), ts...), wasm.I32)...)
	b.op(wasm.OpBrIf, len(ts)+1, ts, uint64(d))
}

func (b *body) brTable() {
	d := b.target()
	ts := b.label(d).targets()
	var same []int
	for i := range b.labels {
		if b.types.matchAll(ts, b.label(i).targets()) {
			same = append(same, i)
		}
	}
	b.need(ts...)
	b.value(wasm.I32)
	n := b.c.n(6)
	if b.c.oneIn(2) {
		b.mask(wasm.I32, 7)
	}
	b.emit(wasm.OpBrTable, uint64(n))
	for range n {
		b.code = appendU(b.code, uint64(pick(b.c, same)))
	}
	b.code = appendU(b.code, uint64(d))
	b.setDead()
}

// callee picks a function whose results are ok.
func (b *body) callee(ok func(*wasm.FuncType) bool) (int, bool) {
	return b.pickIndex(len(b.funcs), func(f int) bool { return uint32(f) != b.refuel && ok(b.funcType(f)) })
}

func (b *body) call() {
	f, ok := b.callee(func(*wasm.FuncType) bool { return true })
	if !ok {
		return
	}
	ft := *b.funcType(f)
	b.need(ft.Params...)
	b.op(wasm.OpCall, len(ft.Params), ft.Results, uint64(f))
}

// knownSlot picks a function that a table holds when the module starts; its result types must match want if that is not nil.
func (b *body) knownSlot(want []wasm.ValType) (table, fn int, at uint64, ok bool) {
	type entry struct {
		table, fn int
		at        uint64
	}
	var list []entry
	for i := range b.elems {
		e := &b.elems[i]
		if e.mode != wasm.SegmentActive {
			continue
		}
		if t := b.tables[e.table].Elem; !b.types.match(t, wasm.FuncRef) {
			continue
		}
		for k, f := range e.statics {
			if f >= 0 && (want == nil || b.types.matchAll(b.funcType(f).Results, want)) {
				list = append(list, entry{int(e.table), f, e.offset + uint64(k)})
			}
		}
	}
	if len(list) == 0 {
		return 0, 0, 0, false
	}
	x := pick(b.c, list)
	return x.table, x.fn, x.at, true
}

// callIndirect writes call_indirect, mostly of what the table is known to hold.
func (b *body) callIndirect(op wasm.Opcode) {
	var want []wasm.ValType
	if op != wasm.OpCallIndirect {
		want = b.typ.Results
		if want == nil {
			want = []wasm.ValType{}
		}
	}
	if table, fn, at, ok := b.knownSlot(want); ok && b.tame() {
		typ := b.funcs[fn].typ
		// A supertype of the function's type will do (specification: Validation, Matching).
		if s := b.types.subs[typ].Super; s >= 0 && b.c.oneIn(2) {
			if want == nil || b.types.matchAll(b.types.subs[s].Func.Results, want) {
				typ = uint32(s)
			}
		}
		ft := b.types.subs[typ].Func
		b.need(ft.Params...)
		if b.tables[table].Is64 {
			b.code = wasm.AppendSigned(wasm.AppendOpcode(b.code, wasm.OpI64Const), int64(at))
		} else {
			b.code = wasm.AppendSigned(wasm.AppendOpcode(b.code, wasm.OpI32Const), int64(at))
		}
		b.push(b.tables[table].AddrType())
		b.finishCall(op, &ft, 1, uint64(typ), uint64(table))
		return
	}
	if b.risk == 0 {
		return
	}
	table, ok := b.pickIndex(len(b.tables), func(x int) bool { return b.types.match(b.tables[x].Elem, wasm.FuncRef) })
	if !ok || table > 0 && !b.has(wasm.FeatureReferenceTypes) {
		return
	}
	types := b.types.ofKind(wasm.CompFunc)
	typ := pick(b.c, types)
	ft := b.types.subs[typ].Func
	if want != nil && !b.types.matchAll(ft.Results, want) {
		return
	}
	b.need(ft.Params...)
	b.value(b.tables[table].AddrType())
	b.finishCall(op, &ft, 1, uint64(typ), uint64(table))
}

// finishCall writes a call whose operands are there: ft's parameters and extra ones.
func (b *body) finishCall(op wasm.Opcode, ft *wasm.FuncType, extra int, imm ...uint64) {
	b.emit(op, imm...)
	b.pop(len(ft.Params) + extra)
	switch op {
	case wasm.OpReturnCall, wasm.OpReturnCallIndirect, wasm.OpReturnCallRef:
		b.setDead()
	default:
		b.push(ft.Results...)
	}
}

func (b *body) tailCall() {
	switch b.c.n(3) {
	case 0:
		if f, ok := b.callee(func(ft *wasm.FuncType) bool { return b.types.matchAll(ft.Results, b.typ.Results) }); ok {
			ft := *b.funcType(f)
			b.need(ft.Params...)
			b.finishCall(wasm.OpReturnCall, &ft, 0, uint64(f))
		}
	case 1:
		if len(b.tables) > 0 {
			b.callIndirect(wasm.OpReturnCallIndirect)
		}
	default:
		if b.has(wasm.FeatureFunctionReferences) {
			b.callRefOf(wasm.OpReturnCallRef)
		}
	}
}

func (b *body) callRef() { b.callRefOf(wasm.OpCallRef) }

func (b *body) callRefOf(op wasm.Opcode) {
	f, ok := b.callee(func(ft *wasm.FuncType) bool {
		return op == wasm.OpCallRef || b.types.matchAll(ft.Results, b.typ.Results)
	})
	if !ok {
		return
	}
	typ := b.funcs[f].typ
	ft := *b.funcType(f)
	b.need(ft.Params...)
	b.value(wasm.RefTo(wasm.HeapType(typ), b.risk > 0 && b.c.oneIn(2)))
	b.finishCall(op, &ft, 1, uint64(typ))
}
