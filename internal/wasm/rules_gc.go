package wasm

var gcRules = []special{
	{OpStructNew, stepStructNew},
	{OpStructNewDefault, stepStructNew},
	{OpStructGet, stepStructGet},
	{OpStructGetS, stepStructGet},
	{OpStructGetU, stepStructGet},
	{OpStructSet, stepStructSet},
	{OpArrayNew, stepArrayNew},
	{OpArrayNewDefault, stepArrayNew},
	{OpArrayNewFixed, stepArrayNewFixed},
	{OpArrayNewData, stepArrayNewSegment},
	{OpArrayNewElem, stepArrayNewSegment},
	{OpArrayGet, stepArrayGet},
	{OpArrayGetS, stepArrayGet},
	{OpArrayGetU, stepArrayGet},
	{OpArraySet, stepArraySet},
	{OpArrayLen, typed(I32, ArrayRef)},
	{OpArrayFill, stepArrayFill},
	{OpArrayCopy, stepArrayCopy},
	{OpArrayInitData, stepArrayInitSegment},
	{OpArrayInitElem, stepArrayInitSegment},
}

// maxArrayNewFixed is the JS API's limit on the operands of array.new_fixed.
const maxArrayNewFixed = 10_000

// fields returns the fields of a struct type, or the one field of an array type.
func (v *FuncValidator) fields(x uint32, kind CompKind) ([]FieldType, error) {
	if uint64(x) >= uint64(len(v.m.Types)) {
		return nil, v.errorf("unknown type %d", x)
	}
	t := &v.m.Types[x]
	if t.Kind != kind {
		return nil, v.errorf("type mismatch: type %d is not %s type", x, [...]string{"a function", "a struct", "an array"}[kind])
	}
	return t.Fields, nil
}

func (v *FuncValidator) array(x uint32) (FieldType, error) {
	f, err := v.fields(x, CompArray)
	if err != nil {
		return FieldType{}, err
	}
	return f[0], nil
}

func (v *FuncValidator) mutableArray(x uint32) (FieldType, error) {
	f, err := v.array(x)
	if err == nil && !f.Mutable {
		err = v.errorf("immutable array type %d", x)
	}
	return f, err
}

// packed checks that get_s and get_u are used for packed fields and get for the others.
func (v *FuncValidator) packed(t ValType, signed bool) error {
	switch isPacked := t.Unpacked() != t; {
	case isPacked && !signed:
		return v.errorf("type mismatch: field is packed")
	case !isPacked && signed:
		return v.errorf("type mismatch: field is unpacked")
	}
	return nil
}

func stepStructNew(v *FuncValidator, in *Instr, _ *rule) error {
	fields, err := v.fields(in.Index, CompStruct)
	if err != nil {
		return err
	}
	if in.Op == OpStructNewDefault {
		if i := v.m.defs[in.Index].required; i >= 0 {
			return v.errorf("type mismatch: field %d has no default value", i)
		}
		v.push(RefTo(HeapType(in.Index), false))
		return nil
	}
	for i := len(fields) - 1; i >= 0 && !v.madeUp(); i-- {
		if err := v.pop(fields[i].Type.Unpacked()); err != nil {
			return err
		}
	}
	v.push(RefTo(HeapType(in.Index), false))
	return nil
}

func (v *FuncValidator) field(x, i uint32) (FieldType, error) {
	fields, err := v.fields(x, CompStruct)
	if err != nil {
		return FieldType{}, err
	}
	if uint64(i) >= uint64(len(fields)) {
		return FieldType{}, v.errorf("unknown field %d", i)
	}
	return fields[i], nil
}

func stepStructGet(v *FuncValidator, in *Instr, _ *rule) error {
	f, err := v.field(in.Index, in.Index2)
	if err != nil {
		return err
	}
	if err := v.packed(f.Type, in.Op != OpStructGet); err != nil {
		return err
	}
	return v.replace(f.Type.Unpacked(), RefTo(HeapType(in.Index), true))
}

func stepStructSet(v *FuncValidator, in *Instr, _ *rule) error {
	f, err := v.field(in.Index, in.Index2)
	if err != nil {
		return err
	}
	if !f.Mutable {
		return v.errorf("immutable field %d", in.Index2)
	}
	return v.take(RefTo(HeapType(in.Index), true), f.Type.Unpacked())
}

func stepArrayNew(v *FuncValidator, in *Instr, _ *rule) error {
	f, err := v.array(in.Index)
	if err != nil {
		return err
	}
	ref := RefTo(HeapType(in.Index), false)
	switch {
	case in.Op == OpArrayNew:
		return v.replace(ref, f.Type.Unpacked(), I32)
	case !f.Type.Defaultable():
		return v.errorf("type mismatch: array elements have no default value")
	}
	return v.replace(ref, I32)
}

func stepArrayNewFixed(v *FuncValidator, in *Instr, _ *rule) error {
	f, err := v.array(in.Index)
	if err != nil {
		return err
	}
	if in.Index2 > maxArrayNewFixed {
		return &LimitError{Limit: "operands of array.new_fixed", Max: maxArrayNewFixed, Got: uint64(in.Index2), Func: v.fn, Offset: v.at}
	}
	for range in.Index2 {
		if v.madeUp() {
			break
		}
		if err := v.pop(f.Type.Unpacked()); err != nil {
			return err
		}
	}
	v.push(RefTo(HeapType(in.Index), false))
	return nil
}

// fromSegment checks that an array's elements can be taken from the segment that the instruction names.
func (v *FuncValidator) fromSegment(f FieldType, in *Instr) error {
	if in.Op == OpArrayNewData || in.Op == OpArrayInitData {
		if f.Type.IsRef() {
			return v.errorf("array type is not numeric or vector")
		}
		return v.data(in.Index2)
	}
	e, err := v.elem(in.Index2)
	if err != nil {
		return err
	}
	if !matchVal(v.m.defs, e.Type, f.Type) {
		return v.errorf("type mismatch: array elements are %s, segment has %s", f.Type, e.Type)
	}
	return nil
}

func stepArrayNewSegment(v *FuncValidator, in *Instr, _ *rule) error {
	f, err := v.array(in.Index)
	if err != nil {
		return err
	}
	if err := v.fromSegment(f, in); err != nil {
		return err
	}
	return v.replace(RefTo(HeapType(in.Index), false), I32, I32)
}

func stepArrayGet(v *FuncValidator, in *Instr, _ *rule) error {
	f, err := v.array(in.Index)
	if err != nil {
		return err
	}
	if err := v.packed(f.Type, in.Op != OpArrayGet); err != nil {
		return err
	}
	return v.replace(f.Type.Unpacked(), RefTo(HeapType(in.Index), true), I32)
}

func stepArraySet(v *FuncValidator, in *Instr, _ *rule) error {
	f, err := v.mutableArray(in.Index)
	if err != nil {
		return err
	}
	return v.take(RefTo(HeapType(in.Index), true), I32, f.Type.Unpacked())
}

func stepArrayFill(v *FuncValidator, in *Instr, _ *rule) error {
	f, err := v.mutableArray(in.Index)
	if err != nil {
		return err
	}
	return v.take(RefTo(HeapType(in.Index), true), I32, f.Type.Unpacked(), I32)
}

func stepArrayCopy(v *FuncValidator, in *Instr, _ *rule) error {
	dst, err := v.mutableArray(in.Index)
	if err != nil {
		return err
	}
	src, err := v.array(in.Index2)
	if err != nil {
		return err
	}
	if !matchVal(v.m.defs, src.Type, dst.Type) {
		return v.errorf("array types do not match: %s to %s", src.Type, dst.Type)
	}
	return v.take(RefTo(HeapType(in.Index), true), I32, RefTo(HeapType(in.Index2), true), I32, I32)
}

func stepArrayInitSegment(v *FuncValidator, in *Instr, _ *rule) error {
	f, err := v.mutableArray(in.Index)
	if err != nil {
		return err
	}
	if err := v.fromSegment(f, in); err != nil {
		return err
	}
	return v.take(RefTo(HeapType(in.Index), true), I32, I32, I32)
}
