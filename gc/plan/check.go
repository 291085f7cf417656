package plan

import (
	"errors"
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

// checkBefore runs the sanity checks that come before a collection, and reports whether one can be.
func (b *Base) checkBefore(remembered barrier.Buffer) bool {
	// What the image remembers is not remembered anew.
	remembered = barrier.Buffer{Objects: slices.Concat(remembered.Objects, b.image.Written()), Slices: remembered.Slices}
	c := &sanity.Before{Mem: b.Mem, Log: b.common.Log, Buffer: remembered}
	b.allRoots(c.Roots())
	err := errors.Join(b.Mem.CheckPoison(), c.Run())
	if b.image.Blocks() > 0 && b.Constraints().Barrier == ObjectBarrier {
		i := &sanity.Image{Mem: b.Mem, Space: imageSpace}
		b.allRoots(i.Roots())
		err = errors.Join(err, i.Run())
	}
	if err != nil {
		b.fail(err)
	}
	return err == nil
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
