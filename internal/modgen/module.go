package modgen

import (
	"fmt"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// gen makes one module.
type gen struct {
	c   *choices
	cfg Config

	types typeTable
	// groupBound is the number of types that may be referred to while a recursion group is made, 0 otherwise.
	groupBound int
	nodes      nodeTypes

	imports []importDef
	funcs   []funcDef // index spaces: imports first
	tables  []tableDef
	mems    []wasm.MemoryType
	tags    []uint32 // type indices
	globals []globalDef
	elems   []elemDef
	datas   []dataDef
	exports []exportDef
	start   int // function index, -1 if there is none
	// refFuncs are the functions that ref.func names in bodies: those must be declared (specification: Validation, Modules, C.refs).
	refFuncs map[uint32]bool
	bodies   [][]byte
	// namesData is set if a body names a data segment, which takes a data count section (specification: Binary Format, Data Count Section).
	namesData bool

	numImported struct{ funcs, tables, mems, tags, globals int }
	fuel        uint32 // global index
	refuel      uint32 // function index: the last one, and never referred to

	// risk is how often operands are left untamed: one in risk. 0: never.
	risk int
	menu []int // the producers of this module by index, each as often as its weight says
}

type importDef struct {
	module, name string
	kind         wasm.ExternKind
	desc         []byte
}

type funcDef struct {
	typ    uint32
	export bool
}

type tableDef struct {
	wasm.TableType
	init []byte // constant expression, nil if there is none
}

type globalDef struct {
	wasm.GlobalType
	init []byte
}

type elemDef struct {
	mode  wasm.SegmentMode
	table uint32
	at    []byte // constant expression
	typ   wasm.ValType
	funcs []uint32 // if not nil: indices
	exprs [][]byte // otherwise expressions
	// statics are the functions that the elements are, -1 for others; they stand at offset.
	statics []int
	offset  uint64
}

type dataDef struct {
	mode   wasm.SegmentMode
	memory uint32
	at     []byte
	init   []byte
}

type exportDef struct {
	name  string
	kind  wasm.ExternKind
	index uint32
}

func (g *gen) has(f wasm.Features) bool { return g.cfg.Features.Has(f) }

func (g *gen) funcType(fn int) *wasm.FuncType { return &g.types.subs[g.funcs[fn].typ].Func }

func (g *gen) tagType(tag int) *wasm.FuncType { return &g.types.subs[g.tags[tag]].Func }

// taste decides how careful the module is.
func (g *gen) taste() {
	g.risk = pick(g.c, []int{0, 0, 64, 16})
}

// limits makes limits with at least lo and at most hi.
func (g *gen) limits(lo, hi int, feature64 bool) wasm.Limits {
	l := wasm.Limits{Min: uint64(g.c.span(lo, hi))}
	l.Max, l.HasMax = uint64(g.c.span(int(l.Min), hi)), true
	if g.c.oneIn(4) {
		l.HasMax, l.Max = false, 0
	}
	l.Is64 = feature64 && g.c.oneIn(3)
	return l
}

func (g *gen) newMemory() wasm.MemoryType {
	m := wasm.MemoryType{Limits: g.limits(1, 4, g.has(wasm.FeatureMemory64))}
	if g.c.oneIn(16) {
		m.Min = 0
	}
	if g.has(wasm.FeatureThreads) && m.HasMax && g.c.oneIn(2) {
		m.Shared = true
	}
	return m
}

func (g *gen) newTable() wasm.TableType {
	t := wasm.TableType{Limits: g.limits(4, 20, g.has(wasm.FeatureMemory64)), Elem: wasm.FuncRef}
	if g.has(wasm.FeatureReferenceTypes) && g.c.oneIn(2) {
		t.Elem = g.refType()
	}
	return t
}

// importable reports whether another module can make values of the type without knowing this one.
func (g *gen) importable(ts ...wasm.ValType) bool {
	for _, t := range ts {
		if t.IsRef() && !t.Nullable() {
			return false
		}
	}
	return true
}

// makeSpaces decides the index spaces of functions, tables, memories, tags and globals.
func (g *gen) makeSpaces() {
	c := g.c
	if g.cfg.Imports {
		for i := range c.n(6) {
			g.makeImport(fmt.Sprint("i", i))
		}
	}
	n := &g.numImported
	n.funcs, n.tables, n.mems, n.tags, n.globals = len(g.funcs), len(g.tables), len(g.mems), len(g.tags), len(g.globals)
	types := g.types.ofKind(wasm.CompFunc)
	for range c.span(1, g.cfg.MaxFuncs) {
		typ := uint32(0)
		if len(types) > 0 {
			typ = pick(c, types)
		}
		if len(types) == 0 || c.oneIn(4) {
			typ = g.types.funcType(g.valTypes(c.n(3)), g.valTypes(c.n(2)))
		}
		g.funcs = append(g.funcs, funcDef{typ, !c.oneIn(8)})
	}
	if c.oneIn(4) {
		g.start = len(g.funcs)
		g.funcs = append(g.funcs, funcDef{g.types.funcType(nil, nil), c.oneIn(2)})
	}
	g.refuel = uint32(len(g.funcs))
	g.funcs = append(g.funcs, funcDef{g.types.funcType(nil, nil), false})

	memories := c.n(2)
	if g.has(wasm.FeatureMultiMemory) {
		memories = c.n(4)
	}
	for len(g.mems) < memories || len(g.mems) == 0 && !c.oneIn(8) {
		g.mems = append(g.mems, g.newMemory())
	}
	if g.has(wasm.FeatureExceptionHandling) {
		for range c.n(4) {
			g.tags = append(g.tags, g.types.funcType(g.valTypes(c.n(4)), nil))
		}
	}
	// Tables come before globals: their initialisers may name imported ones only.
	tables := 1
	if g.has(wasm.FeatureReferenceTypes) {
		tables = c.n(5)
	}
	for len(g.tables) < tables {
		t := tableDef{TableType: g.newTable()}
		if !t.Elem.Defaultable() || g.has(wasm.FeatureFunctionReferences) && c.oneIn(4) {
			t.init = g.constExpr(t.Elem, n.globals)
			if t.init == nil {
				t.Elem = t.Elem.WithNull(true)
			}
		}
		g.tables = append(g.tables, t)
	}
	g.fuel = uint32(len(g.globals))
	g.globals = append(g.globals, globalDef{wasm.GlobalType{Type: wasm.I32, Mutable: true}, endExpr(wasm.AppendSigned([]byte{byte(wasm.OpI32Const)}, int64(g.cfg.Fuel)))})
	for range c.n(6) {
		t := wasm.GlobalType{Type: g.valType(), Mutable: c.oneIn(2)}
		init := g.constExpr(t.Type, g.visibleGlobals())
		if init == nil {
			continue
		}
		g.globals = append(g.globals, globalDef{t, init})
	}
	g.makeExports()
}

func (g *gen) makeImport(name string) {
	c := g.c
	im := importDef{module: SupportName, name: name}
	switch c.n(7) {
	case 0, 1: // the embedder's
		ft := wasm.FuncType{}
		for range c.n(4) {
			ft.Params = append(ft.Params, g.numType())
		}
		for range c.n(2) {
			ft.Results = append(ft.Results, g.numType())
		}
		x := g.types.funcType(ft.Params, ft.Results)
		im.module, im.kind, im.desc = HostName, wasm.ExternFunc, appendU(nil, uint64(x))
		g.funcs = append(g.funcs, funcDef{x, c.oneIn(4)})
	case 2:
		types := g.types.ofKind(wasm.CompFunc)
		if len(types) == 0 {
			return
		}
		x := pick(c, types)
		if !g.importable(g.types.subs[x].Func.Results...) {
			return
		}
		im.kind, im.desc = wasm.ExternFunc, appendU(nil, uint64(x))
		g.funcs = append(g.funcs, funcDef{x, c.oneIn(4)})
	case 3:
		if len(g.tables) > 0 && !g.has(wasm.FeatureReferenceTypes) {
			return
		}
		t := g.newTable()
		if !g.importable(t.Elem) {
			return
		}
		im.kind, im.desc = wasm.ExternTable, appendTable(nil, t)
		g.tables = append(g.tables, tableDef{TableType: t})
	case 4:
		if len(g.mems) > 0 && !g.has(wasm.FeatureMultiMemory) {
			return
		}
		m := g.newMemory()
		im.kind, im.desc = wasm.ExternMemory, appendMemory(nil, m)
		g.mems = append(g.mems, m)
	case 5:
		t := wasm.GlobalType{Type: g.valType(), Mutable: g.has(wasm.FeatureMutableGlobals) && c.oneIn(2)}
		if !g.importable(t.Type) {
			return
		}
		im.kind, im.desc = wasm.ExternGlobal, appendGlobal(nil, t)
		g.globals = append(g.globals, globalDef{GlobalType: t})
	case 6:
		if !g.has(wasm.FeatureExceptionHandling) {
			return
		}
		x := g.types.funcType(g.valTypes(c.n(3)), nil)
		im.kind, im.desc = wasm.ExternTag, appendU([]byte{0}, uint64(x))
		g.tags = append(g.tags, x)
	}
	g.imports = append(g.imports, im)
}

// makeExports exports everything that can be looked at from outside, but for a few functions.
func (g *gen) makeExports() {
	add := func(prefix string, kind wasm.ExternKind, n int, ok func(i int) bool) {
		for i := range n {
			if ok(i) {
				g.exports = append(g.exports, exportDef{fmt.Sprint(prefix, i), kind, uint32(i)})
			}
		}
	}
	all := func(int) bool { return true }
	add("f", wasm.ExternFunc, len(g.funcs), func(i int) bool { return g.funcs[i].export })
	add("t", wasm.ExternTable, len(g.tables), all)
	add("m", wasm.ExternMemory, len(g.mems), all)
	add("g", wasm.ExternGlobal, len(g.globals), func(i int) bool {
		return uint32(i) != g.fuel && (!g.globals[i].Mutable || g.has(wasm.FeatureMutableGlobals))
	})
	add("e", wasm.ExternTag, len(g.tags), all)
	g.exports = append(g.exports, exportDef{Refuel, wasm.ExternFunc, g.refuel})
}

// encode writes the module.
func (g *gen) encode() []byte {
	b := append([]byte(nil), header...)
	b = appendSection(b, wasm.SectionType, appendTypes(nil, g.types.groups, g.types.subs))
	var s []byte
	for _, im := range g.imports {
		s = append(append(wasm.AppendName(wasm.AppendName(s, im.module), im.name), byte(im.kind)), im.desc...)
	}
	b = appendVec(b, wasm.SectionImport, len(g.imports), s)
	s = nil
	for _, f := range g.funcs[g.numImported.funcs:] {
		s = appendU(s, uint64(f.typ))
	}
	b = appendVec(b, wasm.SectionFunction, len(g.funcs)-g.numImported.funcs, s)
	s = nil
	for _, t := range g.tables[g.numImported.tables:] {
		if t.init != nil {
			s = append(s, 0x40, 0)
		}
		s = append(appendTable(s, t.TableType), t.init...)
	}
	b = appendVec(b, wasm.SectionTable, len(g.tables)-g.numImported.tables, s)
	s = nil
	for _, m := range g.mems[g.numImported.mems:] {
		s = appendMemory(s, m)
	}
	b = appendVec(b, wasm.SectionMemory, len(g.mems)-g.numImported.mems, s)
	s = nil
	for _, t := range g.tags[g.numImported.tags:] {
		s = appendU(append(s, 0), uint64(t))
	}
	b = appendVec(b, wasm.SectionTag, len(g.tags)-g.numImported.tags, s)
	s = nil
	for _, gl := range g.globals[g.numImported.globals:] {
		s = append(appendGlobal(s, gl.GlobalType), gl.init...)
	}
	b = appendVec(b, wasm.SectionGlobal, len(g.globals)-g.numImported.globals, s)
	s = nil
	for _, e := range g.exports {
		s = appendU(append(wasm.AppendName(s, e.name), byte(e.kind)), uint64(e.index))
	}
	b = appendVec(b, wasm.SectionExport, len(g.exports), s)
	if g.start >= 0 {
		b = appendSection(b, wasm.SectionStart, appendU(nil, uint64(g.start)))
	}
	s = nil
	for i := range g.elems {
		s = g.elems[i].append(s, g.c)
	}
	b = appendVec(b, wasm.SectionElement, len(g.elems), s)
	if g.namesData {
		b = appendSection(b, wasm.SectionDataCount, appendU(nil, uint64(len(g.datas))))
	}
	s = nil
	for _, body := range g.bodies {
		s = append(appendU(s, uint64(len(body))), body...)
	}
	b = appendVec(b, wasm.SectionCode, len(g.bodies), s)
	s = nil
	for _, d := range g.datas {
		s = d.append(s)
	}
	return appendVec(b, wasm.SectionData, len(g.datas), s)
}
