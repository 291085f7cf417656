package stickyimmix

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/immix"
)

// Plan has one Immix space, and large objects beside it.
type Plan struct {
	base  *plan.Base
	space *immix.Space
	gens  plan.Generations
}

// New makes the plan of a heap.
func New(b *plan.Base) plan.Plan {
	p := &Plan{base: b, space: immix.New(plan.FirstSpace, b.Mem, b.Epoch)}
	p.space.Log = true
	return p
}

// Constraints implements plan.Plan.
func (p *Plan) Constraints() plan.Constraints {
	return plan.Constraints{
		Name: "StickyImmix", Moves: p.base.Opts.Defrag != immix.DefragNever, Barrier: plan.ObjectBarrier, MaxSmall: heap.BlockSize / 4, Collects: true, Generational: true,
	}
}

// Spaces implements plan.Plan.
func (p *Plan) Spaces() []policy.Space { return []policy.Space{p.space} }

// Due implements plan.Plan: the young are a part of the heap, however much of it is free, so that pauses do not grow with it; and some blocks are kept for
// defragmentation.
func (p *Plan) Due(inUse, n int64, _ heap.SpaceID) bool {
	blocks := p.base.Budget.Blocks()
	return p.gens.NurseryFull(inUse, p.base.Opts.NurseryBytes) || inUse+n+p.base.Opts.Defrag.Headroom(blocks) > blocks
}

// Reserve implements plan.Reserver.
func (p *Plan) Reserve(blocks int64) int64 { return p.base.Opts.Defrag.Headroom(blocks + blocks/32) }
