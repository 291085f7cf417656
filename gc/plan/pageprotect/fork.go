package pageprotect

import "github.com/spindle-wasm/spindle/gc/plan"

// Inherit implements plan.Forker: the space of large objects is the heap's.
func (p *Plan) Inherit(plan.Plan) {}

// Surrender implements plan.Forker.
func (p *Plan) Surrender() {}

// Headroom implements plan.Forker.
func (p *Plan) Headroom() int64 { return plan.DefaultHeadroom }
