package nogc

import "github.com/spindle-wasm/spindle/gc/policy"

// InitTracer implements plan.Plan.
func (p *Plan) InitTracer(*policy.Tracer) {}

// Prepare implements plan.Plan. Collections are never requested; one that is finds everything alive.
func (p *Plan) Prepare() {}

// Release implements plan.Plan.
func (p *Plan) Release() {}
