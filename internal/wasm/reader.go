package wasm

// InstrReader reads instructions from a byte slice, one at a time and without allocating once the slices of the Instr have
// grown. It knows the encoding only: indices, nesting and types are the validator's business, so it can run over any bytes.
//
// Constant expressions are read with it too. Every instruction that is allowed in one (specification: Validation, Constant
// Expressions) pushes one value after popping its operands, the last `end` leaves exactly one, so a small stack evaluates them.
type InstrReader struct{ cursor }

// Reset makes the reader start at the first byte of code, which stands at the given offset in the module.
func (r *InstrReader) Reset(code []byte, offset uint32) {
	r.code, r.pos, r.offset, r.msg = code, 0, offset, ""
}

// More reports whether bytes are left.
func (r *InstrReader) More() bool { return r.pos < len(r.code) }

// Pos returns the position of the next instruction in the code slice.
func (r *InstrReader) Pos() int { return r.pos }

// Offset returns the position of the next instruction in the module.
func (r *InstrReader) Offset() uint32 { return r.offset + uint32(r.pos) }

// Immediate kinds that only the reader's own table has.
const (
	immPrefix Imm = numImm + iota
	immLegacy
	immIllegal
)

// shortImm has the immediate kind of each one-byte opcode.
var shortImm = func() (t [256]Imm) {
	for i := range t {
		if instructions[i].Name == "" {
			t[i] = immIllegal
		} else {
			t[i] = instructions[i].Imm
		}
	}
	for op := range legacyNames {
		t[op] = immLegacy
	}
	for _, p := range []byte{0xFB, 0xFC, 0xFD, 0xFE} {
		t[p] = immPrefix
	}
	return t
}()

// legacyNames are the instructions of the first exception handling proposal, which WebAssembly 3.0 replaced.
var legacyNames = map[byte]string{0x06: "try", 0x07: "catch", 0x09: "rethrow", 0x18: "delegate", 0x19: "catch_all"}

// Next reads the next instruction into in. The error is a *MalformedError, or a *FeatureError for a legacy exception
// instruction, without a function (see InFunc); after an error the reader's position is undefined.
func (r *InstrReader) Next(in *Instr) error {
	code, p := r.code, r.pos
	if uint(p) >= uint(len(code)) {
		return malformed(r.Offset(), msgEnd)
	}
	b := code[p]
	in.Op = Opcode(b)
	in.Offset = r.offset + uint32(p)
	p++
	imm := shortImm[b]
	// The most frequent immediates are read here; read takes the rest.
	switch imm {
	case ImmNone:
		r.pos = p
		return nil
	case ImmLocal, ImmLabel, ImmFunc, ImmGlobal, ImmMemory:
		if uint(p) < uint(len(code)) && code[p] < 0x80 {
			in.Index = uint32(code[p])
			r.pos = p + 1
			return nil
		}
	case ImmI32:
		if uint(p) < uint(len(code)) && code[p] < 0x80 {
			in.Value = uint64(uint32(int32(int8(code[p]<<1)) >> 1))
			r.pos = p + 1
			return nil
		}
	case ImmI64:
		if uint(p) < uint(len(code)) && code[p] < 0x80 {
			in.Value = uint64(int64(int8(code[p]<<1)) >> 1)
			r.pos = p + 1
			return nil
		}
	case ImmMemarg:
		if uint(p+1) < uint(len(code)) && code[p] < 0x40 && code[p+1] < 0x80 {
			in.Mem = MemArg{Align: uint32(code[p]), Offset: uint64(code[p+1])}
			r.pos = p + 2
			return nil
		}
	case ImmBlock:
		if uint(p) < uint(len(code)) && code[p] == 0x40 {
			in.Block = BlockType{Index: -1}
			r.pos = p + 1
			return nil
		}
	}
	r.pos = p
	return r.read(in, imm)
}

// read reads immediates of any kind and encoding.
func (r *InstrReader) read(in *Instr, imm Imm) error {
	switch imm {
	case immPrefix:
		prefix := byte(in.Op)
		sub := r.u32()
		if r.msg != "" {
			return r.error()
		}
		op, ok := Lookup(prefix, sub)
		if !ok {
			return malformed(in.Offset, "illegal opcode %02x %02x", prefix, sub)
		}
		in.Op = op
		imm = instructions[op].Imm
	case immLegacy:
		return &FeatureError{Feature: "legacy-exceptions", What: legacyNames[byte(in.Op)], Func: -1, Offset: in.Offset}
	case immIllegal:
		return malformed(in.Offset, "illegal opcode %02x", byte(in.Op))
	}

	switch imm {
	case ImmNone:
	case ImmBlock:
		in.Block = r.blockType()
	case ImmLabel, ImmFunc, ImmType, ImmLocal, ImmGlobal, ImmTable, ImmElem, ImmMemory, ImmData, ImmTag:
		in.Index = r.u32()
	case ImmCallIndirect, ImmTableTable, ImmElemTable, ImmMemoryMemory, ImmDataMemory, ImmField, ImmTypeCount, ImmTypeData,
		ImmTypeElem, ImmTypeType:
		in.Index = r.u32()
		in.Index2 = r.u32()
	case ImmLabels:
		in.Labels = in.Labels[:0]
		for n := r.count(); n > 0 && r.msg == ""; n-- {
			in.Labels = append(in.Labels, r.u32())
		}
		in.Labels = append(in.Labels, r.u32())
	case ImmMemarg:
		r.memArg(&in.Mem)
	case ImmMemargLane:
		r.memArg(&in.Mem)
		in.Lane = r.byte()
	case ImmLane:
		in.Lane = r.byte()
	case ImmShuffle, ImmV128:
		in.Value = r.fixed(8)
		in.Value2 = r.fixed(8)
	case ImmI32:
		in.Value = uint64(uint32(r.s32()))
	case ImmI64:
		in.Value = uint64(r.s64())
	case ImmF32:
		in.Value = r.fixed(4)
	case ImmF64:
		in.Value = r.fixed(8)
	case ImmHeaptype:
		in.Heap = r.heapType()
		in.Ref = RefTo(in.Heap, in.Op == OpRefNull || in.Op == OpRefTestNull || in.Op == OpRefCastNull)
	case ImmSelect:
		in.Types = in.Types[:0]
		for n := r.count(); n > 0 && r.msg == ""; n-- {
			in.Types = append(in.Types, r.valType())
		}
	case ImmBrOnCast:
		r.brOnCast(in)
	case ImmTryTable:
		in.Block = r.blockType()
		in.Catch = in.Catch[:0]
		for n := r.count(); n > 0 && r.msg == ""; n-- {
			in.Catch = append(in.Catch, r.catch())
		}
	case ImmFence:
		if r.byte() != 0 && r.msg == "" {
			r.pos--
			r.fail("zero byte expected")
		}
	}
	if r.msg != "" {
		return r.error()
	}
	return nil
}

// memArg reads a memory argument (specification: Binary Format, Memory Instructions): bit 6 of the alignment announces a memory index.
func (r *InstrReader) memArg(m *MemArg) {
	start := r.pos
	flags := r.u32()
	if flags >= 0x80 && r.msg == "" {
		r.pos = start
		r.fail("malformed memop flags")
		return
	}
	m.Align, m.Memory = flags&0x3F, 0
	if flags&0x40 != 0 {
		m.Memory = r.u32()
	}
	if p := r.pos; p+1 < len(r.code) && r.code[p+1] < 0x80 && r.code[p] >= 0x80 {
		m.Offset = uint64(r.code[p]&0x7F) | uint64(r.code[p+1])<<7
		r.pos = p + 2
		return
	}
	m.Offset = r.unsigned(64)
}

func (r *InstrReader) blockType() BlockType {
	if r.pos < len(r.code) {
		c := r.code[r.pos]
		if c == 0x40 {
			r.pos++
			return BlockType{Index: -1}
		}
		if c&0xC0 == 0x40 {
			return BlockType{Index: -1, Type: r.valType()}
		}
	}
	start := r.pos
	x := r.signed(33)
	if x < 0 {
		r.pos = start
		r.fail("malformed block type")
	}
	return BlockType{Index: int32(min(x, maxTypeIndex))}
}

func (r *InstrReader) brOnCast(in *Instr) {
	flags := r.byte()
	if flags > 3 {
		r.pos--
		r.fail("malformed br_on_cast flags")
		return
	}
	in.Index = r.u32()
	in.Ref = RefTo(r.heapType(), flags&1 != 0)
	in.Ref2 = RefTo(r.heapType(), flags&2 != 0)
}

func (r *InstrReader) catch() (c Catch) {
	kind := r.byte()
	if kind > byte(CatchAllRef) {
		r.pos--
		r.fail("malformed catch clause")
		return c
	}
	c.Kind = CatchKind(kind)
	if c.Kind == CatchTag || c.Kind == CatchTagRef {
		c.Tag = r.u32()
	}
	c.Label = r.u32()
	return c
}
