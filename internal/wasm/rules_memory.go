package wasm

var memoryRules = []special{
	{OpMemoryInit, stepMemoryInit},
	{OpDataDrop, stepDataDrop},
	{OpMemoryCopy, stepMemoryCopy},
	{OpMemoryFill, stepMemoryFill},
}

var tableRules = []special{
	{OpTableGet, stepTableGet},
	{OpTableSet, stepTableSet},
	{OpTableSize, stepTableSize},
	{OpTableGrow, stepTableGrow},
	{OpTableFill, stepTableFill},
	{OpTableCopy, stepTableCopy},
	{OpTableInit, stepTableInit},
	{OpElemDrop, stepElemDrop},
}

// memory returns a memory's type.
func (v *FuncValidator) memory(x uint32) (*MemoryType, error) {
	if uint64(x) >= uint64(len(v.m.Memories)) {
		return nil, v.errorf("unknown memory %d", x)
	}
	return &v.m.Memories[x], nil
}

// access checks a memory argument and returns the address type (specification: Validation, Memory Instructions).
func (v *FuncValidator) access(a *MemArg, maxAlign uint8) (ValType, error) {
	mem, err := v.memory(a.Memory)
	if err != nil {
		return 0, err
	}
	if a.Align > uint32(maxAlign) {
		return 0, v.errorf("alignment must not be larger than natural")
	}
	if mem.Is64 {
		return I64, nil
	}
	if a.Offset>>32 != 0 {
		return 0, v.errorf("offset out of range")
	}
	return I32, nil
}

// short reports whether a memory argument is of the frequent kind, and right: memory 0, 32-bit addresses.
func (v *FuncValidator) short(a *MemArg, r *rule) bool {
	return v.narrow && a.Memory == 0 && a.Align <= uint32(r.maxAlign) && a.Offset>>32 == 0
}

func stepLoad(v *FuncValidator, in *Instr, r *rule) error {
	s := v.stack
	if n := len(s); n-1 >= v.floor && s[n-1] == I32 && v.short(&in.Mem, r) {
		s[n-1] = r.result
		return nil
	}
	return stepAccess(v, in, r)
}

func stepStore(v *FuncValidator, in *Instr, r *rule) error {
	s := v.stack
	if n := len(s); n-2 >= v.floor && s[n-1] == r.params[1] && s[n-2] == I32 && v.short(&in.Mem, r) {
		v.stack = s[:n-2]
		return nil
	}
	return stepAccess(v, in, r)
}

func stepAccess(v *FuncValidator, in *Instr, r *rule) error {
	addr, err := v.access(&in.Mem, r.maxAlign)
	if err != nil {
		return err
	}
	return v.apply(r, addr)
}

// stepAtomic: atomic accesses state exactly their natural alignment (threads proposal, "Alignment").
func stepAtomic(v *FuncValidator, in *Instr, r *rule) error {
	addr, err := v.access(&in.Mem, r.maxAlign)
	if err != nil {
		return err
	}
	if in.Mem.Align != uint32(r.maxAlign) {
		return v.errorf("atomic alignment must be natural")
	}
	return v.apply(r, addr)
}

func stepAccessLane(v *FuncValidator, in *Instr, r *rule) error {
	addr, err := v.access(&in.Mem, r.maxAlign)
	if err != nil {
		return err
	}
	if in.Lane >= 16/r.width {
		return v.errorf("invalid lane index %d", in.Lane)
	}
	return v.apply(r, addr)
}

func stepMemory(v *FuncValidator, in *Instr, r *rule) error {
	mem, err := v.memory(in.Index)
	if err != nil {
		return err
	}
	return v.apply(r, mem.AddrType())
}

// lesser returns the address type that both a and b can hold: the type of a length between two memories or tables.
func lesser(a, b ValType) ValType {
	if a == I64 && b == I64 {
		return I64
	}
	return I32
}

// data checks a data segment index. Bodies that name one need the data count section, since they come before the segments
// (specification: Binary Format, Data Count Section).
func (v *FuncValidator) data(x uint32) error {
	if v.m.DataCount < 0 {
		return v.malformed(msgDataCount)
	}
	if uint64(x) >= uint64(len(v.m.Datas)) {
		return v.errorf("unknown data segment %d", x)
	}
	return nil
}

func stepMemoryInit(v *FuncValidator, in *Instr, _ *rule) error {
	mem, err := v.memory(in.Index2)
	if err != nil {
		return err
	}
	if err := v.data(in.Index); err != nil {
		return err
	}
	return v.take(mem.AddrType(), I32, I32)
}

func stepDataDrop(v *FuncValidator, in *Instr, _ *rule) error { return v.data(in.Index) }

func stepMemoryCopy(v *FuncValidator, in *Instr, _ *rule) error {
	dst, err := v.memory(in.Index)
	if err != nil {
		return err
	}
	src, err := v.memory(in.Index2)
	if err != nil {
		return err
	}
	d, s := dst.AddrType(), src.AddrType()
	return v.take(d, s, lesser(d, s))
}

func stepMemoryFill(v *FuncValidator, in *Instr, _ *rule) error {
	mem, err := v.memory(in.Index)
	if err != nil {
		return err
	}
	return v.take(mem.AddrType(), I32, mem.AddrType())
}

// table returns a table's type.
func (v *FuncValidator) table(x uint32) (*TableType, error) {
	if uint64(x) >= uint64(len(v.m.Tables)) {
		return nil, v.errorf("unknown table %d", x)
	}
	return &v.m.Tables[x].Type, nil
}

func stepTableGet(v *FuncValidator, in *Instr, _ *rule) error {
	t, err := v.table(in.Index)
	if err != nil {
		return err
	}
	return v.replace(t.Elem, t.AddrType())
}

func stepTableSet(v *FuncValidator, in *Instr, _ *rule) error {
	t, err := v.table(in.Index)
	if err != nil {
		return err
	}
	return v.take(t.AddrType(), t.Elem)
}

func stepTableSize(v *FuncValidator, in *Instr, _ *rule) error {
	t, err := v.table(in.Index)
	if err != nil {
		return err
	}
	return v.replace(t.AddrType())
}

func stepTableGrow(v *FuncValidator, in *Instr, _ *rule) error {
	t, err := v.table(in.Index)
	if err != nil {
		return err
	}
	return v.replace(t.AddrType(), t.Elem, t.AddrType())
}

func stepTableFill(v *FuncValidator, in *Instr, _ *rule) error {
	t, err := v.table(in.Index)
	if err != nil {
		return err
	}
	return v.take(t.AddrType(), t.Elem, t.AddrType())
}

func stepTableCopy(v *FuncValidator, in *Instr, _ *rule) error {
	dst, err := v.table(in.Index)
	if err != nil {
		return err
	}
	src, err := v.table(in.Index2)
	if err != nil {
		return err
	}
	if !matchVal(v.m.defs, src.Elem, dst.Elem) {
		return v.errorf("type mismatch: table.copy from elements of type %s to %s", src.Elem, dst.Elem)
	}
	d, s := dst.AddrType(), src.AddrType()
	return v.take(d, s, lesser(d, s))
}

func (v *FuncValidator) elem(x uint32) (*ElemSegment, error) {
	if uint64(x) >= uint64(len(v.m.Elems)) {
		return nil, v.errorf("unknown elem segment %d", x)
	}
	return &v.m.Elems[x], nil
}

func stepTableInit(v *FuncValidator, in *Instr, _ *rule) error {
	t, err := v.table(in.Index2)
	if err != nil {
		return err
	}
	e, err := v.elem(in.Index)
	if err != nil {
		return err
	}
	if !matchVal(v.m.defs, e.Type, t.Elem) {
		return v.errorf("type mismatch: table.init from elements of type %s to %s", e.Type, t.Elem)
	}
	return v.take(t.AddrType(), I32, I32)
}

func stepElemDrop(v *FuncValidator, in *Instr, _ *rule) error {
	_, err := v.elem(in.Index)
	return err
}
