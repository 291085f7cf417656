package spindle

import (
	"io"
	"slices"
	"strings"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/trace"
	"github.com/spindle-wasm/spindle/internal/vm"
)

// GCConfig configures the garbage-collected heap of a Process. It has one if one of its modules has struct or array types; others pay nothing for it.
type GCConfig struct {
	// Plan is the name of the algorithm, in any case: one of GCPlans; the default is DefaultGCPlan.
	Plan string
	// HeapBytes bounds the memory of objects, 0 means DefaultGCHeap; at most 4 GiB. Of a plan that copies it includes the room for copies. An allocation for which a last
	// collection of the whole heap has not made room traps (TrapAllocation). It is taken from the system as the guest uses it, and does not count
	// for MaxMemory.
	HeapBytes int64
	// MinHeapBytes, if it is not 0, lets the bound change between that and HeapBytes by what is alive and how fast the guest allocates, so that a heap that needs little
	// keeps little of the system's memory: for programs with many Processes.
	MinHeapBytes int64
	// NurseryBytes bounds what is allocated between two collections of young objects, of plans that have those; 0 lets the plan decide.
	NurseryBytes int64
	// Workers is how many goroutines collect; 0 means one for each processor. They start at the first collection.
	Workers int
	// Stats, if set, is told of each collection when it is over. It runs on a worker and holds up the next collection; it must not use the Process.
	Stats func(GCCollection)
	// Trace, if set, gets each collection and each part of one as an event: JSON that Perfetto and Chrome's about:tracing show. It is complete when
	// the Process is closed; Process.Close returns its first error.
	Trace io.Writer

	// For finding bugs. Stress, if not 0, makes every so many allocations a collection; EverySafepoint each safepoint of guest code. Sanity goes through the
	// heap again after each collection; what it finds becomes the error of the next allocation.
	Stress         int
	EverySafepoint bool
	Sanity         bool
}

const (
	// DefaultGCPlan is used if GCConfig.Plan is empty.
	DefaultGCPlan = gc.DefaultPlan
	// DefaultGCHeap is used if GCConfig.HeapBytes is 0.
	DefaultGCHeap = plan.DefaultMaxBytes
)

// GCPlans returns the names of all plans, sorted.
func GCPlans() []string { return gc.Plans() }

type (
	// GCCollection tells of a collection that is over. Blocks have 32 KiB.
	GCCollection = gc.Collection
	// GCPlanError says that there is no plan of a name.
	GCPlanError = gc.PlanError
	// GCStats says what the heap of a Process has done so far.
	GCStats = vm.HeapStats
)

// GCStats returns what the Process's heap has done so far; ok is false if it has none (yet). Any goroutine may call it; of a closed Process it tells how it ended.
func (p *Process) GCStats() (s GCStats, ok bool) {
	h := p.thread.Heap()
	if h == nil {
		return s, false
	}
	return h.Stats(), true
}

// CollectGarbage runs a collection of the whole heap now. Any goroutine may call it, in host functions too; without a heap it does nothing. The error is of a collection that failed,
// or that the Process is closed.
func (p *Process) CollectGarbage() error {
	if h := p.thread.Heap(); h != nil {
		return h.Collect()
	}
	return nil
}

// check refuses what no heap can be made of.
func (c *GCConfig) check() error {
	if c.Plan != "" && !slices.Contains(gc.Plans(), strings.ToLower(c.Plan)) {
		return &GCPlanError{Name: c.Plan}
	}
	for _, n := range []int64{c.HeapBytes, c.MinHeapBytes, c.NurseryBytes} {
		if n < 0 || n > heap.MaxBytes {
			return &LimitError{Limit: "bytes of a GC heap", Max: heap.MaxBytes, Got: uint64(n)}
		}
	}
	return nil
}

// heapConfig is the main thread's.
func (p *Process) heapConfig() (c vm.HeapConfig) {
	c = p.cfg.GC.heapConfig()
	c.Forkable = p.cfg.Forkable
	if from := p.cfg.GC.Trace; from != nil {
		p.gcTrace = trace.New(from)
		c.Trace = p.gcTrace
	}
	return c
}

// heapConfig is what package vm makes of it.
func (from *GCConfig) heapConfig() (c vm.HeapConfig) {
	c.Plan, c.Workers = from.Plan, from.Workers
	c.MaxBytes, c.MinBytes, c.NurseryBytes = from.HeapBytes, from.MinHeapBytes, from.NurseryBytes
	c.Stats, c.Stress, c.Sanity, c.EverySafepoint = from.Stats, from.Stress, from.Sanity, from.EverySafepoint
	return c
}
