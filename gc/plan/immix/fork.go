package immix

import "github.com/spindle-wasm/spindle/gc/plan"

// Inherit implements plan.Forker.
func (p *Plan) Inherit(from plan.Plan) { p.space.Inherit(from.(*Plan).space) }

// Surrender implements plan.Forker.
func (p *Plan) Surrender() { p.space.Surrender() }

// Headroom implements plan.Forker.
func (p *Plan) Headroom() int64 { return plan.DefaultHeadroom }
