package genimmix

import (
	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// InitTracer implements plan.Plan: copies go into holes of the mature space.
func (p *Plan) InitTracer(t *policy.Tracer) {
	t.Copy = append(t.Copy, alloc.Bump{From: p.mature.Holes(p.base.Mem)})
}

// Full implements plan.Plan.
func (p *Plan) Full(wanted bool) bool { return p.gens.Full(wanted, &p.base.Budget) }

// Prepare implements plan.Plan. In a collection of the whole heap copies go into free blocks only: which lines are free is not known.
func (p *Plan) Prepare(full bool) {
	p.nursery.Prepare(0)
	if full {
		p.base.NextEpoch()
		p.mature.Prepare()
	}
}

// Release implements plan.Plan.
func (p *Plan) Release(full bool) {
	p.nursery.Release(p.mature.Adopt)
	p.mature.Release()
	p.gens.Collected(full, p.base.Mem.InUse())
}
