package mockvm

import (
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// Threads run, block and come and go while others collect, and one is blocked all the time: its objects are there in the end, wherever they have moved.
func TestBlockedThreads(t *testing.T) {
	everywhere(t, plan.Options{MaxBytes: 12 << 20, NurseryBytes: 256 << 10}, func(t *testing.T, v *VM, types []gc.TypeID) {
		const waiters = 3
		done := make(chan struct{})  // never before all others are through
		ready := make(chan struct{}) // the one that blocks for ever is blocked
		var forever, others sync.WaitGroup
		forever.Go(func() {
			th := v.NewThread()
			defer th.Exit()
			p := NewProgram(th, types, 99, 30)
			if err := p.Run(200); err != nil {
				t.Error(err)
			}
			th.Wait(func() {
				close(ready)
				<-done
			})
			if err := p.Verify(); err != nil {
				t.Errorf("after the long wait: %v", err)
			}
		})
		<-ready
		// Each waits for the one before it at every step: all but one of them are blocked most of the time.
		turns := make([]chan struct{}, waiters)
		for k := range turns {
			turns[k] = make(chan struct{}, 1)
		}
		turns[0] <- struct{}{}
		for k := range waiters {
			others.Go(func() {
				for life := range 2 { // a thread ends and another one goes on
					th := v.NewThread()
					p := NewProgram(th, types, uint64(10*k+life), 20)
					for range 10 {
						th.Wait(func() { <-turns[k] })
						if err := p.Run(20); err != nil {
							t.Error(err)
						}
						if err := p.Verify(); err != nil {
							t.Error(err)
						}
						turns[(k+1)%waiters] <- struct{}{}
					}
					if err := p.Settle(); err != nil {
						t.Error(err)
					}
					th.Exit()
				}
			})
		}
		others.Wait()
		close(done)
		forever.Wait()
		if n := v.Heap.Sched.Collections(); n == 0 && v.Heap.Plan().Constraints().Collects {
			t.Error("nothing was collected meanwhile")
		}
	})
}
