package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

func init() {
	bin := func(w wasm.Opcode, o op) row { return row{w, rule{lower: simple, op: o}} }
	un := bin
	tern := bin
	// With forms for a constant second (k) and first operand (rk).
	com := func(w wasm.Opcode, o, k op) row { return row{w, rule{lower: lowerVectorBinary, op: o, k: k, rk: k}} }
	ord := func(w wasm.Opcode, o, k, rk op) row {
		return row{w, rule{lower: lowerVectorBinary, op: o, k: k, rk: rk}}
	}
	swapped := func(w wasm.Opcode, o, k, rk op) row {
		return row{w, rule{lower: lowerVectorBinary, op: o, k: rk, rk: k, swap: true}}
	}
	shift := func(w wasm.Opcode, o, k op) row { return row{w, rule{lower: lowerVectorShift, op: o, k: k}} }
	addRules([]row{
		un(wasm.OpV128Not, opV128Not), com(wasm.OpV128And, opV128And, opV128AndK), ord(wasm.OpV128Andnot, opV128Andnot, opV128AndnotK, opV128AndnotRK),
		com(wasm.OpV128Or, opV128Or, opV128OrK), com(wasm.OpV128Xor, opV128Xor, opV128XorK), tern(wasm.OpV128Bitselect, opV128Bitselect),
		un(wasm.OpV128AnyTrue, opV128AnyTrue),

		com(wasm.OpI8x16Eq, opI8x16Eq, opI8x16EqK), com(wasm.OpI8x16Ne, opI8x16Ne, opI8x16NeK),
		ord(wasm.OpI8x16LtS, opI8x16LtS, opI8x16LtSK, opI8x16LtSRK), ord(wasm.OpI8x16LtU, opI8x16LtU, opI8x16LtUK, opI8x16LtURK), swapped(wasm.OpI8x16GtS, opI8x16LtS, opI8x16LtSK, opI8x16LtSRK), swapped(wasm.OpI8x16GtU, opI8x16LtU, opI8x16LtUK, opI8x16LtURK),
		swapped(wasm.OpI8x16LeS, opI8x16GeS, opI8x16GeSK, opI8x16GeSRK), swapped(wasm.OpI8x16LeU, opI8x16GeU, opI8x16GeUK, opI8x16GeURK), ord(wasm.OpI8x16GeS, opI8x16GeS, opI8x16GeSK, opI8x16GeSRK), ord(wasm.OpI8x16GeU, opI8x16GeU, opI8x16GeUK, opI8x16GeURK),
		com(wasm.OpI16x8Eq, opI16x8Eq, opI16x8EqK), com(wasm.OpI16x8Ne, opI16x8Ne, opI16x8NeK),
		ord(wasm.OpI16x8LtS, opI16x8LtS, opI16x8LtSK, opI16x8LtSRK), ord(wasm.OpI16x8LtU, opI16x8LtU, opI16x8LtUK, opI16x8LtURK), swapped(wasm.OpI16x8GtS, opI16x8LtS, opI16x8LtSK, opI16x8LtSRK), swapped(wasm.OpI16x8GtU, opI16x8LtU, opI16x8LtUK, opI16x8LtURK),
		swapped(wasm.OpI16x8LeS, opI16x8GeS, opI16x8GeSK, opI16x8GeSRK), swapped(wasm.OpI16x8LeU, opI16x8GeU, opI16x8GeUK, opI16x8GeURK), ord(wasm.OpI16x8GeS, opI16x8GeS, opI16x8GeSK, opI16x8GeSRK), ord(wasm.OpI16x8GeU, opI16x8GeU, opI16x8GeUK, opI16x8GeURK),
		com(wasm.OpI32x4Eq, opI32x4Eq, opI32x4EqK), com(wasm.OpI32x4Ne, opI32x4Ne, opI32x4NeK),
		ord(wasm.OpI32x4LtS, opI32x4LtS, opI32x4LtSK, opI32x4LtSRK), ord(wasm.OpI32x4LtU, opI32x4LtU, opI32x4LtUK, opI32x4LtURK), swapped(wasm.OpI32x4GtS, opI32x4LtS, opI32x4LtSK, opI32x4LtSRK), swapped(wasm.OpI32x4GtU, opI32x4LtU, opI32x4LtUK, opI32x4LtURK),
		swapped(wasm.OpI32x4LeS, opI32x4GeS, opI32x4GeSK, opI32x4GeSRK), swapped(wasm.OpI32x4LeU, opI32x4GeU, opI32x4GeUK, opI32x4GeURK), ord(wasm.OpI32x4GeS, opI32x4GeS, opI32x4GeSK, opI32x4GeSRK), ord(wasm.OpI32x4GeU, opI32x4GeU, opI32x4GeUK, opI32x4GeURK),
		com(wasm.OpI64x2Eq, opI64x2Eq, opI64x2EqK), com(wasm.OpI64x2Ne, opI64x2Ne, opI64x2NeK), ord(wasm.OpI64x2LtS, opI64x2LtS, opI64x2LtSK, opI64x2LtSRK), swapped(wasm.OpI64x2GtS, opI64x2LtS, opI64x2LtSK, opI64x2LtSRK),
		swapped(wasm.OpI64x2LeS, opI64x2GeS, opI64x2GeSK, opI64x2GeSRK), ord(wasm.OpI64x2GeS, opI64x2GeS, opI64x2GeSK, opI64x2GeSRK),
		com(wasm.OpF32x4Eq, opF32x4Eq, opF32x4EqK), com(wasm.OpF32x4Ne, opF32x4Ne, opF32x4NeK), ord(wasm.OpF32x4Lt, opF32x4Lt, opF32x4LtK, opF32x4LtRK), ord(wasm.OpF32x4Le, opF32x4Le, opF32x4LeK, opF32x4LeRK),
		swapped(wasm.OpF32x4Gt, opF32x4Lt, opF32x4LtK, opF32x4LtRK), swapped(wasm.OpF32x4Ge, opF32x4Le, opF32x4LeK, opF32x4LeRK),
		com(wasm.OpF64x2Eq, opF64x2Eq, opF64x2EqK), com(wasm.OpF64x2Ne, opF64x2Ne, opF64x2NeK), ord(wasm.OpF64x2Lt, opF64x2Lt, opF64x2LtK, opF64x2LtRK), ord(wasm.OpF64x2Le, opF64x2Le, opF64x2LeK, opF64x2LeRK),
		swapped(wasm.OpF64x2Gt, opF64x2Lt, opF64x2LtK, opF64x2LtRK), swapped(wasm.OpF64x2Ge, opF64x2Le, opF64x2LeK, opF64x2LeRK),

		un(wasm.OpI8x16Abs, opI8x16Abs), un(wasm.OpI8x16Neg, opI8x16Neg), un(wasm.OpI8x16Popcnt, opI8x16Popcnt),
		un(wasm.OpI8x16AllTrue, opI8x16AllTrue), un(wasm.OpI8x16Bitmask, opI8x16Bitmask),
		un(wasm.OpI16x8Abs, opI16x8Abs), un(wasm.OpI16x8Neg, opI16x8Neg), un(wasm.OpI16x8AllTrue, opI16x8AllTrue), un(wasm.OpI16x8Bitmask, opI16x8Bitmask),
		un(wasm.OpI32x4Abs, opI32x4Abs), un(wasm.OpI32x4Neg, opI32x4Neg), un(wasm.OpI32x4AllTrue, opI32x4AllTrue), un(wasm.OpI32x4Bitmask, opI32x4Bitmask),
		un(wasm.OpI64x2Abs, opI64x2Abs), un(wasm.OpI64x2Neg, opI64x2Neg), un(wasm.OpI64x2AllTrue, opI64x2AllTrue), un(wasm.OpI64x2Bitmask, opI64x2Bitmask),

		shift(wasm.OpI8x16Shl, opI8x16Shl, opI8x16ShlK), shift(wasm.OpI8x16ShrS, opI8x16ShrS, opI8x16ShrSK), shift(wasm.OpI8x16ShrU, opI8x16ShrU, opI8x16ShrUK),
		shift(wasm.OpI16x8Shl, opI16x8Shl, opI16x8ShlK), shift(wasm.OpI16x8ShrS, opI16x8ShrS, opI16x8ShrSK), shift(wasm.OpI16x8ShrU, opI16x8ShrU, opI16x8ShrUK),
		shift(wasm.OpI32x4Shl, opI32x4Shl, opI32x4ShlK), shift(wasm.OpI32x4ShrS, opI32x4ShrS, opI32x4ShrSK), shift(wasm.OpI32x4ShrU, opI32x4ShrU, opI32x4ShrUK),
		shift(wasm.OpI64x2Shl, opI64x2Shl, opI64x2ShlK), shift(wasm.OpI64x2ShrS, opI64x2ShrS, opI64x2ShrSK), shift(wasm.OpI64x2ShrU, opI64x2ShrU, opI64x2ShrUK),

		com(wasm.OpI8x16Add, opI8x16Add, opI8x16AddK), bin(wasm.OpI8x16AddSatS, opI8x16AddSatS), bin(wasm.OpI8x16AddSatU, opI8x16AddSatU),
		ord(wasm.OpI8x16Sub, opI8x16Sub, opI8x16SubK, opI8x16SubRK), bin(wasm.OpI8x16SubSatS, opI8x16SubSatS), bin(wasm.OpI8x16SubSatU, opI8x16SubSatU),
		bin(wasm.OpI8x16MinS, opI8x16MinS), bin(wasm.OpI8x16MinU, opI8x16MinU), bin(wasm.OpI8x16MaxS, opI8x16MaxS), bin(wasm.OpI8x16MaxU, opI8x16MaxU),
		com(wasm.OpI8x16AvgrU, opI8x16AvgrU, opI8x16AvgrUK),
		com(wasm.OpI16x8Add, opI16x8Add, opI16x8AddK), bin(wasm.OpI16x8AddSatS, opI16x8AddSatS), bin(wasm.OpI16x8AddSatU, opI16x8AddSatU),
		ord(wasm.OpI16x8Sub, opI16x8Sub, opI16x8SubK, opI16x8SubRK), bin(wasm.OpI16x8SubSatS, opI16x8SubSatS), bin(wasm.OpI16x8SubSatU, opI16x8SubSatU),
		bin(wasm.OpI16x8Mul, opI16x8Mul), bin(wasm.OpI16x8Q15mulrSatS, opI16x8Q15mulrSatS),
		bin(wasm.OpI16x8MinS, opI16x8MinS), bin(wasm.OpI16x8MinU, opI16x8MinU), bin(wasm.OpI16x8MaxS, opI16x8MaxS), bin(wasm.OpI16x8MaxU, opI16x8MaxU),
		com(wasm.OpI16x8AvgrU, opI16x8AvgrU, opI16x8AvgrUK),
		com(wasm.OpI32x4Add, opI32x4Add, opI32x4AddK), ord(wasm.OpI32x4Sub, opI32x4Sub, opI32x4SubK, opI32x4SubRK), com(wasm.OpI32x4Mul, opI32x4Mul, opI32x4MulK),
		com(wasm.OpI32x4MinS, opI32x4MinS, opI32x4MinSK), com(wasm.OpI32x4MinU, opI32x4MinU, opI32x4MinUK), com(wasm.OpI32x4MaxS, opI32x4MaxS, opI32x4MaxSK), com(wasm.OpI32x4MaxU, opI32x4MaxU, opI32x4MaxUK),
		bin(wasm.OpI32x4DotI16x8S, opI32x4DotI16x8S),
		com(wasm.OpI64x2Add, opI64x2Add, opI64x2AddK), ord(wasm.OpI64x2Sub, opI64x2Sub, opI64x2SubK, opI64x2SubRK), com(wasm.OpI64x2Mul, opI64x2Mul, opI64x2MulK),

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
		com(wasm.OpF32x4Add, opF32x4Add, opF32x4AddK), ord(wasm.OpF32x4Sub, opF32x4Sub, opF32x4SubK, opF32x4SubRK), com(wasm.OpF32x4Mul, opF32x4Mul, opF32x4MulK), ord(wasm.OpF32x4Div, opF32x4Div, opF32x4DivK, opF32x4DivRK),
		com(wasm.OpF32x4Min, opF32x4Min, opF32x4MinK), com(wasm.OpF32x4Max, opF32x4Max, opF32x4MaxK), bin(wasm.OpF32x4Pmin, opF32x4Pmin), bin(wasm.OpF32x4Pmax, opF32x4Pmax),
		un(wasm.OpF64x2Abs, opF64x2Abs), un(wasm.OpF64x2Neg, opF64x2Neg), un(wasm.OpF64x2Sqrt, opF64x2Sqrt),
		un(wasm.OpF64x2Ceil, opF64x2Ceil), un(wasm.OpF64x2Floor, opF64x2Floor), un(wasm.OpF64x2Trunc, opF64x2Trunc), un(wasm.OpF64x2Nearest, opF64x2Nearest),
		com(wasm.OpF64x2Add, opF64x2Add, opF64x2AddK), ord(wasm.OpF64x2Sub, opF64x2Sub, opF64x2SubK, opF64x2SubRK), com(wasm.OpF64x2Mul, opF64x2Mul, opF64x2MulK), ord(wasm.OpF64x2Div, opF64x2Div, opF64x2DivK, opF64x2DivRK),
		com(wasm.OpF64x2Min, opF64x2Min, opF64x2MinK), com(wasm.OpF64x2Max, opF64x2Max, opF64x2MaxK), bin(wasm.OpF64x2Pmin, opF64x2Pmin), bin(wasm.OpF64x2Pmax, opF64x2Pmax),
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
		com(wasm.OpF32x4RelaxedMin, opF32x4Min, opF32x4MinK), com(wasm.OpF32x4RelaxedMax, opF32x4Max, opF32x4MaxK),
		com(wasm.OpF64x2RelaxedMin, opF64x2Min, opF64x2MinK), com(wasm.OpF64x2RelaxedMax, opF64x2Max, opF64x2MaxK),
		bin(wasm.OpI16x8RelaxedQ15mulrS, opI16x8Q15mulrSatS), bin(wasm.OpI16x8RelaxedDotI8x16I7x16S, opI16x8RelaxedDotI8x16I7x16S),
		tern(wasm.OpI32x4RelaxedDotI8x16I7x16AddS, opI32x4RelaxedDotI8x16I7x16AddS),
	})
}

// lowerVectorBinary lowers an operation of two operands that may have forms for constants whose halves are alike.
func lowerVectorBinary(l *lowerer, r *rule) {
	y := l.pop()
	x := l.pop()
	in := Instr{op: r.op}
	switch f, ok := l.fuseVector(r, x, y); {
	case ok:
		in = f
	case y.where == isConst && y.val == y.hi:
		in.op, in.imm, in.b = r.k, y.val, l.use(x)
	case x.where == isConst && x.val == x.hi:
		in.op, in.imm, in.b = r.rk, x.val, l.use(y)
	default:
		in.b, in.c = l.use(x), l.use(y)
		if r.swap {
			in.b, in.c = in.c, in.b
		}
	}
	l.emitResult(in, r.typ)
}

// vectorForms are operations on x and what p has just computed, by operation and p's; the difference of floats takes p's away.
var vectorForms = map[[2]op]op{
	{opF32x4Add, opF32x4Mul}: opF32x4RelaxedMadd, {opF32x4Sub, opF32x4Mul}: opF32x4RelaxedNmadd,
	{opF64x2Add, opF64x2Mul}: opF64x2RelaxedMadd, {opF64x2Sub, opF64x2Mul}: opF64x2RelaxedNmadd,
	{opI16x8Add, opI16x8Mul}: opI16x8MulAdd, {opI32x4Add, opI32x4Mul}: opI32x4MulAdd, {opI32x4Add, opI32x4DotI16x8S}: opI32x4DotAdd,
	{opI16x8Add, opI16x8ExtendLowI8x16S}: opI16x8AddExtendLowI8x16S, {opI16x8Add, opI16x8ExtendHighI8x16S}: opI16x8AddExtendHighI8x16S,
	{opI16x8Add, opI16x8ExtendLowI8x16U}: opI16x8AddExtendLowI8x16U, {opI16x8Add, opI16x8ExtendHighI8x16U}: opI16x8AddExtendHighI8x16U,
}

// fuseVector joins a sum or difference with the instruction that has just computed one of its operands; nothing else can need that.
func (l *lowerer) fuseVector(r *rule, x, y operand) (Instr, bool) {
	p := l.lastProducer(y)
	if p == nil && r.k == r.rk { // commutative
		x, y = y, x
		p = l.lastProducer(y)
	}
	if p == nil || !x.ready() {
		return Instr{}, false
	}
	in := Instr{op: vectorForms[[2]op{r.op, p.op}], b: p.b, c: p.c, imm: uint64(l.use(x))}
	switch in.op {
	case 0:
		return Instr{}, false
	case opI16x8AddExtendLowI8x16S, opI16x8AddExtendHighI8x16S, opI16x8AddExtendLowI8x16U, opI16x8AddExtendHighI8x16U:
		in.c, in.imm = uint16(in.imm), 0
	}
	l.unemit()
	return in, true
}

// lowerVectorShift lowers shifts; those by a constant (r.k) have the count in c and for lanes below 32 bits a mask of the bits
// that stay within their lane.
func lowerVectorShift(l *lowerer, r *rule) {
	n := l.pop()
	x := l.pop()
	if n.where != isConst {
		l.emitResult(Instr{op: r.op, b: l.use(x), c: l.use32(n)}, r.typ)
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
