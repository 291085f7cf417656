package tutorial

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// NoGC is a plan that allocates and never collects.
type NoGC struct {
	base  *plan.Base
	space *Space
}

// NewNoGC makes the plan of a heap.
func NewNoGC(b *plan.Base) plan.Plan {
	return &NoGC{b, NewSpace(plan.FirstSpace, b.Mem)}
}

// Constraints implements plan.Plan.
func (p *NoGC) Constraints() plan.Constraints {
	return plan.Constraints{Name: "Tutorial NoGC", MaxSmall: maxSmall}
}

// Spaces implements plan.Plan.
func (p *NoGC) Spaces() []policy.Space { return []policy.Space{p.space} }

// InitMutator implements plan.Plan.
func (p *NoGC) InitMutator(m *plan.Mutator) { m.Bump.From = p.space.From(&p.base.Budget) }

// Due implements plan.Plan: the memory's end is reason enough.
func (p *NoGC) Due(int64, int64, heap.SpaceID) bool { return false }

// InitTracer implements plan.Plan: nothing is copied.
func (p *NoGC) InitTracer(*policy.Tracer) {}

// Full implements plan.Plan.
func (p *NoGC) Full(bool) bool { return true }

// Prepare implements plan.Plan. As Constraints does not say Collects, it is never called.
func (p *NoGC) Prepare(bool) {}

// Release implements plan.Plan.
func (p *NoGC) Release(bool) {}
