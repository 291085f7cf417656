package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

func init() {
	bin := func(w wasm.Opcode, o op) row { return row{w, rule{lower: simple, op: o}} }
	un := bin
	tern := bin
	swapped := func(w wasm.Opcode, o op) row { return row{w, rule{lower: lowerSwapped, op: o}} }
	shift := func(w wasm.Opcode, o, k op) row { return row{w, rule{lower: lowerVectorShift, op: o, k: k}} }
	addRules([]row{
		un(wasm.OpV128Not, opV128Not), bin(wasm.OpV128And, opV128And), bin(wasm.OpV128Andnot, opV128Andnot),
		bin(wasm.OpV128Or, opV128Or), bin(wasm.OpV128Xor, opV128Xor), tern(wasm.OpV128Bitselect, opV128Bitselect),
		un(wasm.OpV128AnyTrue, opV128AnyTrue),

		bin(wasm.OpI8x16Eq, opI8x16Eq), bin(wasm.OpI8x16Ne, opI8x16Ne),
		bin(wasm.OpI8x16LtS, opI8x16LtS), bin(wasm.OpI8x16LtU, opI8x16LtU), swapped(wasm.OpI8x16GtS, opI8x16LtS), swapped(wasm.OpI8x16GtU, opI8x16LtU),
		swapped(wasm.OpI8x16LeS, opI8x16GeS), swapped(wasm.OpI8x16LeU, opI8x16GeU), bin(wasm.OpI8x16GeS, opI8x16GeS), bin(wasm.OpI8x16GeU, opI8x16GeU),
		bin(wasm.OpI16x8Eq, opI16x8Eq), bin(wasm.OpI16x8Ne, opI16x8Ne),
		bin(wasm.OpI16x8LtS, opI16x8LtS), bin(wasm.OpI16x8LtU, opI16x8LtU), swapped(wasm.OpI16x8GtS, opI16x8LtS), swapped(wasm.OpI16x8GtU, opI16x8LtU),
		swapped(wasm.OpI16x8LeS, opI16x8GeS), swapped(wasm.OpI16x8LeU, opI16x8GeU), bin(wasm.OpI16x8GeS, opI16x8GeS), bin(wasm.OpI16x8GeU, opI16x8GeU),
		bin(wasm.OpI32x4Eq, opI32x4Eq), bin(wasm.OpI32x4Ne, opI32x4Ne),
		bin(wasm.OpI32x4LtS, opI32x4LtS), bin(wasm.OpI32x4LtU, opI32x4LtU), swapped(wasm.OpI32x4GtS, opI32x4LtS), swapped(wasm.OpI32x4GtU, opI32x4LtU),
		swapped(wasm.OpI32x4LeS, opI32x4GeS), swapped(wasm.OpI32x4LeU, opI32x4GeU), bin(wasm.OpI32x4GeS, opI32x4GeS), bin(wasm.OpI32x4GeU, opI32x4GeU),
		bin(wasm.OpI64x2Eq, opI64x2Eq), bin(wasm.OpI64x2Ne, opI64x2Ne), bin(wasm.OpI64x2LtS, opI64x2LtS), swapped(wasm.OpI64x2GtS, opI64x2LtS),
		swapped(wasm.OpI64x2LeS, opI64x2GeS), bin(wasm.OpI64x2GeS, opI64x2GeS),
		bin(wasm.OpF32x4Eq, opF32x4Eq), bin(wasm.OpF32x4Ne, opF32x4Ne), bin(wasm.OpF32x4Lt, opF32x4Lt), bin(wasm.OpF32x4Le, opF32x4Le),
		swapped(wasm.OpF32x4Gt, opF32x4Lt), swapped(wasm.OpF32x4Ge, opF32x4Le),
		bin(wasm.OpF64x2Eq, opF64x2Eq), bin(wasm.OpF64x2Ne, opF64x2Ne), bin(wasm.OpF64x2Lt, opF64x2Lt), bin(wasm.OpF64x2Le, opF64x2Le),
		swapped(wasm.OpF64x2Gt, opF64x2Lt), swapped(wasm.OpF64x2Ge, opF64x2Le),

		un(wasm.OpI8x16Abs, opI8x16Abs), un(wasm.OpI8x16Neg, opI8x16Neg), un(wasm.OpI8x16Popcnt, opI8x16Popcnt),
		un(wasm.OpI8x16AllTrue, opI8x16AllTrue), un(wasm.OpI8x16Bitmask, opI8x16Bitmask),
		un(wasm.OpI16x8Abs, opI16x8Abs), un(wasm.OpI16x8Neg, opI16x8Neg), un(wasm.OpI16x8AllTrue, opI16x8AllTrue), un(wasm.OpI16x8Bitmask, opI16x8Bitmask),
		un(wasm.OpI32x4Abs, opI32x4Abs), un(wasm.OpI32x4Neg, opI32x4Neg), un(wasm.OpI32x4AllTrue, opI32x4AllTrue), un(wasm.OpI32x4Bitmask, opI32x4Bitmask),
		un(wasm.OpI64x2Abs, opI64x2Abs), un(wasm.OpI64x2Neg, opI64x2Neg), un(wasm.OpI64x2AllTrue, opI64x2AllTrue), un(wasm.OpI64x2Bitmask, opI64x2Bitmask),

		shift(wasm.OpI8x16Shl, opI8x16Shl, opI8x16ShlK), shift(wasm.OpI8x16ShrS, opI8x16ShrS, opI8x16ShrSK), shift(wasm.OpI8x16ShrU, opI8x16ShrU, opI8x16ShrUK),
		shift(wasm.OpI16x8Shl, opI16x8Shl, opI16x8ShlK), shift(wasm.OpI16x8ShrS, opI16x8ShrS, opI16x8ShrSK), shift(wasm.OpI16x8ShrU, opI16x8ShrU, opI16x8ShrUK),
		shift(wasm.OpI32x4Shl, opI32x4Shl, opI32x4ShlK), shift(wasm.OpI32x4ShrS, opI32x4ShrS, opI32x4ShrSK), shift(wasm.OpI32x4ShrU, opI32x4ShrU, opI32x4ShrUK),
		shift(wasm.OpI64x2Shl, opI64x2Shl, opI64x2ShlK), shift(wasm.OpI64x2ShrS, opI64x2ShrS, opI64x2ShrSK), shift(wasm.OpI64x2ShrU, opI64x2ShrU, opI64x2ShrUK),

		bin(wasm.OpI8x16Add, opI8x16Add), bin(wasm.OpI8x16AddSatS, opI8x16AddSatS), bin(wasm.OpI8x16AddSatU, opI8x16AddSatU),
		bin(wasm.OpI8x16Sub, opI8x16Sub), bin(wasm.OpI8x16SubSatS, opI8x16SubSatS), bin(wasm.OpI8x16SubSatU, opI8x16SubSatU),
		bin(wasm.OpI8x16MinS, opI8x16MinS), bin(wasm.OpI8x16MinU, opI8x16MinU), bin(wasm.OpI8x16MaxS, opI8x16MaxS), bin(wasm.OpI8x16MaxU, opI8x16MaxU),
		bin(wasm.OpI8x16AvgrU, opI8x16AvgrU),
		bin(wasm.OpI16x8Add, opI16x8Add), bin(wasm.OpI16x8AddSatS, opI16x8AddSatS), bin(wasm.OpI16x8AddSatU, opI16x8AddSatU),
		bin(wasm.OpI16x8Sub, opI16x8Sub), bin(wasm.OpI16x8SubSatS, opI16x8SubSatS), bin(wasm.OpI16x8SubSatU, opI16x8SubSatU),
		bin(wasm.OpI16x8Mul, opI16x8Mul), bin(wasm.OpI16x8Q15mulrSatS, opI16x8Q15mulrSatS),
		bin(wasm.OpI16x8MinS, opI16x8MinS), bin(wasm.OpI16x8MinU, opI16x8MinU), bin(wasm.OpI16x8MaxS, opI16x8MaxS), bin(wasm.OpI16x8MaxU, opI16x8MaxU),
		bin(wasm.OpI16x8AvgrU, opI16x8AvgrU),
		bin(wasm.OpI32x4Add, opI32x4Add), bin(wasm.OpI32x4Sub, opI32x4Sub), bin(wasm.OpI32x4Mul, opI32x4Mul),
		bin(wasm.OpI32x4MinS, opI32x4MinS), bin(wasm.OpI32x4MinU, opI32x4MinU), bin(wasm.OpI32x4MaxS, opI32x4MaxS), bin(wasm.OpI32x4MaxU, opI32x4MaxU),
		bin(wasm.OpI32x4DotI16x8S, opI32x4DotI16x8S),
		bin(wasm.OpI64x2Add, opI64x2Add), bin(wasm.OpI64x2Sub, opI64x2Sub), bin(wasm.OpI64x2Mul, opI64x2Mul),

		un(wasm.OpI16x8ExtaddPairwiseI8x16S, opI16x8ExtaddPairwiseI8x16S), un(wasm.OpI16x8ExtaddPairwiseI8x16U, opI16x8ExtaddPairwiseI8x16U),
		un(wasm.OpI32x4ExtaddPairwiseI16x8S, opI32x4ExtaddPairwiseI16x8S), un(wasm.OpI32x4ExtaddPairwiseI16x8U, opI32x4ExtaddPairwiseI16x8U),
		bin(wasm.OpI8x16NarrowI16x8S, opI8x16NarrowI16x8S), bin(wasm.OpI8x16NarrowI16x8U, opI8x16NarrowI16x8U),
		bin(wasm.OpI16x8NarrowI32x4S, opI16x8NarrowI32x4S), bin(wasm.OpI16x8NarrowI32x4U, opI16x8NarrowI32x4U),
		un(wasm.OpI16x8ExtendLowI8x16S, opI16x8ExtendLowI8x16S), un(wasm.OpI16x8ExtendHighI8x16S, opI16x8ExtendHighI8x16S),
		un(wasm.OpI16x8ExtendLowI8x16U, opI16x8ExtendLowI8x16U), un(wasm.OpI16x8ExtendHighI8x16U, opI16x8ExtendHighI8x16U),
		un(wasm.OpI32x4ExtendLowI16x8S, opI32x4ExtendLowI16x8S), un(wasm.OpI32x4ExtendHighI16x8S, opI32x4ExtendHighI16x8S),
		un(wasm.OpI32x4ExtendLowI16x8U, opI32x4ExtendLowI16x8U), un(wasm.OpI32x4ExtendHighI16x8U, opI32x4ExtendHighI16x8U),
		un(wasm.OpI64x2ExtendLowI32x4S, opI64x2ExtendLowI32x4S), un(wasm.OpI64x2ExtendHighI32x4S, opI64x2ExtendHighI32x4S),
		un(wasm.OpI64x2ExtendLowI32x4U, opI64x2ExtendLowI32x4U), un(wasm.OpI64x2ExtendHighI32x4U, opI64x2ExtendHighI32x4U),
		bin(wasm.OpI16x8ExtmulLowI8x16S, opI16x8ExtmulLowI8x16S), bin(wasm.OpI16x8ExtmulHighI8x16S, opI16x8ExtmulHighI8x16S),
		bin(wasm.OpI16x8ExtmulLowI8x16U, opI16x8ExtmulLowI8x16U), bin(wasm.OpI16x8ExtmulHighI8x16U, opI16x8ExtmulHighI8x16U),
		bin(wasm.OpI32x4ExtmulLowI16x8S, opI32x4ExtmulLowI16x8S), bin(wasm.OpI32x4ExtmulHighI16x8S, opI32x4ExtmulHighI16x8S),
		bin(wasm.OpI32x4ExtmulLowI16x8U, opI32x4ExtmulLowI16x8U), bin(wasm.OpI32x4ExtmulHighI16x8U, opI32x4ExtmulHighI16x8U),
		bin(wasm.OpI64x2ExtmulLowI32x4S, opI64x2ExtmulLowI32x4S), bin(wasm.OpI64x2ExtmulHighI32x4S, opI64x2ExtmulHighI32x4S),
		bin(wasm.OpI64x2ExtmulLowI32x4U, opI64x2ExtmulLowI32x4U), bin(wasm.OpI64x2ExtmulHighI32x4U, opI64x2ExtmulHighI32x4U),

		un(wasm.OpF32x4Abs, opF32x4Abs), un(wasm.OpF32x4Neg, opF32x4Neg), un(wasm.OpF32x4Sqrt, opF32x4Sqrt),
		un(wasm.OpF32x4Ceil, opF32x4Ceil), un(wasm.OpF32x4Floor, opF32x4Floor), un(wasm.OpF32x4Trunc, opF32x4Trunc), un(wasm.OpF32x4Nearest, opF32x4Nearest),
		bin(wasm.OpF32x4Add, opF32x4Add), bin(wasm.OpF32x4Sub, opF32x4Sub), bin(wasm.OpF32x4Mul, opF32x4Mul), bin(wasm.OpF32x4Div, opF32x4Div),
		bin(wasm.OpF32x4Min, opF32x4Min), bin(wasm.OpF32x4Max, opF32x4Max), bin(wasm.OpF32x4Pmin, opF32x4Pmin), bin(wasm.OpF32x4Pmax, opF32x4Pmax),
		un(wasm.OpF64x2Abs, opF64x2Abs), un(wasm.OpF64x2Neg, opF64x2Neg), un(wasm.OpF64x2Sqrt, opF64x2Sqrt),
		un(wasm.OpF64x2Ceil, opF64x2Ceil), un(wasm.OpF64x2Floor, opF64x2Floor), un(wasm.OpF64x2Trunc, opF64x2Trunc), un(wasm.OpF64x2Nearest, opF64x2Nearest),
		bin(wasm.OpF64x2Add, opF64x2Add), bin(wasm.OpF64x2Sub, opF64x2Sub), bin(wasm.OpF64x2Mul, opF64x2Mul), bin(wasm.OpF64x2Div, opF64x2Div),
		bin(wasm.OpF64x2Min, opF64x2Min), bin(wasm.OpF64x2Max, opF64x2Max), bin(wasm.OpF64x2Pmin, opF64x2Pmin), bin(wasm.OpF64x2Pmax, opF64x2Pmax),
		un(wasm.OpF32x4ConvertI32x4S, opF32x4ConvertI32x4S), un(wasm.OpF32x4ConvertI32x4U, opF32x4ConvertI32x4U),
		un(wasm.OpF64x2ConvertLowI32x4S, opF64x2ConvertLowI32x4S), un(wasm.OpF64x2ConvertLowI32x4U, opF64x2ConvertLowI32x4U),
		un(wasm.OpF64x2PromoteLowF32x4, opF64x2PromoteLowF32x4), un(wasm.OpF32x4DemoteF64x2Zero, opF32x4DemoteF64x2Zero),
		un(wasm.OpI32x4TruncSatF32x4S, opI32x4TruncSatF32x4S), un(wasm.OpI32x4TruncSatF32x4U, opI32x4TruncSatF32x4U),
		un(wasm.OpI32x4TruncSatF64x2SZero, opI32x4TruncSatF64x2SZero), un(wasm.OpI32x4TruncSatF64x2UZero, opI32x4TruncSatF64x2UZero),

		// Relaxed instructions: of the results that the specification allows, those of the strict instructions.
		bin(wasm.OpI8x16RelaxedSwizzle, opI8x16Swizzle),
		un(wasm.OpI32x4RelaxedTruncF32x4S, opI32x4TruncSatF32x4S), un(wasm.OpI32x4RelaxedTruncF32x4U, opI32x4TruncSatF32x4U),
		un(wasm.OpI32x4RelaxedTruncF64x2SZero, opI32x4TruncSatF64x2SZero), un(wasm.OpI32x4RelaxedTruncF64x2UZero, opI32x4TruncSatF64x2UZero),
		tern(wasm.OpF32x4RelaxedMadd, opF32x4RelaxedMadd), tern(wasm.OpF32x4RelaxedNmadd, opF32x4RelaxedNmadd),
		tern(wasm.OpF64x2RelaxedMadd, opF64x2RelaxedMadd), tern(wasm.OpF64x2RelaxedNmadd, opF64x2RelaxedNmadd),
		tern(wasm.OpI8x16RelaxedLaneselect, opV128Bitselect), tern(wasm.OpI16x8RelaxedLaneselect, opV128Bitselect),
		tern(wasm.OpI32x4RelaxedLaneselect, opV128Bitselect), tern(wasm.OpI64x2RelaxedLaneselect, opV128Bitselect),
		bin(wasm.OpF32x4RelaxedMin, opF32x4Min), bin(wasm.OpF32x4RelaxedMax, opF32x4Max),
		bin(wasm.OpF64x2RelaxedMin, opF64x2Min), bin(wasm.OpF64x2RelaxedMax, opF64x2Max),
		bin(wasm.OpI16x8RelaxedQ15mulrS, opI16x8Q15mulrSatS), bin(wasm.OpI16x8RelaxedDotI8x16I7x16S, opI16x8RelaxedDotI8x16I7x16S),
		tern(wasm.OpI32x4RelaxedDotI8x16I7x16AddS, opI32x4RelaxedDotI8x16I7x16AddS),
	})
}

// lowerSwapped is simple for two operands, the other way round.
func lowerSwapped(l *lowerer, r *rule) {
	y := l.pop()
	x := l.pop()
	in := Instr{op: r.op}
	in.b, in.c = l.use(y), l.use(x)
	l.emitResult(in, r.typ)
}

// lowerVectorShift lowers shifts; those by a constant (r.k) have the count in c and for lanes below 32 bits a mask of the bits
// that stay within their lane.
func lowerVectorShift(l *lowerer, r *rule) {
	n := l.pop()
	x := l.pop()
	if n.where != isConst {
		l.emitResult(Instr{op: r.op, b: l.use(x), c: l.use(n)}, r.typ)
		return
	}
	in := Instr{op: r.k, b: l.use(x)}
	switch l.in.Op {
	case wasm.OpI8x16Shl, wasm.OpI8x16ShrS, wasm.OpI8x16ShrU:
		k := n.val & 7
		in.c, in.imm = uint16(k), uint64(0xFF>>k)*0x0101010101010101
		if l.in.Op == wasm.OpI8x16Shl {
			in.imm <<= k
		}
	case wasm.OpI16x8Shl, wasm.OpI16x8ShrS, wasm.OpI16x8ShrU:
		k := n.val & 15
		in.c, in.imm = uint16(k), uint64(0xFFFF>>k)*0x0001000100010001
		if l.in.Op == wasm.OpI16x8Shl {
			in.imm <<= k
		}
	default:
		in.c = uint16(n.val & 63)
	}
	l.emitResult(in, r.typ)
}
