package stickyimmix

import "github.com/spindle-wasm/spindle/gc/policy"

// InitTracer implements plan.Plan: nothing is copied.
func (p *Plan) InitTracer(*policy.Tracer) {}

// Full implements plan.Plan: the whole heap is due when the old objects have taken half of what the last such collection left free.
func (p *Plan) Full(wanted bool) bool {
	return wanted || !p.first || p.after-p.live > (p.base.Budget.Blocks()-p.live)/2
}

// Prepare implements plan.Plan. In a collection of the young, the marks of the old stay, and their lines' epoch.
func (p *Plan) Prepare(full bool) {
	if full {
		p.base.NextEpoch()
		p.space.Prepare()
	} else {
		p.space.PrepareYoung()
	}
}

// Release implements plan.Plan.
func (p *Plan) Release(full bool) {
	p.space.Release()
	p.after = p.base.Mem.InUse()
	if full {
		p.live, p.first = p.after, true
	}
}
