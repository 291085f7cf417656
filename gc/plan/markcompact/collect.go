package markcompact

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// InitTracer implements plan.Plan: nothing is copied.
func (p *Plan) InitTracer(*policy.Tracer) {}

// Full implements plan.Plan.
func (p *Plan) Full(bool) bool { return true }

// Prepare implements plan.Plan.
func (p *Plan) Prepare(bool) { p.space.Prepare() }

// Places implements plan.Compactor.
func (p *Plan) Places() func(heap.Ref) heap.Ref {
	p.space.Plan()
	forward := func(r heap.Ref) heap.Ref {
		if p.base.Mem.SpaceOf(r) != plan.FirstSpace {
			return r
		}
		return p.space.Forward(r)
	}
	p.space.Update(p.base.Sched, forward)
	return forward
}

// Compact implements plan.Compactor.
func (p *Plan) Compact() { p.space.Compact() }

// Release implements plan.Plan: the space has given back its blocks.
func (p *Plan) Release(bool) {}
