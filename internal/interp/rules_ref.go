package interp

import (
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

func init() {
	none := wasm.Bottom
	addRules([]row{
		{wasm.OpRefNull, rule{lower: func(l *lowerer, _ *rule) {
			l.push(operand{where: isConst, typ: wasm.RefTo(l.in.Heap, true)})
		}}},
		{wasm.OpRefIsNull, rule{lower: lowerEqz, op: opI32EqK, typ: wasm.I32}},
		{wasm.OpRefEq, rule{lower: binary, op: opI32Eq, k: opI32EqK, rk: opI32EqK, typ: wasm.I32}},
		{wasm.OpRefI31, rule{lower: unary, op: opRefI31, typ: wasm.RefTo(wasm.HeapI31, false)}},
		{wasm.OpI31GetS, rule{lower: unary, op: opI31GetS, typ: wasm.I32}},
		{wasm.OpI31GetU, rule{lower: unary, op: opI31GetU, typ: wasm.I32}},
		{wasm.OpAnyConvertExtern, rule{lower: convertRef}},
		{wasm.OpExternConvertAny, rule{lower: convertRef}},
		{wasm.OpRefAsNonNull, rule{lower: func(l *lowerer, _ *rule) {
			o := l.pop()
			if p := l.lastProducer(o); p != nil && p.op == opGlobalGet {
				in := l.unemit()
				in.op = opGlobalGetNonNull
				l.emitResult(in, o.typ.WithNull(false))
				return
			}
			l.emitResult(Instr{op: opRefAsNonNull, b: l.use(o)}, o.typ.WithNull(false))
		}}},
		{wasm.OpBrOnNull, rule{lower: lowerBrOnNull}},
		{wasm.OpBrOnNonNull, rule{lower: lowerBrOnNonNull}},
		{wasm.OpRefFunc, rule{lower: func(l *lowerer, _ *rule) {
			if k, ok := slices.BinarySearch(l.m.DeclaredFuncs, l.in.Index); ok {
				l.emitResult(Instr{op: opRefFuncDeclared, imm: uint64(k)}, wasm.RefTo(wasm.HeapType(l.m.Funcs[l.in.Index]), false))
				return
			}
			l.emitCold(Instr{op: opRefFunc, imm: uint64(l.in.Index)}, 0, wasm.RefTo(wasm.HeapType(l.m.Funcs[l.in.Index]), false))
		}}},

		{wasm.OpMemoryGrow, rule{lower: func(l *lowerer, _ *rule) {
			l.emitCold(Instr{op: opMemoryGrow, imm: uint64(l.in.Index)}, 1, l.m.Memories[l.in.Index].AddrType())
		}}},
		{wasm.OpMemorySize, rule{lower: func(l *lowerer, _ *rule) {
			l.emitResult(Instr{op: opMemorySize, imm: uint64(l.in.Index)}, l.m.Memories[l.in.Index].AddrType())
		}}},
		{wasm.OpMemoryFill, coldRule(opMemoryFill, 3, none)},
		{wasm.OpMemoryCopy, coldRule(opMemoryCopy, 3, none)},
		{wasm.OpMemoryInit, coldRule(opMemoryInit, 3, none)},
		{wasm.OpDataDrop, coldRule(opDataDrop, 0, none)},
		{wasm.OpTableGet, rule{lower: func(l *lowerer, _ *rule) {
			l.emitCold(Instr{op: opTableGet, imm: uint64(l.in.Index)}, 1, l.m.Tables[l.in.Index].Type.Elem)
		}}},
		{wasm.OpTableSet, coldRule(opTableSet, 2, none)},
		{wasm.OpTableSize, rule{lower: func(l *lowerer, _ *rule) {
			l.emitCold(Instr{op: opTableSize, imm: uint64(l.in.Index)}, 0, l.m.Tables[l.in.Index].Type.AddrType())
		}}},
		{wasm.OpTableGrow, rule{lower: func(l *lowerer, _ *rule) {
			l.emitCold(Instr{op: opTableGrow, imm: uint64(l.in.Index)}, 2, l.m.Tables[l.in.Index].Type.AddrType())
		}}},
		{wasm.OpTableFill, coldRule(opTableFill, 3, none)},
		{wasm.OpTableCopy, coldRule(opTableCopy, 3, none)},
		{wasm.OpTableInit, coldRule(opTableInit, 3, none)},
		{wasm.OpElemDrop, coldRule(opElemDrop, 0, none)},
	})
}

// unary lowers an instruction of one operand whose row in the instruction table does not tell its type.
func unary(l *lowerer, r *rule) { l.emitResult(Instr{op: r.op, b: l.use(l.pop())}, r.typ) }

// coldRule is the rule of an instruction that the driver serves: n operands in their homes from slot a on, where the
// result goes too; the instruction's indices in the halves of imm.
func coldRule(o op, n int, result wasm.ValType) rule {
	return rule{lower: func(l *lowerer, _ *rule) {
		imm := uint64(l.in.Index)
		switch l.in.Op.Info().Imm {
		case wasm.ImmDataMemory, wasm.ImmMemoryMemory, wasm.ImmTableTable, wasm.ImmElemTable:
			imm |= uint64(l.in.Index2) << 32
		}
		l.emitCold(Instr{op: o, imm: imm}, n, result)
	}}
}

// emitCold emits an instruction for the driver.
func (l *lowerer) emitCold(in Instr, n int, result wasm.ValType) {
	l.settle(n)
	in.a = uint16(l.top)
	if n > 0 {
		in.a = uint16(l.stack[len(l.stack)-n].home)
	}
	l.recordMap(l.emit(in), atInstr, len(l.stack))
	l.truncate(len(l.stack) - n)
	if result != wasm.Bottom {
		l.pushHome(result)
	}
}

// convertRef lowers the conversions between the any and the extern hierarchy, which share one encoding (see vm.Ref).
func convertRef(l *lowerer, _ *rule) {
	o := &l.stack[len(l.stack)-1]
	heap := wasm.HeapAny
	if l.in.Op == wasm.OpExternConvertAny {
		heap = wasm.HeapExtern
	}
	if o.where == inLocal { // the local keeps its own type; the slot's type in the maps must be the operand's
		l.settle(1)
		o = &l.stack[len(l.stack)-1]
	}
	o.typ = wasm.RefTo(heap, o.typ.Nullable())
}

// lowerBrOnNull branches, without the reference, if it is null; otherwise it stays, non-null.
func lowerBrOnNull(l *lowerer, _ *rule) {
	o := l.pop()
	slot := l.use(o)
	l.branchIf(cond{op: opBrNZ32, b: slot, negate: true}, l.in.Index)
	l.pushAgain(o, o.typ.WithNull(false))
}

// lowerBrOnNonNull branches with the reference if it is not null; otherwise it is dropped.
func lowerBrOnNonNull(l *lowerer, _ *rule) {
	l.settle(1)
	o := l.stack[len(l.stack)-1]
	l.branchIf(cond{op: opBrNZ32, b: uint16(o.home)}, l.in.Index)
	l.pop()
}

// pushAgain pushes an operand that was popped and used, with a narrower type.
func (l *lowerer) pushAgain(o operand, t wasm.ValType) {
	switch o.where {
	case inLocal:
		l.pushLocal(uint32(o.val))
	case isConst:
		l.push(operand{where: isConst, typ: t, val: o.val})
		return
	default:
		l.push(operand{typ: t})
	}
	l.stack[len(l.stack)-1].typ = t
}
