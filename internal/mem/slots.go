package mem

import (
	"errors"
	"slices"
	"sync"
)

// Slots hands out regions of one size, committed as a whole from the start, many to a mapping. Systems bound the number of mappings of a
// process (Linux: vm.max_map_count, 65,530 by default), and one that is half reserved and half committed counts twice: with a mapping for
// each, a program would fail at 30,000 guest stacks, and not with an error but wherever Go's runtime maps memory next.
//
// Untouched pages cost nothing, so slots can be generous. Safe for concurrent use; so is Region.Release of its regions.
type Slots struct {
	size     int
	least    int // slots of a mapping
	maxStale int // how many that are back may have their pages still

	mu     sync.Mutex
	chunks []*chunk // guarded by mu; those with room
	stale  int      // guarded by mu; of all chunks
}

// chunk is one mapping. Its fields are guarded by Slots.mu.
type chunk struct {
	base  uintptr
	slots int
	fresh int       // slots handed out at some time: the first so many
	free  []uintptr // of these, the ones that are back
	stale int       // of these, the last so many may have their pages still
}

func (c *chunk) full() bool { return c.fresh == c.slots && len(c.free) == 0 }

// NewSlots makes Slots of size bytes each, rounded up to whole pages.
func NewSlots(size int) *Slots { return NewSlotsBy(size, 1) }

// maxStaleMemory bounds what slots that are back may hold.
const maxStaleMemory = 32 << 20

// NewStacks is NewSlots for regions whose users do not care what they find, and do not leave more than held bytes in them. The pages of one that is back are given back together
// with others': to do it for each is most of what the end of a thread takes, and a mapping none of whose slots is in use any more goes as a whole.
func NewStacks(size, held int) *Slots {
	s := NewSlots(size)
	s.maxStale = maxStaleMemory / held
	return s
}

// NewSlotsBy is NewSlots with that many to a mapping, or more.
func NewSlotsBy(size, least int) *Slots { return &Slots{size: roundUp(size, PageSize()), least: least} }

// Get returns a region, which is zero if it is no stack. It has a mapping of its own where the system does not give so much at once.
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
		if c.stale > 0 {
			c.stale--
			s.stale--
		}
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
	if s.maxStale == 0 {
		if err := discard(r, 0, r.size); err != nil {
			return err // what it has nobody is to see: it is lost
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := r.chunk
	s.roomLocked(c)
	c.free = append(c.free, r.base)
	if s.maxStale > 0 {
		c.stale++
		s.stale++
		if s.stale > s.maxStale && len(c.free) < c.fresh {
			return s.sweepLocked(c)
		}
	}
	return s.releaseLocked(c)
}

// roomLocked notes that a chunk is about to have room.
func (s *Slots) roomLocked(c *chunk) {
	if c.full() {
		s.chunks = append(s.chunks, c)
	}
}

// sweepLocked gives the pages of a chunk's stale slots back, without the lock. Nobody gets them meanwhile, and so the chunk stays.
func (s *Slots) sweepLocked(c *chunk) error {
	clean := len(c.free) - c.stale
	bases := slices.Clone(c.free[clean:])
	c.free = c.free[:clean]
	s.stale -= c.stale
	c.stale = 0
	if c.full() {
		s.removeLocked(c)
	}
	s.mu.Unlock()
	slices.Sort(bases)
	var err error
	for at := 0; at < len(bases); {
		n := 1
		for at+n < len(bases) && bases[at+n] == bases[at]+uintptr(n*s.size) {
			n++
		}
		run := &Region{base: bases[at], size: n * s.size, committed: n * s.size}
		err = errors.Join(err, discard(run, 0, run.size)) // its pages stay until the chunk goes
		at += n
	}
	s.mu.Lock()
	s.roomLocked(c)
	c.free = slices.Insert(c.free, len(c.free)-c.stale, bases...)
	return errors.Join(err, s.releaseLocked(c))
}

// releaseLocked unmaps a chunk whose slots are all back.
func (s *Slots) releaseLocked(c *chunk) error {
	if len(c.free) < c.fresh {
		return nil
	}
	s.stale -= c.stale
	s.removeLocked(c)
	return release(&Region{base: c.base, size: c.slots * s.size})
}

func (s *Slots) removeLocked(c *chunk) {
	if i := slices.Index(s.chunks, c); i >= 0 {
		s.chunks = slices.Delete(s.chunks, i, i+1)
	}
}
