package stickyimmix

import (
	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/immix"
)

// InitTracer implements plan.Plan: copies are what is moved out of blocks with holes.
func (p *Plan) InitTracer(t *policy.Tracer) {
	t.Copy = append(t.Copy, alloc.Bump{From: p.space.CopyHoles()}, alloc.Bump{From: p.space.CopyFree()})
}

// Full implements plan.Plan.
func (p *Plan) Full(wanted bool) bool { return p.gens.Full(wanted, &p.base.Budget) }

// Prepare implements plan.Plan. In a collection of the young, the marks of the old stay, and their lines' epoch.
func (p *Plan) Prepare(full bool) {
	if full {
		p.base.NextEpoch()
		mode, urgent := p.base.Defrag()
		p.space.Defragment(mode, urgent, p.base.Room(), 0)
		p.space.Prepare()
	}
}

// Release implements plan.Plan.
func (p *Plan) Release(full bool) {
	p.space.Release()
	p.gens.Collected(full, p.base.Mem.InUse())
	if full && p.base.Opts.Defrag != immix.DefragNever {
		all := p.base.Mem.Limit()
		p.base.Again(p.space.Again(p.base.Room(), all/8, all, true))
	}
}
