package modgen

import (
	"strings"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Instructions whose whole type stands in the instruction table.

const (
	groupScalar = iota
	groupMemory
	groupVector
	groupVectorMemory
	groupRelaxed
	groupAtomic
	numGroups
)

var (
	typedOps [numGroups][]wasm.Opcode
	giving   = map[byte][]wasm.Opcode{} // by result
	nanShape [wasm.NumOpcodes]wasm.Opcode
)

func init() {
	for op := wasm.Opcode(0); op < wasm.NumOpcodes; op++ {
		info := op.Info()
		if info.Name == "" || !info.Typed || info.Imm == wasm.ImmMemory {
			continue
		}
		memory := info.Imm == wasm.ImmMemarg || info.Imm == wasm.ImmMemargLane
		group := groupScalar
		switch {
		case info.Feature == wasm.FeatureThreads:
			group = groupAtomic
		case info.Feature == wasm.FeatureRelaxedSimd:
			group = groupRelaxed
		case info.Feature == wasm.FeatureSimd && memory:
			group = groupVectorMemory
		case info.Feature == wasm.FeatureSimd:
			group = groupVector
		case memory:
			group = groupMemory
		}
		typedOps[group] = append(typedOps[group], op)
		if len(info.Results) == 1 && group != groupAtomic {
			giving[info.Results[0]] = append(giving[info.Results[0]], op)
		}
		nanShape[op] = canonicalizer(info)
	}
	makeUsual()
}

// canonicalizer returns the comparison that tells the NaNs of an instruction's result apart, or 0 if it makes no NaN whose
// bits are open (specification: Execution, Floating-Point Operations, nan_N{}).
func canonicalizer(info *wasm.InstrInfo) wasm.Opcode {
	name := info.Name
	shape, rest, _ := strings.Cut(name, ".")
	if info.Results != "f" && info.Results != "F" && info.Results != "v" {
		return 0
	}
	rest = strings.TrimPrefix(rest, "relaxed_")
	switch rest {
	case "add", "sub", "mul", "div", "sqrt", "min", "max", "ceil", "floor", "trunc", "nearest", "demote_f64", "promote_f32",
		"demote_f64x2_zero", "promote_low_f32x4", "madd", "nmadd":
	default:
		return 0
	}
	switch shape {
	case "f32":
		return wasm.OpF32Eq
	case "f64":
		return wasm.OpF64Eq
	case "f32x4":
		return wasm.OpF32x4Eq
	case "f64x2":
		return wasm.OpF64x2Eq
	}
	return 0
}

// canonicalize replaces NaNs on the top of the stack by the canonical one.
func (b *body) canonicalize(eq wasm.Opcode) {
	get := func(x int) { b.code = appendU(wasm.AppendOpcode(b.code, wasm.OpLocalGet), uint64(x)) }
	t, choose := wasm.V128, wasm.OpV128Bitselect
	var nan []byte
	switch eq {
	case wasm.OpF32Eq:
		t, choose = wasm.F32, wasm.OpSelect
		nan = append(wasm.AppendOpcode(nil, wasm.OpF32Const), 0, 0, 0xC0, 0x7F)
	case wasm.OpF64Eq:
		t, choose = wasm.F64, wasm.OpSelect
		nan = append(wasm.AppendOpcode(nil, wasm.OpF64Const), 0, 0, 0, 0, 0, 0, 0xF8, 0x7F)
	case wasm.OpF32x4Eq:
		nan = wasm.AppendOpcode(nil, wasm.OpV128Const)
		for range 4 {
			nan = append(nan, 0, 0, 0xC0, 0x7F)
		}
	default:
		nan = wasm.AppendOpcode(nil, wasm.OpV128Const)
		for range 2 {
			nan = append(nan, 0, 0, 0, 0, 0, 0, 0xF8, 0x7F)
		}
	}
	x := b.scratchLocal(t)
	b.code = appendU(wasm.AppendOpcode(b.code, wasm.OpLocalTee), uint64(x))
	b.code = append(b.code, nan...)
	get(x)
	get(x)
	b.code = wasm.AppendOpcode(wasm.AppendOpcode(b.code, eq), choose)
}

// pickTyped picks an instruction of a group that the features allow; OpNop if there is none.
func (b *body) pickTyped(group int) wasm.Opcode {
	list := typedOps[group]
	for range 8 {
		if op := pick(b.c, list); b.has(op.Info().Feature) {
			return op
		}
	}
	return wasm.OpI32Add
}

// typedGiving picks an instruction that gives a value of type t.
func (b *body) typedGiving(t wasm.ValType) (wasm.Opcode, bool) {
	list := giving[letter(t)]
	if len(list) == 0 {
		return 0, false
	}
	for range 8 {
		op := pick(b.c, list)
		info := op.Info()
		if !b.has(info.Feature) || (info.Imm == wasm.ImmMemarg || info.Imm == wasm.ImmMemargLane) && len(b.mems) == 0 {
			continue
		}
		return op, true
	}
	return 0, false
}

var letterTypes = map[byte]wasm.ValType{'i': wasm.I32, 'I': wasm.I64, 'f': wasm.F32, 'F': wasm.F64, 'v': wasm.V128}

// signature returns an instruction's type, with addr for its address operands.
func signature(info *wasm.InstrInfo, addr wasm.ValType) (params, results []wasm.ValType) {
	conv := func(s string) (ts []wasm.ValType) {
		for i := range s {
			if s[i] == 'a' {
				ts = append(ts, addr)
			} else {
				ts = append(ts, letterTypes[s[i]])
			}
		}
		return ts
	}
	return conv(info.Params), conv(info.Results)
}

// typed writes an instruction of the table with its operands.
func (b *body) typed(op wasm.Opcode) {
	info := op.Info()
	switch info.Imm {
	case wasm.ImmMemarg, wasm.ImmMemargLane:
		b.access(op)
		return
	case wasm.ImmMemory:
		b.memorySize(op)
		return
	case wasm.ImmI32, wasm.ImmI64, wasm.ImmF32, wasm.ImmF64, wasm.ImmV128:
		t := letterTypes[info.Results[0]]
		b.code = b.appendConst(b.code, t)
		b.budget--
		b.push(t)
		return
	case wasm.ImmFence:
		b.emit(op, 0)
		return
	}
	params, results := signature(info, wasm.I32)
	b.need(params...)
	if b.tame() && !b.top().dead {
		b.tameOperand(op, params)
	}
	b.emit(op)
	switch info.Imm {
	case wasm.ImmLane:
		b.code = append(b.code, byte(b.c.n(int(info.Width))))
	case wasm.ImmShuffle:
		for range 16 {
			b.code = append(b.code, byte(b.c.n(32)))
		}
	}
	b.pop(len(params))
	b.push(results...)
	if b.cfg.CanonicalNaN && nanShape[op] != 0 {
		b.canonicalize(nanShape[op])
	}
}

// tameOperand changes the last operand so that the instruction does not trap (but for the quotient of the least integer and -1).
func (b *body) tameOperand(op wasm.Opcode, params []wasm.ValType) {
	switch op {
	case wasm.OpI32DivS, wasm.OpI32DivU, wasm.OpI32RemS, wasm.OpI32RemU:
		b.code = append(b.code, byte(wasm.OpI32Const), 1, byte(wasm.OpI32Or))
	case wasm.OpI64DivS, wasm.OpI64DivU, wasm.OpI64RemS, wasm.OpI64RemU:
		b.code = append(b.code, byte(wasm.OpI64Const), 1, byte(wasm.OpI64Or))
	case wasm.OpI32TruncF32S, wasm.OpI32TruncF32U, wasm.OpI64TruncF32S, wasm.OpI64TruncF32U:
		// x = |x|; x < 2^30 ? x : 0
		x := uint64(b.scratchLocal(wasm.F32))
		b.code = appendU(append(b.code, byte(wasm.OpF32Abs), byte(wasm.OpLocalTee)), x)
		b.code = append(b.code, byte(wasm.OpF32Const), 0, 0, 0, 0, byte(wasm.OpLocalGet))
		b.code = append(appendU(b.code, x), byte(wasm.OpF32Const), 0, 0, 0x80, 0x4E, byte(wasm.OpF32Lt), byte(wasm.OpSelect))
	case wasm.OpI32TruncF64S, wasm.OpI32TruncF64U, wasm.OpI64TruncF64S, wasm.OpI64TruncF64U:
		x := uint64(b.scratchLocal(wasm.F64))
		b.code = appendU(append(b.code, byte(wasm.OpF64Abs), byte(wasm.OpLocalTee)), x)
		b.code = append(b.code, byte(wasm.OpF64Const), 0, 0, 0, 0, 0, 0, 0, 0, byte(wasm.OpLocalGet))
		b.code = append(appendU(b.code, x), byte(wasm.OpF64Const), 0, 0, 0, 0, 0, 0, 0xD0, 0x41, byte(wasm.OpF64Lt), byte(wasm.OpSelect))
	}
}
