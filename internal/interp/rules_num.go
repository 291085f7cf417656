package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

func init() {
	bin := func(o, k, rk op) rule { return rule{lower: binary, op: o, k: k, rk: rk} }
	swapped := func(o, k, rk op) rule { return rule{lower: binary, op: o, k: k, rk: rk, swap: true} }
	un := func(o op) rule { return rule{lower: simple, op: o} }
	keep := rule{lower: retype}
	addRules([]row{
		{wasm.OpI32Add, rule{lower: lowerAdd, op: opI32Add, k: opI32AddK, rk: opI32AddK}},
		{wasm.OpI32Sub, rule{lower: lowerSub, op: opI32Sub, k: opI32AddK, rk: opI32RsubK}},
		{wasm.OpI32Mul, bin(opI32Mul, opI32MulK, opI32MulK)},
		{wasm.OpI32And, bin(opI32And, opI32AndK, opI32AndK)},
		{wasm.OpI32Or, bin(opI32Or, opI32OrK, opI32OrK)},
		{wasm.OpI32Xor, bin(opI32Xor, opI32XorK, opI32XorK)},
		{wasm.OpI32Shl, bin(opI32Shl, opI32ShlK, 0)},
		{wasm.OpI32ShrS, bin(opI32ShrS, opI32ShrSK, 0)},
		{wasm.OpI32ShrU, bin(opI32ShrU, opI32ShrUK, 0)},
		{wasm.OpI32Rotl, bin(opI32Rotl, opI32RotlK, 0)},
		{wasm.OpI32Rotr, rule{lower: lowerRotr, op: opI32Rotr, k: opI32RotlK}},
		{wasm.OpI32DivS, bin(opI32DivS, opI32DivSK, 0)},
		{wasm.OpI32DivU, bin(opI32DivU, opI32DivUK, 0)},
		{wasm.OpI32RemS, bin(opI32RemS, opI32RemSK, 0)},
		{wasm.OpI32RemU, bin(opI32RemU, opI32RemUK, 0)},
		{wasm.OpI64Add, rule{lower: lowerAdd, op: opI64Add, k: opI64AddK, rk: opI64AddK}},
		{wasm.OpI64Sub, rule{lower: lowerSub, op: opI64Sub, k: opI64AddK, rk: opI64RsubK}},
		{wasm.OpI64Mul, bin(opI64Mul, opI64MulK, opI64MulK)},
		{wasm.OpI64And, bin(opI64And, opI64AndK, opI64AndK)},
		{wasm.OpI64Or, bin(opI64Or, opI64OrK, opI64OrK)},
		{wasm.OpI64Xor, bin(opI64Xor, opI64XorK, opI64XorK)},
		{wasm.OpI64Shl, bin(opI64Shl, opI64ShlK, 0)},
		{wasm.OpI64ShrS, bin(opI64ShrS, opI64ShrSK, 0)},
		{wasm.OpI64ShrU, bin(opI64ShrU, opI64ShrUK, 0)},
		{wasm.OpI64Rotl, bin(opI64Rotl, opI64RotlK, 0)},
		{wasm.OpI64Rotr, rule{lower: lowerRotr, op: opI64Rotr, k: opI64RotlK}},
		{wasm.OpI64DivS, bin(opI64DivS, opI64DivSK, 0)},
		{wasm.OpI64DivU, bin(opI64DivU, opI64DivUK, 0)},
		{wasm.OpI64RemS, bin(opI64RemS, opI64RemSK, 0)},
		{wasm.OpI64RemU, bin(opI64RemU, opI64RemUK, 0)},

		{wasm.OpI32Eqz, rule{lower: lowerEqz, op: opI32EqK}},
		{wasm.OpI32Eq, bin(opI32Eq, opI32EqK, opI32EqK)},
		{wasm.OpI32Ne, bin(opI32Ne, opI32NeK, opI32NeK)},
		{wasm.OpI32LtS, bin(opI32LtS, opI32LtSK, opI32GtSK)},
		{wasm.OpI32LtU, bin(opI32LtU, opI32LtUK, opI32GtUK)},
		{wasm.OpI32GtS, swapped(opI32LtS, opI32GtSK, opI32LtSK)},
		{wasm.OpI32GtU, swapped(opI32LtU, opI32GtUK, opI32LtUK)},
		{wasm.OpI32LeS, bin(opI32LeS, opI32LeSK, opI32GeSK)},
		{wasm.OpI32LeU, bin(opI32LeU, opI32LeUK, opI32GeUK)},
		{wasm.OpI32GeS, swapped(opI32LeS, opI32GeSK, opI32LeSK)},
		{wasm.OpI32GeU, swapped(opI32LeU, opI32GeUK, opI32LeUK)},
		{wasm.OpI64Eqz, rule{lower: lowerEqz, op: opI64EqK}},
		{wasm.OpI64Eq, bin(opI64Eq, opI64EqK, opI64EqK)},
		{wasm.OpI64Ne, bin(opI64Ne, opI64NeK, opI64NeK)},
		{wasm.OpI64LtS, bin(opI64LtS, opI64LtSK, opI64GtSK)},
		{wasm.OpI64LtU, bin(opI64LtU, opI64LtUK, opI64GtUK)},
		{wasm.OpI64GtS, swapped(opI64LtS, opI64GtSK, opI64LtSK)},
		{wasm.OpI64GtU, swapped(opI64LtU, opI64GtUK, opI64LtUK)},
		{wasm.OpI64LeS, bin(opI64LeS, opI64LeSK, opI64GeSK)},
		{wasm.OpI64LeU, bin(opI64LeU, opI64LeUK, opI64GeUK)},
		{wasm.OpI64GeS, swapped(opI64LeS, opI64GeSK, opI64LeSK)},
		{wasm.OpI64GeU, swapped(opI64LeU, opI64GeUK, opI64LeUK)},

		{wasm.OpF32Eq, bin(opF32Eq, 0, 0)}, {wasm.OpF32Ne, bin(opF32Ne, 0, 0)},
		{wasm.OpF32Lt, bin(opF32Lt, 0, 0)}, {wasm.OpF32Le, bin(opF32Le, 0, 0)},
		{wasm.OpF32Gt, swapped(opF32Lt, 0, 0)}, {wasm.OpF32Ge, swapped(opF32Le, 0, 0)},
		{wasm.OpF64Eq, bin(opF64Eq, 0, 0)}, {wasm.OpF64Ne, bin(opF64Ne, 0, 0)},
		{wasm.OpF64Lt, bin(opF64Lt, 0, 0)}, {wasm.OpF64Le, bin(opF64Le, 0, 0)},
		{wasm.OpF64Gt, swapped(opF64Lt, 0, 0)}, {wasm.OpF64Ge, swapped(opF64Le, 0, 0)},

		{wasm.OpI32Clz, un(opI32Clz)}, {wasm.OpI32Ctz, un(opI32Ctz)}, {wasm.OpI32Popcnt, un(opI32Popcnt)},
		{wasm.OpI32Extend8S, un(opI32Extend8S)}, {wasm.OpI32Extend16S, un(opI32Extend16S)},
		{wasm.OpI64Clz, un(opI64Clz)}, {wasm.OpI64Ctz, un(opI64Ctz)}, {wasm.OpI64Popcnt, un(opI64Popcnt)},
		{wasm.OpI64Extend8S, un(opI64Extend8S)}, {wasm.OpI64Extend16S, un(opI64Extend16S)},
		{wasm.OpI64Extend32S, rule{lower: lowerExtend, op: opI64Extend32S}},
		{wasm.OpI32WrapI64, rule{lower: lowerWrap}}, {wasm.OpI64ExtendI32S, rule{lower: lowerExtendI32, op: opI64Extend32S}}, {wasm.OpI64ExtendI32U, keep},

		{wasm.OpF32Abs, un(opF32Abs)}, {wasm.OpF32Neg, un(opF32Neg)}, {wasm.OpF32Ceil, un(opF32Ceil)}, {wasm.OpF32Floor, un(opF32Floor)},
		{wasm.OpF32Trunc, un(opF32Trunc)}, {wasm.OpF32Nearest, un(opF32Nearest)}, {wasm.OpF32Sqrt, un(opF32Sqrt)},
		{wasm.OpF32Add, bin(opF32Add, opF32AddK, opF32AddK)}, {wasm.OpF32Sub, bin(opF32Sub, opF32SubK, opF32RSubK)},
		{wasm.OpF32Mul, bin(opF32Mul, opF32MulK, opF32MulK)}, {wasm.OpF32Div, bin(opF32Div, opF32DivK, opF32RDivK)},
		{wasm.OpF32Min, bin(opF32Min, 0, 0)}, {wasm.OpF32Max, bin(opF32Max, 0, 0)}, {wasm.OpF32Copysign, bin(opF32Copysign, 0, 0)},
		{wasm.OpF64Abs, un(opF64Abs)}, {wasm.OpF64Neg, un(opF64Neg)}, {wasm.OpF64Ceil, un(opF64Ceil)}, {wasm.OpF64Floor, un(opF64Floor)},
		{wasm.OpF64Trunc, un(opF64Trunc)}, {wasm.OpF64Nearest, un(opF64Nearest)}, {wasm.OpF64Sqrt, un(opF64Sqrt)},
		{wasm.OpF64Add, bin(opF64Add, opF64AddK, opF64AddK)}, {wasm.OpF64Sub, bin(opF64Sub, opF64SubK, opF64RSubK)},
		{wasm.OpF64Mul, bin(opF64Mul, opF64MulK, opF64MulK)}, {wasm.OpF64Div, bin(opF64Div, opF64DivK, opF64RDivK)},
		{wasm.OpF64Min, bin(opF64Min, 0, 0)}, {wasm.OpF64Max, bin(opF64Max, 0, 0)}, {wasm.OpF64Copysign, bin(opF64Copysign, 0, 0)},

		{wasm.OpI32TruncF32S, un(opI32TruncF32S)}, {wasm.OpI32TruncF32U, un(opI32TruncF32U)},
		{wasm.OpI32TruncF64S, un(opI32TruncF64S)}, {wasm.OpI32TruncF64U, un(opI32TruncF64U)},
		{wasm.OpI64TruncF32S, un(opI64TruncF32S)}, {wasm.OpI64TruncF32U, un(opI64TruncF32U)},
		{wasm.OpI64TruncF64S, un(opI64TruncF64S)}, {wasm.OpI64TruncF64U, un(opI64TruncF64U)},
		{wasm.OpI32TruncSatF32S, un(opI32TruncSatF32S)}, {wasm.OpI32TruncSatF32U, un(opI32TruncSatF32U)},
		{wasm.OpI32TruncSatF64S, un(opI32TruncSatF64S)}, {wasm.OpI32TruncSatF64U, un(opI32TruncSatF64U)},
		{wasm.OpI64TruncSatF32S, un(opI64TruncSatF32S)}, {wasm.OpI64TruncSatF32U, un(opI64TruncSatF32U)},
		{wasm.OpI64TruncSatF64S, un(opI64TruncSatF64S)}, {wasm.OpI64TruncSatF64U, un(opI64TruncSatF64U)},
		{wasm.OpF32ConvertI32S, un(opF32ConvertI32S)}, {wasm.OpF32ConvertI32U, un(opF32ConvertI32U)},
		{wasm.OpF32ConvertI64S, un(opF32ConvertI64S)}, {wasm.OpF32ConvertI64U, un(opF32ConvertI64U)},
		{wasm.OpF64ConvertI32S, un(opF64ConvertI32S)}, {wasm.OpF64ConvertI32U, un(opF64ConvertI32U)},
		{wasm.OpF64ConvertI64S, un(opF64ConvertI64S)}, {wasm.OpF64ConvertI64U, un(opF64ConvertI64U)},
		{wasm.OpF32DemoteF64, un(opF32Demote)}, {wasm.OpF64PromoteF32, un(opF64Promote)},
		{wasm.OpI32ReinterpretF32, keep}, {wasm.OpI64ReinterpretF64, keep}, {wasm.OpF32ReinterpretI32, keep}, {wasm.OpF64ReinterpretI64, keep},
	})
}

// lowerExtend leaves out an extension of what a load has extended already.
func lowerExtend(l *lowerer, r *rule) {
	o := l.stack[len(l.stack)-1]
	if p := l.lastProducer(o); p != nil && (p.op == opI64Load32S || p.op == opI64Load16S || p.op == opI64Load8S) {
		return
	}
	simple(l, r)
}

// lowerRotr turns a rotation to the right by a constant into one to the left.
func lowerRotr(l *lowerer, r *rule) {
	if y := &l.stack[len(l.stack)-1]; y.where == isConst {
		width := uint64(32)
		if r.typ == wasm.I64 {
			width = 64
		}
		y.val = (width - y.val%width) % width
		binary(l, &rule{op: r.op, k: r.k, typ: r.typ})
		return
	}
	binary(l, r)
}

// lowerExtendI32 lowers i64.extend_i32_s; what was read from a field is read that way.
func lowerExtendI32(l *lowerer, r *rule) {
	if p := l.lastProducer(l.stack[len(l.stack)-1]); p != nil && p.op == opStructGet32 {
		p.op = opStructGet32S64
		l.stack[len(l.stack)-1].typ = wasm.I64
		return
	}
	simple(l, r)
}
