package wasm

//go:generate go run ./gen

// Opcode numbers every instruction densely, so that it can index tables: the one-byte opcodes keep their value, prefixed ones
// follow in pages. Use Prefix and Sub for the binary encoding.
type Opcode uint16

const (
	pageGC     Opcode = 0x100 // prefix 0xFB
	pageMisc   Opcode = 0x200 // prefix 0xFC
	pageVector Opcode = 0x300 // prefix 0xFD; two pages, as relaxed SIMD begins at sub-opcode 0x100
	pageAtomic Opcode = 0x500 // prefix 0xFE

	// NumOpcodes bounds the dense numbering.
	NumOpcodes = 0x600
)

// Imm is the kind of an instruction's immediates: how they are encoded, and which fields of Instr hold them.
type Imm uint8

const (
	ImmNone         Imm = iota
	ImmBlock            // Block
	ImmLabel            // Index
	ImmLabels           // Labels; the default label is the last one
	ImmFunc             // Index
	ImmCallIndirect     // Index = type, Index2 = table
	ImmType             // Index
	ImmLocal            // Index
	ImmGlobal           // Index
	ImmTable            // Index
	ImmTableTable       // Index = destination table, Index2 = source table
	ImmElemTable        // Index = element segment, Index2 = table
	ImmElem             // Index
	ImmMemory           // Index
	ImmMemoryMemory     // Index = destination memory, Index2 = source memory
	ImmDataMemory       // Index = data segment, Index2 = memory
	ImmData             // Index
	ImmMemarg           // Mem
	ImmMemargLane       // Mem, Lane
	ImmLane             // Lane
	ImmShuffle          // Value, Value2: 16 lane indices, lane 0 in the lowest byte of Value
	ImmI32              // Value (zero-extended)
	ImmI64              // Value
	ImmF32              // Value (bits, zero-extended)
	ImmF64              // Value (bits)
	ImmV128             // Value = low half, Value2 = high half
	ImmHeaptype         // Heap
	ImmSelect           // Types
	ImmBrOnCast         // Index = label, Ref = source type, Ref2 = target type
	ImmField            // Index = type, Index2 = field
	ImmTypeCount        // Index = type, Index2 = count
	ImmTypeData         // Index = type, Index2 = data segment
	ImmTypeElem         // Index = type, Index2 = element segment
	ImmTypeType         // Index = destination type, Index2 = source type
	ImmTag              // Index
	ImmTryTable         // Block, Catch
	ImmFence            // one reserved zero byte
	numImm
)

// InstrInfo is one row of the instruction table.
type InstrInfo struct {
	Name    string // keyword of the text format
	Imm     Imm
	Width   uint8  // bytes accessed (memory instructions), number of lanes (lane instructions)
	Typed   bool   // Params and Results tell the whole type; otherwise the validator has a rule of its own
	Params  string // i, I, f, F, v: i32, i64, f32, f64, v128; a: the memory's address type
	Results string
	Feature Features
}

// Info returns the row of op; its Name is empty if no such instruction exists.
func (op Opcode) Info() *InstrInfo {
	if op >= NumOpcodes {
		return &InstrInfo{}
	}
	return &instructions[op]
}

// String returns the text format's keyword.
func (op Opcode) String() string { return op.Info().Name }

// Prefix returns the prefix byte of the binary encoding, 0 for one-byte opcodes.
func (op Opcode) Prefix() byte {
	switch {
	case op < pageGC:
		return 0
	case op < pageMisc:
		return 0xFB
	case op < pageVector:
		return 0xFC
	case op < pageAtomic:
		return 0xFD
	}
	return 0xFE
}

// Sub returns the opcode after the prefix, or the one-byte opcode itself.
func (op Opcode) Sub() uint32 {
	switch op.Prefix() {
	case 0xFB:
		return uint32(op - pageGC)
	case 0xFC:
		return uint32(op - pageMisc)
	case 0xFD:
		return uint32(op - pageVector)
	case 0xFE:
		return uint32(op - pageAtomic)
	}
	return uint32(op)
}

// Lookup returns the opcode of a prefix byte (0 for none) and sub-opcode; ok is false if there is no such instruction.
func Lookup(prefix byte, sub uint32) (op Opcode, ok bool) {
	var base Opcode
	limit := uint32(0x100)
	switch prefix {
	case 0:
	case 0xFB:
		base = pageGC
	case 0xFC:
		base = pageMisc
	case 0xFD:
		base, limit = pageVector, 0x200
	case 0xFE:
		base = pageAtomic
	default:
		return 0, false
	}
	if sub >= limit {
		return 0, false
	}
	op = base + Opcode(sub)
	return op, instructions[op].Name != ""
}
