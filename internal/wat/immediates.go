package wat

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// plain reads the immediates of an instruction that isn't a block and appends the whole instruction to b.
func (a *assembler) plain(b []byte, op wasm.Opcode) []byte {
	info := op.Info()
	switch op {
	case wasm.OpSelect:
		return a.selectInstr(b)
	case wasm.OpRefTest, wasm.OpRefCast:
		// The encoding with nullability has the next opcode.
		t := a.refType()
		if t.Nullable() {
			op++
		}
		return wasm.AppendHeapType(wasm.AppendOpcode(b, op), t.Heap())
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpElse, wasm.OpEnd, wasm.OpTryTable:
		panic("wat: a block is no plain instruction")
	}
	b = wasm.AppendOpcode(b, op)
	return immediates[info.Imm](a, b, info)
}

// immediates has a reader for every kind of immediates of the instruction table that plain instructions have. Each appends the
// encoding (specification: Binary Format, Instructions) to b.
var immediates [wasm.ImmFence + 1]func(a *assembler, b []byte, info *wasm.InstrInfo) []byte

func init() { // not a composite literal: the functions refer to the table through plain
	immediates = [...]func(a *assembler, b []byte, info *wasm.InstrInfo) []byte{
		wasm.ImmNone:         func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte { return b },
		wasm.ImmLabel:        func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte { return appendU(b, uint64(a.labelIndex())) },
		wasm.ImmLabels:       (*assembler).immLabels,
		wasm.ImmFunc:         one((*assembler).funcSpace),
		wasm.ImmCallIndirect: (*assembler).immCallIndirect,
		wasm.ImmType:         one((*assembler).typeSpace),
		wasm.ImmLocal:        one((*assembler).localSpace),
		wasm.ImmGlobal:       one((*assembler).globalSpace),
		wasm.ImmTable:        optional((*assembler).tableSpace),
		wasm.ImmTableTable:   optionalPair((*assembler).tableSpace),
		wasm.ImmElemTable:    segment((*assembler).elemSpace, (*assembler).tableSpace),
		wasm.ImmElem:         one((*assembler).elemSpace),
		wasm.ImmMemory:       optional((*assembler).memorySpace),
		wasm.ImmMemoryMemory: optionalPair((*assembler).memorySpace),
		wasm.ImmDataMemory:   segment((*assembler).dataSpace, (*assembler).memorySpace),
		wasm.ImmData:         one((*assembler).dataSpace),
		wasm.ImmMemarg:       (*assembler).immMemarg,
		wasm.ImmMemargLane:   (*assembler).immMemargLane,
		wasm.ImmLane:         func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte { return append(b, a.laneIndex()) },
		wasm.ImmShuffle:      (*assembler).immShuffle,
		wasm.ImmI32: func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
			return wasm.AppendSigned(b, int64(int32(a.integer(32))))
		},
		wasm.ImmI64: func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
			return wasm.AppendSigned(b, int64(a.integer(64)))
		},
		wasm.ImmF32: func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
			return binary.LittleEndian.AppendUint32(b, uint32(a.float(32)))
		},
		wasm.ImmF64: func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
			return binary.LittleEndian.AppendUint64(b, a.float(64))
		},
		wasm.ImmV128: func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
			lo, hi := a.v128()
			return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, lo), hi)
		},
		wasm.ImmHeaptype: func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte { return wasm.AppendHeapType(b, a.heapType()) },
		wasm.ImmBrOnCast: (*assembler).immBrOnCast,
		wasm.ImmField:    (*assembler).immField,
		wasm.ImmTypeCount: func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
			return appendU(a.appendIndex(b, &a.types), a.nat(32))
		},
		wasm.ImmTypeData: two((*assembler).typeSpace, (*assembler).dataSpace),
		wasm.ImmTypeElem: two((*assembler).typeSpace, (*assembler).elemSpace),
		wasm.ImmTypeType: two((*assembler).typeSpace, (*assembler).typeSpace),
		wasm.ImmTag:      one((*assembler).tagSpace),
		wasm.ImmFence:    func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte { return append(b, 0) },
	}
}

type immReader = func(a *assembler, b []byte, info *wasm.InstrInfo) []byte

type spaceOf = func(a *assembler) *space

func (a *assembler) typeSpace() *space   { return &a.types }
func (a *assembler) funcSpace() *space   { return &a.funcs }
func (a *assembler) tableSpace() *space  { return &a.tables }
func (a *assembler) memorySpace() *space { return &a.memories }
func (a *assembler) tagSpace() *space    { return &a.tags }
func (a *assembler) globalSpace() *space { return &a.globals }
func (a *assembler) localSpace() *space  { return &a.code.locals }
func (a *assembler) elemSpace() *space   { return &a.elems }

func (a *assembler) dataSpace() *space {
	a.usesDat = true
	return &a.datas
}

func (a *assembler) appendIndex(b []byte, s *space) []byte { return appendU(b, uint64(a.index(s))) }

func one(s spaceOf) immReader {
	return func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte { return a.appendIndex(b, s(a)) }
}

func two(s, t spaceOf) immReader {
	return func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
		return a.appendIndex(a.appendIndex(b, s(a)), t(a))
	}
}

// optional is an index that is 0 if it is left out.
func optional(s spaceOf) immReader {
	return func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
		if !a.peekIndex() {
			return append(b, 0)
		}
		return a.appendIndex(b, s(a))
	}
}

func optionalPair(s spaceOf) immReader {
	return func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
		if !a.peekIndex() {
			return append(b, 0, 0)
		}
		return a.appendIndex(a.appendIndex(b, s(a)), s(a))
	}
}

// segment is a segment with an optional table or memory before it; the binary format has them the other way round.
func segment(seg, of spaceOf) immReader {
	return func(a *assembler, b []byte, _ *wasm.InstrInfo) []byte {
		first := a.i
		a.i++
		given := a.peekIndex()
		a.i = first
		x := uint32(0)
		if given {
			x = a.index(of(a))
		}
		return appendU(a.appendIndex(b, seg(a)), uint64(x))
	}
}

func (a *assembler) immLabels(b []byte, _ *wasm.InstrInfo) []byte {
	first := a.i
	n := 0
	for a.peekIndex() {
		a.i++
		n++
	}
	if n == 0 {
		a.unexpected("a label")
	}
	a.i = first
	b = appendU(b, uint64(n-1))
	for range n {
		b = appendU(b, uint64(a.labelIndex()))
	}
	return b
}

func (a *assembler) immCallIndirect(b []byte, _ *wasm.InstrInfo) []byte {
	table := uint32(0)
	if a.peekIndex() {
		table = a.index(&a.tables)
	}
	use := a.useType(paramsUnnamed)
	return appendU(appendU(b, uint64(use.index)), uint64(table))
}

func (a *assembler) selectInstr(b []byte) []byte {
	if !a.peekList("result") {
		return append(b, byte(wasm.OpSelect))
	}
	_, results := a.signature(paramsUnnamed)
	return wasm.AppendValTypes(append(b, byte(wasm.OpSelectT)), results)
}

// memarg reads offset and alignment (specification: Text Format, Memory Instructions) and encodes them with the memory (Binary
// Format: bit 6 says that its index follows).
func (a *assembler) memarg(b []byte, info *wasm.InstrInfo, memory uint32) []byte {
	offset, align := uint64(0), uint64(info.Width)
	if v, ok := a.keyValue("offset="); ok {
		n, status := parseNat(v)
		switch {
		case status == numBad:
			a.unexpected()
		case status == numTooBig || a.sizeBits() == 32 && n>>32 != 0:
			a.fail(a.i, "offset out of range: i%d constant out of range", a.sizeBits())
		}
		offset = n
		a.i++
	}
	if v, ok := a.keyValue("align="); ok {
		n, status := parseNat(v)
		switch {
		case status == numBad:
			a.unexpected()
		case status == numTooBig || n&(n-1) != 0 || n == 0:
			a.fail(a.i, "alignment must be a power of two")
		}
		align = n
		a.i++
	}
	log := uint64(bits.TrailingZeros64(align))
	if memory == 0 {
		b = appendU(b, log)
	} else {
		b = appendU(appendU(b, log|0x40), uint64(memory)) // log < 64
	}
	return appendU(b, offset)
}

// keyValue returns what follows key in the keyword at the cursor, without passing over it.
func (a *assembler) keyValue(key string) ([]byte, bool) {
	if a.kind() != tokKeyword {
		return nil, false
	}
	return bytes.CutPrefix(a.word(a.i), []byte(key))
}

func (a *assembler) immMemarg(b []byte, info *wasm.InstrInfo) []byte {
	memory := uint32(0)
	if a.peekIndex() {
		memory = a.index(&a.memories)
	}
	return a.memarg(b, info, memory)
}

// immMemargLane is like immMemarg, but a single number is the lane, not the memory.
func (a *assembler) immMemargLane(b []byte, info *wasm.InstrInfo) []byte {
	memory := uint32(0)
	if a.peekIndex() {
		first := a.i
		a.i++
		_, offset := a.keyValue("offset=")
		_, align := a.keyValue("align=")
		given := offset || align || a.kind() == tokNumber
		a.i = first
		if given {
			memory = a.index(&a.memories)
		}
	}
	b = a.memarg(b, info, memory)
	return append(b, a.laneIndex())
}

// laneIndex reads the number of a lane; whether there is such a lane is a matter of validation.
func (a *assembler) laneIndex() byte { return byte(a.nat(8)) }

func (a *assembler) immShuffle(b []byte, _ *wasm.InstrInfo) []byte {
	first, n := a.i, 0
	for a.isNumeric() {
		a.i++
		n++
	}
	if n != 16 {
		a.fail(a.i, "invalid lane length: %d, want 16", n)
	}
	a.i = first
	for range n {
		v, status := parseNat(a.word(a.i))
		if status != numOK || v > 255 {
			a.fail(a.i, "i8 constant out of range")
		}
		b = append(b, byte(v))
		a.i++
	}
	return b
}

func (a *assembler) immBrOnCast(b []byte, _ *wasm.InstrInfo) []byte {
	l := a.labelIndex()
	from, to := a.refType(), a.refType()
	flags := byte(0)
	if from.Nullable() {
		flags |= 1
	}
	if to.Nullable() {
		flags |= 2
	}
	b = appendU(append(b, flags), uint64(l))
	return wasm.AppendHeapType(wasm.AppendHeapType(b, from.Heap()), to.Heap())
}

func (a *assembler) immField(b []byte, _ *wasm.InstrInfo) []byte {
	x := a.index(&a.types)
	b = appendU(b, uint64(x))
	if a.kind() != tokID {
		return appendU(b, a.nat(32))
	}
	if uint64(x) < uint64(len(a.defs)) {
		if f, ok := a.defs[x].fields[string(a.idBytes(a.i))]; ok {
			a.i++
			return appendU(b, uint64(f))
		}
	}
	a.fail(a.i, "unknown field %s", excerpt(a.word(a.i)))
	return nil
}
