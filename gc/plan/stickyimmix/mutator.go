package stickyimmix

import "github.com/spindle-wasm/spindle/gc/plan"

// InitMutator implements plan.Plan: small objects go into holes, others into free blocks.
func (p *Plan) InitMutator(m *plan.Mutator) {
	m.Bump.From = p.space.Holes(&p.base.Budget)
	m.Overflow.From = p.space.Free(&p.base.Budget)
}
