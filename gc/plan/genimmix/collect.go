package genimmix

import (
	"github.com/spindle-wasm/spindle/gc/alloc"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/immix"
)

// InitTracer implements plan.Plan: copies of the young go into holes of the mature space, and so does what is moved within it.
func (p *Plan) InitTracer(t *policy.Tracer) {
	t.Copy = append(t.Copy, alloc.Bump{From: p.mature.Holes(p.base.Mem)}, alloc.Bump{From: p.mature.CopyHoles()}, alloc.Bump{From: p.mature.CopyFree()})
}

// Full implements plan.Plan.
func (p *Plan) Full(wanted bool) bool { return p.gens.Full(wanted, &p.base.Budget) }

// Prepare implements plan.Plan. What is moved within the mature space must leave room for all of the nursery.
func (p *Plan) Prepare(full bool) {
	p.nursery.Prepare(0)
	if full {
		p.base.NextEpoch()
		mode, urgent := p.base.Defrag()
		p.mature.Defragment(mode, urgent, p.base.Room()-p.copies(p.nursery.Blocks()), 1)
		p.mature.Prepare()
	}
}

// Release implements plan.Plan.
func (p *Plan) Release(full bool) {
	p.nursery.Release(p.mature.Adopt)
	p.mature.Release()
	p.gens.Collected(full, p.base.Mem.InUse())
	if full && p.base.Opts.Defrag != immix.DefragNever {
		// A nursery needs free blocks, for itself and for copies, and holes are none.
		all := p.base.Mem.Limit()
		p.base.Again(p.mature.Again(p.base.Room(), all/2, all, false))
	}
}
