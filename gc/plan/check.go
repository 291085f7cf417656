package plan

import (
	"slices"

	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/sanity"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// allRoots tells every root, while the world stands.
func (b *Base) allRoots(s vm.Slots) {
	b.mu.Lock()
	mutators := b.mutators
	b.mu.Unlock()
	for _, m := range mutators {
		b.vm.Roots(m.Thread, s)
	}
	b.vm.GlobalRoots(s)
	b.final.Roots(s)
}

// checkBefore runs the sanity checks that come before a collection.
func (b *Base) checkBefore(remembered barrier.Buffer) {
	if err := b.Mem.CheckPoison(); err != nil {
		b.fail(err)
	}
	if b.image.Blocks() > 0 && b.Constraints().Barrier == ObjectBarrier {
		c := &sanity.Image{Mem: b.Mem, Space: imageSpace}
		b.allRoots(c.Roots())
		if err := c.Run(); err != nil {
			b.fail(err)
			return
		}
	}
	if !b.common.Log {
		return
	}
	// What the image remembers is not remembered anew.
	remembered = barrier.Buffer{Objects: slices.Concat(remembered.Objects, b.image.Written()), Slices: remembered.Slices}
	c := &sanity.Remembered{Mem: b.Mem, Buffer: remembered}
	b.allRoots(c.Roots())
	if err := c.Run(); err != nil {
		b.fail(err)
	}
}

// check runs the sanity collector.
func (b *Base) check() {
	if !b.plan.Constraints().Collects {
		return
	}
	c := &sanity.Checker{Mem: b.Mem, Live: b.live, Log: b.common.Log, Image: imageSpace, Lines: b.common.HasLines, Epoch: b.common.Epoch}
	b.allRoots(c.Roots())
	if err := c.Run(); err != nil {
		b.fail(err)
	}
	if err := sanity.Metadata(b.Mem, b.common.Log, imageSpace, b.common.HasLines); err != nil {
		b.fail(err)
	}
}
