package pageprotect

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Plan has the space of large objects only.
type Plan struct{}

// New makes the plan of a heap.
func New(b *plan.Base) plan.Plan {
	b.HideFree()
	return &Plan{}
}

// Constraints implements plan.Plan.
func (p *Plan) Constraints() plan.Constraints {
	return plan.Constraints{Name: "PageProtect", Collects: true}
}

// Spaces implements plan.Plan.
func (p *Plan) Spaces() []policy.Space { return nil }

// Due implements plan.Plan.
func (p *Plan) Due(int64, int64, heap.SpaceID) bool { return false }
