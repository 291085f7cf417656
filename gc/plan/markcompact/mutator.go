package markcompact

import "github.com/spindle-wasm/spindle/gc/plan"

// InitMutator implements plan.Plan.
func (p *Plan) InitMutator(m *plan.Mutator) { m.Bump.From = p.space.Source(&p.base.Budget) }
