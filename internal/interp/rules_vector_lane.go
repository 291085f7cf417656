package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

func init() {
	splat := func(w wasm.Opcode, o op, bits int) row {
		return row{w, rule{lower: func(l *lowerer, r *rule) { lowerSplat(l, r, bits) }, op: o}}
	}
	extract := func(w wasm.Opcode, o op, size int) row {
		return row{w, rule{lower: func(l *lowerer, r *rule) {
			l.emitResult(Instr{op: o, b: l.use(l.pop()), c: uint16(int(l.in.Lane) * size)}, r.typ)
		}}}
	}
	replace := func(w wasm.Opcode, lo, hi op, bits int) row {
		return row{w, rule{lower: func(l *lowerer, r *rule) {
			x := l.pop()
			at := int(l.in.Lane) * bits
			in := Instr{op: lo, b: l.use(l.pop()), c: l.use32(x), imm: uint64(at % 64)}
			if at >= 64 {
				in.op = hi
			}
			l.emitResult(in, r.typ)
		}}}
	}
	wide := func(w wasm.Opcode, lower func(*lowerer, *rule)) row { return row{w, rule{lower: lower}} }
	load := func(w wasm.Opcode, o op) row { return row{w, rule{lower: lowerLoad, op: o, fold: true}} }
	store := func(w wasm.Opcode, o op) row { return row{w, rule{lower: lowerStore, op: o}} }
	// hi is the form for lanes of the high half, from lane n on.
	loadLane := func(w wasm.Opcode, lo, hi op, n uint8) row {
		return row{w, rule{lower: func(l *lowerer, r *rule) {
			half := *r
			if half.op = lo; l.in.Lane >= n {
				half.op = hi
			}
			lowerLoad(l, &half)
		}}}
	}
	addRules([]row{
		splat(wasm.OpI8x16Splat, opSplat8, 8), splat(wasm.OpI16x8Splat, opSplat16, 16),
		splat(wasm.OpI32x4Splat, opSplat32, 32), splat(wasm.OpF32x4Splat, opSplat32, 32),
		splat(wasm.OpI64x2Splat, opPair, 64), splat(wasm.OpF64x2Splat, opPair, 64),
		extract(wasm.OpI8x16ExtractLaneS, opExtract8S, 1), extract(wasm.OpI8x16ExtractLaneU, opExtract8U, 1),
		extract(wasm.OpI16x8ExtractLaneS, opExtract16S, 2), extract(wasm.OpI16x8ExtractLaneU, opExtract16U, 2),
		wide(wasm.OpI32x4ExtractLane, lowerExtract32), wide(wasm.OpF32x4ExtractLane, lowerExtract32),
		wide(wasm.OpI64x2ExtractLane, lowerExtract64), wide(wasm.OpF64x2ExtractLane, lowerExtract64),
		replace(wasm.OpI8x16ReplaceLane, opReplace8Lo, opReplace8Hi, 8), replace(wasm.OpI16x8ReplaceLane, opReplace16Lo, opReplace16Hi, 16),
		replace(wasm.OpI32x4ReplaceLane, opReplace32Lo, opReplace32Hi, 32), replace(wasm.OpF32x4ReplaceLane, opReplace32Lo, opReplace32Hi, 32),
		wide(wasm.OpI64x2ReplaceLane, lowerReplace64), wide(wasm.OpF64x2ReplaceLane, lowerReplace64),
		{wasm.OpI8x16Swizzle, rule{lower: simple, op: opI8x16Swizzle}},
		wide(wasm.OpI8x16Shuffle, lowerShuffle),

		load(wasm.OpV128Load, opV128Load), {wasm.OpV128Store, rule{lower: lowerStore, op: opV128Store, fold: true}},
		load(wasm.OpV128Load8x8S, opV128Load8x8S), load(wasm.OpV128Load8x8U, opV128Load8x8U),
		load(wasm.OpV128Load16x4S, opV128Load16x4S), load(wasm.OpV128Load16x4U, opV128Load16x4U),
		load(wasm.OpV128Load32x2S, opV128Load32x2S), load(wasm.OpV128Load32x2U, opV128Load32x2U),
		load(wasm.OpV128Load8Splat, opV128Load8Splat), load(wasm.OpV128Load16Splat, opV128Load16Splat),
		load(wasm.OpV128Load32Splat, opV128Load32Splat), load(wasm.OpV128Load64Splat, opV128Load64Splat),
		load(wasm.OpV128Load32Zero, opV128Load32Zero), load(wasm.OpV128Load64Zero, opV128Load64Zero),
		loadLane(wasm.OpV128Load8Lane, opV128Load8LaneLo, opV128Load8LaneHi, 8), loadLane(wasm.OpV128Load16Lane, opV128Load16LaneLo, opV128Load16LaneHi, 4),
		loadLane(wasm.OpV128Load32Lane, opV128Load32LaneLo, opV128Load32LaneHi, 2), loadLane(wasm.OpV128Load64Lane, opV128Load64LaneLo, opV128Load64LaneHi, 1),
		store(wasm.OpV128Store8Lane, opV128Store8Lane), store(wasm.OpV128Store16Lane, opV128Store16Lane),
		store(wasm.OpV128Store32Lane, opV128Store32Lane), store(wasm.OpV128Store64Lane, opV128Store64Lane),
	})
}

// lowerSplat copies a scalar of some bits to all lanes; of a constant it makes a constant.
func lowerSplat(l *lowerer, r *rule, bits int) {
	x := l.pop()
	if x.where == isConst {
		v := x.val
		for n := bits; n < 64; n *= 2 {
			v = v&(1<<n-1) | v<<n
		}
		l.push(operand{where: isConst, typ: r.typ, val: v, hi: v})
		return
	}
	s := l.use32(x)
	l.emitResult(Instr{op: r.op, b: s, c: s}, r.typ)
}

// lowerExtract32 takes a lane of 32 bits out of its half.
func lowerExtract32(l *lowerer, r *rule) {
	in := Instr{op: opI32Wrap, b: l.use(l.pop()) + uint16(l.in.Lane/2)}
	if l.in.Lane%2 == 1 {
		in.op, in.imm = opI64ShrUK, 32
	}
	l.emitResult(in, r.typ)
}

func lowerExtract64(l *lowerer, r *rule) {
	l.emitResult(Instr{op: opMov, b: l.use(l.pop()) + uint16(l.in.Lane)}, r.typ)
}

func lowerReplace64(l *lowerer, r *rule) {
	x := l.pop()
	v := l.use(l.pop())
	in := Instr{op: opPair, b: l.use(x), c: v + 1}
	if l.in.Lane == 1 {
		in.b, in.c = v, in.b
	}
	l.emitResult(in, r.typ)
}

// lowerShuffle picks the instruction by the size of the pieces that stay together. Where operands lie too high in a huge frame for
// the instruction's 16-bit fields it leaves the shuffle to the driver.
func lowerShuffle(l *lowerer, r *rule) {
	pick := vectorBytes(l.in.Value, l.in.Value2)
	size := 8
	for ; size > 1; size /= 2 {
		if together(pick, size) {
			break
		}
	}
	y := l.pop()
	x := l.pop()
	from := [2]int{int(l.use(x)), int(l.use(y))}
	// at is where a piece lies, in units of its size from fp.
	at := func(piece int) uint16 {
		i := int(pick[piece*size])
		return uint16((from[i/16]*8 + i%16) / size)
	}
	if max(from[0], from[1]) > (1<<16-16)*size/8 {
		l.emitResult(Instr{op: opShuffleFar, b: uint16(from[0]), c: uint16(from[1]), imm: l.in.Value}, r.typ)
		l.emit(Instr{op: opShuffleMore, imm: l.in.Value2})
		return
	}
	var in Instr
	switch size {
	case 8:
		in = Instr{op: opPair, b: at(0), c: at(1)}
	case 4:
		in = Instr{op: opShuffle32, imm: uint64(at(0)) | uint64(at(1))<<16 | uint64(at(2))<<32 | uint64(at(3))<<48}
	default:
		in = Instr{op: opShuffle16, b: at(0), c: at(1), imm: uint64(at(2)) | uint64(at(3))<<16 | uint64(at(4))<<32 | uint64(at(5))<<48}
		if size == 1 {
			in.op = opShuffle8
		}
		l.emitResult(in, r.typ)
		for i := 6; i < 16/size; i += 7 {
			more := Instr{op: opShuffleMore}
			var part [7]uint16
			for k := range part {
				if i+k < 16/size {
					part[k] = at(i + k)
				}
			}
			more.a, more.b, more.c = part[0], part[1], part[2]
			more.imm = uint64(part[3]) | uint64(part[4])<<16 | uint64(part[5])<<32 | uint64(part[6])<<48
			l.emit(more)
		}
		return
	}
	l.emitResult(in, r.typ)
}

// together reports whether a shuffle moves only whole, aligned pieces of size bytes.
func together(pick [16]byte, size int) bool {
	for i, p := range pick {
		if int(p)%size != i%size || p != pick[i/size*size]+byte(i%size) {
			return false
		}
	}
	return true
}

// vectorBytes are the bytes of a v128.
func vectorBytes(lo, hi uint64) (b [16]byte) {
	for i := range 8 {
		b[i], b[8+i] = byte(lo>>(8*i)), byte(hi>>(8*i))
	}
	return b
}
