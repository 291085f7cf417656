package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// RefErrorKind says what is wrong with a use of a reference.
type RefErrorKind uint8

// The kinds.
const (
	RefNull      RefErrorKind = iota // the reference is null
	RefType                          // the object, or the value, is of another type
	RefBounds                        // there is no such field or element
	RefDead                          // the reference is no local one of the thread (any more), or the handle was released
	RefImmutable                     // the field cannot be changed
	RefThread                        // the handle is of another thread's object
)

func (k RefErrorKind) String() string {
	return [...]string{"null reference", "wrong type", "out of bounds", "dead reference", "immutable", "another thread's object"}[k]
}

// RefError says why host code cannot do something with an object.
type RefError struct {
	Kind RefErrorKind
	Msg  string // more about it, may be empty
}

func (e *RefError) Error() string {
	if e.Msg == "" {
		return e.Kind.String()
	}
	return e.Kind.String() + ": " + e.Msg
}

func refErrorf(k RefErrorKind, format string, args ...any) error {
	return &RefError{k, fmt.Sprintf(format, args...)}
}

// ErrHeapClosed is returned to host code that uses a heap whose Process is closed.
var ErrHeapClosed = errors.New("the heap is closed")

// Scope is a set of local references, and the way by which host code touches objects: those whose words are in a set of the same thread.
//
// The thread's own scope (Thread.Scope) is for the goroutine that owns the thread, in host functions. Others are for any one goroutine at a time.
type Scope struct {
	h   *Heap
	t   *Thread
	set *localSet // the thread's, or its own
}

// scopes are those beside the threads' own.
type scopes struct {
	mu  sync.Mutex
	all map[*Scope]struct{} // guarded by mu
}

func (s *scopes) visit(ref, exn func(Ref)) {
	for sc := range s.all { // the world stands, and who adds one holds Heap.host
		sc.set.visit(ref, exn)
	}
}

// Scope returns the thread's own scope. Preconditions: the thread has a heap.
func (t *Thread) Scope() Scope { return Scope{t.heap, t, &t.locals} }

// NewScope makes a scope of the thread's objects for host code outside of the thread's calls. It is to be closed.
func (t *Thread) NewScope() (*Scope, error) {
	h := t.heap
	s := &Scope{h, t, &localSet{}}
	if err := h.enter(); err != nil {
		return nil, err
	}
	defer h.leaveHost()
	h.scopes.mu.Lock()
	defer h.scopes.mu.Unlock()
	if h.scopes.all == nil {
		h.scopes.all = map[*Scope]struct{}{}
	}
	h.scopes.all[s] = struct{}{}
	return s, nil
}

// Thread returns the thread whose objects the scope is for.
func (s *Scope) Thread() *Thread { return s.t }

// Of reports whether the heap's types are those of a space.
func (s *Scope) Of(ts *wasm.TypeSpace) bool { return s.h.types.ts == ts }

// Close ends a scope of NewScope and its references.
func (s *Scope) Close() {
	s.h.host.RLock()
	defer s.h.host.RUnlock()
	s.h.scopes.mu.Lock()
	defer s.h.scopes.mu.Unlock()
	delete(s.h.scopes.all, s)
}

// Nest runs f, and ends the references that the scope got meanwhile.
func (s *Scope) Nest(f func()) {
	m := s.set.mark()
	defer func() {
		s.h.host.RLock()
		defer s.h.host.RUnlock()
		s.set.truncate(m)
	}()
	f()
}

// enter begins a use of objects by host code. No collection runs until leaveHost; in between nothing may wait for anything else than memory.
func (h *Heap) enter() error {
	h.host.RLock()
	if h.closed {
		h.host.RUnlock()
		return ErrHeapClosed
	}
	return nil
}

func (h *Heap) leaveHost() { h.host.RUnlock() }

// enterWriter is enter for who allocates or writes references: with the mutator of host code.
func (h *Heap) enterWriter() error {
	h.alloc.Lock()
	err := h.enter()
	if err != nil {
		h.alloc.Unlock()
	}
	return err
}

func (h *Heap) leaveWriter() {
	h.leaveHost()
	h.alloc.Unlock()
}

// knows reports whether host code may use a word on a thread.
func (h *Heap) knows(t *Thread, r Ref) bool {
	if t.locals.has(r) {
		return true
	}
	h.scopes.mu.Lock()
	defer h.scopes.mu.Unlock()
	for s := range h.scopes.all {
		if s.t == t && s.set.has(r) {
			return true
		}
	}
	return false
}

// object returns the layout of the object that r refers to.
func (s *Scope) object(r Ref) (*Layout, error) {
	switch {
	case r == NullRef:
		return nil, &RefError{Kind: RefNull}
	case IsI31(r), IsHost(r):
		return nil, refErrorf(RefType, "not a struct or an array")
	case !s.set.has(r) && !s.h.knows(s.t, r):
		return nil, refErrorf(RefDead, "%#x is no local reference", r)
	}
	return s.h.layout(r), nil
}

func (h *Heap) layout(r Ref) *Layout { return LayoutOf(h.types.ts, wasm.TypeID(h.mem.TypeOf(r))) }

// matches checks that a word can stand where a canonical type is wanted on the thread. Host code may hold any word: what it passes on is to be one that guest
// code, and the collector, can rely on.
func (h *Heap) matches(t *Thread, typ wasm.ValType, r Ref) error {
	ts := h.types.ts
	wrong := func(what string) error { return refErrorf(RefType, "%s is no %s", what, typ) }
	if r == NullRef {
		if !typ.Nullable() {
			return refErrorf(RefNull, "%s", typ)
		}
		return nil
	}
	is := func(ht wasm.HeapType) bool { return ts.Matches(wasm.RefTo(ht, false), typ) }
	switch top := ts.TopOf(typ); top {
	case wasm.HeapFunc:
		if int(r) >= len(t.Store.funcs) {
			return refErrorf(RefDead, "function %d", r)
		}
		if !is(wasm.HeapType(t.Store.funcs[r].Type)) {
			return wrong("the function")
		}
	case wasm.HeapExn:
		if !h.refs.live(r) {
			return refErrorf(RefDead, "exception %d", r)
		}
		if !is(wasm.HeapExn) {
			return wrong("an exception")
		}
	default:
		extern := top == wasm.HeapExtern
		switch {
		case extern && !is(wasm.HeapExtern):
			return wrong("a reference")
		case IsI31(r):
			if !extern && !is(wasm.HeapI31) {
				return wrong("an i31")
			}
			return nil
		case !h.knows(t, r):
			return refErrorf(RefDead, "%#x is no local reference", r)
		case extern:
		case IsHost(r):
			if !is(wasm.HeapAny) {
				return wrong("a host value")
			}
		default:
			if l := h.layout(r); !is(wasm.HeapType(l.ID)) {
				return wrong(fmt.Sprintf("an object of type %d", l.ID))
			}
		}
	}
	return nil
}

func (x *refTables) live(r Ref) bool {
	x.lock()
	defer x.unlock()
	return int(r) < len(x.exns.recs) && x.exns.recs[r].tag != nil
}

// checkRefs checks the references among values in slot form that host code passes to guest code on t.
func (t *Thread) checkRefs(types []wasm.ValType, slots []uint64) error {
	i := 0
	for _, typ := range types {
		if typ.IsRef() {
			if err := t.heap.matches(t, typ, Ref(slots[i])); err != nil {
				return err
			}
		}
		i += typ.Slots()
	}
	return nil
}

// CheckRefs is checkRefs for a thread that may have no heap, while collections may run.
func (t *Thread) CheckRefs(types []wasm.ValType, slots []uint64) error {
	if t.heap == nil {
		return nil
	}
	if err := t.heap.enter(); err != nil {
		return err
	}
	defer t.heap.leaveHost()
	return t.checkRefs(types, slots)
}

// NewLocals makes values local references of the thread that host code has read from a place that collections change. read is called while none
// runs. The goroutine owns the thread or, as for all that host code does from outside, nobody does.
func (t *Thread) NewLocals(types []wasm.ValType, read func() []uint64) {
	if t.heap == nil {
		read()
		return
	}
	if t.heap.enter() != nil {
		return
	}
	defer t.heap.leaveHost()
	t.locals.addTyped(t.heap.types.ts, types, read())
}

// HostAccess begins a change of what collections visit, such as tables, by host code; the returned function ends it.
func (t *Thread) HostAccess() (done func()) {
	if t.heap == nil {
		return func() {}
	}
	t.heap.host.RLock()
	return t.heap.host.RUnlock
}

// TypeOf returns the layout of an object's type.
func (s *Scope) TypeOf(r Ref) (*Layout, error) {
	if err := s.h.enter(); err != nil {
		return nil, err
	}
	defer s.h.leaveHost()
	return s.object(r)
}

// NewStruct makes a struct of the values in slot form (a v128 takes two slots), or with all fields zero if there are none. The object is a local reference.
func (s *Scope) NewStruct(l *Layout, values []uint64) (Ref, error) {
	types := make([]wasm.ValType, len(l.Fields))
	for i, f := range l.Fields {
		types[i] = f.Type.Unpacked()
	}
	return s.make(l, 0, types, values, func(r Ref) {
		for i := range l.Fields {
			if len(values) == 0 {
				return // zero already
			}
			n := types[i].Slots()
			s.h.store(r, &l.Fields[i], l.Fields[i].Off, values[:n])
			values = values[n:]
		}
	})
}

// NewArray makes an array of n elements, all of the value, or zero if there is none. The object is a local reference.
func (s *Scope) NewArray(l *Layout, n uint32, value []uint64) (Ref, error) {
	return s.make(l, n, []wasm.ValType{l.Elem.Type.Unpacked()}, value, func(r Ref) {
		for i := range n {
			if len(value) == 0 {
				return // zero already
			}
			s.h.store(r, &l.Elem, heap.HeaderSize+i<<l.ElemShift, value)
		}
	})
}

// NewArrayOf makes an array of numbers of the elements in p, as they lie in memory (see Copy).
func (s *Scope) NewArrayOf(l *Layout, p []byte) (Ref, error) {
	if l.Elem.Kind >= StoreRef {
		return 0, refErrorf(RefType, "not an array of numbers")
	}
	n := uint64(len(p)) >> l.ElemShift
	if n<<l.ElemShift != uint64(len(p)) {
		return 0, refErrorf(RefBounds, "%d bytes are no whole elements of %d", len(p), 1<<l.ElemShift)
	}
	return s.make(l, uint32(min(n, math.MaxUint32)), []wasm.ValType{l.Elem.Type.Unpacked()}, nil, func(r Ref) {
		copy(s.h.mem.Bytes(r+heap.HeaderSize, len(p)), p)
	})
}

func (s *Scope) make(l *Layout, n uint32, types []wasm.ValType, values []uint64, init func(Ref)) (Ref, error) {
	if len(values) == 0 {
		if i := slices.IndexFunc(types, func(t wasm.ValType) bool { return !t.Defaultable() }); i >= 0 && (l.Kind == wasm.CompStruct || n > 0) {
			return 0, refErrorf(RefNull, "%s has no default value", types[i])
		}
	} else if want := countSlots(types); len(values) != want {
		return 0, refErrorf(RefBounds, "the values take %d slots, not %d", want, len(values))
	}
	h := s.h
	if err := h.enterWriter(); err != nil {
		return 0, err
	}
	defer h.leaveWriter()
	if len(values) > 0 {
		if err := s.t.checkRefs(types, values); err != nil {
			return 0, err
		}
	}
	if h.every {
		h.gc.Collect(h.mutator, true) //nolint:errcheck // a heap that failed says so below
	}
	r, err := h.mutator.Alloc(heap.TypeID(l.ID), n)
	switch {
	case h.closed:
		return 0, ErrHeapClosed
	case err != nil:
		return 0, h.allocationTrap(err)
	}
	s.set.add(r)
	init(r)
	return r, nil
}

// store writes a field or element at an offset in an object. Preconditions: the caller is a writer.
func (h *Heap) store(r Ref, f *FieldLayout, off uint32, v []uint64) {
	h.write(h.mutator, r, f, off, v[0], v[len(v)-1])
}

// write is store on behalf of a mutator.
func (h *Heap) write(m *gc.Mutator, r Ref, f *FieldLayout, off uint32, lo, hi uint64) {
	p := h.mem.Bytes(r+off, 1<<f.Kind.Shift())
	switch f.Kind {
	case StoreI8:
		p[0] = byte(lo)
	case StoreI16:
		binary.LittleEndian.PutUint16(p, uint16(lo))
	case StoreI64:
		binary.LittleEndian.PutUint64(p, lo)
	case StoreV128:
		binary.LittleEndian.PutUint64(p, lo)
		binary.LittleEndian.PutUint64(p[8:], hi)
	default:
		*h.mem.Slot(r + off) = uint32(lo)
		if f.Kind.Barrier() && h.mem.Log.Test(r) {
			m.Remember(r)
		}
	}
}

// load reads a field or element; packed ones zero-extended. A reference is a local one then.
func (s *Scope) load(r Ref, f *FieldLayout, off uint32) (lo, hi uint64) {
	h := s.h
	p := h.mem.Bytes(r+off, 1<<f.Kind.Shift())
	switch f.Kind {
	case StoreI8:
		return uint64(p[0]), 0
	case StoreI16:
		return uint64(binary.LittleEndian.Uint16(p)), 0
	case StoreI64:
		return binary.LittleEndian.Uint64(p), 0
	case StoreV128:
		return binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
	case StoreRef:
		w := *h.mem.Slot(r + off)
		s.set.add(w)
		return uint64(w), 0
	case StoreExn:
		w := *h.mem.Slot(r + off)
		s.set.addExn(w)
		return uint64(w), 0
	}
	return uint64(*h.mem.Slot(r + off)), 0
}

// place finds field i of a struct, or element i of an array.
func (s *Scope) place(r Ref, kind wasm.CompKind, i uint32) (l *Layout, f *FieldLayout, off uint32, err error) {
	if l, err = s.object(r); err != nil {
		return nil, nil, 0, err
	}
	switch {
	case l.Kind != kind && kind == wasm.CompStruct:
		return nil, nil, 0, refErrorf(RefType, "the object is an array")
	case l.Kind != kind:
		return nil, nil, 0, refErrorf(RefType, "the object is a struct")
	case kind == wasm.CompStruct:
		if int64(i) >= int64(len(l.Fields)) {
			return nil, nil, 0, refErrorf(RefBounds, "field %d of %d", i, len(l.Fields))
		}
		return l, &l.Fields[i], l.Fields[i].Off, nil
	}
	if n := s.h.mem.Length(r); i >= n {
		return nil, nil, 0, refErrorf(RefBounds, "element %d of %d", i, n)
	}
	return l, &l.Elem, heap.HeaderSize + i<<l.ElemShift, nil
}

// Get reads field i of a struct (kind CompStruct), or element i of an array, in slot form; hi is of a v128.
func (s *Scope) Get(r Ref, kind wasm.CompKind, i uint32) (lo, hi uint64, err error) {
	if err := s.h.enter(); err != nil {
		return 0, 0, err
	}
	defer s.h.leaveHost()
	_, f, off, err := s.place(r, kind, i)
	if err != nil {
		return 0, 0, err
	}
	lo, hi = s.load(r, f, off)
	return lo, hi, nil
}

// Set writes a field or element. Fields and elements that are immutable stay.
func (s *Scope) Set(r Ref, kind wasm.CompKind, i uint32, v []uint64) error {
	if err := s.h.enterWriter(); err != nil {
		return err
	}
	defer s.h.leaveWriter()
	l, f, off, err := s.place(r, kind, i)
	if err != nil {
		return err
	}
	def := s.h.types.ts.Def(l.ID).Fields[0]
	if kind == wasm.CompStruct {
		def = s.h.types.ts.Def(l.ID).Fields[i]
	}
	if !def.Mutable {
		return refErrorf(RefImmutable, "%s %d", map[wasm.CompKind]string{wasm.CompStruct: "field", wasm.CompArray: "element"}[kind], i)
	}
	types := [1]wasm.ValType{f.Type.Unpacked()}
	if n := types[0].Slots(); len(v) != n {
		return refErrorf(RefBounds, "the value takes %d slots, not %d", n, len(v))
	}
	if err := s.t.checkRefs(types[:], v); err != nil {
		return err
	}
	s.h.store(r, f, off, v)
	return nil
}

// Len returns an array's length.
func (s *Scope) Len(r Ref) (uint32, error) {
	if err := s.h.enter(); err != nil {
		return 0, err
	}
	defer s.h.leaveHost()
	l, err := s.object(r)
	if err != nil {
		return 0, err
	}
	if l.Kind != wasm.CompArray {
		return 0, refErrorf(RefType, "the object is a struct")
	}
	return s.h.mem.Length(r), nil
}

// Copy copies elements of an array of numbers, from element first on, as they lie in memory (little-endian): into p, or out of it if write is set. The length
// of p is a multiple of an element's size.
func (s *Scope) Copy(r Ref, first uint32, p []byte, write bool) error {
	if err := s.h.enter(); err != nil {
		return err
	}
	defer s.h.leaveHost()
	l, err := s.object(r)
	switch {
	case err != nil:
		return err
	case l.Kind != wasm.CompArray || l.Elem.Kind >= StoreRef:
		return refErrorf(RefType, "not an array of numbers")
	case write && !s.h.types.ts.Def(l.ID).Fields[0].Mutable:
		return refErrorf(RefImmutable, "elements")
	case len(p)&(1<<l.ElemShift-1) != 0:
		return refErrorf(RefBounds, "%d bytes are no whole elements of %d", len(p), 1<<l.ElemShift)
	}
	n, have := uint64(len(p))>>l.ElemShift, uint64(s.h.mem.Length(r))
	if !inBounds(uint64(first), n, have) {
		return refErrorf(RefBounds, "elements %d to %d of %d", first, uint64(first)+n, have)
	}
	b := s.h.mem.Bytes(r+heap.HeaderSize+first<<l.ElemShift, len(p))
	if write {
		copy(b, p)
	} else {
		copy(p, b)
	}
	return nil
}
