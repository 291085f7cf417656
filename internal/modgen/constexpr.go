package modgen

import (
	"encoding/binary"
	"math"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

func endExpr(b []byte) []byte { return append(b, byte(wasm.OpEnd)) }

// visibleGlobals is the number of globals that a segment's expression or an initialiser of the next global may name (specification: Validation, Modules; before
// garbage collection, imported ones only).
func (g *gen) visibleGlobals() int {
	if g.has(wasm.FeatureGc) {
		return len(g.globals)
	}
	return g.numImported.globals
}

// constExpr makes a constant expression of the type, which may name the first globals; nil if there is none.
func (g *gen) constExpr(t wasm.ValType, globals int) []byte {
	b, ok := g.constant(nil, t, globals, 3)
	if !ok {
		return nil
	}
	return endExpr(b)
}

// constant appends the instructions that give a constant of type t.
func (g *gen) constant(b []byte, t wasm.ValType, globals, depth int) ([]byte, bool) {
	c := g.c
	if globals > 0 && c.oneIn(4) {
		x := c.n(globals)
		if gl := g.globals[x]; !gl.Mutable && g.types.match(gl.Type, t) {
			return appendU(wasm.AppendOpcode(b, wasm.OpGlobalGet), uint64(x)), true
		}
	}
	if t == wasm.I32 || t == wasm.I64 {
		if depth > 0 && g.has(wasm.FeatureExtendedConst) && c.oneIn(4) {
			ops := []wasm.Opcode{wasm.OpI32Add, wasm.OpI32Sub, wasm.OpI32Mul}
			if t == wasm.I64 {
				ops = []wasm.Opcode{wasm.OpI64Add, wasm.OpI64Sub, wasm.OpI64Mul}
			}
			b, _ = g.constant(b, t, globals, depth-1)
			b, _ = g.constant(b, t, globals, depth-1)
			return wasm.AppendOpcode(b, pick(c, ops)), true
		}
	}
	if !t.IsRef() {
		return g.appendConst(b, t), true
	}
	return g.constRef(b, t, globals, depth)
}

// appendConst appends a const instruction of a number or vector type.
func (g *gen) appendConst(b []byte, t wasm.ValType) []byte {
	switch t {
	case wasm.I32:
		return wasm.AppendSigned(wasm.AppendOpcode(b, wasm.OpI32Const), int64(int32(g.bits(32))))
	case wasm.I64:
		return wasm.AppendSigned(wasm.AppendOpcode(b, wasm.OpI64Const), int64(g.bits(64)))
	case wasm.F32:
		return binary.LittleEndian.AppendUint32(wasm.AppendOpcode(b, wasm.OpF32Const), uint32(g.float(32)))
	case wasm.F64:
		return binary.LittleEndian.AppendUint64(wasm.AppendOpcode(b, wasm.OpF64Const), g.float(64))
	}
	b = wasm.AppendOpcode(b, wasm.OpV128Const)
	switch g.c.n(3) {
	case 0:
		b = binary.LittleEndian.AppendUint64(b, g.bits(64))
		return binary.LittleEndian.AppendUint64(b, g.bits(64))
	case 1:
		for range 4 {
			b = binary.LittleEndian.AppendUint32(b, uint32(g.float(32)))
		}
		return b
	}
	b = binary.LittleEndian.AppendUint64(b, g.float(64))
	return binary.LittleEndian.AppendUint64(b, g.float(64))
}

// bits picks an integer: small, a power of two or one beside it, an extreme, or any.
func (g *gen) bits(width uint) uint64 {
	c := g.c
	switch c.n(6) {
	case 0:
		return uint64(c.byte())
	case 1:
		return -uint64(c.byte())
	case 2:
		return 1<<(uint(c.byte())%width) + uint64(c.n(3)) - 1
	case 3:
		return pick(c, []uint64{1<<(width-1) - 1, 1 << (width - 1), 1<<width - 1, 1<<(width/2) - 1, 1 << (width / 2)})
	case 4:
		return uint64(c.byte()) << 8
	}
	return c.u64()
}

var floats = []float64{0, math.Copysign(0, -1), 1, -1, 0.5, 1.5, -2.5, math.Inf(1), math.Inf(-1), math.Pi, 1e10, -1e10, 4294967296, 2147483647,
	-2147483648, -2147483649, 9223372036854775807, -9223372036854775808, 18446744073709551616, 0.1, -0.9, 127.5, 255.5, 65535.5, 1e300, -1e-300}

// float picks a float's bits: interesting ones, subnormal and extreme ones, NaNs of all kinds.
func (g *gen) float(width int) uint64 {
	c := g.c
	switch c.n(4) {
	case 0, 1:
		f := pick(c, floats)
		if width == 32 {
			return uint64(math.Float32bits(float32(f)))
		}
		return math.Float64bits(f)
	case 2:
		if width == 32 {
			return uint64(pick(c, []uint32{0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF812345, 0x7FFFFFFF, 1, 0x80000001, 0x007FFFFF, 0x7F7FFFFF, 0x4EFFFFFF, 0x5F000000, 0x4F7FFFFF}))
		}
		return pick(c, []uint64{0x7FF8 << 48, 0xFFF8 << 48, 0x7FF0<<48 | 1, 0xFFF0<<48 | 0x12345, 0x7FFF<<48 | 0xFFFF, 1, 1<<63 | 1, 1<<52 - 1, 0x7FEF<<48 | 0xFFFF,
			0x41DFFFFFFFC00000, 0x41E0000000000000, 0x43DFFFFFFFFFFFFF, 0x43E0000000000000, 0x43EFFFFFFFFFFFFF})
	}
	return c.u64() & (1<<width - 1)
}

// constRef appends a constant reference of type t.
func (g *gen) constRef(b []byte, t wasm.ValType, globals, depth int) ([]byte, bool) {
	c := g.c
	h := t.Heap()
	if t.Nullable() && (c.exhausted() || c.oneIn(3) || depth == 0) {
		return appendNull(b, h), true
	}
	gc := g.has(wasm.FeatureGc)
	switch g.types.top(h) {
	case wasm.HeapFunc:
		if fs := g.funcsBelow(t); len(fs) > 0 {
			f := pick(c, fs)
			g.declare(f)
			return appendU(wasm.AppendOpcode(b, wasm.OpRefFunc), uint64(f)), true
		}
	case wasm.HeapExtern:
		if gc && h == wasm.HeapExtern {
			b, _ = g.constRef(b, wasm.RefTo(wasm.HeapAny, t.Nullable()), globals, max(depth-1, 0))
			return wasm.AppendOpcode(b, wasm.OpExternConvertAny), true
		}
	case wasm.HeapAny:
		if g.cfg.Aggregates && depth > 0 && c.oneIn(2) {
			if b, ok := g.constAggregate(b, h, globals, depth-1); ok {
				return b, true
			}
		}
		if g.types.heapMatch(wasm.HeapI31, h) {
			if h == wasm.HeapAny && depth > 0 && c.oneIn(3) {
				b, _ = g.constRef(b, wasm.RefTo(wasm.HeapExtern, t.Nullable()), globals, depth-1)
				return wasm.AppendOpcode(b, wasm.OpAnyConvertExtern), true
			}
			b, _ = g.constant(b, wasm.I32, globals, max(depth-1, 0))
			return wasm.AppendOpcode(b, wasm.OpRefI31), true
		}
	}
	if t.Nullable() {
		return appendNull(b, h), true
	}
	return b, false
}

func appendNull(b []byte, h wasm.HeapType) []byte {
	return wasm.AppendHeapType(wasm.AppendOpcode(b, wasm.OpRefNull), h)
}

// constAggregate appends a constant struct or array of a type below h.
func (g *gen) constAggregate(b []byte, h wasm.HeapType, globals, depth int) ([]byte, bool) {
	x, ok := g.aggregateBelow(h)
	if !ok {
		return b, false
	}
	s := &g.types.subs[x]
	n := len(s.Fields)
	if s.Kind == wasm.CompArray {
		n = g.c.n(4)
	}
	out := b
	for i := range n {
		f := s.Fields[0]
		if s.Kind == wasm.CompStruct {
			f = s.Fields[i]
		}
		if out, ok = g.constant(out, f.Type.Unpacked(), globals, depth); !ok {
			return b, false
		}
	}
	if s.Kind == wasm.CompStruct {
		return appendU(wasm.AppendOpcode(out, wasm.OpStructNew), uint64(x)), true
	}
	return appendU(appendU(wasm.AppendOpcode(out, wasm.OpArrayNewFixed), uint64(x)), uint64(n)), true
}

// aggregateBelow picks a struct or array type below h.
func (g *gen) aggregateBelow(h wasm.HeapType) (uint32, bool) {
	var list []uint32
	for i := range g.types.subs {
		if g.types.subs[i].Kind != wasm.CompFunc && g.types.heapMatch(wasm.HeapType(i), h) {
			list = append(list, uint32(i))
		}
	}
	if len(list) == 0 {
		return 0, false
	}
	return pick(g.c, list), true
}

// funcsBelow lists the functions that a reference of type t can refer to; not Refuel, lest code call it.
func (g *gen) funcsBelow(t wasm.ValType) (list []uint32) {
	for f := range g.refuel {
		if g.types.match(wasm.RefTo(wasm.HeapType(g.funcs[f].typ), false), t) {
			list = append(list, f)
		}
	}
	return list
}
