package stickyimmix

import "github.com/spindle-wasm/spindle/gc/policy"

// InitTracer implements plan.Plan: nothing is copied.
func (p *Plan) InitTracer(*policy.Tracer) {}

// Full implements plan.Plan.
func (p *Plan) Full(wanted bool) bool { return p.gens.Full(wanted, &p.base.Budget) }

// Prepare implements plan.Plan. In a collection of the young, the marks of the old stay, and their lines' epoch.
func (p *Plan) Prepare(full bool) {
	if full {
		p.base.NextEpoch()
		p.space.Prepare()
	}
}

// Release implements plan.Plan.
func (p *Plan) Release(full bool) {
	p.space.Release()
	p.gens.Collected(full, p.base.Mem.InUse())
}
