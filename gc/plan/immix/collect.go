package immix

import "github.com/spindle-wasm/spindle/gc/policy"

// InitTracer implements plan.Plan: nothing is copied.
func (p *Plan) InitTracer(*policy.Tracer) {}

// Prepare implements plan.Plan.
func (p *Plan) Prepare() {
	p.base.NextEpoch()
	p.space.Prepare()
}

// Release implements plan.Plan.
func (p *Plan) Release() { p.space.Release() }
