package pageprotect

import "github.com/spindle-wasm/spindle/gc/policy"

// InitTracer implements plan.Plan: nothing is copied.
func (p *Plan) InitTracer(*policy.Tracer) {}

// Full implements plan.Plan.
func (p *Plan) Full(bool) bool { return true }

// Prepare implements plan.Plan.
func (p *Plan) Prepare(bool) {}

// Release implements plan.Plan.
func (p *Plan) Release(bool) {}
