package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

func init() {
	// The instructions of one kind, in the order of the opcodes.
	sizes := func(first wasm.Opcode, lower func(*lowerer, *rule), ops ...op) {
		for i, o := range ops {
			addRules([]row{{first + wasm.Opcode(i), rule{lower: lower, op: o}}})
		}
	}
	// i32 and i64 in full, i32 of 8 and 16 bits, i64 of 8, 16 and 32 bits. Atomic stores and loads come in this order too.
	rmw := func(first wasm.Opcode, lower func(*lowerer, *rule), o8, o16, o32, o64 op) {
		sizes(first, lower, o32, o64, o8, o16, o8, o16, o32)
	}
	rmw(wasm.OpI32AtomicLoad, lowerLoad, opAtomic8Load, opAtomic16Load, opAtomic32Load, opAtomic64Load)
	rmw(wasm.OpI32AtomicStore, lowerStore, opAtomic8Store, opAtomic16Store, opAtomic32Store, opAtomic64Store)
	rmw(wasm.OpI32AtomicRmwAdd, lowerLoad, opAtomic8Add, opAtomic16Add, opAtomic32Add, opAtomic64Add)
	rmw(wasm.OpI32AtomicRmwSub, lowerLoad, opAtomic8Sub, opAtomic16Sub, opAtomic32Sub, opAtomic64Sub)
	rmw(wasm.OpI32AtomicRmwAnd, lowerLoad, opAtomic8And, opAtomic16And, opAtomic32And, opAtomic64And)
	rmw(wasm.OpI32AtomicRmwOr, lowerLoad, opAtomic8Or, opAtomic16Or, opAtomic32Or, opAtomic64Or)
	rmw(wasm.OpI32AtomicRmwXor, lowerLoad, opAtomic8Xor, opAtomic16Xor, opAtomic32Xor, opAtomic64Xor)
	rmw(wasm.OpI32AtomicRmwXchg, lowerLoad, opAtomic8Xchg, opAtomic16Xchg, opAtomic32Xchg, opAtomic64Xchg)
	rmw(wasm.OpI32AtomicRmwCmpxchg, lowerLoad, opAtomic8Cmpxchg, opAtomic16Cmpxchg, opAtomic32Cmpxchg, opAtomic64Cmpxchg)

	park := func(o op, operands int) rule {
		return rule{lower: func(l *lowerer, _ *rule) {
			l.emitCold(Instr{op: o, c: uint16(l.in.Mem.Memory), imm: l.in.Mem.Offset}, operands, wasm.I32)
		}}
	}
	addRules([]row{
		{wasm.OpMemoryAtomicNotify, park(opAtomicNotify, 2)},
		{wasm.OpMemoryAtomicWait32, park(opAtomicWait32, 3)},
		{wasm.OpMemoryAtomicWait64, park(opAtomicWait64, 3)},
		{wasm.OpAtomicFence, rule{lower: func(l *lowerer, _ *rule) { l.emit(Instr{op: opAtomicFence}) }}},
	})
}
