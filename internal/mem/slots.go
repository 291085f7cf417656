package mem

import "sync"

// Slots hands out regions of one size, committed as a whole from the start, many to a mapping. Systems bound the number of mappings of a
// process (Linux: vm.max_map_count, 65,530 by default), and one that is half reserved and half committed counts twice: with a mapping for
// each, a program would fail at 30,000 guest stacks, and not with an error but wherever Go's runtime maps memory next.
//
// Untouched pages cost nothing, so slots can be generous. Safe for concurrent use; so is Region.Release of its regions.
type Slots struct {
	size  int
	least int // slots of a mapping

	mu     sync.Mutex
	chunks []*chunk // guarded by mu; those with room
}

// chunk is one mapping. Its fields are guarded by Slots.mu.
type chunk struct {
	base  uintptr
	slots int
	fresh int       // slots handed out at some time: the first so many
	free  []uintptr // of these, the ones that are back
}

func (c *chunk) full() bool { return c.fresh == c.slots && len(c.free) == 0 }

// NewSlots makes Slots of size bytes each, rounded up to whole pages.
func NewSlots(size int) *Slots { return NewSlotsBy(size, 1) }

// NewSlotsBy is NewSlots with that many to a mapping, or more.
func NewSlotsBy(size, least int) *Slots { return &Slots{size: roundUp(size, PageSize()), least: least} }

// Get returns a region, which is zero. It has a mapping of its own where the system does not give so much at once.
func (s *Slots) Get() (*Region, error) {
	r, err := s.Together()
	if err != nil {
		return s.single()
	}
	return r, nil
}

// Together is Get for a region that others share the mapping with.
func (s *Slots) Together() (*Region, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.chunks) == 0 {
		n := max(chunkSize/s.size, s.least)
		base, err := reserveCommitted(n * s.size)
		if err != nil {
			return nil, err
		}
		s.chunks = append(s.chunks, &chunk{base: base, slots: n})
	}
	c := s.chunks[len(s.chunks)-1]
	r := &Region{size: s.size, committed: s.size, slots: s, chunk: c}
	if n := len(c.free); n > 0 {
		r.base = c.free[n-1]
		c.free = c.free[:n-1]
	} else {
		r.base = c.base + uintptr(c.fresh*s.size)
		c.fresh++
	}
	if c.full() {
		s.chunks = s.chunks[:len(s.chunks)-1]
	}
	return r, nil
}

// Together reports whether the region is one of Slots, and shares their mapping.
func (r *Region) Together() bool { return r.slots != nil }

// single makes a mapping for one region.
func (s *Slots) single() (*Region, error) {
	r, err := Reserve(s.size)
	if err != nil {
		return nil, err
	}
	if err := r.Commit(s.size); err != nil {
		r.Release() //nolint:errcheck // the commit's error is the one to report
		return nil, err
	}
	return r, nil
}

// put takes a slot back; a chunk whose slots are all back goes.
func (s *Slots) put(r *Region) error {
	if err := discard(r, 0, r.size); err != nil {
		return err // what it has nobody is to see: it is lost
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := r.chunk
	if c.full() {
		s.chunks = append(s.chunks, c)
	}
	c.free = append(c.free, r.base)
	if len(c.free) < c.fresh {
		return nil
	}
	for i := range s.chunks {
		if s.chunks[i] == c {
			s.chunks = append(s.chunks[:i], s.chunks[i+1:]...)
			break
		}
	}
	return release(&Region{base: c.base, size: c.slots * s.size})
}
