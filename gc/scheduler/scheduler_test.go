package scheduler

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

type fn func(w *Worker)

func (f fn) Run(w *Worker) { f(w) }

func newScheduler(t *testing.T, workers int, begin func(w *Worker)) *Scheduler {
	s := New(Config{Workers: workers, Begin: begin, Done: func() {}})
	t.Cleanup(func() {
		if err := s.Stop(); err != nil && !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		if n := s.Running(); n != 0 {
			t.Errorf("%d workers run", n)
		}
	})
	return s
}

func collect(t *testing.T, s *Scheduler) {
	t.Helper()
	n, err := s.Request()
	if err != nil {
		t.Fatal(err)
	}
	s.Wait(n)
}

// A stage opens when every packet of the earlier ones is done, whoever adds them and however late.
func TestStagesInOrder(t *testing.T) {
	for _, workers := range []int{1, 2, 8} {
		var live [numStages]atomic.Int32
		var done [numStages]atomic.Int32
		var packet func(st Stage, depth int) Packet
		packet = func(st Stage, depth int) Packet {
			live[st].Add(1)
			return fn(func(w *Worker) {
				for earlier := range st {
					if n := live[earlier].Load(); n != 0 {
						t.Errorf("%d workers: a packet of %v runs while %d of %v are left", workers, st, n, earlier)
					}
				}
				if depth > 0 {
					w.Add(packet(st, depth-1))
					w.Scheduler().Add(st, packet(st, depth-1))
				}
				done[st].Add(1)
				live[st].Add(-1)
			})
		}
		s := newScheduler(t, workers, func(w *Worker) {
			for st := Prepare; st < numStages; st++ {
				w.Scheduler().Add(st, packet(st, 6))
			}
		})
		for round := int32(1); round <= 20; round++ {
			collect(t, s)
			for st := Prepare; st < numStages; st++ {
				if n := done[st].Load(); n != round*127 {
					t.Fatalf("%d packets of %v are done after %d rounds, want %d", n, st, round, round*127)
				}
			}
		}
	}
}

// A sentinel runs when its stage is drained, again and again until it is not set any more, before the next stage.
func TestSentinel(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, s)
	}
	left := 3
	var sentinel Packet
	sentinel = fn(func(w *Worker) {
		note("sentinel")
		w.Scheduler().Add(WeakRefs, fn(func(*Worker) { note("more") }))
		if left--; left > 0 {
			w.Scheduler().SetSentinel(WeakRefs, sentinel)
		}
	})
	s := newScheduler(t, 4, func(w *Worker) {
		w.Scheduler().SetSentinel(WeakRefs, sentinel)
		w.Scheduler().Add(Release, fn(func(*Worker) { note("release") }))
	})
	collect(t, s)
	want := []string{"sentinel", "more", "sentinel", "more", "sentinel", "more", "release"}
	if !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
}

// Requests from many goroutines: each waits for a collection that began after it asked.
func TestRequests(t *testing.T) {
	var began atomic.Int64
	s := newScheduler(t, 3, func(w *Worker) {
		began.Add(1)
		for range 20 {
			w.Scheduler().Add(Closure, fn(func(*Worker) { runtime.Gosched() }))
		}
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				before := began.Load()
				n, err := s.Request()
				if err != nil {
					t.Error(err)
					return
				}
				s.Wait(n)
				if began.Load() == before {
					t.Error("no collection began between the request and its end")
				}
			}
		})
	}
	wg.Wait()
	if got := s.Collections(); got > 1600 || int64(got) != began.Load() {
		t.Errorf("%d collections over, %d begun, of 1600 requests", got, began.Load())
	}
}

// Stop finishes what was requested, the goroutines end, and Data is there after Start.
func TestStopAndStart(t *testing.T) {
	for _, workers := range []int{1, 8} {
		var begun atomic.Int32
		s := newScheduler(t, workers, func(w *Worker) {
			begun.Add(1)
			for range 100 {
				w.Scheduler().Add(Closure, fn(func(w *Worker) {
					n, _ := w.Data.(int)
					w.Data = n + 1
				}))
			}
		})
		if err := s.Start(); !errors.Is(err, ErrNotStopped) {
			t.Errorf("start of a running scheduler: %v", err)
		}
		for round := range 100 {
			if _, err := s.Request(); err != nil {
				t.Fatal(err)
			}
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			if n := s.Running(); n != 0 {
				t.Fatalf("%d workers run after a stop", n)
			}
			if int(begun.Load()) != round+1 {
				t.Fatalf("%d collections before stop %d", begun.Load(), round+1)
			}
			if err := s.Stop(); !errors.Is(err, ErrStopped) {
				t.Errorf("a second stop: %v", err)
			}
			if _, err := s.Request(); !errors.Is(err, ErrStopped) {
				t.Errorf("a request after a stop: %v", err)
			}
			sum := 0
			for _, w := range s.Workers() {
				n, _ := w.Data.(int)
				sum += n
			}
			if sum != (round+1)*100 {
				t.Fatalf("workers know of %d packets, want %d", sum, (round+1)*100)
			}
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A packet that panics is told of, and the collection goes on.
func TestPanic(t *testing.T) {
	var told atomic.Int32
	var after atomic.Bool
	s := New(Config{Workers: 2, Done: func() {}, Failed: func(error) { told.Add(1) }, Begin: func(w *Worker) {
		w.Scheduler().Add(Closure, fn(func(*Worker) { panic("oops") }))
		w.Scheduler().Add(Release, fn(func(*Worker) { after.Store(true) }))
	}})
	collect(t, s)
	if told.Load() != 1 || !after.Load() {
		t.Errorf("told %d times, went on: %v", told.Load(), after.Load())
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}
