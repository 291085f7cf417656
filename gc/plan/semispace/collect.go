package semispace

import (
	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// InitTracer implements plan.Plan: a copy allocator for each of the spaces.
func (p *Plan) InitTracer(t *policy.Tracer) {
	for _, s := range p.spaces {
		t.Copy = append(t.Copy, alloc.Bump{From: s.Source(p.base.Mem)})
	}
}

// Full implements plan.Plan.
func (p *Plan) Full(bool) bool { return true }

// Prepare implements plan.Plan.
func (p *Plan) Prepare(bool) {
	p.to = 1 - p.to
	p.spaces[1-p.to].Prepare(p.to)
}

// Release implements plan.Plan.
func (p *Plan) Release(bool) { p.spaces[1-p.to].Release(p.spaces[p.to].Adopt) }
