package scheduler

import (
	"errors"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// A stop for a fork waits for what is requested before the mutators stand, and while they come to a stop; then nothing runs, and requests are refused.
func TestStopForFork(t *testing.T) {
	for _, workers := range []int{1, 8} {
		var begun atomic.Int32
		s := newScheduler(t, workers, func(w *Worker) {
			begun.Add(1)
			for range 20 {
				w.Scheduler().Add(Closure, fn(func(*Worker) { runtime.Gosched() }))
			}
		})
		for round := range int32(100) {
			before := begun.Load()
			if round%3 > 0 { // otherwise no worker runs, and hold does on this goroutine
				if _, err := s.Request(); err != nil {
					t.Fatal(err)
				}
			}
			var late uint64
			held := false
			if err := s.StopForFork(func() {
				held = true
				if round%3 > 0 && begun.Load() == before {
					t.Error("the mutators were stopped before what was requested was done")
				}
				if round%2 == 0 {
					var err error
					if late, err = s.Request(); err != nil {
						t.Errorf("a request of a mutator that does not stand yet: %v", err)
					}
				}
			}); err != nil {
				t.Fatal(err)
			}
			if !held || s.Running() != 0 {
				t.Fatalf("held: %v, %d workers run", held, s.Running())
			}
			if late > s.Collections() {
				t.Errorf("round %d: collection %d is not done, %d are", round, late, s.Collections())
			}
			if _, err := s.Request(); !errors.Is(err, ErrStopped) {
				t.Errorf("a request after the stop: %v", err)
			}
			if err := s.StopForFork(func() { t.Error("a second stop held mutators") }); !errors.Is(err, ErrStopped) {
				t.Errorf("a second stop: %v", err)
			}
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Requests at the moment when the last worker ends are either done or refused: nobody waits for ever, and no worker runs after the stop.
func TestRequestsWhileWorkersEnd(t *testing.T) {
	for _, workers := range []int{1, 8} {
		s := newScheduler(t, workers, func(*Worker) {})
		var end atomic.Bool
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for !end.Load() {
					n, err := s.Request()
					if errors.Is(err, ErrStopped) {
						runtime.Gosched()
						continue
					}
					s.Wait(n)
				}
			})
		}
		for range 2000 {
			if err := s.StopForFork(func() {}); err != nil {
				t.Fatal(err)
			}
			if n := s.Running(); n != 0 {
				t.Fatalf("%d workers run after the stop", n)
			}
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
		}
		end.Store(true)
		wg.Wait()
	}
}

// A scheduler that inherits knows what the other one's workers did, whatever number it has of them itself.
func TestInherit(t *testing.T) {
	from := newScheduler(t, 4, func(w *Worker) {
		for range 50 {
			w.Scheduler().Add(Closure, fn(func(*Worker) {}))
		}
	})
	for range 5 {
		collect(t, from)
	}
	if err := from.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 4, 7} {
		s := newScheduler(t, workers, func(*Worker) {})
		s.Inherit(from)
		if s.Collections() != 5 || !maps.Equal(s.Stats(), from.Stats()) {
			t.Errorf("%d workers: %d collections, %v", workers, s.Collections(), s.Stats())
		}
		for i, w := range s.Workers() {
			if w.ID != i || workers == 4 && len(w.stats) != len(from.Workers()[i].stats) {
				t.Errorf("worker %d has not its own statistics", i)
			}
		}
		collect(t, s)
		if s.Collections() != 6 || from.Collections() != 5 {
			t.Error("the two count together")
		}
	}
}
