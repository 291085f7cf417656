package heap

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
)

// Ref is a reference to an object: its offset in the object area, a multiple of 8; 0 is null. A word whose lowest two bits are not
// both 0 refers to nothing in the heap: those are the VM's own immediates and handles.
type Ref = uint32

// IsObject reports whether a word of a reference field or root refers to an object.
func IsObject(r Ref) bool { return r&3 == 0 && r != 0 }

// TypeID is an index in the heap's Types.
type TypeID uint32

// Type is what a collector must know of an object.
type Type struct {
	Name string // for dumps
	// Size in bytes of a struct with its header; 0 for an array.
	Size uint32
	// Elem is the size in bytes of an array's elements: 1, 2, 4, 8 or 16.
	Elem uint32
	// Refs are the offsets of a struct's reference fields from the start of the object.
	Refs []uint32
	// ElemRef tells that an array's elements are references (Elem is 4).
	ElemRef bool
	// Weak are the offsets of a struct's weak fields, which keep nothing alive: a collection sets them to 0 when it finds nothing else that does. They are
	// fields besides Refs. ElemWeak tells that an array's elements are weak (Elem is 4).
	Weak     []uint32
	ElemWeak bool
	// Ephemerons are the offsets of a struct's pairs of a key and, 4 bytes on, a value: the value is kept alive while the key is, by something else than what
	// only the value leads to; then both become 0. ElemEphemeron tells that an array's elements are such pairs (Elem is 8).
	Ephemerons    []uint32
	ElemEphemeron bool
	// Foreign are fields that refer to something outside of the heap (a VM's tables), which the VM is told of when the object is found alive.
	// Of an array, Class is that of its elements and Offset is 0.
	Foreign []ForeignField
}

// ForeignField is a 32-bit word that refers into a table of the VM.
type ForeignField struct {
	Offset uint32
	Class  uint8 // which table: the VM's own numbers
}

// Header layout. The type is the lower half, an array's length the upper one.
const (
	HeaderSize = 8
	// LengthOffset is the array length's place in an object.
	LengthOffset = 4
)

// MaxSize bounds an object.
const MaxSize = 1 << 31

// Types are the types of a heap. They are only ever added, and safe for concurrent use; heaps may share them.
type Types struct {
	mu  sync.Mutex
	all atomic.Pointer[tables]
}

// tables have one entry for each type.
type tables struct {
	types  []Type
	shapes []Shape
}

// TypeError says what is wrong with a type.
type TypeError struct {
	Name string
	Msg  string
}

func (e *TypeError) Error() string { return fmt.Sprintf("gc: type %s: %s", e.Name, e.Msg) }

// Add adds a type.
func (t *Types) Add(typ Type) (TypeID, error) {
	if err := typ.check(); err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := tables{t.All(), t.Shapes()}
	if len(old.types) >= math.MaxInt32 {
		return 0, &TypeError{typ.Name, "too many types"}
	}
	// Readers keep what they have: appending beyond its length is not seen by them.
	t.all.Store(&tables{append(old.types, typ), append(old.shapes, typ.shape())})
	return TypeID(len(old.types)), nil
}

// All returns the types by TypeID.
func (t *Types) All() []Type {
	if p := t.all.Load(); p != nil {
		return p.types
	}
	return nil
}

// Shapes returns their shapes by TypeID.
func (t *Types) Shapes() []Shape {
	if p := t.all.Load(); p != nil {
		return p.shapes
	}
	return nil
}

func (t *Type) check() error {
	fail := func(msg string) error { return &TypeError{t.Name, msg} }
	switch t.Elem {
	case 0:
		if t.Size < HeaderSize || t.Size > MaxSize || t.Size%8 != 0 {
			return fail("the size of a struct is a multiple of 8, header included")
		}
	case 1, 2, 4, 8, 16:
		if t.Size != 0 || len(t.Refs) > 0 {
			return fail("an array has neither a size nor fields")
		}
	default:
		return fail("elements have 1, 2, 4, 8 or 16 bytes")
	}
	if (t.ElemRef || t.ElemWeak) && t.Elem != 4 {
		return fail("a reference has 4 bytes")
	}
	if t.ElemEphemeron && t.Elem != 8 {
		return fail("an ephemeron has 8 bytes")
	}
	if t.ElemRef && t.ElemWeak || t.Elem != 0 && len(t.Weak)+len(t.Ephemerons) > 0 {
		return fail("an array has elements of one kind")
	}
	used := map[uint32]bool{}
	for _, offs := range [][]uint32{t.Refs, t.Weak, t.Ephemerons, values(t.Ephemerons)} {
		for _, off := range offs {
			if off < HeaderSize || off%4 != 0 || off > t.Size-4 {
				return fail("a reference field lies outside of the object")
			}
			if used[off] {
				return fail("two reference fields are at one place")
			}
			used[off] = true
		}
	}
	for _, f := range t.Foreign {
		if t.Elem == 0 && (f.Offset < HeaderSize || f.Offset%4 != 0 || f.Offset+4 > t.Size) || t.Elem != 0 && (t.Elem != 4 || f.Offset != 0) {
			return fail("a foreign field lies outside of the object")
		}
	}
	return nil
}

// values are the places of ephemerons' values.
func values(ephemerons []uint32) []uint32 {
	v := make([]uint32, len(ephemerons))
	for i, off := range ephemerons {
		v[i] = off + 4
	}
	return v
}

// IsWeak reports whether objects of the type have weak fields or ephemerons.
func (t *Type) IsWeak() bool {
	return t.ElemWeak || t.ElemEphemeron || len(t.Weak)+len(t.Ephemerons) > 0
}

// EachWeak calls f with the place of each weak reference of an object of the type.
func (t *Type) EachWeak(r Ref, length uint32, f func(at uint32)) {
	for _, off := range t.Weak {
		f(r + off)
	}
	if t.ElemWeak {
		for i := range length {
			f(r + HeaderSize + 4*i)
		}
	}
}

// EachEphemeron calls f with the place of each ephemeron's key of an object of the type.
func (t *Type) EachEphemeron(r Ref, length uint32, f func(at uint32)) {
	for _, off := range t.Ephemerons {
		f(r + off)
	}
	if t.ElemEphemeron {
		for i := range length {
			f(r + HeaderSize + 8*i)
		}
	}
}

// Bytes returns the size of an object of the type, 0 if it is larger than MaxSize.
func (t *Type) Bytes(length uint32) uint32 {
	if t.Elem == 0 {
		return t.Size
	}
	n := (HeaderSize + uint64(length)*uint64(t.Elem) + 7) &^ 7
	if n > MaxSize {
		return 0
	}
	return uint32(n)
}
