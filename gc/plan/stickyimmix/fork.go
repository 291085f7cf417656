package stickyimmix

import "github.com/spindle-wasm/spindle/gc/plan"

// Inherit implements plan.Forker.
func (p *Plan) Inherit(from plan.Plan) {
	q := from.(*Plan)
	p.gens = q.gens
	p.space.Inherit(q.space)
}

// Surrender implements plan.Forker.
func (p *Plan) Surrender() { p.space.Surrender() }

// Headroom implements plan.Forker.
func (p *Plan) Headroom() int64 { return plan.DefaultHeadroom }
