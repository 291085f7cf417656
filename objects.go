package spindle

import (
	"fmt"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

type (
	// FieldType is the type of a field of a struct, or of an array's elements. It may be packed: "i8" or "i16".
	FieldType = wasm.FieldType
	// RefError says why host code cannot do something with a reference.
	RefError = vm.RefError
	// RefErrorKind says what is wrong.
	RefErrorKind = vm.RefErrorKind
	// Handle keeps an object of a Process's heap alive until it is released; see Objects.Hold. Its zero value is none.
	Handle = vm.Handle
)

// The kinds of RefError.
const (
	// RefNull: the reference is null, or must not be.
	RefNull = vm.RefNull
	// RefType: the object or the value is of another type.
	RefType = vm.RefType
	// RefBounds: there is no such field or element, or the number of values is wrong.
	RefBounds = vm.RefBounds
	// RefDead: the reference is no local one of the thread, or is none any more; or the handle was released.
	RefDead = vm.RefDead
	// RefImmutable: the field cannot be changed.
	RefImmutable = vm.RefImmutable
	// RefThread: the handle is of an object of another thread.
	RefThread = vm.RefThread
)

// ErrHeapClosed is returned for objects of a Process that is closed.
var ErrHeapClosed = vm.ErrHeapClosed

// ObjectType is a struct or array type. Types of several modules of one Runtime are equal if WebAssembly says so; compare them with Is.
type ObjectType struct {
	rt *Runtime
	l  *vm.Layout
}

// ObjectType returns a struct or array type by its index in the module.
func (m *Module) ObjectType(index uint32) (*ObjectType, error) {
	if int64(index) >= int64(len(m.m.TypeIDs)) {
		return nil, fmt.Errorf("the module has %d types, not %d", len(m.m.TypeIDs), index)
	}
	return m.rt.objectType(m.m.TypeIDs[index])
}

// ObjectTypeNamed returns a struct or array type by its name in the module's name section.
func (m *Module) ObjectTypeNamed(name string) (*ObjectType, error) {
	found := -1
	for i, n := range m.m.Names().Types {
		if n == name && (found < 0 || int(i) < found) {
			found = int(i)
		}
	}
	if found < 0 {
		return nil, fmt.Errorf("the module names no type %q", name)
	}
	return m.ObjectType(uint32(found))
}

// ObjectType returns the type that a reference type of a Func's type names (Func.Type has canonical types).
func (r *Runtime) ObjectType(t ValueType) (*ObjectType, error) {
	if !t.IsRef() || !t.Heap().Concrete() || int(t.Heap()) >= r.types.Len() {
		return nil, fmt.Errorf("%s names no type", t)
	}
	return r.objectType(wasm.TypeID(t.Heap()))
}

func (r *Runtime) objectType(id wasm.TypeID) (*ObjectType, error) {
	l := vm.LayoutOf(r.types, id)
	if l == nil {
		return nil, fmt.Errorf("type %d is a function type", id)
	}
	return &ObjectType{r, l}, nil
}

// IsArray tells array types from struct types.
func (t *ObjectType) IsArray() bool { return t.l.Kind == wasm.CompArray }

// Fields returns the types of a struct's fields, or of an array's elements as the only one. Concrete heap types in them are canonical ids of the Runtime.
func (t *ObjectType) Fields() []FieldType { return t.rt.types.Def(t.l.ID).Fields }

// Ref returns the type of references to such objects.
func (t *ObjectType) Ref(nullable bool) ValueType { return wasm.RefTo(wasm.HeapType(t.l.ID), nullable) }

// Is reports whether t is u or a subtype of it.
func (t *ObjectType) Is(u *ObjectType) bool {
	return t.rt == u.rt && t.rt.types.IsSubtype(t.l.ID, u.l.ID)
}

// Objects is how Go code makes, reads and writes objects of a Process's garbage-collected heap. It names them by local references: words in slot form, which
// keep the object alive and where it is. A host function's (Caller.Objects) are its arguments, what its Objects and its calls give it, and last until it
// returns; those of an Objects made by Process.NewObjects last until it is closed. Words of other origin, and those whose time is over, are
// refused with a RefError; nothing that Go code does with an Objects harms the guest's or its own memory.
//
// A Handle (Hold) keeps an object beyond that.
//
// Objects belong to threads: references of one thread's Objects are not for another thread's, nor for calls into it. Further threads of a Process have
// objects of their own, as they have globals and tables. Reads and writes by Go code on one goroutine, while guest code of the thread runs on another, are
// those of two threads without synchronisation: a reader sees an old value or a new one.
//
// Errors: *RefError, ErrHeapClosed; of methods that make objects also a *TrapError (TrapAllocation). An Objects is for one goroutine at a time.
type Objects struct{ s *vm.Scope }

// errNoHeap is for Processes without objects.
var errNoHeap = fmt.Errorf("the Process has no garbage-collected heap: none of its modules has struct or array types")

// Objects returns the objects of the thread that called. It is valid until the host function returns, or calls back into the guest and is returned to. The error says that the
// Process has no heap.
func (c *Caller) Objects() (*Objects, error) {
	if c.t.Heap() == nil {
		return nil, errNoHeap
	}
	s := c.t.Scope()
	return &Objects{&s}, nil
}

// NewObjects returns the objects of the Process's main thread for Go code outside of host functions, while the thread runs or between calls. It is to be closed.
// Its references can be arguments of calls. The error says that the Process has no heap, or is closed.
func (p *Process) NewObjects() (*Objects, error) {
	if p.thread.Heap() == nil {
		return nil, errNoHeap
	}
	s, err := p.thread.NewScope()
	if err != nil {
		return nil, err
	}
	return &Objects{s}, nil
}

// Close ends an Objects of NewObjects, and its references. Of a Caller's it does nothing.
func (o *Objects) Close() { o.s.Close() }

// Nest runs f, and ends the local references that this Objects got meanwhile: for host functions that run long.
func (o *Objects) Nest(f func()) { o.s.Nest(f) }

// NewStruct makes a struct with the fields' values in slot form (a v128 takes two slots), or with all fields zero or null if no values are given.
func (o *Objects) NewStruct(t *ObjectType, fields ...uint64) (ref uint64, err error) {
	if t.IsArray() {
		return 0, &RefError{Kind: RefType, Msg: "the type is an array's"}
	}
	if err := o.check(t); err != nil {
		return 0, err
	}
	r, err := o.s.NewStruct(t.l, fields)
	return uint64(r), err
}

// NewArray makes an array of n elements, all with the value in slot form, or zero or null if none is given.
func (o *Objects) NewArray(t *ObjectType, n uint32, elem ...uint64) (ref uint64, err error) {
	if !t.IsArray() {
		return 0, &RefError{Kind: RefType, Msg: "the type is a struct's"}
	}
	if err := o.check(t); err != nil {
		return 0, err
	}
	r, err := o.s.NewArray(t.l, n, elem)
	return uint64(r), err
}

// NewBytes makes an array of numbers of its elements as they lie in memory: little-endian, each in its size. It may have immutable elements.
func (o *Objects) NewBytes(t *ObjectType, p []byte) (ref uint64, err error) {
	if !t.IsArray() {
		return 0, &RefError{Kind: RefType, Msg: "the type is a struct's"}
	}
	if err := o.check(t); err != nil {
		return 0, err
	}
	r, err := o.s.NewArrayOf(t.l, p)
	return uint64(r), err
}

// Bytes returns a copy of all elements of an array of numbers, as they lie in memory.
func (o *Objects) Bytes(ref uint64) ([]byte, error) {
	t, err := o.TypeOf(ref)
	if err != nil {
		return nil, err
	}
	n, err := o.s.Len(vm.Ref(ref))
	if err != nil {
		return nil, err
	}
	p := make([]byte, uint64(n)<<t.l.ElemShift)
	return p, o.Read(ref, 0, p)
}

// check refuses types of other Runtimes, whose numbers mean others here.
func (o *Objects) check(t *ObjectType) error {
	if !o.s.Of(t.rt.types) {
		return &RefError{Kind: RefType, Msg: "the type is another Runtime's"}
	}
	return nil
}

// TypeOf returns the type of an object.
func (o *Objects) TypeOf(ref uint64) (*ObjectType, error) {
	l, err := o.s.TypeOf(vm.Ref(ref))
	if err != nil {
		return nil, err
	}
	return &ObjectType{o.s.Thread().HostData.(*Caller).p.rt, l}, nil
}

// Field reads field i of a struct, in slot form; of a v128 the low half. Packed integers are zero-extended. A reference is a local one.
func (o *Objects) Field(ref uint64, i int) (uint64, error) {
	lo, _, err := o.s.Get(vm.Ref(ref), wasm.CompStruct, index(i))
	return lo, err
}

// FieldV128 reads a v128 field.
func (o *Objects) FieldV128(ref uint64, i int) (V128, error) {
	lo, hi, err := o.s.Get(vm.Ref(ref), wasm.CompStruct, index(i))
	return V128{lo, hi}, err
}

// SetField writes field i of a struct: a value in slot form, two slots for a v128.
func (o *Objects) SetField(ref uint64, i int, v ...uint64) error {
	return o.s.Set(vm.Ref(ref), wasm.CompStruct, index(i), v)
}

// Len returns the number of an array's elements.
func (o *Objects) Len(ref uint64) (int, error) {
	n, err := o.s.Len(vm.Ref(ref))
	return int(n), err
}

// Elem reads element i of an array; see Field.
func (o *Objects) Elem(ref uint64, i int) (uint64, error) {
	lo, _, err := o.s.Get(vm.Ref(ref), wasm.CompArray, index(i))
	return lo, err
}

// ElemV128 reads an element of type v128.
func (o *Objects) ElemV128(ref uint64, i int) (V128, error) {
	lo, hi, err := o.s.Get(vm.Ref(ref), wasm.CompArray, index(i))
	return V128{lo, hi}, err
}

// SetElem writes element i of an array; see SetField.
func (o *Objects) SetElem(ref uint64, i int, v ...uint64) error {
	return o.s.Set(vm.Ref(ref), wasm.CompArray, index(i), v)
}

// index makes one that is out of bounds of one that is negative.
func index(i int) uint32 {
	if i < 0 || int64(i) >= 1<<32 {
		return 1<<32 - 1
	}
	return uint32(i)
}

// Read copies elements of an array of numbers into p, from element first on, as they lie in memory: little-endian, each in its size. The length of p is a multiple of that.
func (o *Objects) Read(ref uint64, first int, p []byte) error {
	return o.s.Copy(vm.Ref(ref), index(first), p, false)
}

// Write is the reverse of Read, for arrays whose elements can be changed.
func (o *Objects) Write(ref uint64, first int, p []byte) error {
	return o.s.Copy(vm.Ref(ref), index(first), p, true)
}

// Hold keeps an object alive, wherever it moves, until Process.Release. Any goroutine may then make a local reference of the handle.
func (o *Objects) Hold(ref uint64) (Handle, error) { return o.s.Hold(vm.Ref(ref)) }

// Local makes a local reference of a handle to an object of the same thread.
func (o *Objects) Local(h Handle) (ref uint64, err error) {
	r, err := o.s.Local(h)
	return uint64(r), err
}

// Release gives a handle up. Any goroutine may call it; on a handle that was released the error is a RefError.
func (p *Process) Release(h Handle) error {
	if p.thread.Heap() == nil {
		return &RefError{Kind: RefDead}
	}
	return p.thread.Heap().Release(h)
}

// ExternRef returns the externref for a host value in the calling thread, in slot form; nil is null. It is good until the host function returns, and
// as long as guest code of the thread can reach it. A comparable value has one reference at a time.
func (c *Caller) ExternRef(v any) uint64 { return externRef(c.t, v) }

// ExternValue returns the host value of an externref of the calling thread; ok is false if the reference is not one to a host value.
func (c *Caller) ExternValue(ref uint64) (v any, ok bool) { return c.t.Store.HostValue(vm.Ref(ref)) }

func externRef(t *vm.Thread, v any) (ref uint64) {
	t.NewLocals(externType[:], func() []uint64 {
		ref = uint64(t.Store.HostRef(v))
		return []uint64{ref}
	})
	return ref
}

var externType = [1]ValueType{wasm.ExternRef}
