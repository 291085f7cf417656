package modgen

import "github.com/spindle-wasm/spindle/internal/wasm"

// value puts an operand of type t on the stack. In dead code, and where there is no value of the type (then the code becomes
// dead), it may not be there.
func (b *body) value(t wasm.ValType) { b.protect(func() { b.operand(t) }) }

func (b *body) operand(t wasm.ValType) {
	if b.depth > 6 || b.budget <= 0 || len(b.labels) > 20 || b.c.exhausted() {
		b.leaf(t)
		return
	}
	b.depth++
	defer func() { b.depth-- }()
	switch b.c.n(8) {
	case 0, 1, 2:
		b.leaf(t)
	case 3, 4, 5:
		if op, ok := b.typedGiving(t); ok {
			b.typed(op)
			return
		}
		b.leaf(t)
	case 6:
		b.compound(t)
	default:
		if f, ok := b.pickIndex(len(b.funcs), func(f int) bool {
			ft := b.funcType(f)
			return uint32(f) != b.refuel && len(ft.Results) == 1 && b.types.match(ft.Results[0], t)
		}); ok {
			ft := b.funcType(f)
			b.need(ft.Params...)
			b.op(wasm.OpCall, len(ft.Params), ft.Results, uint64(f))
			return
		}
		b.compound(t)
	}
}

// compound makes a value by a structured instruction or a select.
func (b *body) compound(t wasm.ValType) {
	switch k := b.c.n(4); {
	case k == 0 && b.unusual(t):
		b.leaf(t)
	case k == 0:
		b.selectOf(t)
	case k <= 2:
		b.need(wasm.I32)
		b.pop(1)
		b.emit(wasm.OpIf)
		b.code = append(b.code, b.blockType(nil, []wasm.ValType{t})...)
		b.open(wasm.OpIf, nil, []wasm.ValType{t})
		b.instrs(b.c.n(3))
		b.otherwise()
		b.instrs(b.c.n(3))
		b.close()
	default:
		b.emit(wasm.OpBlock)
		b.code = append(b.code, b.blockType(nil, []wasm.ValType{t})...)
		b.open(wasm.OpBlock, nil, []wasm.ValType{t})
		b.instrs(b.c.n(4))
		b.close()
	}
}

// leaf makes a value of type t without operands.
func (b *body) leaf(t wasm.ValType) {
	if !b.c.oneIn(3) {
		if x, ok := b.localOf(t); ok {
			b.op(wasm.OpLocalGet, 0, []wasm.ValType{b.locals[x]}, uint64(x))
			return
		}
	}
	if b.c.oneIn(4) {
		if x, ok := b.globalOf(t); ok {
			b.op(wasm.OpGlobalGet, 0, []wasm.ValType{b.globals[x].Type}, uint64(x))
			return
		}
	}
	if !t.IsRef() {
		b.code = b.appendConst(b.code, t)
		b.budget--
		b.push(t)
		return
	}
	b.leafRef(t)
}

func (b *body) refNull(h wasm.HeapType) {
	b.code = appendNull(b.code, h)
	b.budget--
	b.push(wasm.RefTo(h, true))
}

func (b *body) refFunc(f uint32) {
	if _, declared := b.refFuncs[f]; !declared {
		b.declare(f)
		b.refFuncs[f] = true
	}
	b.op(wasm.OpRefFunc, 0, []wasm.ValType{wasm.RefTo(wasm.HeapType(b.funcs[f].typ), false)}, uint64(f))
	if !b.has(wasm.FeatureFunctionReferences) {
		b.stack[len(b.stack)-1] = wasm.FuncRef
	}
}

func (b *body) leafRef(t wasm.ValType) {
	h := t.Heap()
	if t.Nullable() && (b.c.exhausted() || b.c.oneIn(3)) {
		if b.has(wasm.FeatureGc) && b.c.oneIn(4) {
			h = b.types.bottom(h)
		}
		b.refNull(h)
		return
	}
	gc := b.has(wasm.FeatureGc)
	switch b.types.top(h) {
	case wasm.HeapFunc:
		// The validator's type of ref.func is (ref $t) whatever the features.
		if fs := b.funcsBelow(t); len(fs) > 0 {
			b.refFunc(pick(b.c, fs))
			return
		}
	case wasm.HeapExtern:
		if gc && h == wasm.HeapExtern {
			b.leafRef(wasm.RefTo(wasm.HeapAny, t.Nullable()))
			b.op(wasm.OpExternConvertAny, 1, []wasm.ValType{t})
			return
		}
	case wasm.HeapAny:
		if x, ok := b.aggregateBelow(h); ok && b.cfg.Aggregates && b.c.oneIn(2) && b.newDefault(x) {
			return
		}
		if b.types.heapMatch(wasm.HeapI31, h) {
			b.leaf(wasm.I32)
			b.op(wasm.OpRefI31, 1, []wasm.ValType{wasm.RefTo(wasm.HeapI31, false)})
			return
		}
		if x, ok := b.aggregateBelow(h); ok && b.cfg.Aggregates && b.newDefault(x) {
			return
		}
	case wasm.HeapExn:
		if h == wasm.HeapExn && len(b.tags) > 0 && b.c.oneIn(2) {
			b.exception()
			return
		}
	}
	b.refNull(h)
	if !t.Nullable() {
		// There is no such value: this traps.
		b.op(wasm.OpRefAsNonNull, 1, []wasm.ValType{t})
	}
}

// exception makes a non-null exnref: (block (result (ref exn)) (try_table (catch_all_ref 0) (throw …)) unreachable).
func (b *body) exception() {
	exn := wasm.RefTo(wasm.HeapExn, !b.has(wasm.FeatureFunctionReferences))
	b.emit(wasm.OpBlock)
	b.code = append(b.code, b.blockType(nil, []wasm.ValType{exn})...)
	b.open(wasm.OpBlock, nil, []wasm.ValType{exn})
	b.emit(wasm.OpTryTable)
	b.code = append(b.code, 0x40, 1, 3, 0)
	b.open(wasm.OpTryTable, nil, nil)
	tag := b.c.n(len(b.tags))
	for _, t := range b.tagType(tag).Params {
		b.leafOrNull(t)
	}
	b.terminal(wasm.OpThrow, uint64(tag))
	b.close()
	b.terminal(wasm.OpUnreachable)
	b.close()
}

// leafOrNull is leaf, but makes no exceptions for exceptions.
func (b *body) leafOrNull(t wasm.ValType) {
	if t.IsRef() && b.types.top(t.Heap()) == wasm.HeapExn {
		b.refNull(t.Heap())
		if !t.Nullable() {
			b.op(wasm.OpRefAsNonNull, 1, []wasm.ValType{t})
		}
		return
	}
	b.leaf(t)
}
