package vm

import (
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/internal/mem"
)

// HeapStats says what a heap has done so far.
type HeapStats struct {
	Plan     string
	MaxBytes int64 // HeapConfig's
	InUse    int64 // bytes of blocks that have objects now, or had some at the last collection
	Peak     int64 // most bytes in use at the beginning of a collection, or now
	Held     int64 // bytes that the heap keeps from the system now

	Collections int           // that are over
	Full        int           // of these, of the whole heap
	Stop        time.Duration // sum of the times until all threads stood
	Pause       time.Duration // sum of the times from then until they could go on
	MaxPause    time.Duration // the longest stop and pause together
	Objects     uint64        // found alive by the last full collection
	Bytes       uint64        // of these
}

// heapStats sums up collections.
type heapStats struct {
	mu  sync.Mutex
	sum HeapStats // guarded by mu
}

func (s *heapStats) add(c gc.Collection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Collections++
	s.sum.Stop += c.Stop
	s.sum.Pause += c.Pause
	s.sum.MaxPause = max(s.sum.MaxPause, c.Stop+c.Pause)
	s.sum.Peak = max(s.sum.Peak, c.Before<<heap.LogBlock)
	if c.Full {
		s.sum.Full++
		s.sum.Objects, s.sum.Bytes = c.Objects, c.Bytes
	}
}

// Stats returns what the heap has done so far. Any goroutine may call it, also when the heap is closed.
func (h *Heap) Stats() HeapStats {
	h.stats.mu.Lock()
	defer h.stats.mu.Unlock()
	s := h.stats.sum
	s.Plan, s.MaxBytes = h.gc.Plan().Constraints().Name, h.gc.Opts.MaxBytes
	s.InUse, s.Held = h.mem.InUse()<<heap.LogBlock, h.mem.Held()<<heap.LogBlock
	s.Peak = max(s.Peak, s.InUse)
	return s
}

// Collect runs a collection of the whole heap on behalf of host code. Errors: of a collection that failed, ErrHeapClosed.
func (h *Heap) Collect() error {
	if err := h.enterWriter(); err != nil {
		return err
	}
	defer h.leaveWriter()
	return h.gc.Collect(h.mutator, true)
}

// HeapUsage is mem.Region.Usage of the thread's heap, 0 without one. Any goroutine may call it while the thread is not closed.
func (t *Thread) HeapUsage(files mem.Files) uint64 {
	h := t.published.Load()
	if h == nil {
		return 0
	}
	return uint64(h.mem.Usage(files))
}
