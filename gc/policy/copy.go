package policy

import "github.com/spindle-wasm/spindle/gc/heap"

// CopyObject copies an object of size bytes with that header, which the original need not have any more.
func CopyObject(m *heap.Memory, from, to heap.Ref, header uint64, size uint32) {
	*m.Word(to) = header
	if n := int(size) - heap.HeaderSize; n > 0 {
		copy(m.Bytes(to+heap.HeaderSize, n), m.Bytes(from+heap.HeaderSize, n))
	}
}
