package policy

import (
	"math/bits"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// EachMarked calls f for the objects of a block that have their mark bits, in order, while nobody sets any.
func EachMarked(m *heap.Memory, block uint32, f func(heap.Ref)) {
	for at := range uint32(heap.LinesPerBlock) {
		line := block<<heap.LogBlock + at<<heap.LogLine
		for w := m.Mark.Word(line); w != 0; w &= w - 1 {
			f(line + uint32(bits.TrailingZeros32(w))*8)
		}
	}
}
