package wasm

import (
	"errors"
	"math/bits"
)

// constantOps are the instructions of constant expressions (specification: Validation, Constant Expressions) with the feature
// that allows them there, on top of the one that the instruction itself needs.
var constantOps = []struct {
	op      Opcode
	feature Features
}{
	{OpI32Const, 0}, {OpI64Const, 0}, {OpF32Const, 0}, {OpF64Const, 0}, {OpV128Const, 0},
	{OpGlobalGet, 0}, {OpRefNull, 0}, {OpRefFunc, 0}, {OpEnd, 0},
	{OpI32Add, FeatureExtendedConst}, {OpI32Sub, FeatureExtendedConst}, {OpI32Mul, FeatureExtendedConst},
	{OpI64Add, FeatureExtendedConst}, {OpI64Sub, FeatureExtendedConst}, {OpI64Mul, FeatureExtendedConst},
	{OpRefI31, 0}, {OpStructNew, 0}, {OpStructNewDefault, 0}, {OpArrayNew, 0}, {OpArrayNewDefault, 0}, {OpArrayNewFixed, 0},
	{OpAnyConvertExtern, 0}, {OpExternConvertAny, 0},
}

// allGlobals is the number of globals that segments may name: all, or imported ones only where the older rule holds.
func (v *FuncValidator) allGlobals() uint32 {
	if v.m.Enabled.Has(FeatureGc) {
		return uint32(len(v.m.Globals))
	}
	return uint32(v.m.NumImportedGlobals)
}

// constant checks a constant expression that gives one value of the wanted type and may name the first globals of the module,
// if they are immutable. Functions that it names are marked as declared.
func (v *FuncValidator) constant(e *ConstExpr, want ValType, globals uint32) error {
	v.fn, v.unset, v.locals, v.numLocals, v.setLog = -1, 0, v.locals[:0], 0, v.setLog[:0]
	v.wanted[0] = want
	v.begin(nil, v.wanted[:])
	r, in := &v.reader, &v.instr
	r.Reset(e.Code, e.Offset)
	for r.More() {
		if err := r.Next(in); err != nil {
			return err
		}
		v.at = in.Offset
		c := &rules[in.Op]
		if !c.isConst {
			return v.errorf("constant expression required: %s is not constant", in.Op)
		}
		if v.used |= c.constant; c.constant&^v.features != 0 {
			return v.needs(c.constant, in.Op.String()+" in a constant expression")
		}
		switch in.Op {
		case OpGlobalGet:
			if in.Index >= globals {
				return v.errorf("unknown global %d", in.Index)
			}
			if in.Index >= uint32(v.m.NumImportedGlobals) {
				v.used |= FeatureGc // which lifts the restriction to imported globals
			}
			if v.m.Globals[in.Index].Type.Mutable {
				return v.errorf("constant expression required: global %d is mutable", in.Index)
			}
		case OpRefFunc:
			v.m.declare(in.Index)
		}
		if err := v.Step(in); err != nil {
			return err
		}
	}
	if !v.Done() {
		return malformed(r.Offset(), msgEnd)
	}
	return nil
}

// declare adds a function to DeclaredFuncs, if it exists.
func (m *Module) declare(x uint32) {
	if m.declared == nil {
		m.declared = make([]uint64, (len(m.Funcs)+63)/64)
	}
	if uint64(x) < uint64(len(m.Funcs)) {
		m.declared[x/64] |= 1 << (x % 64)
	}
}

// declareFuncs finishes DeclaredFuncs: besides those of constant expressions, exported functions and those in segments
// (specification: Validation, Modules). Start and the bodies do not count.
func declareFuncs(m *Module) {
	for i := range m.Exports {
		if m.Exports[i].Kind == ExternFunc {
			m.declare(m.Exports[i].Index)
		}
	}
	for i := range m.Elems {
		for _, x := range m.Elems[i].Funcs {
			m.declare(x)
		}
	}
	n := 0
	for _, w := range m.declared {
		n += bits.OnesCount64(w)
	}
	m.DeclaredFuncs = make([]uint32, 0, n)
	for i, w := range m.declared {
		for ; w != 0; w &= w - 1 {
			m.DeclaredFuncs = append(m.DeclaredFuncs, uint32(i*64+bits.TrailingZeros64(w)))
		}
	}
	if m.declared == nil {
		m.declared = make([]uint64, (len(m.Funcs)+63)/64)
	}
}

// asMalformed returns err if it is a MalformedError.
func asMalformed(err error) error {
	var malformed *MalformedError
	if errors.As(err, &malformed) {
		return malformed
	}
	return nil
}
