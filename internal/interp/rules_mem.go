package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

func init() {
	load := func(o, x, abs op) rule { return rule{lower: lowerLoad, op: o, fold: true, x: x, abs: abs} }
	store := func(o, k, x, abs op) rule { return rule{lower: lowerStore, op: o, k: k, fold: true, x: x, abs: abs} }
	// Accesses move bits only, so floats share the instructions of integers; an i64 of fewer bits is zero-extended as an i32 is.
	load32 := load(opI32Load, opI32LoadX, opI32LoadAbs)
	load64 := load(opI64Load, opI64LoadX, opI64LoadAbs)
	load8U := load(opI32Load8U, opI32Load8UX, opI32Load8UAbs)
	load16U := load(opI32Load16U, opI32Load16UX, opI32Load16UAbs)
	store8 := store(opStore8, opStore8K, opStore8X, opStore8Abs)
	store16 := store(opStore16, opStore16K, opStore16X, opStore16Abs)
	store32 := store(opStore32, opStore32K, opStore32X, opStore32Abs)
	store64 := store(opStore64, opStore64K, opStore64X, opStore64Abs)
	addRules([]row{
		{wasm.OpI32Load, load32}, {wasm.OpF32Load, load32}, {wasm.OpI64Load32U, load32},
		{wasm.OpI64Load, load64}, {wasm.OpF64Load, load64},
		{wasm.OpI32Load8U, load8U}, {wasm.OpI64Load8U, load8U}, {wasm.OpI32Load16U, load16U}, {wasm.OpI64Load16U, load16U},
		{wasm.OpI32Load8S, load(opI32Load8S, opI32Load8SX, opI32Load8SAbs)},
		{wasm.OpI32Load16S, load(opI32Load16S, opI32Load16SX, opI32Load16SAbs)},
		{wasm.OpI64Load8S, load(opI64Load8S, opI64Load8SX, opI64Load8SAbs)},
		{wasm.OpI64Load16S, load(opI64Load16S, opI64Load16SX, opI64Load16SAbs)},
		{wasm.OpI64Load32S, load(opI64Load32S, opI64Load32SX, opI64Load32SAbs)},
		{wasm.OpI32Store8, store8}, {wasm.OpI64Store8, store8}, {wasm.OpI32Store16, store16}, {wasm.OpI64Store16, store16},
		{wasm.OpI32Store, store32}, {wasm.OpF32Store, store32}, {wasm.OpI64Store32, store32},
		{wasm.OpI64Store, store64}, {wasm.OpF64Store, store64},
	})
}

// fast reports whether accesses to a memory need no window: memory 0 with 32-bit addresses.
func (l *lowerer) fast(memory uint32) bool { return memory == 0 && !l.m.Memories[0].Is64 }

// openWindow makes the memory that the instruction names the current one, for the one access that must follow directly, and returns
// the slot and offset to use for it. scratch is a slot that is free then. closeWindow comes after the access.
// All operands must be in slots before.
func (l *lowerer) openWindow(addr, scratch uint16) (slot uint16, offset uint64) {
	mem := &l.in.Mem
	if l.fast(mem.Memory) {
		return addr, mem.Offset
	}
	o := opMemAddr32
	if l.m.Memories[mem.Memory].Is64 {
		o = opMemAddr64
	}
	l.emit(Instr{op: o, a: scratch, b: addr, c: uint16(mem.Memory), imm: mem.Offset})
	return scratch, 0
}

func (l *lowerer) closeWindow() {
	if !l.fast(l.in.Mem.Memory) {
		l.emit(Instr{op: opMemReset})
	}
}

// address is how an access finds its place: a slot plus k, or with form x a slot plus an index shifted by k, or a constant.
type address struct {
	form  op // 0: slot + k
	slot  uint16
	index uint16
	k     uint32
	abs   uint64 // slot and offset together, for form abs
}

// foldAddress takes the computation of an address into the access. keep says that the last instruction must stay: the
// value to be stored still needs slots that it may read.
func (l *lowerer) foldAddress(r *rule, o operand, keep bool) (a address, ok bool) {
	if !r.fold || !l.fast(l.in.Mem.Memory) {
		return address{}, false
	}
	switch o.where {
	case isConst:
		return address{form: r.abs, abs: o.val + l.in.Mem.Offset}, r.abs != 0
	case inSum:
		return address{slot: l.locals[o.val].slot, k: uint32(o.hi)}, true
	}
	p := l.lastProducer(o)
	if p == nil || keep {
		return address{slot: l.use32(o)}, true
	}
	switch p.op {
	case opI32AddK, opI64AddK: // the low half of a sum is the sum of low halves
		l.unemit()
		return address{slot: p.b, k: uint32(p.imm)}, true
	case opI32Add, opI64Add:
		if r.x != 0 {
			l.unemit()
			return address{form: r.x, slot: p.b, index: p.c}, true
		}
	case opI32AddShl, opI64AddShl:
		if r.x != 0 && p.imm < 32 {
			l.unemit()
			return address{form: r.x, slot: p.b, index: p.c, k: uint32(p.imm)}, true
		}
	}
	return address{slot: l.use32(o)}, true
}

// lowerLoad lowers every memory access that has a result: b = address, c = second operand, imm bits 0 to 31 the offset,
// bits 32 to 47 the slot of a third operand ($f), or the lane index, or what the address is to be increased by.
func lowerLoad(l *lowerer, r *rule) {
	in := Instr{op: r.op, imm: uint64(l.lane()) << 32}
	n := len(l.in.Op.Info().Params)
	if n == 3 {
		z := l.pop()
		y := l.pop()
		in.imm |= uint64(l.use(z)) << 32
		in.c = l.use(y)
	} else if n == 2 {
		in.c = l.use(l.pop())
	}
	addr := l.pop()
	if a, ok := l.foldAddress(r, addr, false); ok {
		in.b, in.imm = a.slot, l.in.Mem.Offset|uint64(a.k)<<32
		if a.form != 0 {
			in.op, in.c = a.form, a.index
			if a.form == r.abs {
				in.imm = a.abs
			}
		}
		l.emitResult(in, r.typ)
		return
	}
	slot, off := l.openWindow(l.use(addr), uint16(addr.home))
	in.b = slot
	in.imm |= off
	l.emitResult(in, r.typ)
	l.closeWindow()
}

// lowerStore lowers every memory access of two operands without a result: a = address, b = value, imm bits 0 to 31 the offset,
// 32 and up the lane index or what the address is to be increased by. The constant form has the constant there.
func lowerStore(l *lowerer, r *rule) {
	v := l.pop()
	addr := l.pop()
	konst := v.where == isConst && r.k != 0 && (r.k != opStore64K || int64(v.val) == int64(int32(v.val)))
	if l.copyWord(r, addr, v) {
		return
	}
	fold := *r
	if konst {
		fold.x = 0 // beside an index the constant needs a slot, and its own may be where the index is
	}
	if a, ok := l.foldAddress(&fold, addr, !konst && !v.ready()); ok {
		in := Instr{op: r.op, a: a.slot, c: a.index, imm: l.in.Mem.Offset | uint64(a.k)<<32}
		switch {
		case a.form == r.abs && a.form != 0:
			in.op, in.b, in.imm = a.form, l.use32(v), a.abs
		case a.form != 0:
			in.op, in.b = a.form, l.use32(v)
		case konst:
			in.op, in.b, in.c, in.imm = r.k, uint16(a.k), uint16(a.k>>16), l.in.Mem.Offset|v.val<<32
		default:
			in.b = l.use32(v)
		}
		l.emit(in)
		return
	}
	in := Instr{op: r.op, imm: uint64(l.lane()) << 32}
	a := l.use(addr)
	if konst {
		in.op, in.imm = r.k, v.val<<32
	} else {
		in.b = l.use(v)
	}
	slot, off := l.openWindow(a, uint16(addr.home))
	in.a = slot
	in.imm |= off
	l.emit(in)
	l.closeWindow()
}

// copyWord joins a store with the load that computed its value, if both are plain.
func (l *lowerer) copyWord(r *rule, addr, v operand) bool {
	p := l.lastProducer(v)
	if p == nil || !addr.ready() || !l.fast(l.in.Mem.Memory) || p.imm>>32 != 0 {
		return false
	}
	in := Instr{a: l.use32(addr), b: p.b, imm: p.imm | l.in.Mem.Offset<<32}
	switch {
	case p.op == opI32Load && r.op == opStore32:
		in.op = opCopy32
	case p.op == opI64Load && r.op == opStore64:
		in.op = opCopy64
	default:
		return false
	}
	l.unemit()
	l.emit(in)
	return true
}

func (l *lowerer) lane() uint8 {
	if l.in.Op.Info().Imm == wasm.ImmMemargLane {
		return l.in.Lane
	}
	return 0
}
