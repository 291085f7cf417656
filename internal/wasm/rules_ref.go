package wasm

var refRules = []special{
	{OpRefNull, stepRefNull},
	{OpRefIsNull, stepRefIsNull},
	{OpRefFunc, stepRefFunc},
	{OpRefEq, typed(I32, EqRef, EqRef)},
	{OpRefAsNonNull, stepRefAsNonNull},
	{OpBrOnNull, stepBrOnNull},
	{OpBrOnNonNull, stepBrOnNull},
	{OpRefTest, stepRefTest},
	{OpRefTestNull, stepRefTest},
	{OpRefCast, stepRefTest},
	{OpRefCastNull, stepRefTest},
	{OpBrOnCast, stepBrOnCast},
	{OpBrOnCastFail, stepBrOnCast},
	{OpAnyConvertExtern, stepConvert},
	{OpExternConvertAny, stepConvert},
	{OpRefI31, typed(RefTo(HeapI31, false), I32)},
	{OpI31GetS, typed(I32, I31Ref)},
	{OpI31GetU, typed(I32, I31Ref)},
}

func stepRefNull(v *FuncValidator, in *Instr, _ *rule) error {
	t := RefTo(in.Heap, true)
	if err := v.valType(t); err != nil {
		return err
	}
	v.push(t)
	return nil
}

func stepRefIsNull(v *FuncValidator, _ *Instr, _ *rule) error {
	if _, err := v.popRef(); err != nil {
		return err
	}
	v.push(I32)
	return nil
}

func stepRefFunc(v *FuncValidator, in *Instr, _ *rule) error {
	x := in.Index
	if uint64(x) >= uint64(len(v.m.Funcs)) {
		return v.errorf("unknown function %d", x)
	}
	if v.fn >= 0 && v.m.declared[x/64]&(1<<(x%64)) == 0 {
		return v.errorf("undeclared function reference %d", x)
	}
	v.push(RefTo(HeapType(v.m.Funcs[x]), false))
	return nil
}

func stepRefAsNonNull(v *FuncValidator, _ *Instr, _ *rule) error {
	t, err := v.popRef()
	if err != nil {
		return err
	}
	v.push(t.WithNull(false))
	return nil
}

// stepBrOnNull is br_on_null, which drops the null and goes on with the reference, and br_on_non_null, the other way round.
func stepBrOnNull(v *FuncValidator, in *Instr, _ *rule) error {
	l, err := v.label(in.Index)
	if err != nil {
		return err
	}
	t, err := v.popRef()
	if err != nil {
		return err
	}
	t = t.WithNull(false)
	if in.Op == OpBrOnNonNull {
		return v.branchWith(l, in.Index, t)
	}
	if err := v.retype(l.Targets()); err != nil {
		return err
	}
	v.push(t)
	return nil
}

// branchWith checks a conditional branch that passes a reference of type t above the other operands of the label.
func (v *FuncValidator) branchWith(l *Label, depth uint32, t ValType) error {
	target := l.Targets()
	n := len(target) - 1
	if n < 0 || !target[n].IsRef() {
		return v.errorf("type mismatch: label %d does not take a reference", depth)
	}
	if !matchVal(v.m.defs, t, target[n]) {
		return v.errorf("type mismatch: branch passes %s, label %d takes %s", t, depth, target[n])
	}
	return v.retype(target[:n])
}

// stepRefTest: the operand may be of any type of the target's hierarchy (specification: Validation, Reference Instructions).
func stepRefTest(v *FuncValidator, in *Instr, _ *rule) error {
	if err := v.valType(in.Ref); err != nil {
		return err
	}
	result := in.Ref
	if in.Op == OpRefTest || in.Op == OpRefTestNull {
		result = I32
	}
	return v.replace(result, RefTo(topHeap(v.m.defs, in.Heap), true))
}

func stepBrOnCast(v *FuncValidator, in *Instr, _ *rule) error {
	l, err := v.label(in.Index)
	if err != nil {
		return err
	}
	from, to := in.Ref, in.Ref2
	if err := v.valType(from); err != nil {
		return err
	}
	if err := v.valType(to); err != nil {
		return err
	}
	if !matchVal(v.m.defs, to, from) {
		return v.errorf("type mismatch: cast from %s to %s, which is not below", from, to)
	}
	// What is left if the cast fails: null only if the cast would not have taken it (specification: Structure, Reference Types, difference).
	rest := from
	if to.Nullable() {
		rest = from.WithNull(false)
	}
	if err := v.pop(from); err != nil {
		return err
	}
	branch, next := to, rest
	if in.Op == OpBrOnCastFail {
		branch, next = rest, to
	}
	if err := v.branchWith(l, in.Index, branch); err != nil {
		return err
	}
	v.push(next)
	return nil
}

func stepConvert(v *FuncValidator, in *Instr, _ *rule) error {
	from, to := HeapExtern, HeapAny
	if in.Op == OpExternConvertAny {
		from, to = HeapAny, HeapExtern
	}
	t, err := v.popRef()
	if err != nil {
		return err
	}
	if !matchVal(v.m.defs, t, RefTo(from, true)) {
		return v.mismatch(RefTo(from, true).String(), t)
	}
	v.push(RefTo(to, t.Nullable()))
	return nil
}
