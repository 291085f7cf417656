package vm

import "sync"

// Handle is host code's hold on an object beyond a call. Its zero value is none.
type Handle uint64 // index of its entry + 1; generation in the upper half

// handleTable has the objects that handles hold. A collection visits it with Heap.host, and everybody else has that for reading.
type handleTable struct {
	mu      sync.Mutex
	entries []heldObject // guarded by mu
	free    []uint32     // guarded by mu
}

// heldObject is an entry. A handle whose generation is another one is dead.
type heldObject struct {
	ref   Ref
	gen   uint32
	owner *Thread // nil: free
}

func (x *handleTable) visit(slot func(*uint32)) {
	for i := range x.entries {
		if x.entries[i].owner != nil {
			slot(&x.entries[i].ref)
		}
	}
}

func (x *handleTable) add(r Ref, t *Thread) Handle {
	x.mu.Lock()
	defer x.mu.Unlock()
	var i uint32
	if n := len(x.free); n > 0 {
		i = x.free[n-1]
		x.free = x.free[:n-1]
	} else {
		i = uint32(len(x.entries))
		x.entries = append(x.entries, heldObject{})
	}
	e := &x.entries[i]
	e.ref, e.owner = r, t
	return Handle(e.gen)<<32 | Handle(i+1)
}

// find returns a live handle's entry.
func (x *handleTable) findLocked(k Handle) (*heldObject, error) {
	i := uint32(k) - 1
	if int64(i) < int64(len(x.entries)) {
		if e := &x.entries[i]; e.owner != nil && e.gen == uint32(k>>32) {
			return e, nil
		}
	}
	return nil, refErrorf(RefDead, "the handle was released")
}

// remove makes a handle dead. An entry whose generations are used up stays unused.
func (x *handleTable) remove(k Handle) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	e, err := x.findLocked(k)
	if err != nil {
		return err
	}
	*e = heldObject{gen: e.gen + 1}
	if e.gen != 0 {
		x.free = append(x.free, uint32(k)-1)
	}
	return nil
}

// len counts the live handles.
func (x *handleTable) len() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.entries {
		if x.entries[i].owner != nil {
			n++
		}
	}
	return n
}

// Hold keeps an object alive until Release.
func (s *Scope) Hold(r Ref) (Handle, error) {
	if err := s.h.enter(); err != nil {
		return 0, err
	}
	defer s.h.leaveHost()
	if _, err := s.object(r); err != nil {
		return 0, err
	}
	return s.h.holds.add(r, s.t), nil
}

// Local makes a local reference of a held object.
func (s *Scope) Local(k Handle) (Ref, error) {
	if err := s.h.enter(); err != nil {
		return 0, err
	}
	defer s.h.leaveHost()
	s.h.holds.mu.Lock()
	defer s.h.holds.mu.Unlock()
	e, err := s.h.holds.findLocked(k)
	if err != nil {
		return 0, err
	}
	if e.owner != s.t {
		return 0, refErrorf(RefThread, "of thread %d", e.owner.ID)
	}
	s.set.add(e.ref)
	return e.ref, nil
}

// Release gives a hold up.
func (h *Heap) Release(k Handle) error {
	if err := h.enter(); err != nil {
		return err
	}
	defer h.leaveHost()
	return h.holds.remove(k)
}

// Handles counts the live handles.
func (h *Heap) Handles() int { return h.holds.len() }
