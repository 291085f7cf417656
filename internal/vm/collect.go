package vm

import "github.com/spindle-wasm/spindle/internal/wasm"

// handles are the host values that guest code refers to by externref: a Go-side table, as guest words never hold Go pointers.
type handles struct {
	vals    []any
	free    []uint32
	index   map[any]uint32 // of comparable values, so that one value has one reference
	marked  []bool
	sinceGC int
	due     bool // for a collection, see CollectDue
}

// HostRef returns the reference for a host value; nil is the null reference.
// A comparable value gets the same reference as long as it is alive in the store.
func (s *Store) HostRef(v any) Ref {
	if v == nil {
		return NullRef
	}
	h := &s.externs
	cmp := comparable_(v)
	if cmp {
		if i, ok := h.index[v]; ok {
			return i<<2 | 2
		}
	}
	if h.sinceGC++; h.sinceGC >= max(4096, len(h.vals)/2) && !h.due {
		// Not now: whoever asks may hold other references that nothing tells of.
		h.due = true
		s.thread.Yield()
	}
	var i uint32
	if n := len(h.free); n > 0 {
		i = h.free[n-1]
		h.free = h.free[:n-1]
		h.vals[i] = v
	} else {
		i = uint32(len(h.vals))
		h.vals = append(h.vals, v)
	}
	if cmp {
		if h.index == nil {
			h.index = map[any]uint32{}
		}
		h.index[v] = i
	}
	return i<<2 | 2
}

// HostValue returns the host value behind a reference of the any or extern hierarchy; ok is false if it is not one, or if
// the handle is not in use.
func (s *Store) HostValue(r Ref) (v any, ok bool) {
	if r == NullRef {
		return nil, true
	}
	i := r >> 2
	if !IsHost(r) || int(i) >= len(s.externs.vals) || s.externs.vals[i] == nil {
		return nil, false
	}
	return s.externs.vals[i], true
}

// LiveHandles counts the host values that the store holds; for tests.
func (s *Store) LiveHandles() int { return len(s.externs.vals) - len(s.externs.free) }

// CollectDue reports whether so many host values were made that the engine should collect when it next can: at a safepoint that meets
// a flag, or before a call from the host, when all references are on the stack or among the arguments.
func (s *Store) CollectDue() bool { return s.externs.due }

// Collect frees the exceptions and host values that nothing refers to any more. Roots: the guest stack by its exact
// reference maps, globals, tables, and the fields of live exceptions.
// Host values stay while a host function is in flight, which may hold references that no map tells of.
// Preconditions: the thread is outside of guest code with its exit state set, and host functions in flight hold no exceptions of their own.
func (s *Store) Collect() { s.CollectWith(nil, nil) }

// CollectWith is Collect with further roots: values in slot form, of canonical types.
func (s *Store) CollectWith(types []wasm.ValType, slots []uint64) {
	h, x := &s.externs, &s.exns
	h.marked = make([]bool, len(h.vals))
	var work []Ref
	mark := func(r Ref, t wasm.ValType) {
		switch s.types.TopOf(t) {
		case wasm.HeapExn:
			if r != NullRef && !x.recs[r].marked {
				x.recs[r].marked = true
				work = append(work, r)
			}
		case wasm.HeapAny, wasm.HeapExtern:
			if IsHost(r) {
				h.marked[r>>2] = true
			}
		}
	}
	for i := range x.recs {
		x.recs[i].marked = false
	}
	for i := range x.recs {
		if x.recs[i].pinned > 0 || x.recs[i].tag != nil && !x.recs[i].escaped {
			mark(Ref(i), wasm.ExnRef)
		}
	}
	for _, t := range types {
		if t.IsRef() {
			mark(Ref(slots[0]), t)
		}
		slots = slots[t.Slots():]
	}
	s.VisitRoots(func(slot *uint64, t wasm.ValType) { mark(Ref(*slot), t) }, func(refs []Ref, t wasm.ValType) {
		for _, r := range refs {
			mark(r, t)
		}
	})
	for len(work) > 0 {
		r := work[len(work)-1]
		work = work[:len(work)-1]
		tag, fields := s.Exception(r)
		i := 0
		for _, p := range tag.Func.Params {
			if p.IsRef() {
				mark(Ref(fields[i]), p)
			}
			i += p.Slots()
		}
	}
	for i := range x.recs {
		if x.recs[i].tag != nil && !x.recs[i].marked {
			s.freeException(Ref(i))
		}
	}
	inHost := s.thread.hostInFlight()
	for i, v := range h.vals {
		if v != nil && !h.marked[i] && !inHost {
			if comparable_(v) {
				delete(h.index, v)
			}
			h.vals[i] = nil
			h.free = append(h.free, uint32(i))
		}
	}
	x.sinceGC, h.sinceGC, h.due = 0, 0, false
}

// VisitRoots visits every live reference of the store outside of exceptions: slots (stack, globals) and tables, each with its
// static type. Preconditions: as for Collect.
func (s *Store) VisitRoots(slot func(*uint64, wasm.ValType), table func([]Ref, wasm.ValType)) {
	s.thread.Engine.StackRefs(s.thread, slot)
	for _, g := range s.globals {
		if g.Type.Type.IsRef() {
			slot(slotAt(g.addr), g.Type.Type)
		}
	}
	for _, inst := range s.Instances {
		for k := inst.Module.NumImportedGlobals; k < len(inst.Module.Globals); k++ {
			if inst.Module.Globals[k].Type.Type.IsRef() {
				g := inst.Global(uint32(k))
				slot(slotAt(g.addr), g.Type.Type)
			}
		}
	}
	for _, t := range s.tables {
		table(t.Refs(), t.Type.Elem)
	}
	for _, inst := range s.Instances {
		inst.visitElems(table)
	}
}
