package interp

import "github.com/spindle-wasm/spindle/internal/vm"

func tableGet(t *vm.Thread, in *Instr) error {
	tb, s := t.Current().Tables[uint32(in.imm)], operands(t, in, 1)
	r, ok := tb.Get(addr(s[0], tb.Type.Is64))
	if !ok {
		return t.Trap(vm.TrapTableOutOfBounds)
	}
	s[0] = uint64(r)
	return next(t)
}

func tableSet(t *vm.Thread, in *Instr) error {
	tb, s := t.Current().Tables[uint32(in.imm)], operands(t, in, 2)
	if !tb.Set(addr(s[0], tb.Type.Is64), vm.Ref(s[1])) {
		return t.Trap(vm.TrapTableOutOfBounds)
	}
	return next(t)
}

func tableSize(t *vm.Thread, in *Instr) error {
	operands(t, in, 1)[0] = t.Current().Tables[uint32(in.imm)].Size()
	return next(t)
}

func tableGrow(t *vm.Thread, in *Instr) error {
	tb, s := t.Current().Tables[uint32(in.imm)], operands(t, in, 2)
	is64 := tb.Type.Is64
	old, ok, err := t.TableGrow(tb, addr(s[1], is64), vm.Ref(s[0]))
	if !ok {
		old = growFailed(is64)
	}
	s[0] = old
	return nextOr(t, err)
}

func tableFill(t *vm.Thread, in *Instr) error {
	tb, s := t.Current().Tables[uint32(in.imm)], operands(t, in, 3)
	is64 := tb.Type.Is64
	return nextOr(t, t.TableFill(tb, addr(s[0], is64), vm.Ref(s[1]), addr(s[2], is64)))
}

func tableCopy(t *vm.Thread, in *Instr) error {
	inst, s := t.Current(), operands(t, in, 3)
	dst, src := inst.Tables[uint32(in.imm)], inst.Tables[in.imm>>32]
	d64, s64 := dst.Type.Is64, src.Type.Is64
	return nextOr(t, t.TableCopy(dst, src, addr(s[0], d64), addr(s[1], s64), addr(s[2], d64 && s64)))
}

func tableInit(t *vm.Thread, in *Instr) error {
	inst, s := t.Current(), operands(t, in, 3)
	tb := inst.Tables[in.imm>>32]
	return nextOr(t, t.TableInit(inst, uint32(in.imm), tb, addr(s[0], tb.Type.Is64), addr(s[1], false), addr(s[2], false)))
}

func elemDrop(t *vm.Thread, in *Instr) error {
	t.Current().DropElem(uint32(in.imm))
	return next(t)
}

func refFunc(t *vm.Thread, in *Instr) error {
	operands(t, in, 1)[0] = uint64(t.Current().FuncRef(uint32(in.imm)))
	return next(t)
}
