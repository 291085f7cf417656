package plan

import (
	"errors"
	"fmt"

	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// Mutator is what one thread of the VM allocates with. It belongs to that thread.
type Mutator struct {
	alloc.Bump // of small objects; engines inline its fast path
	// Overflow takes objects larger than a line that do not fit where Bump is, so that its hole is not lost. Without a Source it is not used.
	Overflow alloc.Bump
	// Small allocates small objects in place of Bump, if it is set.
	Small func(size uint32) (heap.Ref, error)
	// ResetSmall makes Small forget what it has, at the start of a collection.
	ResetSmall func()
	Thread     vm.Thread

	// Of Alloc's fast path.
	mem    *heap.Memory
	shapes []heap.Shape // of the types that there were when an allocation last looked
	inline uint32       // Inline

	base     *Base
	maxSmall uint32
	barrier  barrier.Buffer // old objects that were written to
	stress   int            // allocations until the next collection; 0: off
	turn     bool           // of stress and zeal: the next one is of the whole heap
	zeal     int            // safepoints since the last collection
}

// Inline is the size in bytes up to which an engine may allocate by Bump on its own.
func (m *Mutator) Inline() uint32 {
	if m.base.Opts.Stress > 0 || m.Small != nil {
		return 0
	}
	return m.maxSmall
}

// ErrOutOfMemory is returned by allocations that a last full collection has not made room for.
var ErrOutOfMemory = errors.New("gc: out of memory")

// SizeError says that an object is larger than any heap allows.
type SizeError struct {
	Type   string
	Length uint32
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("gc: an array of type %s cannot have %d elements", e.Type, e.Length)
}

// Alloc makes an object with all fields zero; length is an array's. It may run a collection: references that the caller holds must be roots. Errors
// are *SizeError, ErrOutOfMemory (wrapped) and what made a collection fail.
func (m *Mutator) Alloc(t heap.TypeID, length uint32) (heap.Ref, error) {
	if int(t) < len(m.shapes) {
		// 0 of an array: at the top of the range by the subtraction.
		if size := m.shapes[t].Struct(); size-1 < m.inline && m.Limit-m.Cursor >= size {
			r := m.Cursor
			m.Cursor = r + size
			*m.mem.Word(r) = heap.Header(t, length)
			return r, nil
		}
	}
	return m.alloc(t, length)
}

// alloc is Alloc for arrays, for types that are new, and when Bump has no room.
func (m *Mutator) alloc(t heap.TypeID, length uint32) (heap.Ref, error) {
	if int(t) >= len(m.shapes) {
		m.shapes = m.mem.Types.Shapes()
	}
	size, err := m.begin(t, length)
	if err != nil {
		return 0, err
	}
	var r heap.Ref
	if size <= m.maxSmall && m.Limit-m.Cursor >= size {
		r = m.Cursor
		m.Cursor += size
	} else if r, err = m.slow(size, Default); err != nil {
		return 0, err
	}
	*m.mem.Word(r) = heap.Header(t, length)
	return r, nil
}

// begin begins the allocation of an object and returns its size.
func (m *Mutator) begin(t heap.TypeID, length uint32) (uint32, error) {
	typ := &m.mem.Types.All()[t]
	size := typ.Bytes(length)
	if size == 0 {
		return 0, &SizeError{typ.Name, length}
	}
	if m.stress > 0 {
		return size, m.stressed()
	}
	return size, nil
}

func (m *Mutator) stressed() error {
	if m.stress--; m.stress > 0 {
		return nil
	}
	m.stress = m.base.Opts.Stress
	if m.base.forking() != nil {
		return nil // none can be
	}
	m.turn = !m.turn
	return m.base.Collect(m, m.turn)
}

const (
	// attempts is how many collections an allocation waits for before it gives up.
	attempts = 3
	// manyAttempts is how many if they do make room, and others are quicker to take it.
	manyAttempts = 100
)

// roomy reports whether the last collection has left so much room that an object of size bytes would have found some, had others not taken it first.
func (b *Base) roomy(size uint32) bool {
	return 4*b.after.Load() < b.Budget.Blocks() && 4*int64(size) < b.Budget.Blocks()<<heap.LogBlock
}

func (m *Mutator) slow(size uint32, s Semantics) (heap.Ref, error) {
	for try := 0; ; try++ {
		r, err := m.raw(size, s)
		if !errors.Is(err, policy.ErrDue) {
			return r, err
		}
		if try > 0 && m.base.again.Load() {
			try-- // the last collection knows that it could have done better
		}
		if try >= attempts && !(try < manyAttempts && m.base.roomy(size)) || !m.base.plan.Constraints().Collects {
			return 0, fmt.Errorf("%w: %d bytes wanted, %d of %d bytes in use", ErrOutOfMemory, size, m.base.Mem.InUse()<<heap.LogBlock, m.base.Budget.Blocks()<<heap.LogBlock)
		}
		if err := m.base.forking(); err != nil {
			return 0, err // no collection can make room
		}
		if try > 0 {
			// A heap that may grow does so when a collection of the whole of it was no help.
			if (try > 1 || !m.base.common.Log) && m.base.grow(size) {
				try--
				continue
			}
			m.base.short.Store(true)
		}
		if err := m.base.collect(m, try > 0); err != nil {
			return 0, err
		}
	}
}

// Remember is the slow half of ObjectBarrier: it is called after a write of a reference into an object whose Log bit is set.
func (m *Mutator) Remember(r heap.Ref) { m.barrier.Object(m.base.Mem, r) }

// raw allocates without a collection.
func (m *Mutator) raw(size uint32, s Semantics) (heap.Ref, error) {
	switch {
	case s != Default:
		return m.base.as(size, s)
	case size > m.maxSmall:
		return m.base.large.Alloc(size, &m.base.Budget)
	case m.Small != nil:
		return m.Small(size)
	case size > heap.LineSize && m.Overflow.From != nil:
		return m.Overflow.Alloc(size)
	}
	return m.Bump.Alloc(size)
}

// reset makes the allocators forget what they have; the world stands.
func (m *Mutator) reset() {
	m.Bump.Reset()
	m.Overflow.Reset()
	if m.ResetSmall != nil {
		m.ResetSmall()
	}
}
