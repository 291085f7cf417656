package wasm

// Instr is one decoded instruction. A reader fills the fields that the instruction's Imm kind names; the others are stale.
// Slices are reused by the next read.
type Instr struct {
	Op     Opcode
	Lane   uint8
	Offset uint32 // of the opcode in the module
	Index  uint32
	Index2 uint32
	Value  uint64
	Value2 uint64
	Mem    MemArg
	Block  BlockType
	Heap   HeapType
	Ref    ValType // br_on_cast: source; ref.test and ref.cast: the whole target type, with its nullability
	Ref2   ValType // br_on_cast: target
	Labels []uint32
	Types  []ValType
	Catch  []Catch
}

// MemArg is the immediate of a memory access.
type MemArg struct {
	Align  uint32 // log2
	Memory uint32
	Offset uint64
}

// BlockType is a block's type: a type index, or no parameters and at most one result.
type BlockType struct {
	Index int32   // -1: see Type
	Type  ValType // result if Index < 0; Bottom for none
}

// CatchKind is the kind of a try_table clause (specification: Binary Format, Control Instructions).
type CatchKind uint8

const (
	CatchTag    CatchKind = iota // catch x l
	CatchTagRef                  // catch_ref x l
	CatchAll                     // catch_all l
	CatchAllRef                  // catch_all_ref l
)

// Catch is one clause of a try_table.
type Catch struct {
	Kind  CatchKind
	Tag   uint32
	Label uint32
}
