// Package alloc has the allocators: what a mutator or a copying worker takes objects from without asking anybody.
package alloc

import "github.com/spindle-wasm/spindle/gc/heap"

// Source gives an allocator memory to go on with: zeroed bytes [lo, hi) with room for an object of size bytes.
type Source interface {
	Refill(size uint32) (lo, hi uint32, err error)
}

// Reset makes a source forget where it is, if it is somewhere: at the start and the end of a collection.
func Reset(s Source) {
	if r, ok := s.(interface{ Reset() }); ok {
		r.Reset()
	}
}

// Bump allocates by moving a cursor. Engines inline its fast path: Cursor + size <= Limit, both below 4 GiB by construction.
type Bump struct {
	Cursor, Limit uint32
	From          Source
}

// Alloc returns zeroed memory of size bytes, a multiple of 8. The error is the source's.
func (b *Bump) Alloc(size uint32) (heap.Ref, error) {
	at := b.Cursor
	// Without overflow: Limit is never below Cursor.
	if b.Limit-at >= size {
		b.Cursor = at + size
		return at, nil
	}
	return b.slow(size)
}

func (b *Bump) slow(size uint32) (heap.Ref, error) {
	lo, hi, err := b.From.Refill(size)
	if err != nil {
		return 0, err
	}
	b.Cursor, b.Limit = lo+size, hi
	return lo, nil
}

// Reset forgets what is left, here and in the source.
func (b *Bump) Reset() {
	b.Cursor, b.Limit = 0, 0
	Reset(b.From)
}
