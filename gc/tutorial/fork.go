package tutorial

import (
	"slices"

	"github.com/spindle-wasm/spindle/gc/plan"
)

// inherit makes a new space what another one is, in a copy of its heap.
func (s *Space) inherit(from *Space) {
	from.mu.Lock()
	defer from.mu.Unlock()
	s.blocks = slices.Clone(from.blocks)
	s.held.Store(from.held.Load())
}

// surrender forgets the blocks: they are the image's now. The world stands.
func (s *Space) surrender() {
	s.blocks = nil
	s.held.Store(0)
}

// Inherit implements plan.Forker.
func (p *NoGC) Inherit(from plan.Plan) { p.space.inherit(from.(*NoGC).space) }

// Surrender implements plan.Forker.
func (p *NoGC) Surrender() { p.space.surrender() }

// Headroom implements plan.Forker.
func (p *NoGC) Headroom() int64 { return plan.DefaultHeadroom }

// Inherit implements plan.Forker.
func (p *SemiSpace) Inherit(from plan.Plan) {
	q := from.(*SemiSpace)
	p.to = q.to
	for i := range p.spaces {
		p.spaces[i].inherit(q.spaces[i])
	}
}

// Surrender implements plan.Forker.
func (p *SemiSpace) Surrender() {
	for _, s := range p.spaces {
		s.surrender()
	}
}

// Headroom implements plan.Forker: what mutators took beyond Due, the next collection would not have for its copies.
func (p *SemiSpace) Headroom() int64 { return 0 }

// Inherit implements plan.Forker.
func (p *GenCopy) Inherit(from plan.Plan) {
	q := from.(*GenCopy)
	p.to, p.gens = q.to, q.gens
	p.nursery.inherit(q.nursery)
	for i := range p.old {
		p.old[i].inherit(q.old[i])
	}
}

// Surrender implements plan.Forker.
func (p *GenCopy) Surrender() {
	p.nursery.surrender()
	for _, s := range p.old {
		s.surrender()
	}
}

// Headroom implements plan.Forker.
func (p *GenCopy) Headroom() int64 { return 0 }
