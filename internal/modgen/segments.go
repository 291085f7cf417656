package modgen

import (
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// makeSegments decides the element and data segments.
func (g *gen) makeSegments() {
	for range g.c.n(6) {
		g.makeElem()
	}
	for range g.c.n(5) {
		g.makeData()
	}
}

// offset makes the constant expression of an active segment's start: at most most, unless the module is careless.
func (g *gen) offset(t wasm.ValType, most int) (expr []byte, at uint64) {
	if g.risk > 0 && !g.cfg.Peers && g.c.oneIn(4*g.risk) {
		return g.constExpr(t, g.visibleGlobals()), 0
	}
	at = uint64(g.c.n(most + 1))
	op := wasm.OpI32Const
	if t == wasm.I64 {
		op = wasm.OpI64Const
	}
	expr = wasm.AppendSigned(wasm.AppendOpcode(nil, op), int64(at))
	if g.has(wasm.FeatureExtendedConst) && g.c.oneIn(4) {
		// (at + k) - k, and the like
		k := int64(g.c.n(1000))
		add, sub := wasm.OpI32Add, wasm.OpI32Sub
		if t == wasm.I64 {
			add, sub = wasm.OpI64Add, wasm.OpI64Sub
		}
		expr = wasm.AppendOpcode(wasm.AppendSigned(wasm.AppendOpcode(expr, op), k), add)
		expr = wasm.AppendOpcode(wasm.AppendSigned(wasm.AppendOpcode(expr, op), k), sub)
	}
	return endExpr(expr), at
}

func (g *gen) makeElem() {
	c := g.c
	e := elemDef{typ: wasm.FuncRef, mode: wasm.SegmentActive}
	if g.has(wasm.FeatureBulkMemory) && c.oneIn(2) {
		e.mode = pick(c, []wasm.SegmentMode{wasm.SegmentPassive, wasm.SegmentDeclarative})
	}
	size := 8
	if e.mode == wasm.SegmentActive {
		if len(g.tables) == 0 {
			return
		}
		if g.has(wasm.FeatureReferenceTypes) {
			e.table = uint32(c.n(len(g.tables)))
		}
		t := g.tables[e.table]
		e.typ, size = t.Elem, int(t.Min)
	} else if g.has(wasm.FeatureReferenceTypes) && c.oneIn(3) {
		e.typ = g.refType()
	}
	if g.cfg.Peers && g.types.top(e.typ.Heap()) != wasm.HeapFunc {
		return
	}
	n := c.n(min(size, 8) + 1)
	if e.mode == wasm.SegmentActive {
		e.at, e.offset = g.offset(g.tables[e.table].AddrType(), size-n)
	}
	// A list of indices has the type (ref func) (specification: Binary Format, Element Section).
	indices := g.types.match(wasm.RefTo(wasm.HeapFunc, false), e.typ)
	if indices && (!g.has(wasm.FeatureReferenceTypes) || c.oneIn(2)) {
		e.funcs = []uint32{}
		for range n {
			f := c.n(int(g.refuel))
			e.funcs = append(e.funcs, uint32(f))
			e.statics = append(e.statics, f)
		}
		// Functions of a segment are declared (specification: Validation, Modules).
		for _, f := range e.funcs {
			g.declare(f)
		}
	} else if e.typ == wasm.FuncRef && !g.has(wasm.FeatureBulkMemory) {
		return
	} else {
		for range n {
			x := g.constExpr(e.typ, g.visibleGlobals())
			if x == nil {
				break
			}
			e.exprs = append(e.exprs, x)
			e.statics = append(e.statics, g.staticFunc(x))
		}
	}
	g.elems = append(g.elems, e)
}

// staticFunc returns the function that a constant expression is a reference to, -1 if it is something else.
func (g *gen) staticFunc(expr []byte) int {
	if len(expr) == 3 && expr[0] == byte(wasm.OpRefFunc) && expr[1] < 0x80 {
		return int(expr[1])
	}
	return -1
}

func (g *gen) declare(f uint32) {
	if g.refFuncs == nil {
		g.refFuncs = map[uint32]bool{}
	}
	g.refFuncs[f] = false
}

// declareMissing adds a declarative segment for functions that bodies refer to and nothing else declares.
func (g *gen) declareMissing() {
	for _, e := range g.exports {
		if e.kind == wasm.ExternFunc {
			g.declare(e.index)
		}
	}
	var missing []uint32
	for f, need := range g.refFuncs {
		if need {
			missing = append(missing, f)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		g.elems = append(g.elems, elemDef{mode: wasm.SegmentDeclarative, typ: wasm.FuncRef, funcs: missing})
	}
}

// append encodes the segment (specification: Binary Format, Element Section) in one of the ways there are for it.
func (e *elemDef) append(b []byte, c *choices) []byte {
	flags := byte(0)
	natural := wasm.FuncRef // the type of a list without one
	if e.funcs == nil {
		flags = 4
	} else {
		natural = e.typ
	}
	switch e.mode {
	case wasm.SegmentPassive:
		flags |= 1
	case wasm.SegmentDeclarative:
		flags |= 3
	default:
		if e.table != 0 || e.typ != natural {
			flags |= 2
		}
	}
	b = append(b, flags)
	if flags&3 == 2 {
		b = appendU(b, uint64(e.table))
	}
	b = append(b, e.at...)
	if flags&3 != 0 {
		if e.funcs != nil {
			b = append(b, 0)
		} else {
			b = wasm.AppendValType(b, e.typ)
		}
	}
	if e.funcs != nil {
		b = appendU(b, uint64(len(e.funcs)))
		for _, f := range e.funcs {
			b = appendU(b, uint64(f))
		}
		return b
	}
	b = appendU(b, uint64(len(e.exprs)))
	for _, x := range e.exprs {
		b = append(b, x...)
	}
	return b
}

func (g *gen) makeData() {
	c := g.c
	d := dataDef{mode: wasm.SegmentActive}
	if g.has(wasm.FeatureBulkMemory) && c.oneIn(2) {
		d.mode = wasm.SegmentPassive
	}
	d.init = make([]byte, c.n(64))
	for i := range d.init {
		d.init[i] = c.byte()
	}
	if d.mode == wasm.SegmentActive {
		if len(g.mems) == 0 {
			return
		}
		d.memory = uint32(c.n(len(g.mems)))
		m := g.mems[d.memory]
		most := 2048
		if m.Min == 0 {
			d.init, most = nil, 0
		}
		d.at, _ = g.offset(m.AddrType(), most)
	}
	g.datas = append(g.datas, d)
}

func (d *dataDef) append(b []byte) []byte {
	switch {
	case d.mode == wasm.SegmentPassive:
		b = append(b, 1)
	case d.memory != 0:
		b = appendU(append(b, 2), uint64(d.memory))
	default:
		b = append(b, 0)
	}
	b = append(b, d.at...)
	return append(appendU(b, uint64(len(d.init))), d.init...)
}
