package vm

import (
	"fmt"
	"sync"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

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
