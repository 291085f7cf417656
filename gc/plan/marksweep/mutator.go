package marksweep

import "github.com/spindle-wasm/spindle/gc/plan"

// InitMutator implements plan.Plan.
func (p *Plan) InitMutator(m *plan.Mutator) {
	a := p.space.Allocator(&p.base.Budget)
	m.Small, m.ResetSmall = a.Alloc, a.Reset
}
