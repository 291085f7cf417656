package plan

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/policy/image"
	"github.com/spindle-wasm/spindle/gc/policy/immix"
	"github.com/spindle-wasm/spindle/gc/policy/immortal"
	"github.com/spindle-wasm/spindle/gc/policy/large"
	"github.com/spindle-wasm/spindle/gc/scheduler"
	"github.com/spindle-wasm/spindle/gc/trace"
	"github.com/spindle-wasm/spindle/gc/vm"
	"github.com/spindle-wasm/spindle/gc/weak"
)

// Options size a heap.
type Options struct {
	// MaxBytes bounds the memory of objects; 0 means DefaultMaxBytes. It is never exceeded, and counts in blocks (heap.BlockSize). Of a plan that copies it includes
	// the room for copies.
	MaxBytes int64
	// MinBytes, if it is not 0, lets the heap's limit change between that and MaxBytes, by what is alive, how fast mutators allocate and how fast it is collected. What a
	// lower limit leaves free goes back to the system. Otherwise the limit is MaxBytes.
	MinBytes int64
	// Balance is how many bytes a heap is worth growing by for less collecting; 0 means DefaultBalance. Heaps grow with its square root.
	Balance float64
	// NurseryBytes bounds what generational plans allocate between two collections; 0 means DefaultNurseryBytes or a quarter of the heap.
	NurseryBytes int64
	// Workers is the number of GC workers; 0 or less means one for each processor.
	Workers int
	// Types are the heap's types, if it shares them.
	Types *heap.Types
	// Forkable makes a heap that PrepareToFork and Warmup may be called for: its memory lies in a file where the system has such, and engines must do what
	// Base.Constraints says, which asks for a barrier under every plan.
	Forkable bool
	// Defrag is when spaces of Immix plans are defragmented. Without it their objects do not move, but those of a nursery.
	Defrag immix.Defrag
	// Stress makes every so many allocations of a mutator a collection, of the young and of the whole heap by turns; 0 turns it off. Engines see to it by Mutator.Inline.
	Stress int
	// Sanity goes through the heap again after each collection (package sanity); what it finds makes the heap fail.
	Sanity bool
	// Poison fills memory that has become free with a pattern (heap.Poison); with Sanity, writes into it are found as well.
	Poison bool
	// Zeal makes every so many safepoints of a mutator a collection; 0 turns it off. Engines see to it by Mutator.Safepoint.
	Zeal int
	// Trace, if set, gets an event for each packet and each collection.
	Trace *trace.Writer
	// Stats, if set, is told of each collection when it is over and mutators run again: on a worker, one call at a time. The next collection waits for it, so it must not
	// wait for a mutator.
	Stats func(Collection)
	// Now, if set, is the clock of what Stats tells and of the rates by which the limit changes: for simulations, and for tests on machines that have other things to do.
	// One goroutine at a time calls it.
	Now func() time.Time
}

const (
	// DefaultMaxBytes is used if Options.MaxBytes is 0.
	DefaultMaxBytes = 256 << 20
	// DefaultNurseryBytes bounds the default of Options.NurseryBytes.
	DefaultNurseryBytes = 32 << 20
)

// Base is a heap without its plan: what every plan works on.
type Base struct {
	Mem    *heap.Memory
	Budget policy.Budget
	Sched  *scheduler.Scheduler
	Opts   Options

	vm     vm.Binding
	make   func(*Base) Plan
	plan   Plan
	common policy.Common

	// The spaces that all plans have.
	large    *large.Space
	image    *image.Space
	immortal *immortal.Space
	fixed    *fixed
	final    *weak.Finalizers

	held atomic.Bool // the mutators stand for a fork, not for a collection
	warm bool        // the running collection's objects become the image

	wantFull atomic.Bool // the next collection is to be of the whole heap
	wantWarm atomic.Bool // and what it leaves is to be the image
	short    atomic.Bool // the last one has not made room for what somebody waits for
	urgent   bool        // the running one is for that
	again    atomic.Bool // the last one wants another one to follow
	asked    atomic.Bool // and somebody asked for it, not an allocation

	after atomic.Int64 // blocks in use after the last collection

	mu       sync.Mutex
	mutators []*Mutator     // guarded by mu
	looks    []*look        // guarded by mu; for the end of the next collection of the whole heap
	orphaned barrier.Buffer // guarded by mu; remembered by mutators that are gone
	// inherited is what mutators of the heap that this one is a fork of had remembered. Other children have the same; it is not changed.
	inherited barrier.Buffer   // guarded by mu
	failed    error            // guarded by mu; the heap is unusable
	phase     phase            // guarded by mu
	pins      map[heap.Ref]int // guarded by mu; how often objects are pinned
	current   Collection       // the running collection's; workers fill it in at its end
	balancer  balancer         // workers change it at the end of a collection
}

// New makes a heap whose plan make returns. make may use Mem and Budget.
func New(b vm.Binding, opts Options, make func(*Base) Plan) (*Base, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	reserve := heap.NewMemory
	if opts.Forkable {
		reserve = heap.NewForkable
	}
	mem, err := reserve(opts.Types, opts.MaxBytes)
	if err != nil {
		return nil, err
	}
	return assemble(b, opts, mem, make), nil
}

// complete sets what is left to defaults, and refuses what no heap can be.
func (opts *Options) complete() error {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	if opts.MaxBytes < heap.BlockSize || opts.MaxBytes > heap.MaxBytes {
		return fmt.Errorf("gc: a heap has %d to %d bytes, not %d", heap.BlockSize, int64(heap.MaxBytes), opts.MaxBytes)
	}
	if opts.MinBytes < 0 || opts.MinBytes > opts.MaxBytes || opts.Balance < 0 {
		return fmt.Errorf("gc: a heap of %d to %d bytes, balanced by %g", opts.MinBytes, opts.MaxBytes, opts.Balance)
	}
	if opts.Balance == 0 {
		opts.Balance = DefaultBalance
	}
	if opts.NurseryBytes == 0 {
		opts.NurseryBytes = min(DefaultNurseryBytes, opts.MaxBytes/4)
	}
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Types == nil {
		opts.Types = &heap.Types{}
	}
	return nil
}

// assemble makes a heap of its memory.
func assemble(b vm.Binding, opts Options, mem *heap.Memory, make func(*Base) Plan) *Base {
	base := &Base{Mem: mem, Opts: opts, vm: b, make: make, final: &weak.Finalizers{}}
	mem.Poisons = opts.Poison
	base.Budget.Mem = mem
	base.Budget.Set(mem.Limit())
	base.large = large.New(largeSpace, mem)
	base.image = image.New(imageSpace, mem)
	base.immortal = immortal.New(immortalSpace, mem)
	base.fixed = newFixed(mem, &base.Budget)
	base.common = policy.Common{Mem: mem, Epoch: 1, Alone: opts.Workers == 1, Foreign: base.foreign, Failed: base.fail}
	base.common.Spaces[largeSpace] = base.large
	base.common.Spaces[imageSpace] = base.image
	base.common.Spaces[immortalSpace] = base.immortal
	base.common.Spaces[fixedSpace] = base.fixed.space
	base.plan = make(base)
	base.common.Log = base.plan.Constraints().Generational
	base.large.Log, base.immortal.Log, base.fixed.space.Log = base.common.Log, base.common.Log, base.common.Log
	base.Budget.Due = func(inUse, n int64, space heap.SpaceID) bool {
		return base.again.Load() || base.plan.Due(inUse, n, space)
	}
	if opts.MinBytes > 0 && base.plan.Constraints().Collects {
		base.setLimit(0)
	}
	for i, s := range base.plan.Spaces() {
		base.common.Spaces[int(FirstSpace)+i] = s
	}
	cfg := scheduler.Config{Workers: opts.Workers, Begin: base.begin, Done: base.done, Failed: base.fail}
	if opts.Trace != nil {
		cfg.Trace = opts.Trace.Packet
	}
	base.Sched = scheduler.New(cfg)
	for _, w := range base.Sched.Workers() {
		t := &policy.Tracer{Common: &base.common}
		base.plan.InitTracer(t)
		w.Data = t
	}
	return base
}

// HideFree gives every object of the large-object space pages of its own, and makes them inaccessible when it is dead; for plans, when they
// are made.
func (b *Base) HideFree() {
	b.Mem.Late = true
	b.large.Runs.Hide, b.large.Runs.Log = true, uint8(bits.Len32(heap.HideUnit())-1)
}

// Room returns how many free blocks copies may take in a collection.
func (b *Base) Room() int64 { return b.Mem.Limit() - b.Mem.InUse() }

// Again says, in Release of a collection of the whole heap, whether another one is to follow before mutators may have more blocks. It is urgent. A plan that says so must make
// progress from one to the next.
func (b *Base) Again(yes bool) { b.again.Store(yes) }

// Defrag tells plans in Prepare of a collection of the whole heap how Immix spaces are to be defragmented, and whether it is urgent: the last collection has not made
// room for what a mutator waits for. What becomes the image is put together once and for all.
func (b *Base) Defrag() (mode immix.Defrag, urgent bool) {
	if b.warm && b.Opts.Defrag == immix.DefragAuto {
		return immix.DefragAlways, true
	}
	return b.Opts.Defrag, b.urgent
}

// Plan returns the heap's plan.
func (b *Base) Plan() Plan { return b.plan }

// CollectsAll reports whether the running collection is of the whole heap: for the VM's binding, from the first root on.
func (b *Base) CollectsAll() bool { return b.current.Full }

// Constraints tell an engine what code to make for this heap: the plan's, and the barrier that a forkable heap needs besides.
func (b *Base) Constraints() Constraints {
	c := b.plan.Constraints()
	if b.Opts.Forkable && c.Collects {
		c.Barrier = ObjectBarrier
	}
	return c
}

// foreign is told of foreign words in live objects.
func (b *Base) foreign(class uint8, word uint32) {
	b.image.Note(class, word)
	b.vm.Foreign(class, word)
}

// Epoch is what live lines are marked with in the running collection, or were in the last one. It is never 0.
func (b *Base) Epoch() byte { return b.common.Epoch }

// NextEpoch goes on to the next epoch; for plans that mark lines, in Prepare.
func (b *Base) NextEpoch() {
	if b.common.Epoch++; b.common.Epoch == 0 {
		b.common.Epoch = 1
	}
}

// NewMutator makes a mutator for a thread of the VM. No collection may begin meanwhile: the calling goroutine is one of the VM's that
// vm.Binding.StopMutators waits for.
func (b *Base) NewMutator(t vm.Thread) *Mutator {
	m := &Mutator{Thread: t, base: b, maxSmall: b.plan.Constraints().MaxSmall, stress: b.Opts.Stress}
	b.plan.InitMutator(m)
	m.Zero, m.Overflow.Zero = b.Mem, b.Mem
	m.mem, m.inline = b.Mem, m.Inline()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mutators = append(b.mutators, m)
	return m
}

// Destroy ends a mutator; it must not be used any more. What it remembers, another one remembers for it.
func (m *Mutator) Destroy() {
	b := m.base
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mutators = slices.DeleteFunc(b.mutators, func(x *Mutator) bool { return x == m })
	b.orphaned.Append(m.barrier.Take())
}

// Collect runs a collection on behalf of a mutator and returns when it is over; full asks for one of the whole heap. The error is of a collection
// that failed. A plan that does not collect does nothing.
func (b *Base) Collect(m *Mutator, full bool) error {
	if !b.plan.Constraints().Collects {
		return nil
	}
	if full {
		b.asked.Store(true)
	}
	return b.collect(m, full)
}

// collect is Collect on behalf of an allocation.
func (b *Base) collect(m *Mutator, full bool) error {
	if full {
		b.wantFull.Store(true)
	}
	n, err := b.Sched.Request()
	if err != nil {
		return b.orderError(err)
	}
	b.vm.Block(m.Thread, func() { b.Sched.Wait(n) })
	return b.Err()
}

// Err returns why the heap is unusable, nil if it is not.
func (b *Base) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

func (b *Base) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil {
		b.failed = fmt.Errorf("gc: a collection failed: %w", err)
	}
}

// Close ends the workers and gives the memory back. No mutator may be in use. The errors are ErrClosed and ErrForking, and change nothing.
func (b *Base) Close() error {
	if err := b.enter(closed); err != nil {
		return err
	}
	if err := b.Sched.Stop(); err != nil && !errors.Is(err, scheduler.ErrStopped) {
		return err
	}
	return b.Mem.Close()
}
