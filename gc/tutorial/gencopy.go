package tutorial

import (
	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// GenCopy is a generational plan: mutators allocate in a nursery. Most collections are of the young, and copy what is alive in the nursery to the old objects;
// others are of the whole heap, and copy the old ones as well.
type GenCopy struct {
	base    *plan.Base
	nursery *Space
	old     [2]*Space
	to      int // the space of old objects that copies go to
	gens    plan.Generations
}

// NewGenCopy makes the plan of a heap.
func NewGenCopy(b *plan.Base) plan.Plan {
	return &GenCopy{base: b, nursery: NewSpace(plan.FirstSpace, b.Mem), old: pair(b.Mem, plan.FirstSpace+1)}
}

// Constraints implements plan.Plan.
func (p *GenCopy) Constraints() plan.Constraints {
	return plan.Constraints{
		Name: "Tutorial GenCopy", MaxSmall: maxSmall, Collects: true, Moves: true, Generational: true, Barrier: plan.ObjectBarrier,
	}
}

// Spaces implements plan.Plan.
func (p *GenCopy) Spaces() []policy.Space { return []policy.Space{p.nursery, p.old[0], p.old[1]} }

// InitMutator implements plan.Plan.
func (p *GenCopy) InitMutator(m *plan.Mutator) { m.Bump.From = p.nursery.From(&p.base.Budget) }

// InitTracer implements plan.Plan.
func (p *GenCopy) InitTracer(t *policy.Tracer) {
	for _, s := range p.old {
		t.Copy = append(t.Copy, alloc.Bump{From: s.From(p.base.Mem)})
	}
}

// Full implements plan.Plan.
func (p *GenCopy) Full(wanted bool) bool { return p.gens.Full(wanted, &p.base.Budget) }

// Prepare implements plan.Plan.
func (p *GenCopy) Prepare(full bool) {
	if full {
		p.to = 1 - p.to
		p.old[1-p.to].Prepare(p.to)
	}
	p.nursery.Prepare(p.to)
}

// Release implements plan.Plan.
func (p *GenCopy) Release(full bool) {
	p.nursery.Release(p.old[p.to])
	if full {
		p.old[1-p.to].Release(p.old[p.to])
	}
	p.gens.Collected(full, p.base.Mem.InUse())
}

// Due implements plan.Plan: the nursery is full, or there would be no room for a collection of the young, all of which survive, and then one of the whole heap.
func (p *GenCopy) Due(inUse, n int64, space heap.SpaceID) bool {
	young, old := p.nursery.Blocks(), p.old[p.to].Blocks()
	if space == plan.FirstSpace {
		young += n
	}
	return p.gens.NurseryFull(inUse, p.base.Opts.NurseryBytes) || inUse+n+p.reserve(young, old) > p.base.Budget.Blocks()
}

func (p *GenCopy) reserve(young, old int64) int64 {
	more := copiesOf(young, p.base) - young // what the young have more when they are old
	return more + copiesOf(young+old, p.base)
}

// Reserve implements plan.Reserver.
func (p *GenCopy) Reserve(blocks int64) int64 {
	young := min(blocks, p.base.Opts.NurseryBytes>>heap.LogBlock)
	return p.reserve(young, blocks-young)
}
