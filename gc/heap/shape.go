package heap

import "math/bits"

// Shape is what tracing and allocating must know of a type, in 16 bytes: four shapes in a cache line, where a Type fills one and more.
type Shape struct {
	refs  uint64 // bit i: a reference at offset 8 + 4i of a struct
	size  uint32 // of a struct; 0 of an array
	shift uint8  // log2 of the size of an array's elements
	flags uint8
}

const (
	shapeElems   = 1 << iota // an array of references
	shapeMore                // a struct with references beyond those that Shape.refs has bits for
	shapeForeign             // foreign fields
	shapeWeak                // weak fields or ephemerons
)

// ShapeBytes is how many bytes after the header Shape.Refs has bits for.
const ShapeBytes = 64 * 4

// shape makes a type's Shape.
func (t *Type) shape() Shape {
	s := Shape{size: t.Size}
	if t.Elem > 0 {
		s.shift = uint8(bits.TrailingZeros32(t.Elem))
	}
	for _, off := range t.Refs {
		if i := (off - HeaderSize) / 4; i < ShapeBytes/4 {
			s.refs |= 1 << i
		} else {
			s.flags |= shapeMore
		}
	}
	if t.ElemRef {
		s.flags |= shapeElems
	}
	if len(t.Foreign) > 0 {
		s.flags |= shapeForeign
	}
	if t.IsWeak() {
		s.flags |= shapeWeak
	}
	return s
}

// Struct returns the size of a struct, 0 if the type is an array.
func (s Shape) Struct() uint32 { return s.size }

// Bytes returns the size of an object that there is: Type.Bytes says which there may be.
func (s Shape) Bytes(length uint32) uint32 {
	if s.size != 0 {
		return s.size
	}
	return (HeaderSize + length<<s.shift + 7) &^ 7
}

// Refs has a bit for each reference among the first words of a struct: the lowest bit is for offset HeaderSize, each next one for 4 bytes more.
func (s Shape) Refs() uint64 { return s.refs }

// Plain reports whether Refs has all that is to be traced in an object.
func (s Shape) Plain() bool { return s.flags == 0 }
