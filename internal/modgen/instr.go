package modgen

import "github.com/spindle-wasm/spindle/internal/wasm"

// producer is a kind of instruction, or of instructions that belong together.
type producer struct {
	weight int
	ok     func(g *gen) bool
	emit   func(b *body)
}

func always(*gen) bool { return true }

func needs(f wasm.Features) func(*gen) bool { return func(g *gen) bool { return g.has(f) } }

func hasMemory(g *gen) bool { return len(g.mems) > 0 }

func hasTable(g *gen) bool { return len(g.tables) > 0 && g.has(wasm.FeatureReferenceTypes) }

var producers []producer

func init() { // the producers refer to instr, which refers to them
	producers = []producer{
		{8, always, func(b *body) { b.typed(b.pickTyped(groupScalar)) }},
		{3, always, func(b *body) { b.value(b.valType()) }},
		{16, always, (*body).idiom},
		{6, always, (*body).localOp},
		{4, always, (*body).globalOp},
		{8, hasMemory, func(b *body) { b.typed(b.pickTyped(groupMemory)) }},
		{4, always, (*body).block},
		{3, always, (*body).loop},
		{4, always, (*body).ifElse},
		{1, always, (*body).br},
		{4, always, (*body).brIf},
		{2, always, (*body).brTable},
		{1, always, (*body).ret},
		{5, always, (*body).call},
		{3, func(g *gen) bool { return len(g.tables) > 0 }, func(b *body) { b.callIndirect(wasm.OpCallIndirect) }},
		{2, always, (*body).sink},
		{2, always, (*body).choose},
		{1, always, func(b *body) { b.emit(wasm.OpNop) }},
		{1, func(g *gen) bool { return g.risk > 0 }, func(b *body) { b.terminal(wasm.OpUnreachable) }},
		{12, needs(wasm.FeatureSimd), func(b *body) { b.typed(b.pickTyped(groupVector)) }},
		{4, func(g *gen) bool { return hasMemory(g) && g.has(wasm.FeatureSimd) }, func(b *body) { b.typed(b.pickTyped(groupVectorMemory)) }},
		{2, needs(wasm.FeatureRelaxedSimd), func(b *body) { b.typed(b.pickTyped(groupRelaxed)) }},
		{6, func(g *gen) bool { return hasMemory(g) && g.has(wasm.FeatureThreads) }, (*body).atomic},
		{2, hasMemory, func(b *body) { b.typed(pick(b.c, []wasm.Opcode{wasm.OpMemorySize, wasm.OpMemoryGrow})) }},
		{3, func(g *gen) bool { return hasMemory(g) && g.has(wasm.FeatureBulkMemory) }, (*body).bulkMemory},
		{4, hasTable, (*body).tableAccess},
		{3, hasTable, (*body).bulkTable},
		{3, needs(wasm.FeatureReferenceTypes), (*body).refOp},
		{1, needs(wasm.FeatureTailCall), (*body).tailCall},
		{3, needs(wasm.FeatureFunctionReferences), (*body).callRef},
		{3, needs(wasm.FeatureFunctionReferences), (*body).brOnNull},
		{5, needs(wasm.FeatureGc), (*body).cast},
		{3, needs(wasm.FeatureGc), (*body).brOnCast},
		{6, func(g *gen) bool { return g.cfg.Aggregates }, (*body).aggregate},
		{6, func(g *gen) bool { return g.nodes.ok }, (*body).objectIdiom},
		{4, needs(wasm.FeatureExceptionHandling), (*body).tryTable},
		{1, needs(wasm.FeatureExceptionHandling), (*body).throw},
	}
}

// makeMenu gives each producer a weight for this module.
func (g *gen) makeMenu() {
	for i, p := range producers {
		if !p.ok(g) {
			continue
		}
		n := p.weight * pick(g.c, []int{2, 2, 2, 0, 1, 8})
		for range n {
			g.menu = append(g.menu, i)
		}
	}
	if len(g.menu) == 0 {
		g.menu = []int{0}
	}
}

func (b *body) instr() {
	if b.depth > 20 || len(b.labels) > 20 || len(b.stack) > 60 {
		b.sink()
		b.budget--
		return
	}
	producers[pick(b.c, b.menu)].emit(b)
}

// localOp writes local.get, local.set or local.tee.
func (b *body) localOp() {
	if len(b.locals) == 0 {
		return
	}
	x := b.c.n(len(b.locals))
	if b.private[x] {
		return
	}
	t := b.locals[x]
	switch op := pick(b.c, []wasm.Opcode{wasm.OpLocalGet, wasm.OpLocalSet, wasm.OpLocalTee}); {
	case op != wasm.OpLocalGet:
		b.need(t)
		b.setLocal(op, x)
	case b.set[x]:
		b.op(op, 0, []wasm.ValType{t}, uint64(x))
	}
}

func (b *body) globalOp() {
	x := b.c.n(len(b.globals))
	if uint32(x) == b.fuel {
		return
	}
	t := b.globals[x]
	if t.Mutable && b.c.oneIn(2) {
		b.need(t.Type)
		b.op(wasm.OpGlobalSet, 1, nil, uint64(x))
		return
	}
	b.op(wasm.OpGlobalGet, 0, []wasm.ValType{t.Type}, uint64(x))
}

// choose writes a select of one of the two kinds.
func (b *body) choose() {
	t := b.valType()
	if have := b.usable(); len(have) > 0 && b.c.oneIn(2) {
		t = have[len(have)-1]
	}
	if b.unusual(t) {
		return
	}
	b.selectOf(t)
}

// unusual reports whether peers may not take the type in a select.
func (b *body) unusual(t wasm.ValType) bool {
	return b.cfg.Peers && t.IsRef() && b.types.top(t.Heap()) == wasm.HeapExn
}

func (b *body) selectOf(t wasm.ValType) {
	b.need(t, t, wasm.I32)
	if t.IsRef() || b.has(wasm.FeatureReferenceTypes) && b.c.oneIn(3) {
		b.emit(wasm.OpSelectT, 1)
		b.code = wasm.AppendValType(b.code, t)
	} else {
		b.emit(wasm.OpSelect)
	}
	b.pop(3)
	b.push(t)
}
