package modgen

import (
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// body writes one function. Its model of the operand stack differs from the validator's in dead code only, where operands may
// be missing: there, types on the model's stack are types that the operand would have.
type body struct {
	*gen
	typ    *wasm.FuncType
	code   []byte
	locals []wasm.ValType // parameters first; grows
	set    []bool         // whether a local may be read (specification: Validation, Variable Instructions)
	setLog []int          // locals in the order in which they were set
	// private locals are the generator's own: scratch ones by type, written right before they are read, and loop counters.
	private []bool
	scratch map[wasm.ValType]int
	stack   []wasm.ValType
	labels  []label
	budget  int // instructions left, roughly
	depth   int // of nested operands
}

// label is a structured instruction that is open, or the function.
type label struct {
	op      wasm.Opcode
	params  []wasm.ValType
	results []wasm.ValType
	height  int // operands below the block
	base    int // operands that are not to be used: those below the block, and what is being collected as operands
	dead    bool
	sets    int // length of setLog at the entry
}

func (l *label) targets() []wasm.ValType {
	if l.op == wasm.OpLoop {
		return l.params
	}
	return l.results
}

func (g *gen) makeBodies() {
	g.makeMenu()
	for f := g.numImported.funcs; f < len(g.funcs); f++ {
		if uint32(f) == g.refuel {
			code := wasm.AppendSigned([]byte{0, byte(wasm.OpI32Const)}, int64(g.cfg.Fuel))
			g.bodies = append(g.bodies, endExpr(appendU(wasm.AppendOpcode(code, wasm.OpGlobalSet), uint64(g.fuel))))
			continue
		}
		g.bodies = append(g.bodies, g.makeBody(f))
	}
	g.declareMissing()
}

func (g *gen) makeBody(fn int) []byte {
	// The type is copied: types are added on the way.
	typ := *g.funcType(fn)
	b := &body{gen: g, typ: &typ, scratch: map[wasm.ValType]int{}, budget: g.c.n(g.cfg.MaxInstrs)}
	for _, t := range typ.Params {
		b.newLocal(t, true)
	}
	for range g.c.n(8) {
		t := g.valType()
		b.newLocal(t, t.Defaultable())
	}
	b.labels = []label{{results: typ.Results}}
	b.useFuel()
	for b.budget > 0 && !g.c.exhausted() && !(b.top().dead && b.c.oneIn(3)) {
		b.instr()
	}
	b.finish()
	b.emit(wasm.OpEnd)

	// Declarations come first, in runs of equal types.
	var runs []byte
	n := 0
	for i := len(typ.Params); i < len(b.locals); {
		k := i
		for k < len(b.locals) && b.locals[k] == b.locals[i] {
			k++
		}
		runs = wasm.AppendValType(appendU(runs, uint64(k-i)), b.locals[i])
		i = k
		n++
	}
	return append(append(appendU(nil, uint64(n)), runs...), b.code...)
}

func (b *body) newLocal(t wasm.ValType, set bool) int {
	b.locals = append(b.locals, t)
	b.set = append(b.set, set)
	b.private = append(b.private, false)
	return len(b.locals) - 1
}

// scratchLocal returns a local for the generator's own use.
func (b *body) scratchLocal(t wasm.ValType) int {
	x, ok := b.scratch[t]
	if !ok {
		x = b.newLocal(t, true)
		b.scratch[t], b.private[x] = x, true
	}
	return x
}

func (b *body) top() *label { return &b.labels[len(b.labels)-1] }

// label returns the label at a depth, as branches count.
func (b *body) label(depth int) *label { return &b.labels[len(b.labels)-1-depth] }

func (b *body) floor() int { return b.top().height }

// usable returns the operands that may be consumed.
func (b *body) usable() []wasm.ValType { return b.stack[b.top().base:] }

// emit writes an instruction with unsigned immediates.
func (b *body) emit(op wasm.Opcode, imm ...uint64) {
	b.budget--
	switch op.Info().Imm {
	case wasm.ImmData, wasm.ImmDataMemory, wasm.ImmTypeData:
		b.namesData = true
	}
	b.code = wasm.AppendOpcode(b.code, op)
	for _, v := range imm {
		b.code = appendU(b.code, v)
	}
}

func (b *body) push(ts ...wasm.ValType) { b.stack = append(b.stack, ts...) }

// pop takes n operands; in dead code some may not be there.
func (b *body) pop(n int) { b.stack = b.stack[:max(len(b.stack)-n, b.floor())] }

// op writes an instruction that takes params, which are there, and gives results.
func (b *body) op(op wasm.Opcode, params int, results []wasm.ValType, imm ...uint64) {
	b.emit(op, imm...)
	b.pop(params)
	b.push(results...)
}

// setDead says that what follows in the block cannot be reached.
func (b *body) setDead() {
	l := b.top()
	l.dead, l.base = true, l.height
	b.stack = b.stack[:l.height]
}

// terminal writes an instruction after which the rest of the block is dead.
func (b *body) terminal(op wasm.Opcode, imm ...uint64) {
	b.emit(op, imm...)
	b.setDead()
}

// need puts operands of the types on the stack: those that lie there already may be the first ones.
func (b *body) need(ts ...wasm.ValType) {
	have := b.usable()
	k := min(len(ts), len(have))
	for k > 0 && !b.types.matchAll(have[len(have)-k:], ts[:k]) {
		k--
	}
	switch {
	case k > 0 && b.c.oneIn(4):
		k = 0
	case len(b.stack) == b.floor() && b.top().dead && b.c.oneIn(3):
		// The stack of dead code gives any operands.
		k = b.c.n(len(ts) + 1)
	}
	for _, t := range ts[k:] {
		b.value(t)
	}
}

// protect runs f with all operands kept from being consumed.
func (b *body) protect(f func()) {
	i := len(b.labels) - 1
	saved := b.labels[i].base
	b.labels[i].base = len(b.stack)
	f()
	// Code may have died, and its operands with it.
	b.labels[i].base = min(saved, len(b.stack))
}

// finish leaves exactly the results of the innermost block on the stack.
func (b *body) finish() {
	want := b.top().results
	for {
		have := b.stack[b.floor():]
		if len(have) <= len(want) && b.types.matchAll(have, want[:len(have)]) {
			break
		}
		b.sink()
	}
	if b.top().dead && len(b.stack) == b.floor() && b.c.oneIn(2) {
		return
	}
	for _, t := range want[len(b.stack)-b.floor():] {
		b.value(t)
	}
}

// sink takes the top of the stack away, to where it can be seen if possible.
func (b *body) sink() {
	if len(b.usable()) == 0 {
		return
	}
	t := b.stack[len(b.stack)-1]
	switch b.c.n(4) {
	case 1:
		if x, ok := b.localFor(t); ok {
			b.setLocal(wasm.OpLocalSet, x)
			return
		}
	case 2, 3:
		if x, ok := b.globalFor(t); ok {
			b.op(wasm.OpGlobalSet, 1, nil, uint64(x))
			return
		}
	}
	b.op(wasm.OpDrop, 1, nil)
}

// localFor picks a local that can hold a value of type t.
func (b *body) localFor(t wasm.ValType) (int, bool) {
	return b.pickIndex(len(b.locals), func(x int) bool { return b.types.match(t, b.locals[x]) && !b.private[x] })
}

// localOf picks a local that has a value of type t.
func (b *body) localOf(t wasm.ValType) (int, bool) {
	return b.pickIndex(len(b.locals), func(x int) bool { return b.set[x] && b.types.match(b.locals[x], t) && !b.private[x] })
}

func (b *body) globalFor(t wasm.ValType) (int, bool) {
	return b.pickIndex(len(b.globals), func(x int) bool {
		return uint32(x) != b.fuel && b.globals[x].Mutable && b.types.match(t, b.globals[x].Type)
	})
}

func (b *body) globalOf(t wasm.ValType) (int, bool) {
	return b.pickIndex(len(b.globals), func(x int) bool { return uint32(x) != b.fuel && b.types.match(b.globals[x].Type, t) })
}

// pickIndex picks one of the indices below n that are ok.
func (g *gen) pickIndex(n int, ok func(int) bool) (int, bool) {
	count := 0
	for x := range n {
		if ok(x) {
			count++
		}
	}
	if count == 0 {
		return 0, false
	}
	k := g.c.n(count)
	for x := range n {
		if ok(x) {
			if k == 0 {
				return x, true
			}
			k--
		}
	}
	return 0, false
}

// setLocal writes local.set or local.tee for the top of the stack.
func (b *body) setLocal(op wasm.Opcode, x int) {
	b.emit(op, uint64(x))
	b.pop(1)
	if op == wasm.OpLocalTee {
		b.push(b.locals[x])
	}
	if !b.set[x] {
		b.set[x] = true
		b.setLog = append(b.setLog, x)
	}
}

// open enters a block whose parameters are on the stack. The opcode and its immediates are written by the caller.
func (b *body) open(op wasm.Opcode, params, results []wasm.ValType) {
	b.pop(len(params))
	b.labels = append(b.labels, label{op: op, params: params, results: results, height: len(b.stack), base: len(b.stack), sets: len(b.setLog)})
	b.push(params...)
}

// unset forgets the locals that were set in the innermost block.
func (b *body) unset() {
	l := b.top()
	for _, x := range b.setLog[l.sets:] {
		b.set[x] = false
	}
	b.setLog = b.setLog[:l.sets]
}

// otherwise turns to the else branch of an if.
func (b *body) otherwise() {
	b.finish()
	b.emit(wasm.OpElse)
	b.unset()
	l := b.top()
	l.op, l.dead, l.base = wasm.OpElse, false, l.height
	b.stack = append(b.stack[:l.height], l.params...)
}

// close ends the innermost block.
func (b *body) close() {
	b.finish()
	b.emit(wasm.OpEnd)
	b.unset()
	l := b.top()
	b.stack = append(b.stack[:l.height], l.results...)
	b.labels = b.labels[:len(b.labels)-1]
}

// useFuel takes a unit of fuel and traps if there is none.
func (b *body) useFuel() {
	f := uint64(b.fuel)
	b.code = appendU(wasm.AppendOpcode(b.code, wasm.OpGlobalGet), f)
	b.code = append(b.code, byte(wasm.OpI32Eqz), byte(wasm.OpIf), 0x40, byte(wasm.OpUnreachable), byte(wasm.OpEnd))
	b.code = appendU(wasm.AppendOpcode(b.code, wasm.OpGlobalGet), f)
	b.code = append(b.code, byte(wasm.OpI32Const), 1, byte(wasm.OpI32Sub))
	b.code = appendU(wasm.AppendOpcode(b.code, wasm.OpGlobalSet), f)
}

// tame reports whether an operand should be kept within what does not trap.
func (b *body) tame() bool { return b.risk == 0 || !b.c.oneIn(b.risk) }

// mask writes an and with a constant for the i32 or i64 on the top of the stack. In dead code it might not be there: the and
// would take it from nowhere, and leave a result that the model does not know of.
func (b *body) mask(t wasm.ValType, m int64) {
	if b.top().dead {
		return
	}
	if t == wasm.I64 {
		b.code = wasm.AppendSigned(wasm.AppendOpcode(b.code, wasm.OpI64Const), m)
		b.emit(wasm.OpI64And)
		return
	}
	b.code = wasm.AppendSigned(wasm.AppendOpcode(b.code, wasm.OpI32Const), m)
	b.emit(wasm.OpI32And)
}

// instrs writes up to n instructions.
func (b *body) instrs(n int) {
	for range n {
		if b.budget <= 0 || b.c.exhausted() || b.top().dead && b.c.oneIn(3) {
			return
		}
		b.instr()
	}
}

// blockType returns the encoding of a block's signature.
func (b *body) blockType(params, results []wasm.ValType) []byte {
	switch {
	case len(params) == 0 && len(results) == 0:
		return []byte{0x40}
	case len(params) == 0 && len(results) == 1 && !b.c.oneIn(8):
		return wasm.AppendValType(nil, results[0])
	case !b.has(wasm.FeatureMultiValue):
		return wasm.AppendValType(nil, results[0])
	}
	return wasm.AppendSigned(nil, int64(b.types.funcType(params, results)))
}

// pickBlock picks a block's signature.
func (b *body) pickBlock() (params, results []wasm.ValType) {
	switch k := b.c.n(4); {
	case k == 3 && b.has(wasm.FeatureMultiValue):
		types := b.types.ofKind(wasm.CompFunc)
		if len(types) > 0 {
			f := b.types.subs[pick(b.c, types)].Func
			return f.Params, f.Results
		}
	case k == 2 && b.has(wasm.FeatureMultiValue):
		// What lies on the stack goes in.
		have := b.usable()
		n := b.c.n(min(len(have), 3) + 1)
		return slices.Clone(have[len(have)-n:]), b.valTypes(b.c.n(3))
	case k == 1:
		return nil, b.valTypes(1)
	}
	return nil, nil
}
