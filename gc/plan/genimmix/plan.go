package genimmix

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/copyspace"
	"github.com/spindle-wasm/spindle/gc/policy/immix"
)

// Plan has a nursery that is copied from, an Immix space, and large objects beside them.
type Plan struct {
	base    *plan.Base
	nursery *copyspace.Space
	mature  *immix.Space
	gens    plan.Generations
}

// New makes the plan of a heap.
func New(b *plan.Base) plan.Plan {
	p := &Plan{base: b, nursery: copyspace.NewNursery(plan.FirstSpace, b.Mem), mature: immix.New(plan.FirstSpace+1, b.Mem, b.Epoch)}
	p.mature.Log = true
	return p
}

// Constraints implements plan.Plan.
func (p *Plan) Constraints() plan.Constraints {
	return plan.Constraints{
		Name: "GenImmix", Moves: true, Barrier: plan.ObjectBarrier, MaxSmall: copyspace.MaxSmall, Collects: true, Generational: true,
	}
}

// Spaces implements plan.Plan.
func (p *Plan) Spaces() []policy.Space { return []policy.Space{p.nursery, p.mature} }

// Due implements plan.Plan: the nursery is full, or what may survive in it would not fit.
func (p *Plan) Due(inUse, n int64, space heap.SpaceID) bool {
	blocks, young := p.base.Budget.Blocks(), p.nursery.Blocks()
	if space == plan.FirstSpace {
		young += n
	}
	return p.gens.NurseryFull(inUse, p.base.Opts.NurseryBytes) || inUse+n+p.copies(young)+p.base.Opts.Defrag.Headroom(blocks) > blocks
}

// copies is how many blocks the copies of so many may take.
func (p *Plan) copies(young int64) int64 { return copyspace.Copies(young, p.base.Opts.Workers) }

// Reserve implements plan.Reserver: young objects are a part of all, up to what the nursery holds.
func (p *Plan) Reserve(blocks int64) int64 {
	return p.copies(min(blocks/2, p.base.Opts.NurseryBytes>>heap.LogBlock)) + p.base.Opts.Defrag.Headroom(2*blocks)
}
