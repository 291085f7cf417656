package wasm

import "fmt"

// HeapType is the s33 of the binary format: a type index if it is not negative, an abstract heap type otherwise
// (specification: Binary Format, Heap Types).
type HeapType int32

const (
	HeapNoExn    HeapType = -0x0c
	HeapNoFunc   HeapType = -0x0d
	HeapNoExtern HeapType = -0x0e
	HeapNone     HeapType = -0x0f
	HeapFunc     HeapType = -0x10
	HeapExtern   HeapType = -0x11
	HeapAny      HeapType = -0x12
	HeapEq       HeapType = -0x13
	HeapI31      HeapType = -0x14
	HeapStruct   HeapType = -0x15
	HeapArray    HeapType = -0x16
	HeapExn      HeapType = -0x17

	// HeapBottom is below every heap type. It comes up only while unreachable code is validated.
	HeapBottom HeapType = -0x7f
)

// Concrete reports whether h is a type index.
func (h HeapType) Concrete() bool { return h >= 0 }

var heapNames = map[HeapType]string{
	HeapNoExn: "noexn", HeapNoFunc: "nofunc", HeapNoExtern: "noextern", HeapNone: "none", HeapFunc: "func", HeapExtern: "extern",
	HeapAny: "any", HeapEq: "eq", HeapI31: "i31", HeapStruct: "struct", HeapArray: "array", HeapExn: "exn", HeapBottom: "bot",
}

// String returns the text format's spelling.
func (h HeapType) String() string {
	if h.Concrete() {
		return fmt.Sprint(int32(h))
	}
	if n, ok := heapNames[h]; ok {
		return n
	}
	return fmt.Sprintf("heap(%#x)", int32(h))
}

// ValType is a value type, a packed storage type, or (in the validator) bottom. The low byte is the kind; reference types
// carry nullability in bit 8 and their heap type in the upper half. Values are comparable; two equal ValTypes of one module
// are the same type, but equivalent concrete reference types may differ: compare those through a TypeSpace.
type ValType uint64

const (
	Bottom ValType = 0 // of an operand in unreachable code
	I32    ValType = 0x7F
	I64    ValType = 0x7E
	F32    ValType = 0x7D
	F64    ValType = 0x7C
	V128   ValType = 0x7B
	I8     ValType = 0x78 // packed, in fields only
	I16    ValType = 0x77 // packed, in fields only

	kindRef  ValType = 0x64
	nullable ValType = 1 << 8
)

// RefTo returns the reference type (ref h), or (ref null h).
func RefTo(h HeapType, null bool) ValType {
	t := kindRef | ValType(uint32(h))<<32
	if null {
		t |= nullable
	}
	return t
}

// Shorthands of the text format (specification: Text Format, Reference Types).
var (
	FuncRef   = RefTo(HeapFunc, true)
	ExternRef = RefTo(HeapExtern, true)
	AnyRef    = RefTo(HeapAny, true)
	EqRef     = RefTo(HeapEq, true)
	I31Ref    = RefTo(HeapI31, true)
	StructRef = RefTo(HeapStruct, true)
	ArrayRef  = RefTo(HeapArray, true)
	ExnRef    = RefTo(HeapExn, true)
)

// IsRef reports whether t is a reference type.
func (t ValType) IsRef() bool { return t&0xFF == kindRef }

// IsNum reports whether t is i32, i64, f32 or f64.
func (t ValType) IsNum() bool { return t >= F64 && t <= I32 }

// Nullable reports whether t is a nullable reference type.
func (t ValType) Nullable() bool { return t.IsRef() && t&nullable != 0 }

// Heap returns the heap type of a reference type.
func (t ValType) Heap() HeapType { return HeapType(int32(uint32(t >> 32))) }

// WithNull returns the reference type t with the given nullability.
func (t ValType) WithNull(null bool) ValType { return RefTo(t.Heap(), null) }

// Defaultable reports whether a local of the type starts with a default value (specification: Validation, Defaultable Types).
func (t ValType) Defaultable() bool { return !t.IsRef() || t.Nullable() }

// Unpacked returns the type that a field of storage type t has on the operand stack.
func (t ValType) Unpacked() ValType {
	if t == I8 || t == I16 {
		return I32
	}
	return t
}

// Slots returns the number of 8-byte slots that a value of the type takes on the guest stack.
func (t ValType) Slots() int {
	if t == V128 {
		return 2
	}
	return 1
}

// String returns the text format's spelling.
func (t ValType) String() string {
	switch t {
	case Bottom:
		return "bot"
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case I8:
		return "i8"
	case I16:
		return "i16"
	}
	if !t.IsRef() {
		return fmt.Sprintf("valtype(%#x)", uint64(t))
	}
	h := t.Heap()
	if !t.Nullable() {
		return "(ref " + h.String() + ")"
	}
	switch h {
	case HeapNone:
		return "nullref"
	case HeapNoFunc:
		return "nullfuncref"
	case HeapNoExtern:
		return "nullexternref"
	case HeapNoExn:
		return "nullexnref"
	}
	if h.Concrete() || h == HeapBottom {
		return "(ref null " + h.String() + ")"
	}
	return h.String() + "ref"
}

// FieldType is the type of a struct field or of an array's elements.
type FieldType struct {
	Type    ValType // may be packed
	Mutable bool
}

// CompKind tells the three kinds of composite types apart.
type CompKind uint8

const (
	CompFunc CompKind = iota
	CompStruct
	CompArray
)

// FuncType is the type of a function, a block or a tag.
type FuncType struct {
	Params  []ValType
	Results []ValType
}

// SubType is one defined type (specification: Structure, Recursive Types): a composite type with its place in the subtype order.
type SubType struct {
	Kind   CompKind
	Final  bool
	Super  int32 // type index of the declared supertype, -1 if there is none
	Func   FuncType
	Fields []FieldType // of a struct; an array has exactly one
	Group  uint32      // index of its recursion group
}

// RecGroup is a recursion group: Types[Start : Start+Len].
type RecGroup struct {
	Start, Len uint32
}

// Limits are those of a memory (in pages) or a table (in elements).
type Limits struct {
	Min, Max uint64 // Max counts only if HasMax
	HasMax   bool
	Is64     bool // 64-bit addresses (memory64, table64)
}

// AddrType is I32 or I64.
func (l Limits) AddrType() ValType {
	if l.Is64 {
		return I64
	}
	return I32
}

// MemoryType is the type of a linear memory; limits are in pages of 64 KiB.
type MemoryType struct {
	Limits
	Shared bool
}

// TableType is the type of a table.
type TableType struct {
	Limits
	Elem ValType
}

// GlobalType is the type of a global variable.
type GlobalType struct {
	Type    ValType
	Mutable bool
}

// TagType is the type of an exception tag: a function type without results.
type TagType struct {
	Type uint32 // type index
}

// PageSize is the size of a WebAssembly memory page.
const PageSize = 65536
