package modgen

import (
	"slices"
	"strings"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Idioms are the shapes that compilers write and engines fuse: small trees over locals and constants, counted loops, indexed
// accesses. Random instructions seldom come together like that.

// usual are instructions that are frequent in idioms, by result.
var usual = map[byte][]wasm.Opcode{}

// makeUsual fills it from giving.
func makeUsual() {
	for r, ops := range giving {
		for _, op := range ops {
			_, name, _ := strings.Cut(op.Info().Name, ".")
			name, _, _ = strings.Cut(name, "_low")
			name, _, _ = strings.Cut(name, "_high")
			if slices.Contains([]string{"add", "sub", "mul", "and", "or", "xor", "shl", "shr_u", "shr_s", "rotl", "eqz", "extend", "dot_i16x8_s",
				"wrap_i64", "extend_i32_u", "extend_i32_s", "min", "max", "andnot"}, name) {
				usual[r] = append(usual[r], op)
			}
		}
	}
}

func letter(t wasm.ValType) byte {
	for c, u := range letterTypes {
		if u == t {
			return c
		}
	}
	return 0
}

// localWith picks a local of just the number or vector type t, making one if there is none.
func (b *body) localWith(t wasm.ValType) int {
	if x, ok := b.pickIndex(len(b.locals), func(x int) bool { return b.locals[x] == t && !b.private[x] }); ok {
		return x
	}
	return b.newLocal(t, true)
}

// tree puts a value on the stack that is computed from locals and constants by few instructions that do not trap.
func (b *body) tree(t wasm.ValType, depth int) {
	if depth == 0 || b.c.exhausted() {
		if t == wasm.V128 && b.c.oneIn(2) || b.c.oneIn(3) {
			b.code = b.appendConst(b.code, t)
			b.budget--
			b.push(t)
			return
		}
		b.op(wasm.OpLocalGet, 0, []wasm.ValType{t}, uint64(b.localWith(t)))
		return
	}
	list := usual[letter(t)]
	if len(list) == 0 || b.c.oneIn(4) {
		list = giving[letter(t)]
	}
	for range 8 {
		op := pick(b.c, list)
		info := op.Info()
		if info.Imm != wasm.ImmNone && info.Imm != wasm.ImmLane || !b.has(info.Feature) || info.Feature == wasm.FeatureRelaxedSimd || traps(info.Name) {
			continue
		}
		b.apply(op, depth)
		return
	}
	b.tree(t, 0)
}

// traps reports whether an instruction without memory access may trap.
func traps(name string) bool {
	_, name, _ = strings.Cut(name, ".")
	return strings.HasPrefix(name, "div_") || strings.HasPrefix(name, "rem_") || strings.HasPrefix(name, "trunc_f")
}

// apply writes an instruction on trees.
func (b *body) apply(op wasm.Opcode, depth int) {
	info := op.Info()
	params, results := signature(info, wasm.I32)
	deep := b.c.n(len(params) + 1) // one operand is a tree, the others are leaves
	for i, p := range params {
		if i == deep || depth > 2 {
			b.tree(p, depth-1)
		} else {
			b.tree(p, 0)
		}
	}
	b.emit(op)
	if info.Imm == wasm.ImmLane {
		b.code = append(b.code, byte(b.c.n(int(info.Width))))
	}
	b.pop(len(params))
	b.push(results...)
	if b.cfg.CanonicalNaN && nanShape[op] != 0 {
		b.canonicalize(nanShape[op])
	}
}

// condition puts an i32 on the stack: a comparison, mostly.
func (b *body) condition() {
	for range 4 {
		op := pick(b.c, giving['i'])
		info := op.Info()
		if info.Imm != wasm.ImmNone || !b.has(info.Feature) || traps(info.Name) || len(info.Params) != 2 {
			continue
		}
		b.apply(op, 1)
		return
	}
	b.tree(wasm.I32, 1)
}

func (b *body) idiom() {
	if b.top().dead {
		b.sink()
		return
	}
	b.protect(func() {
		switch b.c.n(10) {
		case 8:
			b.pair()
		case 9:
			b.quotient()
		case 0, 1, 2, 3:
			t := pick(b.c, []wasm.ValType{wasm.I32, wasm.I64, wasm.I32, wasm.F32, wasm.F64, wasm.V128})
			if t == wasm.V128 && !b.has(wasm.FeatureSimd) {
				t = wasm.I32
			}
			b.tree(t, b.c.span(1, 2))
			b.setLocal(pick(b.c, []wasm.Opcode{wasm.OpLocalSet, wasm.OpLocalTee}), b.localWith(t))
		case 4:
			b.forward()
		case 5:
			b.countedLoop()
		case 6:
			if len(b.mems) > 0 && b.mems[0].Min > 0 {
				b.accesses()
			}
		default:
			if b.has(wasm.FeatureSimd) {
				b.regularShuffle()
			}
		}
	})
}

// pairs are instructions that engines make one of: the second gives an operand of the first.
var pairs = [][2]wasm.Opcode{
	{wasm.OpI32Xor, wasm.OpI32Shl}, {wasm.OpI32Or, wasm.OpI32Shl}, {wasm.OpI32Or, wasm.OpI32ShrU}, {wasm.OpI32Xor, wasm.OpI32ShrU},
	{wasm.OpI32Xor, wasm.OpI32Rotl}, {wasm.OpI32Add, wasm.OpI32Shl}, {wasm.OpI32Add, wasm.OpI32Mul}, {wasm.OpI32Add, wasm.OpI32Add},
	{wasm.OpI64Xor, wasm.OpI64Shl}, {wasm.OpI64Or, wasm.OpI64Shl}, {wasm.OpI64Or, wasm.OpI64ShrU}, {wasm.OpI64Xor, wasm.OpI64ShrU},
	{wasm.OpI64Xor, wasm.OpI64Rotl}, {wasm.OpI64Add, wasm.OpI64Shl}, {wasm.OpI64Add, wasm.OpI64Mul}, {wasm.OpI64Add, wasm.OpI64Add},
	{wasm.OpF32Add, wasm.OpF32Mul}, {wasm.OpF32Sub, wasm.OpF32Mul}, {wasm.OpF64Add, wasm.OpF64Mul}, {wasm.OpF64Sub, wasm.OpF64Mul},
	{wasm.OpI16x8Add, wasm.OpI16x8Mul}, {wasm.OpI32x4Add, wasm.OpI32x4Mul}, {wasm.OpI32x4Add, wasm.OpI32x4DotI16x8S},
	{wasm.OpI16x8Add, wasm.OpI16x8ExtendLowI8x16S}, {wasm.OpI16x8Add, wasm.OpI16x8ExtendHighI8x16S},
	{wasm.OpI16x8Add, wasm.OpI16x8ExtendLowI8x16U}, {wasm.OpI16x8Add, wasm.OpI16x8ExtendHighI8x16U},
	{wasm.OpF32x4Add, wasm.OpF32x4Mul}, {wasm.OpF64x2Add, wasm.OpF64x2Mul},
}

// pair writes a pair, either way around. Now and then the two do not belong together: conversions that engines make nothing of stand between
// them. No NaN is canonicalised between the two.
func (b *body) pair() {
	p := pick(b.c, pairs)
	if b.c.oneIn(6) {
		p[1] = pick(b.c, pairs)[1]
	}
	if !b.has(p[1].Info().Feature) || b.cfg.CanonicalNaN && nanShape[p[0]] != 0 || !b.has(p[0].Info().Feature) {
		return
	}
	outer, results := signature(p[0].Info(), wasm.I32)
	inner, between := signature(p[1].Info(), wasm.I32)
	if (between[0] == wasm.V128) != (outer[0] == wasm.V128) {
		return
	}
	first := b.c.oneIn(2)
	if !first {
		b.tree(outer[0], 0)
	}
	for _, t := range inner {
		b.tree(t, 0)
	}
	b.op(p[1], len(inner), between)
	b.reinterpret(between[0], outer[0])
	if first {
		b.tree(outer[1], 0)
	}
	b.op(p[0], 2, results)
	b.setLocal(pick(b.c, []wasm.Opcode{wasm.OpLocalSet, wasm.OpLocalTee}), b.localWith(results[0]))
}

// reinterpret turns a number of one type into one of another that has the same low bits.
func (b *body) reinterpret(from, to wasm.ValType) {
	type step struct {
		op wasm.Opcode
		to wasm.ValType
	}
	if from == to {
		return
	}
	// All ways lead over the integers.
	steps := map[wasm.ValType]step{wasm.F32: {wasm.OpI32ReinterpretF32, wasm.I32}, wasm.F64: {wasm.OpI64ReinterpretF64, wasm.I64}}
	switch {
	case from == wasm.I32 && to == wasm.F32:
		steps[from] = step{wasm.OpF32ReinterpretI32, wasm.F32}
	case from == wasm.I32:
		steps[from] = step{wasm.OpI64ExtendI32U, wasm.I64}
	case from == wasm.I64 && to == wasm.F64:
		steps[from] = step{wasm.OpF64ReinterpretI64, wasm.F64}
	case from == wasm.I64:
		steps[from] = step{wasm.OpI32WrapI64, wasm.I32}
	}
	s := steps[from]
	b.op(s.op, 1, []wasm.ValType{s.to})
	b.reinterpret(s.to, to)
}

// quotient divides by a constant other than 0 and -1.
func (b *body) quotient() {
	t, op, konst := wasm.I32, wasm.OpI32DivS, wasm.OpI32Const
	if b.c.oneIn(2) {
		t, op, konst = wasm.I64, wasm.OpI64DivS, wasm.OpI64Const
	}
	b.tree(t, b.c.n(2))
	b.code = wasm.AppendSigned(wasm.AppendOpcode(b.code, konst), int64(b.c.span(1, 4000)))
	b.push(t)
	b.op(op+wasm.Opcode(b.c.n(4)), 2, []wasm.ValType{t})
	b.setLocal(wasm.OpLocalSet, b.localWith(t))
}

// forward branches over a few instructions.
func (b *body) forward() {
	b.emit(wasm.OpBlock)
	b.code = append(b.code, 0x40)
	b.open(wasm.OpBlock, nil, nil)
	b.condition()
	b.op(wasm.OpBrIf, 1, nil, 0)
	b.instrs(b.c.n(4))
	b.close()
}

// countedLoop goes around until its condition fails or a counter of its own is up.
func (b *body) countedLoop() {
	b.emit(wasm.OpBlock)
	b.code = append(b.code, 0x40)
	b.open(wasm.OpBlock, nil, nil)
	b.emit(wasm.OpLoop)
	b.code = append(b.code, 0x40)
	b.open(wasm.OpLoop, nil, nil)
	b.useFuel()
	x := b.newLocal(wasm.I32, true)
	b.private[x] = true
	b.code = appendU(wasm.AppendOpcode(b.code, wasm.OpLocalGet), uint64(x))
	b.code = append(b.code, byte(wasm.OpI32Const), 1, byte(wasm.OpI32Add), byte(wasm.OpLocalTee))
	b.code = append(appendU(b.code, uint64(x)), byte(wasm.OpI32Const), 6, byte(wasm.OpI32GtU), byte(wasm.OpBrIf), 1)
	b.instrs(b.c.n(4))
	if !b.top().dead {
		if b.c.oneIn(2) {
			// i += k; while (i < n)
			t := pick(b.c, []wasm.ValType{wasm.I32, wasm.I64})
			i := b.localWith(t)
			b.op(wasm.OpLocalGet, 0, []wasm.ValType{t}, uint64(i))
			b.tree(t, 0)
			add := wasm.OpI32Add
			if t == wasm.I64 {
				add = wasm.OpI64Add
			}
			b.op(add, 2, []wasm.ValType{t})
			b.setLocal(wasm.OpLocalTee, i)
			b.tree(t, 0)
			b.op(b.comparison(t), 2, []wasm.ValType{wasm.I32})
		} else {
			b.condition()
		}
		b.op(wasm.OpBrIf, 1, nil, 0)
	}
	b.close()
	b.close()
}

// comparison picks a comparison of two integers.
func (b *body) comparison(t wasm.ValType) wasm.Opcode {
	if t == wasm.I64 {
		return wasm.OpI64Eq + wasm.Opcode(b.c.n(10))
	}
	return wasm.OpI32Eq + wasm.Opcode(b.c.n(10))
}

// accesses writes loads and stores that a compiler would write for arrays: a[i], a[i] = x, a[i] = c[j], at fixed addresses, and
// branches on what was loaded.
func (b *body) accesses() {
	t := b.mems[0].AddrType()
	and := func(x int, m int64) {
		b.op(wasm.OpLocalGet, 0, []wasm.ValType{t}, uint64(x))
		b.mask(t, m)
		b.setLocal(wasm.OpLocalSet, x)
	}
	base, index := b.localWith(t), b.newLocal(t, true)
	and(base, 0x3FF8)
	b.tree(t, 1)
	b.setLocal(wasm.OpLocalSet, index)
	and(index, 0xFF)
	add, shl, konst := wasm.OpI32Add, wasm.OpI32Shl, wasm.OpI32Const
	if t == wasm.I64 {
		add, shl, konst = wasm.OpI64Add, wasm.OpI64Shl, wasm.OpI64Const
	}
	constant := func(v int64) {
		b.code = wasm.AppendSigned(wasm.AppendOpcode(b.code, konst), v)
		b.push(t)
	}
	address := func() {
		k := b.c.n(5)
		if k == 4 {
			constant(int64(b.c.n(4000)))
			return
		}
		b.op(wasm.OpLocalGet, 0, []wasm.ValType{t}, uint64(base))
		switch k {
		case 1:
			constant(int64(b.c.n(64)))
			b.op(add, 2, []wasm.ValType{t})
		case 2:
			b.op(wasm.OpLocalGet, 0, []wasm.ValType{t}, uint64(index))
			b.op(add, 2, []wasm.ValType{t})
		case 3:
			b.op(wasm.OpLocalGet, 0, []wasm.ValType{t}, uint64(index))
			constant(int64(b.c.n(4)))
			b.op(shl, 2, []wasm.ValType{t})
			b.op(add, 2, []wasm.ValType{t})
		}
	}
	access := func(op wasm.Opcode) {
		b.emit(op)
		b.code = appendU(append(b.code, 0), uint64(b.c.n(256)))
	}
	loads := []wasm.Opcode{wasm.OpI32Load, wasm.OpI64Load, wasm.OpI32Load8U, wasm.OpI32Load8S, wasm.OpI32Load16U, wasm.OpI32Load16S,
		wasm.OpI64Load32S, wasm.OpI64Load32U, wasm.OpI64Load8S, wasm.OpI64Load16S, wasm.OpF64Load, wasm.OpF32Load}
	stores := []wasm.Opcode{wasm.OpI32Store, wasm.OpI64Store, wasm.OpI32Store8, wasm.OpI32Store16, wasm.OpI64Store32, wasm.OpF64Store, wasm.OpF32Store}
	result := func(op wasm.Opcode) wasm.ValType { return letterTypes[op.Info().Results[0]] }
	for range b.c.span(1, 4) {
		switch b.c.n(5) {
		case 0, 1:
			op := pick(b.c, loads)
			address()
			access(op)
			b.pop(1)
			b.push(result(op))
			b.setLocal(wasm.OpLocalSet, b.localWith(result(op)))
		case 2:
			op := pick(b.c, stores)
			address()
			b.tree(letterTypes[op.Info().Params[1]], b.c.n(2))
			access(op)
			b.pop(2)
		case 3: // copy, twice in a row perhaps
			pairs := [][2]wasm.Opcode{{wasm.OpI32Load, wasm.OpI32Store}, {wasm.OpI64Load, wasm.OpI64Store}, {wasm.OpI32Load8U, wasm.OpI32Store8}}
			p := pick(b.c, pairs)
			for range b.c.span(1, 2) {
				address()
				address()
				access(p[0])
				access(p[1])
				b.pop(2)
			}
		default: // while (a[i] == k)
			b.emit(wasm.OpBlock)
			b.code = append(b.code, 0x40)
			b.open(wasm.OpBlock, nil, nil)
			address()
			access(pick(b.c, []wasm.Opcode{wasm.OpI32Load, wasm.OpI32Load8U}))
			b.pop(1)
			b.push(wasm.I32)
			if b.c.oneIn(2) {
				b.tree(wasm.I32, 0)
				b.op(b.comparison(wasm.I32), 2, []wasm.ValType{wasm.I32})
			} else if b.c.oneIn(2) {
				b.op(wasm.OpI32Eqz, 1, []wasm.ValType{wasm.I32})
			}
			b.op(wasm.OpBrIf, 1, nil, 0)
			b.close()
		}
	}
}

// regularShuffle moves lanes of two bytes or more.
func (b *body) regularShuffle() {
	b.tree(wasm.V128, 0)
	b.tree(wasm.V128, 0)
	b.emit(wasm.OpI8x16Shuffle)
	width := 2 << b.c.n(3)
	for range 16 / width {
		lane := b.c.n(32 / width)
		for i := range width {
			b.code = append(b.code, byte(lane*width+i))
		}
	}
	b.pop(2)
	b.push(wasm.V128)
	b.setLocal(wasm.OpLocalSet, b.localWith(wasm.V128))
}
