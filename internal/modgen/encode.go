package modgen

import (
	"encoding/binary"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Encoding of the binary format's pieces (specification 5), each appending to b. Integers are as short as they can be.

func appendU(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendS(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7F)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendName(b []byte, s string) []byte { return append(appendU(b, uint64(len(s))), s...) }

func appendOp(b []byte, op wasm.Opcode) []byte {
	if p := op.Prefix(); p != 0 {
		return appendU(append(b, p), uint64(op.Sub()))
	}
	return append(b, byte(op))
}

func appendHeap(b []byte, h wasm.HeapType) []byte {
	if h.Concrete() {
		return appendS(b, int64(h))
	}
	// The enumeration keeps abstract heap types as negative s7 values already shifted: -0x10 is the byte 0x70.
	return append(b, byte(h)&0x7F)
}

func appendVal(b []byte, t wasm.ValType) []byte {
	if !t.IsRef() {
		return append(b, byte(t))
	}
	h := t.Heap()
	switch {
	case !t.Nullable():
		b = append(b, 0x64)
	case h.Concrete():
		b = append(b, 0x63)
	}
	return appendHeap(b, h)
}

func appendVals(b []byte, ts []wasm.ValType) []byte {
	b = appendU(b, uint64(len(ts)))
	for _, t := range ts {
		b = appendVal(b, t)
	}
	return b
}

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

func appendTable(b []byte, t wasm.TableType) []byte {
	return appendLimits(appendVal(b, t.Elem), t.Limits, false)
}

func appendMemory(b []byte, t wasm.MemoryType) []byte { return appendLimits(b, t.Limits, t.Shared) }

func appendGlobal(b []byte, t wasm.GlobalType) []byte {
	return appendMut(appendVal(b, t.Type), t.Mutable)
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
		return appendVals(appendVals(append(b, 0x60), t.Func.Params), t.Func.Results)
	case wasm.CompStruct:
		b = appendU(append(b, 0x5F), uint64(len(t.Fields)))
	default:
		b = append(b, 0x5E)
	}
	for _, f := range t.Fields {
		b = appendMut(appendVal(b, f.Type), f.Mutable)
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
