package spindle

import "math"

// I32 returns a 32-bit integer in slot form.
func I32(v int32) uint64 { return uint64(uint32(v)) }

// I64 returns a 64-bit integer in slot form.
func I64(v int64) uint64 { return uint64(v) }

// F32 returns a 32-bit float in slot form.
func F32(v float32) uint64 { return uint64(math.Float32bits(v)) }

// F64 returns a 64-bit float in slot form.
func F64(v float64) uint64 { return math.Float64bits(v) }
