package vm

// exceptions are the exception objects of a store: what an exnref indexes. Records are freed when nothing refers to
// them: at once if no reference ever escaped to guest code, otherwise by Store.Collect.
type exceptions struct {
	recs    []exnRecord // index 0 is null
	free    []Ref
	sinceGC int
}

type exnRecord struct {
	tag     *Tag // nil: free
	addr    uintptr
	escaped bool // guest code may hold a reference
	pinned  int  // by the host
	marked  bool
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

// NewException makes an exception object of copies of the fields and returns its reference, NullRef if the store is full.
func (s *Store) NewException(tag *Tag, fields []uint64) Ref {
	x := &s.exns
	addr, err := s.alloc(tag.slots)
	if err != nil {
		s.Collect()
		if addr, err = s.alloc(tag.slots); err != nil {
			return NullRef
		}
	}
	copy(slotsAt(addr, tag.slots), fields)
	rec := exnRecord{tag: tag, addr: addr}
	if x.recs == nil {
		x.recs = make([]exnRecord, 1, 8)
	}
	if n := len(x.free); n > 0 {
		r := x.free[n-1]
		x.free = x.free[:n-1]
		x.recs[r] = rec
		return r
	}
	x.recs = append(x.recs, rec)
	return Ref(len(x.recs) - 1)
}

// Exception returns an exception's tag and fields; r must not be null.
func (s *Store) Exception(r Ref) (*Tag, []uint64) {
	rec := &s.exns.recs[r]
	return rec.tag, slotsAt(rec.addr, rec.tag.slots)
}

// EscapeException notes that guest code gets a reference (catch_ref, catch_all_ref). Now and then it collects, so that a guest
// which throws for ever runs in constant space.
// Preconditions: the exit state of the context is set; the reference itself need not be on the stack yet.
func (s *Store) EscapeException(r Ref) {
	x := &s.exns
	x.recs[r].escaped = true
	if x.sinceGC++; x.sinceGC >= max(1024, len(x.recs)/2) {
		x.recs[r].pinned++
		s.Collect()
		x.recs[r].pinned--
	}
}

// DropException frees an exception after a catch clause without reference took its fields, unless guest code or the host
// may still refer to it.
func (s *Store) DropException(r Ref) {
	if rec := &s.exns.recs[r]; !rec.escaped && rec.pinned == 0 {
		s.freeException(r)
	}
}

func (s *Store) freeException(r Ref) {
	rec := &s.exns.recs[r]
	s.release(rec.addr, rec.tag.slots)
	*rec = exnRecord{}
	s.exns.free = append(s.exns.free, r)
}

// LiveExceptions counts the exception objects; for tests.
func (s *Store) LiveExceptions() int { return max(0, len(s.exns.recs)-1-len(s.exns.free)) }
