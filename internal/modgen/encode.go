package modgen

import (
	"encoding/binary"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Encoding of sections and what is in them (specification: Binary Format, Modules), each appending to b; package wasm has the smaller pieces.

func appendU(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendTable(b []byte, t wasm.TableType) []byte {
	return wasm.AppendLimits(wasm.AppendValType(b, t.Elem), t.Limits, false)
}

func appendMemory(b []byte, t wasm.MemoryType) []byte {
	return wasm.AppendLimits(b, t.Limits, t.Shared)
}

func appendGlobal(b []byte, t wasm.GlobalType) []byte {
	return appendMut(wasm.AppendValType(b, t.Type), t.Mutable)
}

func appendMut(b []byte, mutable bool) []byte {
	if mutable {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendSubType(b []byte, t *wasm.SubType) []byte {
	if !t.Final || t.Super >= 0 {
		if t.Final {
			b = append(b, 0x4F)
		} else {
			b = append(b, 0x50)
		}
		if t.Super >= 0 {
			b = appendU(append(b, 1), uint64(t.Super))
		} else {
			b = append(b, 0)
		}
	}
	switch t.Kind {
	case wasm.CompFunc:
		return wasm.AppendValTypes(wasm.AppendValTypes(append(b, 0x60), t.Func.Params), t.Func.Results)
	case wasm.CompStruct:
		b = appendU(append(b, 0x5F), uint64(len(t.Fields)))
	default:
		b = append(b, 0x5E)
	}
	for _, f := range t.Fields {
		b = appendMut(wasm.AppendValType(b, f.Type), f.Mutable)
	}
	return b
}

func appendTypes(b []byte, groups []wasm.RecGroup, types []wasm.SubType) []byte {
	b = appendU(b, uint64(len(groups)))
	for _, g := range groups {
		if g.Len != 1 {
			b = appendU(append(b, 0x4E), uint64(g.Len))
		}
		for i := range g.Len {
			b = appendSubType(b, &types[g.Start+i])
		}
	}
	return b
}

func appendSection(b []byte, id wasm.SectionID, body []byte) []byte {
	b = appendU(append(b, byte(id)), uint64(len(body)))
	return append(b, body...)
}

// appendVec appends a section that holds a vector of already encoded items, unless it is empty.
func appendVec(b []byte, id wasm.SectionID, n int, items []byte) []byte {
	if n == 0 {
		return b
	}
	return appendSection(b, id, append(appendU(nil, uint64(n)), items...))
}

var header = []byte("\x00asm\x01\x00\x00\x00")
