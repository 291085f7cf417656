package heap

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// Sizes of the units.
const (
	LogBlock      = 15
	BlockSize     = 1 << LogBlock
	LogLine       = 8
	LineSize      = 1 << LogLine
	LinesPerBlock = BlockSize / LineSize

	maxBlocks = 1 << (32 - LogBlock)
)

// MaxBytes is the largest object area: what 32-bit references reach.
const MaxBytes = 1 << 32

// SpaceID names the space that a block belongs to; 0 is none.
type SpaceID = uint8

// Memory is a heap's memory. Blocks are taken and given back by any goroutine; everything else is as its user synchronises it.
type Memory struct {
	Types *Types
	// Mark tells which objects are alive; Log which ones' next write is to be remembered; Pin which ones must not move.
	Mark, Log, Pin Bits
	// Lines is the state of each line; Spaces the SpaceID of each block of the largest object area, so that no word read as a reference
	// is beyond it; States are for a block's space, which sets them when it takes the block if it reads them.
	Lines, Spaces, States Table

	region   *mem.Region
	forkable bool
	objects  address
	meta     int // bytes before the object area
	blocks   uint32
	limit    int64 // blocks that may be in use

	inUse atomic.Int64 // blocks; written under mu

	mu    sync.Mutex
	taken []uint64 // guarded by mu; a bit for each block
	dirty []uint64 // guarded by mu; a bit for each block that is not known to be zero
	next  uint32   // guarded by mu; where to look first
	floor uint32   // guarded by mu; blocks below may share their pages with an image: they are taken last

	// Late makes blocks be used again as late as there is room for: for a plan that hides what is free. Set it before the first block is taken.
	Late   bool
	hidden hidden // guarded by mu

	// Poisons makes blocks that are given back be filled with Poison; spaces do the same with what is free in theirs. For debugging; set it before the first block
	// is taken.
	Poisons  bool
	poisoned []uint64 // guarded by mu; a bit for each free block that is filled
}

// NewMemory reserves a heap of which at most size bytes, rounded down to blocks but for the first, may be in use. There is twice as much address space where that is not
// scarce, so that room for a large object is found when a few small ones lie about.
func NewMemory(types *Types, size int64) (*Memory, error) {
	return reserveMemory(types, size, mem.Reserve)
}

// NewForkable is NewMemory for a heap that can be frozen: see Freeze.
func NewForkable(types *Types, size int64) (*Memory, error) {
	m, err := reserveMemory(types, size, mem.ReserveForkable)
	if err == nil {
		m.forkable = true
	}
	return m, err
}

func reserveMemory(types *Types, size int64, reserve func(int) (*mem.Region, error)) (*Memory, error) {
	if size <= 0 || size > MaxBytes {
		return nil, fmt.Errorf("gc: a heap has up to %d bytes, not %d", int64(MaxBytes), size)
	}
	limit := max(size>>LogBlock, 1)
	area := limit
	if math.MaxInt > math.MaxInt32 {
		area *= 2
	}
	blocks := uint32(min(area+1, maxBlocks)) // block 0 is never used: a small offset is no object
	m := &Memory{Types: types, blocks: blocks, limit: min(limit, int64(blocks)-1), next: 1, floor: 1}
	at := layOut(blocks)
	all := at.objects + int64(blocks)<<LogBlock
	if all > math.MaxInt {
		return nil, fmt.Errorf("gc: %d bytes of heap are more than this system's address space", size)
	}
	r, err := reserve(int(all))
	if err != nil {
		return nil, fmt.Errorf("gc: heap: %w", err)
	}
	if err := r.Commit(int(at.objects)); err != nil {
		return nil, errors.Join(fmt.Errorf("gc: heap metadata: %w", err), r.Release())
	}
	m.attach(r, at)
	m.taken = make([]uint64, (blocks+63)/64)
	m.dirty = make([]uint64, (blocks+63)/64)
	m.taken[0] = 1
	for b := blocks; b%64 != 0; b++ {
		m.taken[b/64] |= 1 << (b % 64)
	}
	return m, nil
}

// layout is where in a region the parts of a heap lie.
type layout struct{ mark, log, pin, lines, spaces, states, objects int64 }

// layOut puts every table at a page of its own: they are touched at different times, and a collection in a fork writes to tables, not to objects.
func layOut(blocks uint32) (l layout) {
	area := int64(blocks) << LogBlock
	page := int64(mem.PageSize())
	var at int64
	place := func(n int64) (off int64) {
		off = at
		at += (n + page - 1) / page * page
		return off
	}
	l.mark, l.log, l.pin = place(area/64), place(area/64), place(area/64)
	l.lines, l.spaces, l.states = place(area/LineSize), place(maxBlocks), place(int64(blocks))
	l.objects = at
	return l
}

// Close gives everything back.
func (m *Memory) Close() error { return m.region.Release() }

// Blocks returns how many blocks the object area has; valid numbers are 1 to that, exclusive.
func (m *Memory) Blocks() uint32 { return m.blocks }

// Top returns the first block from which on none was ever in use.
func (m *Memory) Top() uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topLocked()
}

func (m *Memory) topLocked() uint32 { return uint32((m.region.Committed() - m.meta) >> LogBlock) }

// Limit returns how many of them may be in use at a time.
func (m *Memory) Limit() int64 { return m.limit }

// InUse returns how many blocks belong to spaces.
func (m *Memory) InUse() int64 { return m.inUse.Load() }

// Held returns how many blocks keep memory of the system: those in use, and free ones that have been used since the last Trim.
func (m *Memory) Held() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var n int
	for _, w := range m.dirty {
		n += bits.OnesCount64(w)
	}
	return int64(n)
}

// SpaceOf returns the space of the block that a word read as a reference points into, 0 for none.
func (m *Memory) SpaceOf(r Ref) SpaceID { return *m.Spaces.At(r >> LogBlock) }

// ErrFull says that the object area has no room.
var ErrFull = errors.New("gc: the heap is full")

// Take gives a space n adjacent blocks, and returns the first one's number and whether they are known to be zero. Errors are ErrFull and the
// system's.
func (m *Memory) Take(n uint32, space SpaceID) (block uint32, zero bool, err error) {
	m.mu.Lock()
	b, ok := uint32(0), m.inUse.Load()+int64(n) <= m.limit
	if ok {
		b, ok = m.find(n)
	}
	if !ok {
		m.mu.Unlock()
		return 0, false, ErrFull
	}
	if err := m.region.Commit(m.meta + int(b+n)<<LogBlock); err != nil {
		m.mu.Unlock()
		return 0, false, fmt.Errorf("gc: heap: %w", err)
	}
	if err := m.showLocked(b*(BlockSize/HideUnit()), n*(BlockSize/HideUnit())); err != nil {
		m.mu.Unlock()
		return 0, false, fmt.Errorf("gc: heap: %w", err)
	}
	zero = true
	for k := b; k < b+n; k++ {
		m.taken[k/64] |= 1 << (k % 64)
		zero = zero && m.dirty[k/64]&(1<<(k%64)) == 0
		m.dirty[k/64] |= 1 << (k % 64)
		*m.Spaces.At(k) = space
	}
	m.unpoisonLocked(b, n)
	m.next = b + n
	m.inUse.Add(int64(n))
	m.mu.Unlock()
	return b, zero, nil
}

// find looks for n free blocks in a row, from next on and then from the start.
func (m *Memory) find(n uint32) (uint32, bool) {
	for _, from := range [3]uint32{m.next, m.floor, 1} {
		if n == 1 {
			if b, ok := m.findOne(from); ok {
				return b, true
			}
			continue
		}
		run := uint32(0)
		for b := from; b < m.blocks; b++ {
			if m.taken[b/64]&(1<<(b%64)) != 0 {
				run = 0
			} else if run++; run == n {
				return b - n + 1, true
			}
		}
	}
	return 0, false
}

func (m *Memory) findOne(from uint32) (uint32, bool) {
	for i := from / 64; i < uint32(len(m.taken)); i++ {
		free := ^m.taken[i]
		if i == from/64 {
			free &^= 1<<(from%64) - 1
		}
		if free != 0 {
			return i*64 + uint32(bits.TrailingZeros64(free)), true
		}
	}
	return 0, false
}

// Give takes n blocks back from their space. Their metadata must have been cleared.
func (m *Memory) Give(b, n uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Poisons {
		m.poisonLocked(b, n)
	}
	for k := b; k < b+n; k++ {
		m.taken[k/64] &^= 1 << (k % 64)
		*m.Spaces.At(k) = 0
		if m.hidden.wholly(k) {
			m.dirty[k/64] &^= 1 << (k % 64) // hiding gave its memory back
		}
	}
	m.inUse.Add(-int64(n))
	if m.Late {
		return
	}
	// Low blocks first: the heap stays dense, and what is above can go back to the system.
	if b >= m.floor {
		m.next = min(m.next, b)
	}
}

// Trim gives the memory of free blocks back to the system, but for keep blocks of them.
func (m *Memory) Trim(keep int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for b := uint32(1); b < m.blocks; {
		n := uint32(0)
		for b+n < m.blocks && m.taken[(b+n)/64]&(1<<((b+n)%64)) == 0 && m.dirty[(b+n)/64]&(1<<((b+n)%64)) != 0 {
			n++
		}
		if n == 0 {
			b++
			continue
		}
		if k := min(uint32(keep), n); k > 0 {
			keep, b, n = keep-int(k), b+k, n-k
		}
		if n > 0 {
			if err := m.showLocked(b*(BlockSize/HideUnit()), n*(BlockSize/HideUnit())); err != nil {
				return err
			}
			m.unpoisonLocked(b, n)
			zero, err := m.region.Forget(m.meta+int(b)<<LogBlock, int(n)<<LogBlock)
			if err != nil {
				return err
			}
			for k := b; zero && k < b+n; k++ {
				m.dirty[k/64] &^= 1 << (k % 64)
			}
			b += n
		}
	}
	return nil
}

// spin lets another worker go on for a moment.
func spin() { runtime.Gosched() }
