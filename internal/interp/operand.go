package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

// where tells where an operand's value is while a function is lowered.
type where uint8

const (
	inHome  where = iota // in its own slots of the frame
	inLocal              // still in a local: val is the local's index
	inSum                // local val plus the constant hi, not computed yet (i32, i64)
	isConst              // not in the frame yet: val, hi
)

// operand is an entry of the operand stack at lowering time. Every operand has home slots, whose numbers depend only on
// what is below it; that is where branches and calls expect it.
type operand struct {
	where where
	typ   wasm.ValType
	home  int
	val   uint64
	hi    uint64
	// dirty marks an i32 that is the low half of an i64 (i32.wrap_i64 emits nothing): the high half of its slot is not zero. Only
	// instructions that read 32 bits of a slot may take it from there.
	dirty bool

	// An operand that was pushed as ofLocal is in its local's list of such operands, from the topmost one down: see local.first.
	linked bool
	link   uint32 // the local
	prev   int    // index of the next one, -1 at the end
}

// ofLocal reports whether the operand's value is still to be taken from a local.
func (o *operand) ofLocal() bool { return o.where == inLocal || o.where == inSum }

func (l *lowerer) push(o operand) {
	o.home = l.top
	i := len(l.stack)
	if o.ofLocal() {
		loc := &l.locals[o.val]
		o.linked, o.link, o.prev = true, uint32(o.val), loc.first
		loc.first = i
		l.lazy = append(l.lazy, i)
	}
	if o.typ.IsRef() {
		l.refOps = append(l.refOps, i)
	}
	l.stack = append(l.stack, o)
	l.top += o.typ.Slots()
	if l.top > l.maxTop {
		l.maxTop = l.top
	}
	if l.plain {
		l.settle(1)
	}
}

func (l *lowerer) pushHome(t wasm.ValType) { l.push(operand{typ: t}) }

func (l *lowerer) pop() operand {
	i := len(l.stack) - 1
	o := l.stack[i]
	l.stack = l.stack[:i]
	l.top = o.home
	if o.linked {
		l.locals[o.link].first = o.prev
	}
	for n := len(l.lazy); n > 0 && l.lazy[n-1] >= i; n-- {
		l.lazy = l.lazy[:n-1]
	}
	if n := len(l.refOps); n > 0 && l.refOps[n-1] >= i {
		l.refOps = l.refOps[:n-1]
	}
	return o
}

func (l *lowerer) pushLocal(x uint32) {
	l.push(operand{where: inLocal, typ: l.locals[x].typ, val: uint64(x)})
}

// truncate drops operands down to a height, when code below cannot be reached any more.
func (l *lowerer) truncate(height int) {
	for len(l.stack) > height {
		l.pop()
	}
}

// pushSum pushes local x plus k.
func (l *lowerer) pushSum(x, k uint64, t wasm.ValType) {
	if t == wasm.I32 {
		k = uint64(uint32(k))
	}
	l.push(operand{where: inSum, typ: t, val: x, hi: k})
}

// use returns the slot to read an operand from; what is in none is put into its home first.
func (l *lowerer) use(o operand) uint16 {
	if o.dirty {
		l.move(o.home, o)
		return uint16(o.home)
	}
	return l.use32(o)
}

// use32 is use for instructions that read no more than 32 bits of the slot if the operand is an i32.
func (l *lowerer) use32(o operand) uint16 {
	switch o.where {
	case inLocal:
		return l.locals[o.val].slot
	case inHome:
		return uint16(o.home)
	}
	l.move(o.home, o)
	return uint16(o.home)
}

// ready reports whether use32 of an operand emits nothing.
func (o *operand) ready() bool { return o.where == inHome || o.where == inLocal }

// move puts an operand into the slots from dst on.
func (l *lowerer) move(dst int, o operand) {
	d := uint16(dst)
	switch {
	case o.where == isConst && o.typ == wasm.V128:
		l.emit(Instr{op: opConst, a: d, imm: o.val})
		l.emit(Instr{op: opConst, a: d + 1, imm: o.hi})
	case o.where == isConst:
		l.emitConst(d, o.val)
	case o.where == inSum && o.typ == wasm.I32:
		l.emit(Instr{op: opI32AddK, a: d, b: l.locals[o.val].slot, imm: o.hi})
	case o.where == inSum:
		l.emit(Instr{op: opI64AddK, a: d, b: l.locals[o.val].slot, imm: o.hi})
	case o.dirty:
		l.emit(Instr{op: opI32Wrap, a: d, b: l.use32(o)})
	case o.where == inLocal && o.typ == wasm.V128:
		l.emit(Instr{op: opMovV, a: d, b: l.locals[o.val].slot})
	case o.where == inLocal:
		l.emitMov(d, l.locals[o.val].slot)
	case o.home == dst:
	case o.typ == wasm.V128:
		l.emit(Instr{op: opMovV, a: d, b: uint16(o.home)})
	default:
		l.emitMov(d, uint16(o.home))
	}
}

// emitMov emits a move, joined with the instruction before it if that is a move too.
func (l *lowerer) emitMov(dst, src uint16) {
	if p := l.last(); p != nil && !l.plain {
		switch p.op {
		case opMov:
			*p = Instr{op: opMov2, a: p.a, b: p.b, c: dst, imm: uint64(src)}
			l.producer = -1
			return
		case opConst:
			*p = Instr{op: opConstMov, a: p.a, imm: p.imm, c: dst, b: src}
			l.producer = -1
			return
		}
	}
	l.emit(Instr{op: opMov, a: dst, b: src})
}

func (l *lowerer) emitConst(dst uint16, v uint64) {
	// A move and a constant go into one instruction, which does the constant first.
	if p := l.last(); p != nil && !l.plain && p.op == opMov && p.a != dst && p.b != dst {
		*p = Instr{op: opConstMov, a: dst, imm: v, c: p.a, b: p.b}
		l.producer = -1
		return
	}
	l.emit(Instr{op: opConst, a: dst, imm: v})
}

// settle puts the n topmost operands into their homes.
func (l *lowerer) settle(n int) {
	for i := len(l.stack) - n; i < len(l.stack); i++ {
		l.settleAt(i)
	}
}

func (l *lowerer) settleAt(i int) {
	o := &l.stack[i]
	if o.where == inHome && !o.dirty {
		return
	}
	l.move(o.home, *o)
	o.where, o.dirty = inHome, false
}

// settleLocals puts all operands that are still in locals into their homes. It comes before every control instruction that
// begins a block: an assignment inside would have to save them on one path only.
func (l *lowerer) settleLocals() {
	for _, i := range l.lazy {
		if l.stack[i].ofLocal() {
			l.settleAt(i)
		}
	}
	l.lazy = l.lazy[:0]
}

// saveLocal puts the operands that are still in local x into their homes, before x changes.
func (l *lowerer) saveLocal(x uint32) {
	loc := &l.locals[x]
	for i := loc.first; i >= 0; {
		o := &l.stack[i]
		if o.ofLocal() {
			l.settleAt(i)
		}
		o.linked = false
		i = o.prev
	}
	loc.first = -1
}

func (l *lowerer) emit(in Instr) int {
	l.joinLast()
	return l.put(in)
}

// put appends an instruction as it is.
func (l *lowerer) put(in Instr) int {
	n := len(l.code)
	l.code = append(l.code, in)
	l.producer = -1
	if l.trace {
		for len(l.offsets) < n { // a BrTable's offsets
			l.offsets = append(l.offsets, l.in.Offset)
		}
		l.offsets = append(l.offsets[:n], l.in.Offset)
	}
	return n
}

// emitResult emits an instruction whose destination is a, pushes its result and makes the destination available for
// redirection to a local.
func (l *lowerer) emitResult(in Instr, t wasm.ValType) {
	in.a = uint16(l.top)
	l.producer = l.emit(in)
	l.pushHome(t)
}

// last returns the last instruction that may still change, nil if code may jump to just after it.
func (l *lowerer) last() *Instr {
	if len(l.code) <= l.barrier {
		return nil
	}
	return &l.code[len(l.code)-1]
}

// lastProducer returns the last instruction if it computed o and nothing else refers to it.
func (l *lowerer) lastProducer(o operand) *Instr {
	if l.plain || o.where != inHome || l.producer < 0 || l.producer != len(l.code)-1 || l.producer < l.barrier {
		return nil
	}
	if p := &l.code[l.producer]; int(p.a) == o.home {
		return p
	}
	return nil
}

// unemit takes the last instruction back.
func (l *lowerer) unemit() Instr {
	in := l.code[len(l.code)-1]
	l.code = l.code[:len(l.code)-1]
	l.producer = -1
	return in
}

// bind makes the position after the last instruction a branch target.
func (l *lowerer) bind() {
	l.barrier = len(l.code)
	l.producer = -1
}

// setLocal assigns o to local x (local.set).
func (l *lowerer) setLocal(x uint32, o operand) {
	l.saveLocal(x)
	loc := &l.locals[x]
	if !loc.set {
		loc.set = true
		l.setLog = append(l.setLog, x)
	}
	if o.where == inLocal && o.val == uint64(x) {
		return
	}
	if p := l.lastProducer(o); p != nil && !o.dirty {
		p.a = loc.slot
		l.producer = -1
		return
	}
	l.move(int(loc.slot), o)
}

// getLocal is local.get.
func (l *lowerer) getLocal(x uint32) {
	if loc := &l.locals[x]; !loc.set {
		loc.zero = true
	}
	l.pushLocal(x)
}

// teeLocal is local.tee: what remains on the stack is the local.
func (l *lowerer) teeLocal(x uint32) {
	o := l.pop()
	l.setLocal(x, o)
	if o.where == isConst {
		l.push(o)
		return
	}
	l.pushLocal(x)
}
