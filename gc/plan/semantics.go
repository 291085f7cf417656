package plan

import (
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/cells"
)

// Semantics is what a VM wants of an object for all its life (MMTk: AllocationSemantics).
type Semantics uint8

const (
	// Default is for the plan to decide.
	Default Semantics = iota
	// Immortal objects are never freed and do not move, and neither is what they refer to freed.
	Immortal
	// NonMoving objects stay where they are while they live. It costs less than to pin them.
	NonMoving
	// Large objects have memory of their own, as those have that are larger than Constraints.MaxSmall, and do not move.
	Large
)

// AllocAs is Alloc for an object of that semantics. A write to it needs the barrier like any.
func (m *Mutator) AllocAs(s Semantics, t heap.TypeID, length uint32) (heap.Ref, error) {
	if s == Default || s == NonMoving && !m.base.plan.Constraints().Moves {
		return m.Alloc(t, length)
	}
	size, err := m.begin(t, length)
	if err != nil {
		return 0, err
	}
	r, err := m.slow(size, s)
	if err != nil {
		return 0, err
	}
	*m.base.Mem.Word(r) = heap.Header(t, length)
	if s == Immortal {
		m.base.immortal.Born(r)
		if m.base.common.Log {
			m.barrier.Objects = append(m.barrier.Objects, r)
		}
	}
	return r, nil
}

// as allocates without a collection, as raw does.
func (b *Base) as(size uint32, s Semantics) (heap.Ref, error) {
	switch {
	case s == Immortal:
		return b.immortal.Alloc(size, &b.Budget)
	case s == NonMoving && size <= cells.Max:
		return b.fixed.alloc(size)
	}
	return b.large.Alloc(size, &b.Budget)
}

// fixed is the space of NonMoving objects of a plan that moves others, with one allocator for all mutators: there are few such objects.
type fixed struct {
	space *cells.Space

	mu sync.Mutex
	a  *cells.Allocator // guarded by mu
}

func newFixed(mem *heap.Memory, t policy.Taker) *fixed {
	s := cells.New(fixedSpace, mem)
	return &fixed{space: s, a: s.Allocator(t)}
}

func (f *fixed) alloc(size uint32) (heap.Ref, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.a.Alloc(size)
}
