package marksweep

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/cells"
)

// Plan has one mark-sweep space, and large objects beside it.
type Plan struct {
	base  *plan.Base
	space *cells.Space
}

// New makes the plan of a heap.
func New(b *plan.Base) plan.Plan {
	return &Plan{b, cells.New(plan.FirstSpace, b.Mem)}
}

// Constraints implements plan.Plan.
func (p *Plan) Constraints() plan.Constraints {
	return plan.Constraints{Name: "MarkSweep", MaxSmall: cells.Max, Collects: true}
}

// Spaces implements plan.Plan.
func (p *Plan) Spaces() []policy.Space { return []policy.Space{p.space} }

// Due implements plan.Plan.
func (p *Plan) Due(int64, int64, heap.SpaceID) bool { return false }
