package vm

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// While the world stands nobody runs; threads that come, block and go meanwhile neither slip through nor wedge it.
func TestWorld(t *testing.T) {
	var w World
	var wg sync.WaitGroup
	var end atomic.Bool
	inside := make([]int, 5) // written while running, read while the world stands
	for i := range inside {
		wg.Go(func() {
			for !end.Load() {
				w.Enter()
				for range 20 {
					inside[i]++
					w.Safepoint()
				}
				w.Block(nil, func() {})
				inside[i]++
				w.Leave()
			}
		})
	}
	for range 300 {
		w.StopMutators()
		if w.running != 0 {
			t.Errorf("%d threads run", w.running)
		}
		if !w.Stopping() {
			t.Error("the world stands and says that it does not")
		}
		before := slices.Clone(inside)
		for range 3 {
			runtime.Gosched() // a thread that runs would go on here
		}
		for i, n := range inside {
			if n != before[i] {
				t.Errorf("thread %d goes on", i)
			}
		}
		w.ResumeMutators()
	}
	end.Store(true)
	wg.Wait()
}

// A panic in what a thread waits for does not leave it standing.
func TestBlockPanics(t *testing.T) {
	var w World
	w.Enter()
	func() {
		defer func() { _ = recover() }()
		w.Block(nil, func() { panic("wait") })
	}()
	if w.running != 1 {
		t.Errorf("%d threads run, want 1", w.running)
	}
	w.Leave()
}
