package heap

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// ErrNotForkable says that a heap was not made to be forked.
var ErrNotForkable = errors.New("gc: the heap is not forkable")

// Frozen is what a Memory was at one moment. Memories made of it share their pages with it until they write to them. It is safe for concurrent use.
type Frozen struct {
	types        *Types
	img          *mem.Image
	at           layout
	blocks       uint32
	limit        int64
	inUse        int64
	taken, dirty []uint64
	poisoned     []uint64
	floor        uint32
}

// Freeze notes what the memory is. It goes on with the same content, and copies pages as it writes to them. Nobody may use it meanwhile.
func (m *Memory) Freeze() (*Frozen, error) {
	if !m.forkable {
		return nil, ErrNotForkable
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.showLocked(0, uint32(len(m.hidden.bits)*64)); err != nil {
		return nil, fmt.Errorf("gc: freezing the heap: %w", err)
	}
	img, err := m.region.Freeze()
	if err != nil {
		return nil, fmt.Errorf("gc: freezing the heap: %w", err)
	}
	m.floor = floorOf(img, m.meta)
	if m.next < m.floor {
		m.next = m.floor
	}
	return &Frozen{
		types: m.Types, img: img, at: layOut(m.blocks), blocks: m.blocks, limit: m.limit, inUse: m.inUse.Load(),
		taken: slices.Clone(m.taken), dirty: slices.Clone(m.dirty), poisoned: slices.Clone(m.poisoned), floor: m.floor,
	}, nil
}

// Shell returns a Memory that has what is noted of blocks and nothing else, as a place holder in a description of a heap: nothing of it may be touched.
func (f *Frozen) Shell() *Memory {
	m := &Memory{Types: f.types, blocks: f.blocks, limit: f.limit}
	m.inUse.Store(f.inUse)
	return m
}

// New makes a memory.
func (f *Frozen) New() (*Memory, error) {
	r, err := f.img.MapFresh() // what collections have written to in one child is of no use to the next
	if err != nil {
		return nil, fmt.Errorf("gc: forking the heap: %w", err)
	}
	m := &Memory{
		Types: f.types, forkable: true, blocks: f.blocks, limit: f.limit, next: f.floor, floor: f.floor,
		taken: slices.Clone(f.taken), dirty: slices.Clone(f.dirty), poisoned: slices.Clone(f.poisoned),
	}
	m.inUse.Store(f.inUse)
	m.attach(r, f.at)
	return m, nil
}

// Image returns the pages.
func (f *Frozen) Image() *mem.Image { return f.img }

// State is what a Frozen has besides its pages: plain data.
type State struct {
	Blocks       uint32 // of the object area
	Limit        int64  // of them may be in use
	Taken, Dirty []uint64
}

// State returns it.
func (f *Frozen) State() State {
	return State{f.blocks, f.limit, slices.Clone(f.taken), slices.Clone(f.dirty)}
}

// OpenFrozen makes a Frozen of its state and its pages, which it takes over unless there is an error.
func OpenFrozen(types *Types, s State, img *mem.Image) (*Frozen, error) {
	at := layOut(s.Blocks)
	words := int(s.Blocks+63) / 64
	if s.Blocks < 2 || s.Blocks > maxBlocks || img.Size() != int(at.objects)+int(s.Blocks)<<LogBlock || img.Committed() < int(at.objects) {
		return nil, fmt.Errorf("gc: %d blocks do not make %d bytes", s.Blocks, img.Size())
	}
	if len(s.Taken) != words || len(s.Dirty) != words || s.Limit < 1 || s.Limit >= int64(s.Blocks) {
		return nil, fmt.Errorf("gc: tables of %d and %d words, a limit of %d, for %d blocks", len(s.Taken), len(s.Dirty), s.Limit, s.Blocks)
	}
	f := &Frozen{
		types: types, img: img, at: at, blocks: s.Blocks, limit: s.Limit,
		taken: slices.Clone(s.Taken), dirty: slices.Clone(s.Dirty), floor: floorOf(img, int(at.objects)),
	}
	committed := uint32((img.Committed() - int(at.objects)) >> LogBlock)
	for b := uint32(0); b < uint32(words)*64; b++ {
		taken := f.taken[b/64]&(1<<(b%64)) != 0
		switch {
		case b == 0 || b >= s.Blocks:
			if !taken {
				return nil, fmt.Errorf("gc: block %d is none, and not taken", b)
			}
		case taken:
			f.inUse++
			if b >= committed {
				return nil, fmt.Errorf("gc: block %d is taken and was never used", b)
			}
		}
	}
	if f.inUse > f.limit {
		return nil, fmt.Errorf("gc: %d blocks are in use, of at most %d", f.inUse, f.limit)
	}
	return f, nil
}

// floorOf is the first block that is not mapped from an image's file: it has pages of its own from the start. In the file there are holes: a block there that was
// never used costs pages of the file, too.
func floorOf(img *mem.Image, meta int) uint32 {
	used := img.Used()
	if used <= meta {
		return 1
	}
	return max(1, uint32((used-meta+BlockSize-1)>>LogBlock))
}

// Close gives it up; memories made of it are not touched.
func (f *Frozen) Close() error { return f.img.Close() }

// Pages tells how many pages the heap has committed, and how many of these it does not share with an image. The error is errors.ErrUnsupported where the
// system does not tell.
func (m *Memory) Pages() (committed, own int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	spans, err := m.region.Dirty()
	return m.region.Committed() / mem.PageSize(), mem.Pages(spans), err
}

// Use tells what the heap takes of memory, and what of it is its own: see mem.Region.Use.
func (m *Memory) Use() (mem.Use, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.region.Use()
}

// Usage is mem.Region's.
func (m *Memory) Usage(files mem.Files) (own int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.region.Usage(files)
}

// Each calls f for the runs of blocks that belong to spaces, in order. Nobody takes or gives blocks meanwhile.
func (m *Memory) Each(f func(b uint32, space SpaceID)) {
	for b := uint32(1); b < m.blocks; b++ {
		if s := *m.Spaces.At(b); s != 0 {
			f(b, s)
		}
	}
}

// Fill sets the bits of n bytes from off, both multiples of 256, while nobody else touches them.
func (b Bits) Fill(off, n uint32) {
	words := b.words(off, n)
	for i := range words {
		words[i] = ^uint32(0)
	}
}
