package interp

import (
	"sort"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Overruns of the C stack in linear memory. Every write of the stack pointer compares it with the thread's bounds, as part of the instruction
// that there would be anyway; so that a function's entry costs nothing more, the read, the subtraction and the write are one.
// What does not pass comes here, in programs that are right only where stacks lie below the one whose bounds are known.

func init() {
	for o, h := range map[op]handler{
		opSPEnter: spEnter, opI32AddKSPSet: addKSPSet, opSPSet: spSet, opSPImpSet: spSet,
	} {
		handlers[o] = h
	}
}

// isStackPointer reports whether a global is the pointer of the module's C stack.
func (l *lowerer) isStackPointer(x uint32) bool {
	sp, ok := vm.FindStackPointer(l.m)
	return ok && sp == x
}

// joinStackPointer is join for instructions on globals that may be the stack pointer.
func (l *lowerer) joinStackPointer(p, q *Instr) (Instr, bool) {
	switch {
	case q.op == opI32AddK && p.op == opGlobalGet && q.b == p.a && (int(p.a) >= l.base || q.a == p.a) && p.imm/globalSize <= 0xFFFF:
		return Instr{op: opGlobalGetI32AddK, a: q.a, c: uint16(p.imm / globalSize), imm: q.imm & 0xFFFFFFFF}, true
	case q.op != opSPSet && q.op != opGlobalSet || q.b != p.a:
		return Instr{}, false
	case p.op == opGlobalGetI32AddK && uint64(p.c) == q.imm/globalSize:
		in := Instr{op: opGlobalI32AddK, a: p.a, c: p.c, imm: p.imm}
		if q.op == opSPSet && int32(p.imm) < 0 {
			in.op = opSPEnter
		}
		return in, true
	case q.op != opSPSet || q.imm/globalSize > 0xFFFF:
		return Instr{}, false
	case p.op == opI32AddK:
		in := Instr{op: opI32AddKGlobalSet, a: p.a, b: p.b, c: uint16(q.imm / globalSize), imm: p.imm}
		if int32(p.imm) < 0 {
			in.op = opI32AddKSPSet
		}
		return in, true
	}
	return Instr{}, false
}

func spEnter(t *vm.Thread, in *Instr) error {
	sp := slotAt(t.Ctx.Globals + uintptr(in.c)*globalSize)
	v := int64(uint32(*sp)) + int64(int32(in.imm))
	if t.Current().Overrun(*sp, v) {
		return t.Trap(vm.TrapStackOverrun)
	}
	*sp = uint64(uint32(v))
	*slotAt(t.Ctx.FP + uintptr(in.a)*8) = *sp
	return next(t)
}

func addKSPSet(t *vm.Thread, in *Instr) error {
	sp := slotAt(t.Ctx.Globals + uintptr(in.c)*globalSize)
	v := int64(uint32(*slotAt(t.Ctx.FP + uintptr(in.b)*8))) + int64(int32(in.imm))
	if t.Current().Overrun(*sp, v) && allocates(t) {
		return t.Trap(vm.TrapStackOverrun)
	}
	*sp = uint64(uint32(v))
	*slotAt(t.Ctx.FP + uintptr(in.a)*8) = *sp
	return next(t)
}

func spSet(t *vm.Thread, in *Instr) error {
	at := t.Ctx.Globals + uintptr(in.imm)
	if in.op == opSPImpSet {
		inst := t.Current()
		x, _ := vm.FindStackPointer(inst.Module)
		at = inst.Global(x).Addr()
	}
	sp, v := slotAt(at), *slotAt(t.Ctx.FP + uintptr(in.b)*8)
	if t.Current().Overrun(*sp, int64(v)) && allocates(t) {
		return t.Trap(vm.TrapStackOverrun)
	}
	*sp = v
	return next(t)
}

// allocates reports whether the instruction at the exit state, which sets the stack pointer, makes room for a frame.
func allocates(t *vm.Thread) bool {
	c := codeOf(t.Current())
	meta := c.find(t.Ctx.PC)
	if meta == nil {
		return false
	}
	// The instruction may have been joined with one that came before it, and has its offset.
	from := c.offset(meta.fn, int((t.Ctx.PC-meta.start)/instrSize))
	sets := c.pointerSets(meta.fn)
	i := sort.Search(len(sets), func(i int) bool { return sets[i].Offset >= from })
	return i < len(sets) && sets[i].Alloc
}

// pointerSets is vm.PointerSets of a function, worked out once.
func (c *Code) pointerSets(fn uint32) []vm.PointerSet {
	c.mu.Lock()
	sets, ok := c.sets[fn]
	c.mu.Unlock()
	if ok {
		return sets
	}
	sp, _ := vm.FindStackPointer(c.m)
	sets = vm.PointerSets(c.m, fn, sp)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sets == nil {
		c.sets = map[uint32][]vm.PointerSet{}
	}
	c.sets[fn] = sets
	return sets
}
