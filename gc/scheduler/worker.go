package scheduler

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Worker does packets. It outlives the goroutine that runs it: a stop and a later start keep it.
type Worker struct {
	// ID counts from 0.
	ID int
	// Data is the embedder's: buffers, copy allocators. Only the worker's packets touch it during a collection.
	Data any

	s     *Scheduler
	stats map[reflect.Type]PacketStats // touched by the worker only, and outside of collections

	mu    sync.Mutex
	n     atomic.Int32 // len(queue), for those who look for something to steal
	queue []Packet     // guarded by mu; the owner takes from the end, thieves from the front
}

// Scheduler returns the worker's scheduler.
func (w *Worker) Scheduler() *Scheduler { return w.s }

// Add gives a packet to the worker itself, for others to steal; for packets of a stage that is open.
func (w *Worker) Add(p Packet) {
	w.mu.Lock()
	w.queue = append(w.queue, p)
	w.n.Store(int32(len(w.queue)))
	w.mu.Unlock()
	w.s.wakeOne()
}

// Wanted reports whether a packet that the worker adds would be welcome: others are idle, and it has none for them. It is cheap.
func (w *Worker) Wanted() bool { return w.s.parked.Load() > 0 && w.n.Load() == 0 }

// pop takes the worker's newest packet.
func (w *Worker) pop() Packet {
	if w.n.Load() == 0 {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	k := len(w.queue) - 1
	if k < 0 {
		return nil
	}
	p := w.queue[k]
	w.queue[k] = nil
	w.queue = w.queue[:k]
	w.n.Store(int32(k))
	return p
}

// steal takes the older half of another worker's packets.
func (w *Worker) steal(from *Worker, to []Packet) []Packet {
	if from.n.Load() == 0 {
		return to
	}
	from.mu.Lock()
	defer from.mu.Unlock()
	k := (len(from.queue) + 1) / 2
	to = append(to, from.queue[:k]...)
	rest := copy(from.queue, from.queue[k:])
	clear(from.queue[rest:])
	from.queue = from.queue[:rest]
	from.n.Store(int32(rest))
	return to
}

// stealMax is how many packets a worker takes from a bucket at once.
const stealMax = 8

// poll finds a packet: the worker's own, an open bucket's, another worker's. The rest of what it finds becomes the worker's own.
func (w *Worker) poll() Packet {
	if p := w.pop(); p != nil {
		return p
	}
	var buf [stealMax]Packet
	got := buf[:0]
	for i := range w.s.buckets {
		if b := &w.s.buckets[i]; b.open.Load() {
			// Leave a share for each of the others.
			if got = b.take(got, max(1, min(stealMax, int(b.n.Load())/w.s.n))); len(got) > 0 {
				return w.keep(got)
			}
		}
	}
	for i := 1; i < len(w.s.workers); i++ {
		if got = w.steal(w.s.workers[(w.ID+i)%len(w.s.workers)], got); len(got) > 0 {
			return w.keep(got)
		}
	}
	return nil
}

func (w *Worker) keep(got []Packet) Packet {
	if len(got) > 1 {
		w.mu.Lock()
		w.queue = append(w.queue, got[1:]...)
		w.n.Store(int32(len(w.queue)))
		w.mu.Unlock()
	}
	return got[0]
}

func (w *Worker) run() {
	defer w.s.exited.Done()
	for {
		p := w.poll()
		if p == nil {
			if !w.s.park(w) {
				return
			}
			continue
		}
		start := time.Now()
		w.do(p)
		w.note(p, start)
	}
}

func (w *Worker) do(p Packet) {
	if w.s.cfg.Failed != nil {
		defer func() {
			if v := recover(); v != nil {
				w.s.cfg.Failed(fmt.Errorf("bug: panic in %T: %v\n%s", p, v, debug.Stack()))
			}
		}()
	}
	p.Run(w)
}

func (w *Worker) note(p Packet, start time.Time) {
	took := time.Since(start)
	t := reflect.TypeOf(p)
	st := w.stats[t]
	st.Count++
	st.Time += took
	st.Max = max(st.Max, took)
	w.stats[t] = st
	if trace := w.s.cfg.Trace; trace != nil {
		trace(w.ID, t.String(), start, took)
	}
}
