package interp

import "fmt"

// Instr is one instruction. a is the destination by convention, b and c are sources; imm is a constant, an offset, the
// address of a funcCode, or packed smaller fields (see gen). Code depends on the byte order of its fields: little-endian.
type Instr struct {
	op      op
	a, b, c uint16
	imm     uint64
}

// instrSize is the distance between instructions.
const instrSize = 16

// maxSlots bounds a frame: instructions number slots with 16 bits.
const maxSlots = 1<<16 - 1

func (in Instr) String() string {
	return fmt.Sprintf("%-18s %3d %3d %3d  %#x", in.op, in.a, in.b, in.c, in.imm)
}

// setLane sets one of the four 32-bit parts of an instruction's storage, for the offsets that follow a BrTable.
func (in *Instr) setLane(lane int, v int32) {
	u := uint32(v)
	switch lane {
	case 0:
		in.op, in.a = op(u), uint16(u>>16)
	case 1:
		in.b, in.c = uint16(u), uint16(u>>16)
	case 2:
		in.imm = in.imm&^0xFFFFFFFF | uint64(u)
	case 3:
		in.imm = in.imm&0xFFFFFFFF | uint64(u)<<32
	}
}

// lane reads what setLane has set.
func (in *Instr) lane(lane int) int32 {
	switch lane {
	case 0:
		return int32(uint32(in.op) | uint32(in.a)<<16)
	case 1:
		return int32(uint32(in.b) | uint32(in.c)<<16)
	case 2:
		return int32(uint32(in.imm))
	}
	return int32(in.imm >> 32)
}

// tableSize is the number of instructions after this one that hold a table's offsets.
func (in *Instr) tableSize() int {
	if in.op == opBrTable || in.op == opI32Load8UBrTable {
		return (int(uint32(in.imm)) + 3) / 4
	}
	return 0
}

func (o op) String() string {
	if o < numOps {
		return opNames[o]
	}
	return fmt.Sprintf("op(%d)", uint16(o))
}
