package genimmix

import "github.com/spindle-wasm/spindle/gc/plan"

// Inherit implements plan.Forker.
func (p *Plan) Inherit(from plan.Plan) {
	q := from.(*Plan)
	p.gens = q.gens
	p.nursery.Inherit(q.nursery)
	p.mature.Inherit(q.mature)
}

// Surrender implements plan.Forker.
func (p *Plan) Surrender() {
	p.nursery.Surrender()
	p.mature.Surrender()
}

// Headroom implements plan.Forker: without room for copies a collection would fail.
func (p *Plan) Headroom() int64 { return 0 }
