package markcompact

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/compact"
)

// Plan has one compacting space, and large objects beside it.
type Plan struct {
	base  *plan.Base
	space *compact.Space
}

// New makes the plan of a heap.
func New(b *plan.Base) plan.Plan {
	return &Plan{b, compact.New(plan.FirstSpace, b.Mem)}
}

// Constraints implements plan.Plan.
func (p *Plan) Constraints() plan.Constraints {
	return plan.Constraints{Name: "MarkCompact", Moves: true, MaxSmall: heap.BlockSize / 4, Collects: true}
}

// Spaces implements plan.Plan.
func (p *Plan) Spaces() []policy.Space { return []policy.Space{p.space} }

// Due implements plan.Plan.
func (p *Plan) Due(int64, int64, heap.SpaceID) bool { return false }
