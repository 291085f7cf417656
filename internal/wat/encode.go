package wat

import (
	"encoding/binary"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

func appendU(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

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

// order is the order of sections in a module (specification: Binary Format, Modules), custom sections apart.
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
				b = wasm.AppendName(append(b, byte(id)), s.buf)
			}
		case id == wasm.SectionDataCount:
			if a.usesDat {
				count := appendU(nil, uint64(a.datas.n))
				b = wasm.AppendName(append(b, byte(id)), count)
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
