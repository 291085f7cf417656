package mockvm

import (
	"errors"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/plan/nogc"
	"github.com/spindle-wasm/spindle/gc/scheduler"
)

// Every wrong order of calls is an error that says which, and changes nothing: after each of them the heap collects, and can be forked.
func TestForkOrder(t *testing.T) {
	type env struct {
		t  *testing.T
		v  *VM
		ps []*Program
	}
	freezeOne := func(e *env) *Image {
		img, _ := freeze(e.t, e.v, e.ps)
		return img
	}
	done := func(e *env, img *Image) {
		e.t.Helper()
		resume(e.t, img)
		if err := img.Close(); err != nil {
			e.t.Error(err)
		}
	}
	for name, c := range map[string]struct {
		want error
		do   func(e *env) error
	}{
		"prepare without a heap": {gc.ErrNoHeap, func(*env) error {
			_, err := new(gc.Heap).PrepareToFork()
			return err
		}},
		"warm up without a heap": {gc.ErrNoHeap, func(*env) error { return new(gc.Heap).Warmup() }},
		"prepare while the workers are stopped": {gc.ErrStopped, func(e *env) error {
			if err := e.v.Heap.Sched.Stop(); err != nil {
				return err
			}
			_, err := e.v.Heap.PrepareToFork()
			return errors.Join(err, e.v.Heap.Sched.Start())
		}},
		"warm up while the workers are stopped": {gc.ErrStopped, func(e *env) error {
			if err := e.v.Heap.Sched.Stop(); err != nil {
				return err
			}
			return errors.Join(e.v.Heap.Warmup(), e.v.Heap.Sched.Start())
		}},
		"start workers twice": {scheduler.ErrNotStopped, func(e *env) error { return e.v.Heap.Sched.Start() }},
		"prepare a heap that is not forkable": {gc.ErrNotForkable, func(e *env) error {
			v, _ := newVM(e.t, "immix", plan.Options{MaxBytes: 1 << 20})
			_, err := v.Heap.PrepareToFork()
			return err
		}},
		"warm up a heap that is not forkable": {gc.ErrNotForkable, func(e *env) error {
			v, _ := newVM(e.t, "immix", plan.Options{MaxBytes: 1 << 20})
			return v.Heap.Warmup()
		}},
		"prepare with a plan that cannot": {gc.ErrPlanForks, func(e *env) error {
			v, err := New(gc.Config{New: func(b *plan.Base) plan.Plan { return unforkable{nogc.New(b)} }, Options: plan.Options{MaxBytes: 1 << 20, Forkable: true}})
			if err != nil {
				return err
			}
			_, err = v.Heap.PrepareToFork()
			return errors.Join(err, v.Close())
		}},
		"prepare twice": {gc.ErrForking, func(e *env) error {
			img := freezeOne(e)
			defer done(e, img)
			_, err := e.v.Freeze()
			return err
		}},
		"resume without prepare":       {gc.ErrNotForking, func(*env) error { return new(plan.Ticket).Resume() }},
		"resume of no ticket":          {gc.ErrNotForking, func(*env) error { return (*gc.Ticket)(nil).Resume() }},
		"child without prepare":        {gc.ErrNotForking, func(*env) error { _, _, err := new(plan.Ticket).Child(nil, gc.ChildConfig{}); return err }},
		"child of no ticket":           {gc.ErrNotForking, func(*env) error { _, _, err := (*gc.Ticket)(nil).Child(nil, gc.ChildConfig{}); return err }},
		"close of a ticket of nothing": {gc.ErrNotForking, func(*env) error { return new(plan.Ticket).Close() }},
		"resume twice": {gc.ErrNotForking, func(e *env) error {
			img := freezeOne(e)
			done(e, img)
			return img.Resume()
		}},
		"resume of an older ticket": {gc.ErrNotForking, func(e *env) error {
			old := freezeOne(e)
			done(e, old)
			img := freezeOne(e)
			defer done(e, img)
			return old.Resume()
		}},
		"child of a closed ticket": {gc.ErrTicketClosed, func(e *env) error {
			img := freezeOne(e)
			done(e, img)
			_, _, err := img.Fork(nil, nil)
			return err
		}},
		"close a ticket twice": {gc.ErrTicketClosed, func(e *env) error {
			img := freezeOne(e)
			done(e, img)
			return img.Close()
		}},
		"warm up while forking": {gc.ErrForking, func(e *env) error {
			img := freezeOne(e)
			defer done(e, img)
			return e.v.Heap.Warmup()
		}},
		"close the heap while forking": {gc.ErrForking, func(e *env) error {
			img := freezeOne(e)
			defer done(e, img)
			return e.v.Heap.Close()
		}},
		"close the heap twice": {gc.ErrClosed, func(e *env) error {
			v, _ := newForkable(e.t, "immix", plan.Options{}, 0)
			if err := v.Close(); err != nil {
				return err
			}
			return v.Close()
		}},
		"prepare a closed heap": {gc.ErrClosed, func(e *env) error {
			v, _ := newForkable(e.t, "immix", plan.Options{}, 0)
			if err := v.Close(); err != nil {
				return err
			}
			_, err := v.Freeze()
			return err
		}},
		"collect while forking": {gc.ErrForking, func(e *env) error {
			img := freezeOne(e)
			defer done(e, img)
			return e.v.Heap.Collect(e.ps[0].t.Mutator, true)
		}},
		"allocate beyond the headroom while forking": {gc.ErrForking, func(e *env) error {
			img := freezeOne(e)
			defer done(e, img)
			for {
				// Garbage, by the mutator of the thread that forks.
				if _, err := e.ps[0].t.Alloc(e.ps[0].types[typeBytes], 1000); err != nil {
					return err
				}
			}
		}},
		"allocate a large object while forking": {gc.ErrForking, func(e *env) error {
			img := freezeOne(e)
			defer done(e, img)
			_, err := e.ps[0].t.Alloc(e.ps[0].types[typeBytes], 100<<20)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []string{"stickyimmix", "semispace"} {
				v, ps := newForkable(t, p, plan.Options{Workers: 2, NurseryBytes: 1 << 20}, 1)
				run(t, 500, ps...)
				if err := c.do(&env{t, v, ps}); !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", p, err, c.want)
				}
				run(t, 500, ps...)
				collect(t, v)
				img, clones := freeze(t, v, ps)
				if n := v.Heap.Sched.Running(); n != 0 {
					t.Errorf("%d workers run while forking", n)
				}
				child, forked := fork(t, img, ps, clones, nil)
				done(&env{t, v, ps}, img)
				run(t, 500, forked...)
				collect(t, child)
				verify(t, p, ps, 1000)
				verify(t, p, forked, 1500)
				closeVM(t, child)
				closeVM(t, v)
			}
		})
	}
}

// unforkable is a plan that knows nothing of forks.
type unforkable struct{ plan.Plan }

// A thread may allocate while it forks its VM, as far as there is room without a collection; what it makes is the parent's alone.
func TestAllocationWhileForking(t *testing.T) {
	for _, name := range allPlans() {
		v, ps := newForkable(t, name, plan.Options{Workers: 1, NurseryBytes: 1 << 20}, 1)
		run(t, 200, ps...)
		th := ps[0].t
		img, clones := freeze(t, v, ps)
		r, err := th.Alloc(ps[0].types[typePair], 0)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		*v.Heap.Mem.Word(r + stampAt) = 99
		th.Pins = append(th.Pins, r)
		child, forked := fork(t, img, ps, clones, nil)
		resume(t, img)
		if len(forked[0].t.Pins) != 0 || child.Heap.Mem.InUse() > v.Heap.Mem.InUse() {
			t.Errorf("%s: the child has what was made after the freeze", name)
		}
		if name != "nogc" {
			collect(t, v)
			collect(t, child)
		}
		if *v.Heap.Mem.Word(r + stampAt) != 99 {
			t.Errorf("%s: the parent's object is lost", name)
		}
		verify(t, name, forked, 200)
		verify(t, name, ps, 200)
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		closeVM(t, child)
		closeVM(t, v)
	}
}

// Workers can be stopped and started, and a VM have one heap after another: initialisation is re-entrant.
func TestReentrantInitialisation(t *testing.T) {
	before := leftovers(t)
	for range 3 {
		v, ps := newForkable(t, "", plan.Options{Workers: 3}, 1)
		for range 5 {
			run(t, 100, ps...)
			collect(t, v)
			if err := v.Heap.Sched.Stop(); err != nil {
				t.Fatal(err)
			}
			if err := v.Heap.Collect(ps[0].t.Mutator, true); !errors.Is(err, gc.ErrStopped) {
				t.Errorf("a collection without workers: %v", err)
			}
			if err := v.Heap.Sched.Start(); err != nil {
				t.Fatal(err)
			}
		}
		verify(t, "default", ps, 500)
		closeVM(t, v)
	}
	before.check(t)
}
