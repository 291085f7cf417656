package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

func init() {
	load := func(o op) rule { return rule{lower: lowerLoad, op: o} }
	store := func(o, k op) rule { return rule{lower: lowerStore, op: o, k: k} }
	addRules([]row{
		{wasm.OpI32Load, load(opI32Load)}, {wasm.OpI64Load, load(opI64Load)},
		{wasm.OpF32Load, load(opI32Load)}, {wasm.OpF64Load, load(opI64Load)}, // bits only
		{wasm.OpI32Load8S, load(opI32Load8S)}, {wasm.OpI32Load8U, load(opI32Load8U)},
		{wasm.OpI32Load16S, load(opI32Load16S)}, {wasm.OpI32Load16U, load(opI32Load16U)},
		{wasm.OpI64Load8S, load(opI64Load8S)}, {wasm.OpI64Load8U, load(opI32Load8U)},
		{wasm.OpI64Load16S, load(opI64Load16S)}, {wasm.OpI64Load16U, load(opI32Load16U)},
		{wasm.OpI64Load32S, load(opI64Load32S)}, {wasm.OpI64Load32U, load(opI32Load)},
		{wasm.OpI32Store, store(opStore32, opStore32K)}, {wasm.OpI64Store, store(opStore64, opStore64K)},
		{wasm.OpF32Store, store(opStore32, opStore32K)}, {wasm.OpF64Store, store(opStore64, opStore64K)},
		{wasm.OpI32Store8, store(opStore8, opStore8K)}, {wasm.OpI32Store16, store(opStore16, opStore16K)},
		{wasm.OpI64Store8, store(opStore8, opStore8K)}, {wasm.OpI64Store16, store(opStore16, opStore16K)},
		{wasm.OpI64Store32, store(opStore32, opStore32K)},
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

// lowerLoad lowers every memory access that has a result: b = address, c = second operand, imm bits 0 to 31 the offset,
// bits 32 to 47 the slot of a third operand ($f), or the lane index.
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
	slot, off := l.openWindow(l.use(addr), uint16(addr.home))
	in.b = slot
	in.imm |= off
	l.emitResult(in, r.typ)
	l.closeWindow()
}

// lowerStore lowers every memory access of two operands without a result: a = address, b = value, imm bits 0 to 31 the offset,
// 32 and up the lane index. The constant form has the constant there.
func lowerStore(l *lowerer, r *rule) {
	v := l.pop()
	addr := l.pop()
	in := Instr{op: r.op, imm: uint64(l.lane()) << 32}
	a := l.use(addr)
	if v.where == isConst && r.k != 0 && (r.k != opStore64K || int64(v.val) == int64(int32(v.val))) {
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

func (l *lowerer) lane() uint8 {
	if l.in.Op.Info().Imm == wasm.ImmMemargLane {
		return l.in.Lane
	}
	return 0
}
