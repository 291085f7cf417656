package spindle

import (
	"math"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// I32 returns a 32-bit integer in slot form.
func I32(v int32) uint64 { return uint64(uint32(v)) }

// I64 returns a 64-bit integer in slot form.
func I64(v int64) uint64 { return uint64(v) }

// F32 returns a 32-bit float in slot form.
func F32(v float32) uint64 { return uint64(math.Float32bits(v)) }

// F64 returns a 64-bit float in slot form.
func F64(v float64) uint64 { return math.Float64bits(v) }

// narrow clears the upper halves of the slots of 32-bit values, which engines rely on. References have 32 bits, too.
func narrow(types []ValueType, slots []uint64) {
	i := 0
	for _, t := range types {
		switch t {
		case TypeI64, TypeF64:
		case TypeV128:
			i++
		default:
			slots[i] = uint64(uint32(slots[i]))
		}
		i++
	}
}

// I31 returns an i31ref that holds the low 31 bits of v, in slot form.
func I31(v int32) uint64 { return uint64(vm.I31Ref(uint32(v))) }

// I31Value returns the sign-extended value of an i31ref in slot form; ok is false if the reference, which must be of the any or
// extern hierarchy, is not one.
func I31Value(ref uint64) (v int32, ok bool) {
	r := vm.Ref(ref)
	return int32(r) >> 1, r != vm.NullRef && vm.IsI31(r)
}
