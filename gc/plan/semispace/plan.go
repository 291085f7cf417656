package semispace

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/copyspace"
)

// Plan has two copying spaces, and large objects beside them.
type Plan struct {
	base   *plan.Base
	spaces [2]*copyspace.Space
	to     int // the space that mutators allocate in
}

// New makes the plan of a heap.
func New(b *plan.Base) plan.Plan {
	p := &Plan{base: b}
	for i := range p.spaces {
		p.spaces[i] = copyspace.New(plan.FirstSpace+heap.SpaceID(i), b.Mem)
	}
	return p
}

// Constraints implements plan.Plan.
func (p *Plan) Constraints() plan.Constraints {
	return plan.Constraints{Name: "SemiSpace", Moves: true, MaxSmall: copyspace.MaxSmall, Collects: true}
}

// Spaces implements plan.Plan.
func (p *Plan) Spaces() []policy.Space { return []policy.Space{p.spaces[0], p.spaces[1]} }

// Due implements plan.Plan: there must be room for copies. Everything may be alive; how many blocks their copies take, the space knows.
func (p *Plan) Due(inUse, n int64, space heap.SpaceID) bool {
	held := p.spaces[p.to].Blocks()
	if space >= plan.FirstSpace {
		held += n
	}
	return inUse+n+p.Reserve(held) > p.base.Budget.Blocks()
}

// Reserve implements plan.Reserver.
func (p *Plan) Reserve(blocks int64) int64 { return copyspace.Copies(blocks, p.base.Opts.Workers) }
