package immix

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
}

// New makes the plan of a heap.
func New(b *plan.Base) plan.Plan {
	return &Plan{base: b, space: immix.New(plan.FirstSpace, b.Mem, b.Epoch)}
}

// Constraints implements plan.Plan. Larger objects would leave too much of blocks empty (the paper's limit: 8 of 32 KiB).
func (p *Plan) Constraints() plan.Constraints {
	return plan.Constraints{Name: "Immix", Moves: p.base.Opts.Defrag != immix.DefragNever, MaxSmall: heap.BlockSize / 4, Collects: true}
}

// Spaces implements plan.Plan.
func (p *Plan) Spaces() []policy.Space { return []policy.Space{p.space} }

// Due implements plan.Plan: some blocks are kept for defragmentation.
func (p *Plan) Due(inUse, n int64, _ heap.SpaceID) bool {
	blocks := p.base.Budget.Blocks()
	return inUse+n+p.base.Opts.Defrag.Headroom(blocks) > blocks
}

// Reserve implements plan.Reserver.
func (p *Plan) Reserve(blocks int64) int64 { return p.base.Opts.Defrag.Headroom(blocks + blocks/32) }
