package spindle

import "unsafe"

// get reads a value from its slot. A 32-bit value sits in the low half, whatever the host's byte order.
func get[V Value](slot *uint64) V {
	if unsafe.Sizeof(*new(V)) == 4 {
		low := uint32(*slot)
		return *(*V)(unsafe.Pointer(&low))
	}
	return *(*V)(unsafe.Pointer(slot))
}

// put writes a value to its slot, zero-extended.
func put[V Value](slot *uint64, v V) {
	if unsafe.Sizeof(v) == 4 {
		*slot = uint64(*(*uint32)(unsafe.Pointer(&v)))
		return
	}
	*slot = *(*uint64)(unsafe.Pointer(&v))
}

// Slot returns a value in slot form.
func Slot[V Value](v V) (s uint64) {
	put(&s, v)
	return s
}

// FromSlot returns the value that a slot holds.
func FromSlot[V Value](s uint64) V { return get[V](&s) }

// typeOf returns the value type of V.
func typeOf[V Value]() ValueType {
	var v V
	switch any(v).(type) {
	case float32:
		return TypeF32
	case float64:
		return TypeF64
	}
	if unsafe.Sizeof(v) == 4 {
		return TypeI32
	}
	return TypeI64
}
