package vm

import "github.com/spindle-wasm/spindle/internal/wasm"

// handles are the host values that guest code refers to by externref: a Go-side table, as guest words never hold Go pointers.
type handles struct {
	vals    []any
	free    []uint32
	index   map[any]uint32 // of comparable values, so that one value has one reference
	marked  marks
	sinceGC int
}

// HostRef returns the reference for a host value; nil is the null reference.
// A comparable value gets the same reference as long as it is alive in the store.
func (s *Store) HostRef(v any) Ref {
	if v == nil {
		return NullRef
	}
	r, due := s.refs.hostRef(v)
	if due {
		// Not now: whoever asks may hold other references that nothing tells of.
		s.thread.Yield()
	}
	return r
}

func (x *refTables) hostRef(v any) (r Ref, due bool) {
	x.lock()
	defer x.unlock()
	h := &x.externs
	cmp := comparable_(v)
	if cmp {
		if i, ok := h.index[v]; ok {
			return i<<2 | 2, false
		}
	}
	if h.sinceGC++; h.sinceGC >= max(4096, len(h.vals)/2) {
		due = x.due.CompareAndSwap(false, true)
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
	return i<<2 | 2, due
}

// HostValue returns the host value behind a reference of the any or extern hierarchy; ok is false if it is not one, or if
// the handle is not in use.
func (s *Store) HostValue(r Ref) (v any, ok bool) {
	if r == NullRef {
		return nil, true
	}
	s.refs.lock()
	defer s.refs.unlock()
	i := r >> 2
	if h := &s.refs.externs; IsHost(r) && int(i) < len(h.vals) {
		v = h.vals[i]
	}
	return v, v != nil
}

// LiveHandles counts the host values that the store holds; for tests.
func (s *Store) LiveHandles() int {
	s.refs.lock()
	defer s.refs.unlock()
	return len(s.refs.externs.vals) - len(s.refs.externs.free)
}

// CollectDue reports whether so many host values were made that the engine should collect when it next can: at a safepoint that meets
// a flag, or before a call from the host, when all references are on the stack or among the arguments.
func (s *Store) CollectDue() bool { return s.refs.due.Load() }

// Collect frees the exceptions and host values that nothing refers to any more. Roots: the guest stack by its exact
// reference maps, globals, tables, and the fields of live exceptions. In a Process with a GC heap it is a full collection of the heap.
// Host values stay while a host function is in flight, which may hold references that no map tells of; with a heap, those are its local roots.
// Preconditions: the thread is outside of guest code with its exit state set, and host functions in flight hold no exceptions of their own.
func (s *Store) Collect() { s.CollectWith(nil, nil) }

// CollectWith is Collect with further roots: values in slot form, of canonical types. With a heap they are local roots already.
func (s *Store) CollectWith(types []wasm.ValType, slots []uint64) {
	x := s.refs
	if h := s.thread.heap; h != nil {
		h.gc.Collect(s.thread.mutator, true) //nolint:errcheck // a heap that failed says so to the next allocation
		if !h.gc.Plan().Constraints().Collects {
			x.lock()
			x.settle() // not before as many again were made
			x.unlock()
		}
		return
	}
	x.beginMarking()
	mark := func(r Ref, t wasm.ValType) { x.mark(r, s.types.TopOf(t)) }
	x.markKept()
	for _, t := range types {
		if t.IsRef() {
			mark(Ref(slots[0]), t)
		}
		slots = slots[t.Slots():]
	}
	visit := func(slot *uint64, t wasm.ValType) { mark(Ref(*slot), t) }
	s.VisitRoots(visit, func(refs []Ref, t wasm.ValType) {
		for _, r := range refs {
			mark(r, t)
		}
	})
	x.scanFound(visit)
	x.sweep(!s.thread.hostInFlight())
}

// VisitRoots visits every live reference of the store outside of exceptions: slots (stack, globals) and tables, each with its
// static type. It changes nothing, so that another goroutine may call it while the thread is in a host function. Preconditions: as for Collect.
func (s *Store) VisitRoots(slot func(*uint64, wasm.ValType), table func([]Ref, wasm.ValType)) {
	s.thread.Engine.StackRefs(s.thread, slot)
	for _, g := range s.globals {
		if g.Type.Type.IsRef() {
			slot(slotAt(g.addr), g.Type.Type)
		}
	}
	for _, inst := range s.Instances {
		m := inst.Module
		for k := m.NumImportedGlobals; k < len(m.Globals); k++ {
			if t := m.Globals[k].Type.Type; t.IsRef() {
				slot(slotAt(inst.view.globals+uintptr(k-m.NumImportedGlobals)*GlobalSize), m.Canon(t))
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
