package vm

import (
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// exceptions are exception objects: what an exnref indexes. Records are freed when nothing refers to them: at once if no reference ever escaped to
// guest code, otherwise by a collection.
type exceptions struct {
	recs    []exnRecord // index 0 is null
	free    []Ref
	sinceGC int

	marked  marks
	foundMu sync.Mutex
	found   []Ref // guarded by foundMu while several goroutines mark; marked, and their fields not visited
}

type exnRecord struct {
	tag     *Tag // nil: free
	addr    uintptr
	escaped bool // guest code may hold a reference
	pinned  int  // by the host
}

// visit visits the reference fields.
func (rec *exnRecord) visit(visit func(p *uint64, typ wasm.ValType)) {
	if rec.tag == nil {
		return
	}
	addr := rec.addr
	for _, p := range rec.tag.Func.Params {
		if p.IsRef() {
			visit(slotAt(addr), p)
		}
		addr += uintptr(p.Slots()) * 8
	}
}

// Exception is an exception on its way through the host: it left one activation of the engine uncaught. A host function that
// returns it (or wraps it) lets it go on into the guest frames below.
type Exception struct {
	Ref   Ref
	Store *Store
	Trace []FrameInfo // where it was thrown
}

func (e *Exception) Error() string {
	tag, fields := e.Store.Exception(e.Ref)
	return "uncaught exception " + tag.Format(fields)
}

// Tag returns the exception's tag.
func (e *Exception) Tag() *Tag {
	t, _ := e.Store.Exception(e.Ref)
	return t
}

// Slots returns the fields in slot form; valid until the exception is released.
func (e *Exception) Slots() []uint64 {
	_, s := e.Store.Exception(e.Ref)
	return s
}

// NewException makes an exception object of copies of the fields and returns its reference, NullRef if there is no room. It may collect.
func (s *Store) NewException(tag *Tag, fields []uint64) Ref {
	r := s.refs.newException(tag, fields)
	if r == NullRef {
		s.Collect()
		r = s.refs.newException(tag, fields)
	}
	return r
}

func (x *refTables) newException(tag *Tag, fields []uint64) Ref {
	x.lock()
	defer x.unlock()
	addr, err := x.mem.alloc(tag.slots)
	if err != nil {
		return NullRef
	}
	copy(slotsAt(addr, tag.slots), fields)
	rec := exnRecord{tag: tag, addr: addr}
	e := &x.exns
	if e.recs == nil {
		e.recs = make([]exnRecord, 1, 8)
	}
	if n := len(e.free); n > 0 {
		r := e.free[n-1]
		e.free = e.free[:n-1]
		e.recs[r] = rec
		return r
	}
	e.recs = append(e.recs, rec)
	return Ref(len(e.recs) - 1)
}

// Exception returns an exception's tag and fields; r must not be null. The fields are valid as long as the exception is alive.
func (s *Store) Exception(r Ref) (*Tag, []uint64) {
	s.refs.lock()
	defer s.refs.unlock()
	rec := &s.refs.exns.recs[r]
	return rec.tag, slotsAt(rec.addr, rec.tag.slots)
}

// EscapeException notes that guest code gets a reference (catch_ref, catch_all_ref). Now and then it collects, so that a guest
// which throws for ever runs in constant space.
// Preconditions: the exit state of the context is set; the reference itself need not be on the stack yet.
func (s *Store) EscapeException(r Ref) {
	x := s.refs
	x.lock()
	x.exns.recs[r].escaped = true
	x.exns.sinceGC++
	due := x.exns.sinceGC >= max(1024, len(x.exns.recs)/2)
	x.unlock()
	if due {
		s.Pin(r, 1)
		s.Collect()
		s.Pin(r, -1)
	}
}

// Pin keeps an exception that the host refers to, or with -1 takes that back. r must not be null.
func (s *Store) Pin(r Ref, n int) {
	s.refs.lock()
	defer s.refs.unlock()
	s.refs.exns.recs[r].pinned += n
}

// DropException frees an exception after a catch clause without reference took its fields, unless guest code or the host
// may still refer to it.
func (s *Store) DropException(r Ref) {
	s.refs.lock()
	defer s.refs.unlock()
	if rec := &s.refs.exns.recs[r]; !rec.escaped && rec.pinned == 0 {
		s.refs.freeException(r)
	}
}

// TakeException is what the host does with an exception that left the guest: it gets a copy of the fields, of which references are local ones of the
// thread, and the exception is dropped.
func (s *Store) TakeException(r Ref) (tag *Tag, fields []uint64) {
	defer s.thread.HostAccess()()
	tag, fields = s.Exception(r)
	fields = slices.Clone(fields)
	if s.thread.heap != nil {
		s.thread.locals.addTyped(s.types, tag.Func.Params, fields)
	}
	s.DropException(r)
	return tag, fields
}

func (x *refTables) freeException(r Ref) {
	rec := &x.exns.recs[r]
	x.mem.release(rec.addr, rec.tag.slots)
	*rec = exnRecord{}
	x.exns.free = append(x.exns.free, r)
}

// LiveExceptions counts the exception objects; for tests.
func (s *Store) LiveExceptions() int {
	s.refs.lock()
	defer s.refs.unlock()
	return max(0, len(s.refs.exns.recs)-1-len(s.refs.exns.free))
}
