package pageprotect

import "github.com/spindle-wasm/spindle/gc/plan"

// InitMutator implements plan.Plan: no object is small.
func (p *Plan) InitMutator(*plan.Mutator) {}
