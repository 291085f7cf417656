package tutorial

import (
	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// SemiSpace is a plan whose collections copy everything that is alive from one space to another one.
type SemiSpace struct {
	base   *plan.Base
	spaces [2]*Space
	to     int // the space that mutators allocate in, and that the running collection copies to
}

// NewSemiSpace makes the plan of a heap.
func NewSemiSpace(b *plan.Base) plan.Plan {
	return &SemiSpace{base: b, spaces: pair(b.Mem, plan.FirstSpace)}
}

func pair(mem *heap.Memory, first heap.SpaceID) [2]*Space {
	return [2]*Space{NewSpace(first, mem), NewSpace(first+1, mem)}
}

// Constraints implements plan.Plan.
func (p *SemiSpace) Constraints() plan.Constraints {
	return plan.Constraints{Name: "Tutorial SemiSpace", MaxSmall: maxSmall, Collects: true, Moves: true}
}

// Spaces implements plan.Plan.
func (p *SemiSpace) Spaces() []policy.Space { return []policy.Space{p.spaces[0], p.spaces[1]} }

// InitMutator implements plan.Plan: which space it is changes with each collection.
func (p *SemiSpace) InitMutator(m *plan.Mutator) {
	m.Bump.From = refill(func(size uint32) (lo, hi uint32, err error) {
		return p.spaces[p.to].From(&p.base.Budget).Refill(size)
	})
}

// refill is an alloc.Source that is a function.
type refill func(size uint32) (lo, hi uint32, err error)

func (f refill) Refill(size uint32) (lo, hi uint32, err error) { return f(size) }

// InitTracer implements plan.Plan: each worker has an allocator for copies into each of the spaces. Copies are not on the budget, which Due keeps room in for them.
func (p *SemiSpace) InitTracer(t *policy.Tracer) {
	for _, s := range p.spaces {
		t.Copy = append(t.Copy, alloc.Bump{From: s.From(p.base.Mem)})
	}
}

// Full implements plan.Plan.
func (p *SemiSpace) Full(bool) bool { return true }

// Prepare implements plan.Plan.
func (p *SemiSpace) Prepare(bool) {
	p.to = 1 - p.to
	p.spaces[1-p.to].Prepare(p.to)
}

// Release implements plan.Plan.
func (p *SemiSpace) Release(bool) { p.spaces[1-p.to].Release(p.spaces[p.to]) }

// Due implements plan.Plan: everything may be alive, and copies need room.
func (p *SemiSpace) Due(inUse, n int64, space heap.SpaceID) bool {
	blocks := p.spaces[p.to].Blocks()
	if space >= plan.FirstSpace {
		blocks += n
	}
	return inUse+n+p.Reserve(blocks) > p.base.Budget.Blocks()
}

// Reserve implements plan.Reserver.
func (p *SemiSpace) Reserve(blocks int64) int64 { return copiesOf(blocks, p.base) }

// copiesOf is how many blocks the copies of that many may take. They may come in an order that leaves up to a quarter of each block empty, and each worker has
// a block that it has not filled.
func copiesOf(blocks int64, b *plan.Base) int64 { return blocks + blocks/3 + int64(b.Opts.Workers) }
