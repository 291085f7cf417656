package wat

import (
	"encoding/binary"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

func appendU(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendS(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendBytes(b, s []byte) []byte { return append(appendU(b, uint64(len(s))), s...) }

func appendName(b []byte, s string) []byte { return append(appendU(b, uint64(len(s))), s...) }

func appendHeap(b []byte, h wasm.HeapType) []byte { return appendS(b, int64(h)) }

// appendType encodes a value, packed or reference type (specification 5.3.1 to 5.3.8), in its short form where there is one.
func appendType(b []byte, t wasm.ValType) []byte {
	switch {
	case !t.IsRef():
		return append(b, byte(t))
	case t.Nullable() && !t.Heap().Concrete():
		return appendHeap(b, t.Heap())
	case t.Nullable():
		b = append(b, 0x63)
	default:
		b = append(b, 0x64)
	}
	return appendHeap(b, t.Heap())
}

func appendTypes(b []byte, types []wasm.ValType) []byte {
	b = appendU(b, uint64(len(types)))
	for _, t := range types {
		b = appendType(b, t)
	}
	return b
}

// appendOpcode encodes an opcode (specification 5.4).
func appendOpcode(b []byte, op wasm.Opcode) []byte {
	if p := op.Prefix(); p != 0 {
		b = append(b, p)
		return appendU(b, uint64(op.Sub()))
	}
	return append(b, byte(op))
}

// appendLimits encodes limits (specification 5.3.14): bit 0 says that there is a maximum, bit 1 shared, bit 2 64-bit addresses.
func appendLimits(b []byte, l wasm.Limits, shared bool) []byte {
	flags := byte(0)
	if l.HasMax {
		flags |= 1
	}
	if shared {
		flags |= 2
	}
	if l.Is64 {
		flags |= 4
	}
	b = appendU(append(b, flags), l.Min)
	if l.HasMax {
		b = appendU(b, l.Max)
	}
	return b
}

// section is a section's content after its count.
type section struct {
	n     uint32
	buf   []byte
	marks []mark
}

// output holds the sections while they grow; those that other parts hold (types, names) are made at the end.
type output struct {
	secs  [wasm.SectionTag + 1]section // of start, buf is all of the content
	hints []funcHints
}

func (a *assembler) resetOutput() {
	a.out = output{}
	a.code.localNames, a.code.labelNames = nil, nil
}

// order is the order of sections in a module (specification 5.5.2), custom sections apart.
var order = [...]wasm.SectionID{
	wasm.SectionType, wasm.SectionImport, wasm.SectionFunction, wasm.SectionTable, wasm.SectionMemory, wasm.SectionTag,
	wasm.SectionGlobal, wasm.SectionExport, wasm.SectionStart, wasm.SectionElement, wasm.SectionDataCount, wasm.SectionCode,
	wasm.SectionData,
}

// encode puts the module together.
func (a *assembler) encode() []byte {
	secs := &a.out.secs
	secs[wasm.SectionType] = section{n: a.numGroups, buf: a.typeGroups, marks: a.typeMarks}
	for _, d := range a.defs[a.explicit:] {
		s := &secs[wasm.SectionType]
		s.n++
		a.mark(s, d.use)
		s.buf = append(s.buf, d.fn...)
	}
	size := 8
	for i := range secs {
		size += len(secs[i].buf) + 12
	}
	b := make([]byte, 0, size+256)
	b = append(b, "\x00asm\x01\x00\x00\x00"...)
	customs := a.customs
	b = appendCustoms(b, customs, placeFirst)
	for i, id := range order {
		b = appendCustoms(b, customs, placeBefore(i))
		if id == wasm.SectionCode {
			b = a.appendHintSection(b)
		}
		head, base := len(b), 0
		switch s := secs[id]; {
		case id == wasm.SectionStart:
			if s.buf != nil {
				base = head + 2
				b = appendBytes(append(b, byte(id)), s.buf)
			}
		case id == wasm.SectionDataCount:
			if a.usesDat {
				count := appendU(nil, uint64(a.datas.n))
				b = appendBytes(append(b, byte(id)), count)
			}
		case s.n > 0:
			var count [binary.MaxVarintLen32]byte
			n := binary.PutUvarint(count[:], uint64(s.n))
			b = appendU(append(b, byte(id)), uint64(n+len(s.buf)))
			b = append(b, count[:n]...)
			base = len(b)
			b = append(b, s.buf...)
		}
		if a.opts.Map != nil {
			a.opts.Map.add(head, base, len(b), secs[id].marks)
		}
		b = appendCustoms(b, customs, placeAfter(i))
	}
	if !a.opts.NoNames {
		b = a.appendNameSection(b)
	}
	return appendCustoms(b, customs, placeLast)
}
