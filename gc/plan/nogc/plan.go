package nogc

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/copyspace"
)

// Plan has one space, whose objects never move as no collection begins.
type Plan struct {
	base  *plan.Base
	space *copyspace.Space
}

// New makes the plan of a heap.
func New(b *plan.Base) plan.Plan {
	return &Plan{b, copyspace.New(plan.FirstSpace, b.Mem)}
}

// Constraints implements plan.Plan.
func (p *Plan) Constraints() plan.Constraints {
	return plan.Constraints{Name: "NoGC", MaxSmall: heap.BlockSize / 2}
}

// Spaces implements plan.Plan.
func (p *Plan) Spaces() []policy.Space { return []policy.Space{p.space} }

// Due implements plan.Plan.
func (p *Plan) Due(int64, int64, heap.SpaceID) bool { return false }
