package interp

import (
	"github.com/spindle-wasm/spindle/internal/vm"
)

// handler serves an instruction that the loop left to the driver. The exit state of the context is at the instruction; the
// handler sets it to where to go on.
type handler func(t *vm.Thread, in *Instr) error

// handlers is indexed by instruction. Hot instructions have one where the loop leaves rare cases to it.
var handlers [numOps]handler

func init() {
	for o, h := range map[op]handler{
		opLazy:               lazy,
		opRestore:            restore,
		opUnreachable:        trap(vm.TrapUnreachable),
		opCallImport:         callImport,
		opCallIndirect:       callIndirect,
		opCallIndirect64:     callIndirect,
		opCallRef:            callRef,
		opTailCallImport:     callImport,
		opTailCallIndirect:   callIndirect,
		opTailCallIndirect64: callIndirect,
		opTailCallRef:        callRef,
		opMemAddr32:          window,
		opMemAddr64:          window,
		opPushK:              pushK,
		opMemoryGrow:         memoryGrow,
		opMemoryFill:         memoryFill,
		opMemoryCopy:         memoryCopy,
		opMemoryInit:         memoryInit,
		opDataDrop:           dataDrop,
		opTableGet:           tableGet,
		opTableSet:           tableSet,
		opTableSize:          tableSize,
		opTableGrow:          tableGrow,
		opTableFill:          tableFill,
		opTableCopy:          tableCopy,
		opTableInit:          tableInit,
		opElemDrop:           elemDrop,
		opRefFunc:            refFunc,
		opRefTestFunc:        refTest,
		opRefTestDeep:        refTest,
		opRefCastFunc:        refCast,
		opRefCastDeep:        refCast,
		opThrow:              throw,
		opThrowRef:           throwRef,
	} {
		handlers[o] = h
	}
}

func trap(code vm.TrapCode) handler {
	return func(t *vm.Thread, _ *Instr) error { return t.Trap(code) }
}

// next goes on after the instruction.
func next(t *vm.Thread) error {
	t.Ctx.PC += instrSize
	return nil
}

// nextOr goes on after the instruction unless err is set. The driver adds the backtrace to traps.
func nextOr(t *vm.Thread, err error) error {
	if err == nil {
		return next(t)
	}
	return err
}

// operands views the operands of a cold instruction.
func operands(t *vm.Thread, in *Instr, n int) []uint64 { return slotsAt(t.Ctx.FP+uintptr(in.a)*8, n) }

// lazy lowers a function that has just been entered for the first time and goes on at its real entry.
func lazy(t *vm.Thread, in *Instr) error {
	ctx := t.Ctx
	c := codeOf(t.Current())
	entry, err := c.lower(uint32(in.imm))
	if err != nil {
		return err
	}
	ctx.PC = entry
	if ctx.FP+frameBytes(entry) > ctx.StackTop() {
		ctx.PC = c.bodyStart(uint32(in.imm))
		return t.Trap(vm.TrapStackExhausted)
	}
	return nil
}

// window is MemAddr out of bounds of a memory whose size it has just read: no second look, as in bounds, is needed.
func window(t *vm.Thread, in *Instr) error {
	if misaligned(t, in) {
		return t.Trap(vm.TrapUnalignedAtomic)
	}
	return t.Trap(vm.TrapMemoryOutOfBounds)
}

// pushK is PushK out of bounds; see bounds. What comes before the trap is done: the host can see the global.
func pushK(t *vm.Thread, in *Instr) error {
	ctx, inst := t.Ctx, t.Current()
	sp := uint32(*slotAt(ctx.FP + uintptr(in.b)*8))
	sp += uint32(in.imm >> 32)
	*slotAt(ctx.FP + uintptr(in.a)*8) = uint64(sp)
	*slotAt(ctx.Globals + uintptr(in.c)*globalSize) = uint64(sp)
	m := inst.Memories[0]
	if uint64(sp)+8 > m.Len() {
		return t.Trap(vm.TrapMemoryOutOfBounds)
	}
	*slotAt(m.Desc.Base + uintptr(sp)) = uint64(int64(int32(in.imm)))
	return next(t)
}

func memoryGrow(t *vm.Thread, in *Instr) error {
	m := t.Current().Memories[uint32(in.imm)]
	s := operands(t, in, 1)
	old, ok := m.Grow(addr(s[0], m.Type.Is64))
	if ok {
		s[0] = old
	} else {
		s[0] = growFailed(m.Type.Is64)
		if t.Ctx.Flag()&vm.FlagTerminate != 0 { // perhaps that is why
			return nextOr(t, t.Poll())
		}
	}
	return next(t)
}

// growFailed is the result of a grow that failed: -1 of the address type.
func growFailed(is64 bool) uint64 {
	if is64 {
		return ^uint64(0)
	}
	return 0xFFFFFFFF
}

// addr reads an operand that is an address or a size.
func addr(v uint64, is64 bool) uint64 {
	if is64 {
		return v
	}
	return uint64(uint32(v))
}

func memoryFill(t *vm.Thread, in *Instr) error {
	m, s := t.Current().Memories[uint32(in.imm)], operands(t, in, 3)
	is64 := m.Type.Is64
	return nextOr(t, t.MemoryFill(m, addr(s[0], is64), byte(s[1]), addr(s[2], is64)))
}

func memoryCopy(t *vm.Thread, in *Instr) error {
	inst, s := t.Current(), operands(t, in, 3)
	dst, src := inst.Memories[uint32(in.imm)], inst.Memories[in.imm>>32]
	d64, s64 := dst.Type.Is64, src.Type.Is64
	return nextOr(t, t.MemoryCopy(dst, src, addr(s[0], d64), addr(s[1], s64), addr(s[2], d64 && s64)))
}

func memoryInit(t *vm.Thread, in *Instr) error {
	inst, s := t.Current(), operands(t, in, 3)
	m := inst.Memories[in.imm>>32]
	return nextOr(t, t.MemoryInit(inst, uint32(in.imm), m, addr(s[0], m.Type.Is64), addr(s[1], false), addr(s[2], false)))
}

func dataDrop(t *vm.Thread, in *Instr) error {
	t.Current().DropData(uint32(in.imm))
	return next(t)
}
