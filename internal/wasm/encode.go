package wasm

import "encoding/binary"

// Encoders of the binary format's small pieces (specification: Binary Format, Values, Types, Instructions), for whoever writes
// modules. Each appends to b; integers are as short as they can be.

// AppendSigned appends a signed integer (LEB128).
func AppendSigned(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7F)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// AppendName appends a name, or anything else that is a vector of bytes.
func AppendName[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendOpcode appends an instruction's opcode.
func AppendOpcode(b []byte, op Opcode) []byte {
	if p := op.Prefix(); p != 0 {
		return binary.AppendUvarint(append(b, p), uint64(op.Sub()))
	}
	return append(b, byte(op))
}

// AppendHeapType appends a heap type: abstract ones are negative.
func AppendHeapType(b []byte, h HeapType) []byte { return AppendSigned(b, int64(h)) }

// AppendValType appends a value, packed or reference type, in its short form where there is one.
func AppendValType(b []byte, t ValType) []byte {
	switch {
	case !t.IsRef():
		return append(b, byte(t))
	case !t.Nullable():
		b = append(b, 0x64)
	case t.Heap().Concrete():
		b = append(b, 0x63)
	}
	return AppendHeapType(b, t.Heap())
}

// AppendValTypes appends a vector of types.
func AppendValTypes(b []byte, types []ValType) []byte {
	b = binary.AppendUvarint(b, uint64(len(types)))
	for _, t := range types {
		b = AppendValType(b, t)
	}
	return b
}

// AppendLimits appends limits: bit 0 says that there is a maximum, bit 1 shared, bit 2 64-bit addresses.
func AppendLimits(b []byte, l Limits, shared bool) []byte {
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
	b = binary.AppendUvarint(append(b, flags), l.Min)
	if l.HasMax {
		b = binary.AppendUvarint(b, l.Max)
	}
	return b
}
