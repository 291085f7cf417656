package vm

import (
	"fmt"
	"math/bits"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// blocks are small pieces of guest-owned memory out of one region.
type blocks struct {
	pools *Pools
	arena *mem.Region       // where blocks come from; nil until the first one, but in a main thread's store, whose context lies at its start
	next  uintptr           // bump pointer in the arena
	free  map[int][]uintptr // freed blocks by size class (slots)
}

// commitStep is how much of the region becomes accessible at once.
const commitStep = 64 << 10

// sizeClass rounds a number of slots up to a power of two, so that freed blocks fit again.
func sizeClass(slots int) int { return 1 << bits.Len(uint(slots-1)) }

// alloc returns zeroed guest-owned memory of that many slots, aligned to 16 bytes if it has at least two.
func (s *blocks) alloc(slots int) (uintptr, error) {
	if slots == 0 {
		return s.next, nil
	}
	c := sizeClass(slots)
	if l := s.free[c]; len(l) > 0 {
		a := l[len(l)-1]
		s.free[c] = l[:len(l)-1]
		clear(slotsAt(a, c))
		return a, nil
	}
	if s.arena == nil {
		r, err := s.pools.getArena(commitStep)
		if err != nil {
			return 0, fmt.Errorf("thread region: %w", err)
		}
		s.arena, s.next = r, r.Base()
	}
	a := s.next
	if c > 1 {
		a = (a + 15) &^ 15
	}
	base := s.arena.Base()
	end := int(a-base) + c*8
	if end > s.arena.Size() {
		return 0, &LimitError{Limit: "store bytes", Max: uint64(s.arena.Size()), Got: uint64(end)}
	}
	if end > s.arena.Committed() {
		if err := s.arena.Commit(min((end+commitStep-1)/commitStep*commitStep, s.arena.Size())); err != nil {
			return 0, err
		}
	}
	s.next = base + uintptr(end)
	return a, nil
}

// release gives a block of alloc back for reuse.
func (s *blocks) release(addr uintptr, slots int) {
	if slots == 0 {
		return
	}
	if s.free == nil {
		s.free = map[int][]uintptr{}
	}
	c := sizeClass(slots)
	s.free[c] = append(s.free[c], addr)
}

// used is the number of bytes of the arena that may be other than zero.
func (s *blocks) used() uintptr { return s.next - s.arena.Base() }

// dropArena gives all blocks back.
func (s *blocks) dropArena() {
	if s.arena != nil {
		s.pools.put(s.arena, int(s.used()))
		s.arena, s.free = nil, nil
	}
}

// clone makes s, which is empty, a copy of from, but for the free blocks: see cloneFree. m is set to where the copy is.
func (s *blocks) clone(from *blocks, m *movedRange) error {
	if from.arena == nil {
		return nil
	}
	used := int(from.used())
	arena, err := s.pools.getArena(used)
	if err != nil {
		return fmt.Errorf("thread region: %w", err)
	}
	copy(arena.Bytes(used), from.arena.Bytes(used))
	s.arena, s.next = arena, arena.Base()+uintptr(used)
	*m = movedRange{from.arena.Base(), uintptr(used), arena.Base()}
	return nil
}

func (s *blocks) cloneFree(from *blocks, moved *shift) {
	for size, l := range from.free {
		if s.free == nil {
			s.free = map[int][]uintptr{}
		}
		for _, a := range l {
			s.free[size] = append(s.free[size], moved.addr(a))
		}
	}
}
