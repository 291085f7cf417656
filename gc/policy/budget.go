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
	// Reserve is how many further blocks a collection may take for copies, of the given number in use.
	Reserve func(inUse int64) int64

	blocks atomic.Int64
}

// Set sets the number of blocks that mutators and copies may have together.
func (b *Budget) Set(blocks int64) { b.blocks.Store(blocks) }

// Blocks returns it.
func (b *Budget) Blocks() int64 { return b.blocks.Load() }

// Take takes blocks on behalf of a mutator. Errors are ErrDue and those of heap.Memory.
func (b *Budget) Take(n uint32, space heap.SpaceID) (uint32, error) {
	use := b.Mem.InUse() + int64(n)
	if use+b.Reserve(use) > b.blocks.Load() {
		return 0, ErrDue
	}
	block, err := b.Mem.Take(n, space)
	if errors.Is(err, heap.ErrFull) {
		err = ErrDue // no room in a row; a collection may make it
	}
	return block, err
}

// Taker takes blocks: Budget for mutators, heap.Memory for copies.
type Taker interface {
	Take(n uint32, space heap.SpaceID) (uint32, error)
}
