package semispace

import "github.com/spindle-wasm/spindle/gc/plan"

// InitMutator implements plan.Plan.
func (p *Plan) InitMutator(m *plan.Mutator) { m.Bump.From = &source{p} }

// source gives mutators memory of the space that is in use now.
type source struct{ p *Plan }

func (s *source) Refill(size uint32) (lo, hi uint32, err error) {
	return s.p.spaces[s.p.to].Source(&s.p.base.Budget).Refill(size)
}
