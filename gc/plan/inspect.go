package plan

import (
	"slices"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// View is a heap that stands, right after a collection of the whole heap: what a tool may look at, and must not change.
type View struct {
	Mem *heap.Memory

	b        *Base
	mutators []*Mutator
}

// Mutators returns how many mutators there are.
func (v *View) Mutators() int { return len(v.mutators) }

// Thread returns the VM's name for one of them.
func (v *View) Thread(i int) vm.Thread { return v.mutators[i].Thread }

// Roots tells the roots of a mutator.
func (v *View) Roots(i int, s vm.Slots) { v.b.vm.Roots(v.mutators[i].Thread, s) }

// GlobalRoots tells all others: the VM's, and objects that wait for NextFinalizer.
func (v *View) GlobalRoots(s vm.Slots) {
	v.b.vm.GlobalRoots(s)
	v.b.final.Roots(s)
}

// Inspect collects the whole heap and calls f before the mutators go on; it runs on a GC worker. m is the caller's mutator, nil if it has none. Where nothing is ever
// collected, f sees everything all the same. Errors are those of Collect.
func (b *Base) Inspect(m *Mutator, f func(*View)) error {
	l := &look{f}
	b.mu.Lock()
	b.looks = append(b.looks, l)
	b.mu.Unlock()
	b.wantFull.Store(true)
	n, err := b.Sched.Request()
	if err != nil {
		b.mu.Lock()
		b.looks = slices.DeleteFunc(b.looks, func(x *look) bool { return x == l })
		b.mu.Unlock()
		return b.orderError(err)
	}
	if m == nil {
		b.Sched.Wait(n)
	} else {
		b.vm.Block(m.Thread, func() { b.Sched.Wait(n) })
	}
	return b.Err()
}

// look is somebody who wants to look at the heap.
type look struct{ f func(*View) }

// inspected lets those look at the heap who have asked for it.
func (b *Base) inspected() {
	if !b.current.Full && b.plan.Constraints().Collects {
		return
	}
	b.mu.Lock()
	looks, mutators := b.looks, b.mutators
	b.looks = nil
	b.mu.Unlock()
	for _, l := range looks {
		l.f(&View{b.Mem, b, mutators})
	}
}
