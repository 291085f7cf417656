package semispace

import "github.com/spindle-wasm/spindle/gc/plan"

// Inherit implements plan.Forker.
func (p *Plan) Inherit(from plan.Plan) {
	q := from.(*Plan)
	p.to = q.to
	for i := range p.spaces {
		p.spaces[i].Inherit(q.spaces[i])
	}
}

// Surrender implements plan.Forker.
func (p *Plan) Surrender() {
	for i := range p.spaces {
		p.spaces[i].Surrender()
	}
}

// Headroom implements plan.Forker: without room for copies a collection would fail.
func (p *Plan) Headroom() int64 { return 0 }
