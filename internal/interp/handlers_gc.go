package interp

import (
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

func init() {
	for _, forms := range [][]allocForm{structForms, fixedForms} {
		for i := range forms {
			f := &forms[i]
			handlers[f.op] = func(t *vm.Thread, in *Instr) error { return allocate(t, in, f) }
		}
	}
	for o, h := range map[op]handler{
		opStructNewBig:    structNewBig,
		opArrayFixedBig:   arrayFixedBig,
		opArrayNewDefault: arrayNew,
		opArrayNew8:       arrayNew,
		opArrayNew16:      arrayNew,
		opArrayNew32:      arrayNew,
		opArrayNew64:      arrayNew,
		opArrayNewV:       arrayNew,
		opArrayNewData:    arrayNewData,
		opArrayNewElem:    arrayNewElem,
		opArrayFill:       arrayFill,
		opArrayCopy:       arrayCopy,
		opArrayInitData:   arrayInitData,
		opArrayInitElem:   arrayInitElem,
		opStructSetRef:    remember,
		opArraySetRef:     remember,
	} {
		handlers[o] = h
	}
}

// typeOf is the layout of a type that an instruction names.
func typeOf(t *vm.Thread, id uint32) *vm.Layout {
	return vm.LayoutOf(t.Store.Types(), wasm.TypeID(id))
}

// made stores a new object's reference and goes on.
func made(t *vm.Thread, in *Instr, r vm.Ref, err error) error {
	if err == nil {
		*slotAt(t.Ctx.FP + uintptr(in.a)*8) = uint64(r)
	}
	return nextOr(t, err)
}

// allocate does what the loop left of an allocation with its first fields. Operands are read when the object is there: making it may have
// moved what they refer to.
func allocate(t *vm.Thread, in *Instr, f *allocForm) error {
	lay := typeOf(t, uint32(in.imm))
	var r vm.Ref
	var err error
	if lay.Kind == wasm.CompStruct {
		r, err = t.NewStruct(lay)
	} else {
		r, err = t.NewArray(lay, uint32(in.imm>>48))
	}
	if err != nil {
		return err
	}
	slots := [...]uint16{in.b, in.c, uint16(in.imm >> 48)}
	off := uint32(headerBytes)
	for i, w := range f.fields {
		off = (off + w.bytes() - 1) &^ (w.bytes() - 1)
		v := uint64(slots[i])
		if i > 0 || !f.k {
			v = *slotAt(t.Ctx.FP + uintptr(slots[i])*8)
		}
		at := t.Ctx.Heap + uintptr(r+off)
		if w == width64 {
			*slotAt(at) = v
		} else {
			*wordAt(at) = uint32(v)
		}
		off += w.bytes()
	}
	return made(t, in, r, nil)
}

func structNewBig(t *vm.Thread, in *Instr) error {
	r, err := t.NewStruct(typeOf(t, uint32(in.imm)))
	return made(t, in, r, err)
}

func arrayFixedBig(t *vm.Thread, in *Instr) error {
	r, err := t.NewArray(typeOf(t, uint32(in.imm)), uint32(in.imm>>32))
	return made(t, in, r, err)
}

// arrayNew is array.new and array.new_default.
func arrayNew(t *vm.Thread, in *Instr) error {
	lay, fp := typeOf(t, uint32(in.imm)), t.Ctx.FP
	n := uint32(*slotAt(fp + uintptr(in.b)*8))
	r, err := t.NewArray(lay, n)
	if err == nil && in.op != opArrayNewDefault {
		v := slotsAt(fp+uintptr(in.c)*8, lay.Elem.Type.Slots())
		err = t.ArrayFill(lay, r, 0, v, n)
	}
	return made(t, in, r, err)
}

func arrayNewData(t *vm.Thread, in *Instr) error {
	s := operands(t, in, 2)
	r, err := t.ArrayNewData(typeOf(t, uint32(in.imm)), t.Current(), uint32(in.imm>>32), uint32(s[0]), uint32(s[1]))
	return made(t, in, r, err)
}

func arrayNewElem(t *vm.Thread, in *Instr) error {
	s := operands(t, in, 2)
	r, err := t.ArrayNewElem(typeOf(t, uint32(in.imm)), t.Current(), uint32(in.imm>>32), uint32(s[0]), uint32(s[1]))
	return made(t, in, r, err)
}

func arrayFill(t *vm.Thread, in *Instr) error {
	lay := typeOf(t, uint32(in.imm))
	k := lay.Elem.Type.Slots()
	s := operands(t, in, 3+k)
	return nextOr(t, t.ArrayFill(lay, vm.Ref(s[0]), uint32(s[1]), s[2:2+k], uint32(s[2+k])))
}

func arrayCopy(t *vm.Thread, in *Instr) error {
	s := operands(t, in, 5)
	return nextOr(t, t.ArrayCopy(typeOf(t, uint32(in.imm)), vm.Ref(s[0]), uint32(s[1]), vm.Ref(s[2]), uint32(s[3]), uint32(s[4])))
}

func arrayInitData(t *vm.Thread, in *Instr) error {
	s := operands(t, in, 4)
	return nextOr(t, t.ArrayInitData(typeOf(t, uint32(in.imm)), vm.Ref(s[0]), uint32(s[1]), t.Current(), uint32(in.imm>>32), uint32(s[2]), uint32(s[3])))
}

func arrayInitElem(t *vm.Thread, in *Instr) error {
	s := operands(t, in, 4)
	return nextOr(t, t.ArrayInitElem(typeOf(t, uint32(in.imm)), vm.Ref(s[0]), uint32(s[1]), t.Current(), uint32(in.imm>>32), uint32(s[2]), uint32(s[3])))
}

// remember is the slow half of a write of a reference, which is done.
func remember(t *vm.Thread, in *Instr) error {
	t.Remember(vm.Ref(*slotAt(t.Ctx.FP + uintptr(in.a)*8)))
	return next(t)
}

// isOf asks about the type of a function or an object, for the tests and casts that are left to the driver.
func isOf(t *vm.Thread, in *Instr) bool {
	r := vm.Ref(*slotAt(t.Ctx.FP + uintptr(in.b)*8))
	if r == vm.NullRef {
		return in.imm>>32 != 0
	}
	ts, to := t.Store.Types(), wasm.TypeID(uint32(in.imm))
	switch {
	case ts.Def(to).Kind == wasm.CompFunc:
		return ts.IsSubtype(wasm.TypeID(t.Store.Func(r).Type), to)
	case r&3 != 0:
		return false
	}
	return ts.IsSubtype(wasm.TypeID(*wordAt(t.Ctx.Heap + uintptr(r))), to)
}

func refTest(t *vm.Thread, in *Instr) error {
	v := uint64(0)
	if isOf(t, in) {
		v = 1
	}
	*slotAt(t.Ctx.FP + uintptr(in.a)*8) = v
	return next(t)
}

func refCast(t *vm.Thread, in *Instr) error {
	if !isOf(t, in) {
		return t.Trap(vm.TrapCastFailure)
	}
	*slotAt(t.Ctx.FP + uintptr(in.a)*8) = *slotAt(t.Ctx.FP + uintptr(in.b)*8)
	return next(t)
}
