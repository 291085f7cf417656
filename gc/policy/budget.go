package policy

import (
	"errors"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// ErrDue says that a collection is due before the mutators may have more memory.
var ErrDue = errors.New("gc: a collection is due")

// Budget decides how many blocks the mutators of a heap may use until the next collection. It is safe for concurrent use.
type Budget struct {
	Mem *heap.Memory
	// Due is the plan's: whether a collection comes before n more blocks may be in use. It is asked besides whether they are within the budget.
	Due func(inUse, n int64, space heap.SpaceID) bool

	blocks atomic.Int64
	extra  atomic.Int64 // blocks that may be taken though a collection is due
}

// Set sets the number of blocks that mutators and copies may have together.
func (b *Budget) Set(blocks int64) { b.blocks.Store(blocks) }

// Blocks returns it.
func (b *Budget) Blocks() int64 { return b.blocks.Load() }

// Take takes blocks on behalf of a mutator. Errors are ErrDue and those of heap.Memory.
func (b *Budget) Take(n uint32, space heap.SpaceID) (block uint32, zero bool, err error) {
	if use := b.Mem.InUse(); (use+int64(n) > b.blocks.Load() || b.Due(use, int64(n), space)) && !b.spend(int64(n)) {
		return 0, false, ErrDue
	}
	block, zero, err = b.Mem.Take(n, space)
	if errors.Is(err, heap.ErrFull) {
		err = ErrDue // no room in a row; a collection may make it
	}
	return block, zero, err
}

// Allow sets how many blocks mutators may have though a collection is due, while none can be.
func (b *Budget) Allow(blocks int64) { b.extra.Store(blocks) }

func (b *Budget) spend(n int64) bool {
	for {
		have := b.extra.Load()
		if have < n {
			return false
		}
		if b.extra.CompareAndSwap(have, have-n) {
			return true
		}
	}
}

// Inherit makes the budget be what another heap's is.
func (b *Budget) Inherit(from *Budget) { b.blocks.Store(from.blocks.Load()) }

// Taker takes blocks: Budget for mutators, heap.Memory for copies.
type Taker interface {
	Take(n uint32, space heap.SpaceID) (block uint32, zero bool, err error)
}
