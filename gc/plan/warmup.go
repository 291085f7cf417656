package plan

import "github.com/spindle-wasm/spindle/gc/heap"

// Warmup makes the heap cheap to fork: it collects the whole heap, moving objects together if the plan can, and makes what is alive the image: objects that are
// never moved, marked or freed any more, here and in children, so that collections write to none of their pages. What is allocated afterwards is collected as
// ever. Memory of free blocks goes back to the system.
//
// It pays once, when a program has started and before its first fork. Objects of the image that die later are kept; called again, it adds to the image what is
// alive then.
//
// The caller is no mutator, as with PrepareToFork. Errors are the same.
func (b *Base) Warmup() error {
	if _, err := b.forker(); err != nil {
		return err
	}
	b.mu.Lock()
	err := b.phase.err()
	b.mu.Unlock()
	if err != nil {
		return err
	}
	b.wantWarm.Store(true)
	n, err := b.Sched.Request()
	if err != nil {
		b.wantWarm.Store(false)
		return b.orderError(err)
	}
	b.Sched.Wait(n)
	return b.Err()
}

// freezeImage makes all blocks the image's, at the end of a collection, while the world stands.
func (b *Base) freezeImage() {
	b.warm = false
	b.image.Freeze()
	b.large.Surrender()
	b.immortal.Surrender()
	b.fixed.space.Surrender()
	b.plan.(Forker).Surrender()
	if err := b.Mem.Trim(0); err != nil {
		b.fail(err)
	}
}

// ImageBytes returns the size of the blocks that the image has. No collection may run.
func (b *Base) ImageBytes() int64 { return b.image.Blocks() << heap.LogBlock }
