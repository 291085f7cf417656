package mockvm

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// live runs programs until stop is called, each on a goroutine of its own.
func live(t *testing.T, ps []*Program) (stop func()) {
	var end atomic.Bool
	var wg sync.WaitGroup
	for _, p := range ps {
		wg.Go(func() {
			p.t.vm.Enter()
			defer p.t.vm.Leave()
			for !end.Load() {
				if err := p.Run(50); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() {
		end.Store(true)
		wg.Wait()
	}
}

// A VM is forked again and again while its threads allocate, collect, and wait for collections that others asked for: no fork and no collection hangs, in parent or
// child, and both have what their programs say. (In mmtk-core 1054 the first collection in the child waited for ever.)
func TestForkWhileMutatorsAllocate(t *testing.T) {
	for _, name := range allPlans() {
		for _, workers := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s/%d", name, workers), func(t *testing.T) {
				opts := plan.Options{Workers: workers, NurseryBytes: 1 << 20, Stress: 25} // a collection is nearly always pending
				forks := 12
				if name == "nogc" {
					opts.MaxBytes, opts.Stress, forks = 2<<30, 0, 4
				}
				v, ps := newForkable(t, name, opts, 3)
				stop := live(t, ps)
				for k := range forks {
					if k == forks/2 {
						if err := v.Heap.Warmup(); err != nil {
							t.Fatal(err)
						}
					}
					img, clones := freeze(t, v, ps)
					if n := v.Heap.Sched.Running(); n != 0 {
						t.Errorf("%d workers run", n)
					}
					child, forked := fork(t, img, ps, clones, nil)
					resume(t, img)
					if err := img.Close(); err != nil {
						t.Error(err)
					}
					if name != "nogc" {
						collect(t, child)
					}
					run(t, 100, forked...)
					for _, p := range forked {
						if err := p.Verify(); err != nil {
							t.Error(err)
						}
					}
					closeVM(t, child)
				}
				stop()
				for _, p := range ps {
					if err := p.Verify(); err != nil {
						t.Error(err)
					}
				}
				closeVM(t, v)
			})
		}
	}
}

// The bug of ruby/mmtk e4bea56: other threads allocated after the workers had stopped, and waited for a collection that nobody could run. Here they stand until the
// fork is over, and go on afterwards; whoever allocates in between is told.
func TestRubyAllocationAfterWorkersStopped(t *testing.T) {
	v, ps := newForkable(t, "stickyimmix", plan.Options{Workers: 2, NurseryBytes: 256 << 10}, 3)
	var steps [2]atomic.Int64
	var end atomic.Bool
	var wg sync.WaitGroup
	for i, p := range ps[:2] {
		wg.Go(func() {
			v.Enter()
			defer v.Leave()
			for !end.Load() {
				if err := p.Run(1); err != nil {
					t.Error(err)
					return
				}
				steps[i].Add(1)
			}
		})
	}
	for range 20 {
		img, _ := freeze(t, v, ps)
		were := [2]int64{steps[0].Load(), steps[1].Load()}
		n := v.Heap.Sched.Collections()
		for {
			if _, err := ps[2].t.Alloc(ps[2].types[typeBytes], 5000); err != nil {
				if !errors.Is(err, gc.ErrForking) {
					t.Error(err)
				}
				break
			}
		}
		if now := [2]int64{steps[0].Load(), steps[1].Load()}; now != were || v.Heap.Sched.Collections() != n {
			t.Errorf("while forking, threads made steps (%v, %v) or collections ran", were, now)
		}
		resume(t, img)
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		for v.Heap.Sched.Collections() == n { // they go on, and one comes
			runtime.Gosched()
		}
	}
	end.Store(true)
	wg.Wait()
	closeVM(t, v)
}

// The bug of ruby/mmtk eb4b229: a thread held a lock of the collector when another one forked, and the child waited for it for ever. Threads here are at everything that takes one:
// making and ending mutators, taking blocks, remembering, large objects. The child does all of that.
func TestRubyForkWhileAnotherThreadHoldsALock(t *testing.T) {
	v, ps := newForkable(t, "genimmix", plan.Options{Workers: 2, NurseryBytes: 128 << 10}, 1)
	var end atomic.Bool
	var wg sync.WaitGroup
	busy := func(v *VM, k int) error {
		th := v.NewThread()
		defer th.Exit()
		th.Stack = make([]uint32, 2)
		for i := range 3 {
			r, err := th.Alloc(ps[0].types[typeRefs], uint32(5000+k%7*1000))
			if err != nil {
				return err
			}
			th.Stack[0] = r
			th.Safepoint()
			th.FillRefs(th.Stack[0], uint32(i), 1000, th.Stack[1])
			th.Stack[1] = th.Stack[0]
			w := v.NewWeak(th.Stack[0])
			v.Weak(w)
		}
		return nil
	}
	for range 4 {
		wg.Go(func() {
			for k := 0; !end.Load(); k++ {
				if err := busy(v, k); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for k := range 30 {
		img, _ := freeze(t, v, ps)
		child, _, err := img.Fork(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		resume(t, img)
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		if err := busy(child, k); err != nil {
			t.Error(err)
		}
		collect(t, child)
		closeVM(t, child)
	}
	end.Store(true)
	wg.Wait()
	closeVM(t, v)
}

// The bug of ruby/mmtk 1a62950: a thread waits for a collection, the worker waits for all threads to stop, and the one that forks waits for the workers. Here it counts as stopped, the
// collection is finished, and then the fork happens.
func TestRubyForkWhileACollectionWaitsForMutators(t *testing.T) {
	for _, workers := range []int{1, 8} {
		v, ps := newForkable(t, "immix", plan.Options{Workers: workers}, 2)
		// One thread runs and does not come to a safepoint.
		v.Enter()
		// One waits for a collection.
		var wg sync.WaitGroup
		wg.Go(func() {
			v.Enter()
			defer v.Leave()
			if err := v.Heap.Collect(ps[1].t.Mutator, true); err != nil {
				t.Error(err)
			}
		})
		for !v.Stopping() {
			runtime.Gosched()
		}
		// And one forks.
		frozen := make(chan *Image)
		go func() {
			img, err := v.Freeze()
			if err != nil {
				t.Error(err)
			}
			frozen <- img
		}()
		select {
		case <-frozen:
			t.Error("the fork did not wait for a running thread")
		default:
		}
		v.Leave()
		img := <-frozen
		if img == nil {
			t.FailNow()
		}
		if n := v.Heap.Sched.Collections(); n != 1 {
			t.Errorf("%d collections are over, want the one that was asked for", n)
		}
		child, threads, err := img.Fork(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(threads) != 2 {
			t.Errorf("the child has %d threads", len(threads))
		}
		collect(t, child)
		resume(t, img)
		wg.Wait()
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		closeVM(t, child)
		closeVM(t, v)
	}
}

// Children are made of one ticket by many at the same time, while the parent goes on; closing the ticket meanwhile either comes before one of them or does not disturb it.
func TestChildrenAtTheSameTime(t *testing.T) {
	for _, name := range allPlans() {
		v, ps := newForkable(t, name, plan.Options{Workers: 2, NurseryBytes: 512 << 10}, 2)
		run(t, 500, ps...)
		collect2 := func(v *VM) {
			if name != "nogc" {
				collect(t, v)
			}
		}
		img, clones := freeze(t, v, ps)
		resume(t, img)
		stop := live(t, ps)
		var wg sync.WaitGroup
		for k := range 8 {
			wg.Go(func() {
				for i := range 5 {
					child, threads, err := img.Fork(nil, nil)
					if errors.Is(err, gc.ErrTicketClosed) && k > 0 {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					var forked []*Program
					for i, p := range ps {
						forked = append(forked, clones[i].On(threads[p.t]))
					}
					collect2(child)
					run(t, 100, forked...)
					for _, p := range forked {
						if err := p.Verify(); err != nil {
							t.Error(err)
						}
					}
					closeVM(t, child)
					if k == 0 && i == 4 {
						if err := img.Close(); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		stop()
		for _, p := range ps {
			if err := p.Verify(); err != nil {
				t.Error(err)
			}
		}
		closeVM(t, v)
	}
}

// Threads that are not in the child have no mutators there, and what they had written to old objects is not forgotten (mmtk-ruby 95).
func TestForkDestroysMutatorsOfThreadsThatAreGone(t *testing.T) {
	for _, name := range allPlans() {
		if name == "nogc" {
			continue
		}
		v, ps := newForkable(t, name, plan.Options{Workers: 2, Sanity: true}, 2)
		collect(t, v)
		gone, stays := ps[0].t, ps[1].t
		v.Enter()
		old, err := gone.Alloc(ps[0].types[typePair], 0)
		if err != nil {
			t.Fatal(err)
		}
		v.SetGlobal(0, old)
		v.Leave()
		collect(t, v)
		v.Enter()
		young, err := gone.Alloc(ps[0].types[typePair], 0)
		if err != nil {
			t.Fatal(err)
		}
		*v.Heap.Mem.Word(young + stampAt) = 77
		gone.Write(v.Global(0), 16, young) // only its mutator remembers this
		v.Leave()
		img, _ := freeze(t, v, ps)
		child, threads, err := img.Fork(func(th *Thread) bool { return th == stays }, nil)
		if err != nil {
			t.Fatal(err)
		}
		resume(t, img)
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		if len(threads) != 1 || threads[stays] == nil {
			t.Fatalf("%s: %d threads", name, len(threads))
		}
		for _, x := range []*VM{child, v} {
			var th *Thread
			for th = range x.threads {
				break
			}
			for _, full := range []bool{false, true} {
				x.Enter()
				err := x.Heap.Collect(th.Mutator, full)
				x.Leave()
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				r := *x.Heap.Mem.Slot(x.Global(0) + 16)
				if !heap.IsObject(r) || *x.Heap.Mem.Word(r + stampAt) != 77 {
					t.Errorf("%s: what was written to an old object is lost", name)
				}
			}
			closeVM(t, x)
		}
	}
}
