package wasm

var controlRules = []special{
	{OpUnreachable, stepUnreachable},
	{OpBlock, stepBlock},
	{OpLoop, stepBlock},
	{OpIf, stepIf},
	{OpElse, stepElse},
	{OpEnd, stepEnd},
	{OpTryTable, stepTryTable},
	{OpThrow, stepThrow},
	{OpThrowRef, stepThrowRef},
	{OpBr, stepBr},
	{OpBrIf, stepBrIf},
	{OpBrTable, stepBrTable},
	{OpReturn, stepReturn},
	{OpCall, stepCall},
	{OpCallIndirect, stepCallIndirect},
	{OpCallRef, stepCallRef},
	{OpReturnCall, stepCall},
	{OpReturnCallIndirect, stepCallIndirect},
	{OpReturnCallRef, stepCallRef},
	{OpNop, stepNop},
	{OpDrop, stepDrop},
	{OpSelect, stepSelect},
	{OpSelectT, stepSelectT},
}

func stepNop(*FuncValidator, *Instr, *rule) error { return nil }

func stepUnreachable(v *FuncValidator, _ *Instr, _ *rule) error {
	v.setDead()
	return nil
}

// blockType resolves a block type (specification: Validation, Block Types).
func (v *FuncValidator) blockType(b BlockType) (params, results []ValType, err error) {
	if b.Index >= 0 {
		if err := v.need(FeatureMultiValue, "a block type with parameters or several results"); err != nil {
			return nil, nil, err
		}
		t, err := v.funcType(uint32(b.Index))
		if err != nil {
			return nil, nil, err
		}
		return t.Params, t.Results, nil
	}
	if b.Type == Bottom {
		return nil, nil, nil
	}
	if err := v.valType(b.Type); err != nil {
		return nil, nil, err
	}
	v.arena = append(v.arena, b.Type)
	n := len(v.arena)
	return nil, v.arena[n-1 : n : n], nil
}

// funcType returns a type index's function type.
func (v *FuncValidator) funcType(x uint32) (*FuncType, error) {
	if uint64(x) >= uint64(len(v.m.Types)) {
		return nil, v.errorf("unknown type %d", x)
	}
	t := &v.m.Types[x]
	if t.Kind != CompFunc {
		return nil, v.errorf("type mismatch: type %d is not a function type", x)
	}
	return &t.Func, nil
}

// valType checks a type that is written in an instruction.
func (v *FuncValidator) valType(t ValType) error {
	f, what := typeFeature(t)
	if err := v.need(f, what); err != nil {
		return err
	}
	if h := t.Heap(); t.IsRef() && h.Concrete() && uint64(h) >= uint64(len(v.m.Types)) {
		return v.errorf("unknown type %d", h)
	}
	return nil
}

func stepBlock(v *FuncValidator, in *Instr, _ *rule) error {
	params, results, err := v.blockType(in.Block)
	if err != nil {
		return err
	}
	return v.open(in.Op, params, results)
}

func stepIf(v *FuncValidator, in *Instr, _ *rule) error {
	params, results, err := v.blockType(in.Block)
	if err != nil {
		return err
	}
	if err := v.pop(I32); err != nil {
		return err
	}
	return v.open(OpIf, params, results)
}

func stepElse(v *FuncValidator, _ *Instr, _ *rule) error {
	l := &v.labels[len(v.labels)-1]
	if l.Op != OpIf {
		return v.malformed(msgNoEnd)
	}
	if err := v.close(); err != nil {
		return err
	}
	l.Op, l.Unreachable, v.dead = OpElse, false, false
	return v.pushAll(l.Params)
}

func stepEnd(v *FuncValidator, _ *Instr, _ *rule) error {
	if err := v.close(); err != nil {
		return err
	}
	n := len(v.labels) - 1
	l := &v.labels[n]
	// Without an else the parameters are the results.
	if l.Op == OpIf && !matchAll(v.m.defs, l.Params, l.Results) {
		return v.errorf("type mismatch: if without else has different parameters and results")
	}
	v.labels = v.labels[:n]
	if n > 0 {
		outer := &v.labels[n-1]
		v.floor, v.dead = outer.Height, outer.Unreachable
	}
	return v.pushAll(l.Results)
}

func stepTryTable(v *FuncValidator, in *Instr, _ *rule) error {
	params, results, err := v.blockType(in.Block)
	if err != nil {
		return err
	}
	// The clauses' labels are those around the try_table (specification: Validation, Control Instructions).
	for _, c := range in.Catch {
		l, err := v.label(c.Label)
		if err != nil {
			return err
		}
		var caught []ValType
		if c.Kind == CatchTag || c.Kind == CatchTagRef {
			if uint64(c.Tag) >= uint64(len(v.m.Tags)) {
				return v.errorf("unknown tag %d", c.Tag)
			}
			caught = v.m.TagFuncType(c.Tag).Params
		}
		target := l.Targets()
		if c.Kind == CatchTagRef || c.Kind == CatchAllRef {
			n := len(target) - 1
			if n < 0 || !matchVal(v.m.defs, RefTo(HeapExn, false), target[n]) {
				return v.errorf("type mismatch: catch clause passes an exnref that label %d does not take", c.Label)
			}
			target = target[:n]
		}
		if !matchAll(v.m.defs, caught, target) {
			return v.errorf("type mismatch: catch clause passes other types than label %d takes", c.Label)
		}
	}
	return v.open(in.Op, params, results)
}

func stepThrow(v *FuncValidator, in *Instr, _ *rule) error {
	if uint64(in.Index) >= uint64(len(v.m.Tags)) {
		return v.errorf("unknown tag %d", in.Index)
	}
	if err := v.popAll(v.m.TagFuncType(in.Index).Params); err != nil {
		return err
	}
	v.setDead()
	return nil
}

func stepThrowRef(v *FuncValidator, _ *Instr, _ *rule) error {
	if err := v.pop(ExnRef); err != nil {
		return err
	}
	v.setDead()
	return nil
}

func stepBr(v *FuncValidator, in *Instr, _ *rule) error {
	l, err := v.label(in.Index)
	if err != nil {
		return err
	}
	if err := v.popAll(l.Targets()); err != nil {
		return err
	}
	v.setDead()
	return nil
}

func stepBrIf(v *FuncValidator, in *Instr, _ *rule) error {
	l, err := v.label(in.Index)
	if err != nil {
		return err
	}
	if err := v.pop(I32); err != nil {
		return err
	}
	return v.retype(l.Targets())
}

func stepBrTable(v *FuncValidator, in *Instr, _ *rule) error {
	if err := v.pop(I32); err != nil {
		return err
	}
	last, err := v.label(in.Labels[len(in.Labels)-1])
	if err != nil {
		return err
	}
	arity := len(last.Targets())
	for _, depth := range in.Labels {
		l, err := v.label(depth)
		if err != nil {
			return err
		}
		want := l.Targets()
		if len(want) != arity {
			return v.errorf("type mismatch: br_table labels take %d and %d operands", len(want), arity)
		}
		if err := v.check(want); err != nil {
			return err
		}
	}
	v.setDead()
	return nil
}

func stepReturn(v *FuncValidator, _ *Instr, _ *rule) error {
	if err := v.popAll(v.labels[0].Results); err != nil {
		return err
	}
	v.setDead()
	return nil
}

// call applies a function type; tail calls end the block (specification: Validation, Control Instructions).
func (v *FuncValidator) call(t *FuncType, op Opcode) error {
	if err := v.popAll(t.Params); err != nil {
		return err
	}
	switch op {
	case OpReturnCall, OpReturnCallIndirect, OpReturnCallRef:
		if !matchAll(v.m.defs, t.Results, v.labels[0].Results) {
			return v.errorf("type mismatch: tail call returns other types than the function")
		}
		v.setDead()
		return nil
	}
	return v.pushAll(t.Results)
}

func stepCall(v *FuncValidator, in *Instr, _ *rule) error {
	if uint64(in.Index) >= uint64(len(v.m.Funcs)) {
		return v.errorf("unknown function %d", in.Index)
	}
	return v.call(v.m.FuncType(in.Index), in.Op)
}

func stepCallIndirect(v *FuncValidator, in *Instr, _ *rule) error {
	t, err := v.table(in.Index2)
	if err != nil {
		return err
	}
	if !matchVal(v.m.defs, t.Elem, FuncRef) {
		return v.errorf("type mismatch: table %d has elements of type %s, not functions", in.Index2, t.Elem)
	}
	ft, err := v.funcType(in.Index)
	if err != nil {
		return err
	}
	if err := v.pop(t.AddrType()); err != nil {
		return err
	}
	return v.call(ft, in.Op)
}

func stepCallRef(v *FuncValidator, in *Instr, _ *rule) error {
	ft, err := v.funcType(in.Index)
	if err != nil {
		return err
	}
	if err := v.pop(RefTo(HeapType(in.Index), true)); err != nil {
		return err
	}
	return v.call(ft, in.Op)
}

func stepDrop(v *FuncValidator, _ *Instr, _ *rule) error {
	_, err := v.popAny()
	return err
}

func stepSelect(v *FuncValidator, _ *Instr, _ *rule) error {
	if err := v.pop(I32); err != nil {
		return err
	}
	b, err := v.popAny()
	if err != nil {
		return err
	}
	a, err := v.popAny()
	if err != nil {
		return err
	}
	switch {
	case a.IsRef() || b.IsRef():
		return v.errorf("type mismatch: select without a type takes numbers and vectors only")
	case a == Bottom:
		a = b
	case b != Bottom && a != b:
		return v.errorf("type mismatch: select has operands of types %s and %s", a, b)
	}
	v.push(a)
	return nil
}

func stepSelectT(v *FuncValidator, in *Instr, _ *rule) error {
	if len(in.Types) != 1 {
		return v.errorf("invalid result arity: select has %d types", len(in.Types))
	}
	t := in.Types[0]
	if err := v.valType(t); err != nil {
		return err
	}
	return v.replace(t, t, t, I32)
}
