package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

type controlKind uint8

const (
	kindBlock controlKind = iota
	kindLoop
	kindIf
	kindElse
	kindTry
	kindFunc
)

// control is an open block.
type control struct {
	kind    controlKind
	height  int // operands below the block's parameters
	slot    int // home of the first parameter and of the first result
	params  []wasm.ValType
	results []wasm.ValType
	start   int     // code index of a loop's header, or of a try_table's first instruction
	fixups  []fixup // branches to the end
	skip    fixup   // kindIf: the branch over the first arm
	setMark int     // length of setLog when the block began
	catches []catch // kindTry
	labels  []int   // of the clauses, as indices of control frames
}

// fixup is a place that waits for a branch target: an instruction's imm.rel, or part lane of an instruction after a BrTable.
type fixup struct {
	at   int
	from int // what the offset counts from
	lane int // -1 for imm.rel
	// region and clause of a catch clause, if region is not 0 (then counted from 1)
	region, clause int
}

func (l *lowerer) blockType(b wasm.BlockType) (params, results []wasm.ValType) {
	if b.Index >= 0 {
		ft := &l.m.Types[b.Index].Func
		return ft.Params, ft.Results
	}
	if b.Type == wasm.Bottom {
		return nil, nil
	}
	if l.oneType == nil {
		l.oneType = map[wasm.ValType][]wasm.ValType{}
	}
	r := l.oneType[b.Type]
	if r == nil {
		r = []wasm.ValType{b.Type}
		l.oneType[b.Type] = r
	}
	return nil, r
}

func (l *lowerer) pushControl(c control) {
	c.setMark = len(l.setLog)
	if n := len(l.ctrl); n < cap(l.ctrl) { // keep the capacity of an old frame's fixups
		l.ctrl = l.ctrl[:n+1]
		c.fixups = l.ctrl[n].fixups[:0]
		l.ctrl[n] = c
		return
	}
	l.ctrl = append(l.ctrl, c)
}

// begin opens a block whose parameters are on the stack.
func (l *lowerer) begin(kind controlKind) *control {
	params, results := l.blockType(l.in.Block)
	l.settle(len(params))
	l.settleLocals()
	c := control{kind: kind, height: len(l.stack) - len(params), slot: l.top, params: params, results: results}
	if len(params) > 0 {
		c.slot = l.stack[c.height].home
	}
	l.pushControl(c)
	return &l.ctrl[len(l.ctrl)-1]
}

func lowerBlock(l *lowerer, _ *rule) { l.begin(kindBlock) }

func lowerLoop(l *lowerer, _ *rule) {
	c := l.begin(kindLoop)
	l.joinLast()
	c.start = len(l.code)
	l.bind()
	l.recordMap(c.start, atInstr, len(l.stack))
}

func lowerIf(l *lowerer, _ *rule) {
	cond := l.popCond()
	l.begin(kindIf)
	at := l.emitCond(cond, false)
	l.ctrl[len(l.ctrl)-1].skip = fixup{at: at, from: at, lane: -1}
	l.barrier = len(l.code) // nothing after may be joined with what is before the branch
}

func lowerElse(l *lowerer, _ *rule) {
	c := &l.ctrl[len(l.ctrl)-1]
	if !l.dead {
		l.settle(len(c.results))
		at := l.emitJump(Instr{op: opBr})
		c.fixups = append(c.fixups, fixup{at: at, from: at, lane: -1})
	}
	l.dead = false
	l.joinLast()
	l.bind()
	l.patch(c.skip, len(l.code))
	c.kind = kindElse
	l.forgetSets(c)
	l.truncate(c.height)
	for _, t := range c.params {
		l.pushHome(t)
	}
}

// forgetSets undoes what was learnt about locals inside a block.
func (l *lowerer) forgetSets(c *control) {
	for _, x := range l.setLog[c.setMark:] {
		l.locals[x].set = false
		l.noteUnset(x)
	}
	l.setLog = l.setLog[:c.setMark]
}

func lowerEnd(l *lowerer, _ *rule) {
	c := &l.ctrl[len(l.ctrl)-1]
	reached := len(c.fixups) > 0 && c.kind != kindLoop
	if c.kind == kindIf {
		reached = true // without else: the parameters are the results
	}
	if c.kind == kindTry {
		l.endTry(c)
	}
	if c.kind == kindFunc && !reached {
		if !l.dead {
			l.emitReturn()
		}
		l.ctrl = l.ctrl[:0]
		return
	}
	if l.dead && !reached {
		// Nothing gets here, so what follows in the outer block is dead as well.
		l.ctrl = l.ctrl[:len(l.ctrl)-1]
		l.deadNest = 0
		l.truncate(l.ctrl[len(l.ctrl)-1].height)
		return
	}
	if !reached { // one way leads here, so what was learnt about locals stays
		l.ctrl = l.ctrl[:len(l.ctrl)-1]
		return
	}
	if !l.dead {
		l.settle(len(c.results))
	}
	l.dead = false
	l.joinLast()
	if c.kind == kindIf {
		l.patch(c.skip, len(l.code))
	}
	for _, f := range c.fixups {
		l.patch(f, len(l.code))
	}
	l.bind()
	l.forgetSets(c)
	l.truncate(c.height)
	for _, t := range c.results {
		l.pushHome(t)
	}
	kind := c.kind
	l.ctrl = l.ctrl[:len(l.ctrl)-1]
	if kind == kindFunc {
		l.emitReturn()
	}
}

func (l *lowerer) patch(f fixup, target int) {
	if f.region > 0 {
		l.regions[f.region-1].catches[f.clause].target = target
		return
	}
	rel := int32((target - f.from) * instrSize)
	if f.lane < 0 {
		f.lane = 3
	}
	l.code[f.at].setLane(f.lane, rel)
}

// label returns the control frame of a label, and the types that a branch to it carries.
func (l *lowerer) label(depth uint32) (*control, []wasm.ValType) {
	c := &l.ctrl[len(l.ctrl)-1-int(depth)]
	if c.kind == kindLoop {
		return c, c.params
	}
	return c, c.results
}

// target makes the branch at a place lead to a label.
func (l *lowerer) target(c *control, f fixup) {
	if c.kind == kindLoop {
		l.patch(f, c.start)
		return
	}
	c.fixups = append(c.fixups, f)
}

// inPlace reports whether the n topmost operands have their homes where the label wants them.
func (l *lowerer) inPlace(c *control, n int) bool {
	return n == 0 || l.stack[len(l.stack)-n].home == c.slot
}

// carry puts the n topmost operands where the label wants them. Targets are never above sources, so going upwards is safe.
func (l *lowerer) carry(c *control, n int) {
	dst := c.slot
	for _, o := range l.stack[len(l.stack)-n:] {
		l.move(dst, o)
		dst += o.typ.Slots()
	}
}

// emitBranch emits an unconditional branch to a label.
func (l *lowerer) emitBranch(c *control) {
	o := opBr
	if c.kind == kindLoop {
		o = opBrL
	}
	at := l.emitJump(Instr{op: o})
	l.target(c, fixup{at: at, from: at, lane: -1})
}

func lowerBr(l *lowerer, _ *rule) {
	c, types := l.label(l.in.Index)
	if c.kind == kindFunc {
		l.emitReturn()
	} else {
		l.carry(c, len(types))
		l.emitBranch(c)
	}
	l.kill()
}

func lowerBrIf(l *lowerer, _ *rule) {
	cond := l.popCond()
	l.branchIf(cond, l.in.Index)
}

// branchIf branches to a label if a condition holds; the operands stay on the stack otherwise.
func (l *lowerer) branchIf(cond cond, depth uint32) {
	c, types := l.label(depth)
	n := len(types)
	if l.inPlace(c, n) {
		l.settle(n)
		if c.kind == kindLoop {
			cond.loop = true
		}
		at := l.emitCond(cond, true)
		l.target(c, fixup{at: at, from: at, lane: -1})
		l.barrier = len(l.code)
		return
	}
	skip := l.emitCond(cond, false)
	l.barrier = len(l.code)
	l.carry(c, n)
	l.emitBranch(c)
	l.patch(fixup{at: skip, from: skip, lane: -1}, len(l.code))
	l.bind()
}

func lowerBrTable(l *lowerer, _ *rule) {
	index := l.use32(l.pop())
	labels := l.in.Labels
	_, types := l.label(labels[len(labels)-1])
	n := len(types)
	l.settle(n)
	in := Instr{op: opBrTable, b: index, imm: uint64(len(labels))}
	if p := l.last(); p != nil && !l.plain && p.op == opI32Load8U && p.a == index && p.imm>>32 == 0 {
		in = Instr{op: opI32Load8UBrTable, a: p.a, b: p.b, imm: in.imm | p.imm<<32}
		l.unemit()
	}
	at := l.emit(in)
	first := len(l.code)
	l.barrier = first
	for range (len(labels) + 3) / 4 {
		l.code = append(l.code, Instr{})
	}
	l.emit(Instr{op: opUnreachable}) // see access: no instruction of a window comes just before an access by accident
	l.barrier = len(l.code)
	// Labels that need moves or a poll get a piece of code of their own, one for all entries of the same label.
	thunks := map[uint32]int{}
	for i, depth := range labels {
		c, _ := l.label(depth)
		f := fixup{at: first + i/4, from: at, lane: i % 4}
		if c.kind != kindLoop && l.inPlace(c, n) {
			l.target(c, f)
			continue
		}
		thunk, ok := thunks[depth]
		if !ok {
			thunk = len(l.code)
			thunks[depth] = thunk
			l.barrier = thunk
			l.carry(c, n)
			l.emitBranch(c)
		}
		l.patch(f, thunk)
	}
	l.kill()
}

func lowerReturn(l *lowerer, _ *rule) {
	l.emitReturn()
	l.kill()
}

// emitReturn returns the topmost operands. They stay on the lowering stack.
func (l *lowerer) emitReturn() {
	n := len(l.ft.Results)
	h := uint16(l.header)
	if n == 0 {
		l.emit(Instr{op: opReturn, a: h})
		return
	}
	if n == 1 {
		o := l.stack[len(l.stack)-1]
		switch {
		case o.typ == wasm.V128:
			l.emit(Instr{op: opReturnV, a: h, b: l.use(o)})
		case o.where == isConst:
			l.emit(Instr{op: opReturnConst, a: h, imm: o.val})
		default:
			l.emit(Instr{op: opReturn1, a: h, b: l.use(o)})
		}
		return
	}
	l.settle(n)
	first := l.stack[len(l.stack)-n].home
	l.emit(Instr{op: opReturnN, a: h, b: uint16(first), c: uint16(l.top - first)})
}

func lowerUnreachable(l *lowerer, r *rule) {
	l.emit(Instr{op: r.op})
	l.kill()
}

func lowerNop(*lowerer, *rule) {}

func lowerDrop(l *lowerer, _ *rule) { l.pop() }
