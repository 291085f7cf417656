package plan

import (
	"errors"
	"maps"
	"sync"

	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/scheduler"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// Forker is a Plan whose heaps can be forked and warmed up.
type Forker interface {
	Plan
	// Inherit makes a plan that has just been made what another one of its kind is, whose heap's memory its own is a copy of: it copies what its spaces
	// note in Go's memory, and when it collects what. No collection runs in either.
	Inherit(from Plan)
	// Surrender makes the spaces forget their blocks, which have become the image's; the plan's collection is over.
	Surrender()
	// Headroom is how many blocks mutators may have although Due says no, while no collection can be: none, if Due keeps room for copies.
	Headroom() int64
}

// DefaultHeadroom is 1 MiB, for plans that need no room for copies.
const DefaultHeadroom = 1 << 20 / heap.BlockSize

// Errors of wrong orders of calls. They change nothing.
var (
	// ErrNotForkable says that the heap was made without Options.Forkable.
	ErrNotForkable = heap.ErrNotForkable
	// ErrPlanForks says that the heap's plan is not a Forker.
	ErrPlanForks = errors.New("gc: this plan's heaps cannot be forked")
	// ErrForking is returned between PrepareToFork and Resume for what needs a collection or would end the heap, and for a second PrepareToFork.
	ErrForking = errors.New("gc: the heap is being forked")
	// ErrNotForking is returned by Resume if that was done already, and for a Ticket that PrepareToFork did not return.
	ErrNotForking = errors.New("gc: the heap is not being forked")
	// ErrTicketClosed is returned for a Ticket that has been closed.
	ErrTicketClosed = errors.New("gc: the ticket is closed")
	// ErrNoHeap is returned for a Heap or Base that New did not return.
	ErrNoHeap = errors.New("gc: there is no heap")
	// ErrClosed is returned for a heap that has been closed.
	ErrClosed = errors.New("gc: the heap is closed")
	// ErrStopped is returned if the workers have been stopped by Scheduler.Stop.
	ErrStopped = scheduler.ErrStopped
)

// phase is what a heap can be asked for.
type phase uint8

const (
	open    phase = iota
	forking       // from the start of PrepareToFork to Resume
	closed
)

// enter goes from open to another phase.
func (b *Base) enter(p phase) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.phase.err(); err != nil {
		return err
	}
	b.phase = p
	return nil
}

// err says why a heap in that phase cannot do what an open one can.
func (p phase) err() error {
	switch p {
	case forking:
		return ErrForking
	case closed:
		return ErrClosed
	}
	return nil
}

// orderError is what a refusal of the scheduler means.
func (b *Base) orderError(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.phase.err(); e != nil {
		return e
	}
	return err
}

// forking returns ErrForking if no collection can be: the workers have stopped for a fork.
func (b *Base) forking() error {
	if !b.held.Load() {
		return nil
	}
	return ErrForking
}

// PrepareToFork brings the heap to where it can be copied, and returns when it is there:
//
//  1. what mutators have asked for is collected, those that wait for it counting as standing;
//  2. all mutators stand, what they remember is queued in the heap; what they ask for until then is collected, too;
//  3. the workers have ended, with their state kept in their Worker;
//  4. the memory's pages are sealed; this heap goes on with them, and copies those that it writes to.
//
// The mutators stand until Ticket.Resume. The caller is none of them: a thread of the VM that forks calls PrepareToFork, Resume and what is
// between from within vm.Binding.Block. It may allocate meanwhile with its own mutator, which runs no collection: when one is due, the error is ErrForking.
//
// Errors are ErrNoHeap, ErrNotForkable, ErrPlanForks, ErrForking, ErrClosed, ErrStopped, the system's, and why the heap is unusable. They leave the heap as it was.
func (b *Base) PrepareToFork() (*Ticket, error) {
	f, err := b.forker()
	if err != nil {
		return nil, err
	}
	if err := b.enter(forking); err != nil {
		return nil, err
	}
	if err := b.Sched.StopForFork(func() {
		b.vm.StopMutators()
		b.held.Store(true)
	}); err != nil {
		b.leaveFork()
		return nil, err
	}
	t := &Ticket{b: b}
	if err = b.Err(); err == nil {
		t.frozen, err = b.Mem.Freeze()
	}
	if err != nil {
		return nil, errors.Join(err, b.resume())
	}
	b.flush()
	t.note()
	b.Budget.Allow(f.Headroom())
	return t, nil
}

func (b *Base) forker() (Forker, error) {
	if b == nil || b.plan == nil {
		return nil, ErrNoHeap
	}
	if !b.Opts.Forkable {
		return nil, ErrNotForkable
	}
	f, ok := b.plan.(Forker)
	if !ok {
		return nil, ErrPlanForks
	}
	return f, nil
}

// flush queues in the heap what the mutators remember, so that nothing is lost of those that the child does not have.
func (b *Base) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orphaned.Append(b.inherited)
	b.inherited = barrier.Buffer{}
	for _, m := range b.mutators {
		b.orphaned.Append(m.barrier.Take())
	}
}

// leaveFork goes back to open.
func (b *Base) leaveFork() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phase = open
}

// resume lets a heap that has been prepared go on.
func (b *Base) resume() error {
	if err := b.Sched.Start(); err != nil {
		return err
	}
	b.Budget.Allow(0)
	b.leaveFork()
	b.held.Store(false)
	b.vm.ResumeMutators()
	return nil
}

// Ticket is a heap as it was when PrepareToFork returned. Children can be made of it at any time until it is closed, before and after Resume, by several
// goroutines. A Ticket that is not closed keeps pages and a file descriptor.
type Ticket struct {
	b *Base // that was forked; nil if the ticket comes from Open

	// What the heap was; not changed afterwards.
	frozen   *heap.Frozen
	state    *Base // everything but the memory, with no VM
	mutators []mutatorState

	mu      sync.Mutex
	resumed bool // guarded by mu
	closed  bool // guarded by mu
	users   int  // guarded by mu; Child running
}

// mutatorState is what a child keeps of a mutator.
type mutatorState struct {
	m      *Mutator
	thread vm.Thread
	stress int
	zeal   int
	turn   bool
}

// note writes down what the heap is.
func (t *Ticket) note() {
	b := t.b
	t.state = assemble(nil, b.Opts, t.frozen.Shell(), b.make)
	t.state.inherit(b)
	b.mu.Lock()
	defer b.mu.Unlock()
	t.state.orphaned.Append(b.orphaned)
	for _, m := range b.mutators {
		t.mutators = append(t.mutators, mutatorState{m, m.Thread, m.stress, m.zeal, m.turn})
	}
}

// inherit makes a heap that has just been assembled what another one is, whose memory its own is a copy of. Every structure with state is listed here.
func (b *Base) inherit(from *Base) {
	b.Budget.Inherit(&from.Budget)
	b.Sched.Inherit(from.Sched)
	b.common.Epoch = from.common.Epoch
	b.large.Inherit(from.large)
	b.image.Inherit(from.image)
	b.immortal.Inherit(from.immortal)
	b.fixed.space.Inherit(from.fixed.space)
	b.plan.(Forker).Inherit(from.plan)
	b.final = from.final.Clone()
	b.wantFull.Store(from.wantFull.Load())
	b.again.Store(from.again.Load())
	b.after.Store(from.after.Load())
	b.current = from.current
	b.balancer = from.balancer
	from.mu.Lock()
	defer from.mu.Unlock()
	b.pins = maps.Clone(from.pins)
}

// Resume lets the heap that was forked go on: its mutators run, and its workers start at the next collection. The error is ErrNotForking if that was done
// already.
func (t *Ticket) Resume() error {
	if t == nil || t.b == nil {
		return ErrNotForking
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.resumed {
		return ErrNotForking
	}
	if err := t.b.resume(); err != nil {
		return err
	}
	t.resumed = true
	return nil
}

// ChildConfig says what differs in a child.
type ChildConfig struct {
	// Thread returns the child's thread for one of the heap that was forked, and whether there is one. A mutator whose thread is not there is not there either:
	// what it remembered, the heap does. If it is nil, the child has no threads at first.
	Thread func(parent vm.Thread) (child vm.Thread, ok bool)
	// Options, if set, changes the child's options: Stats, Trace, Workers and the tools for debugging; not what sizes the heap. Otherwise the child has the
	// same Stats and Trace, and both heaps may call them at the same time.
	Options func(*Options)
}

// Child makes a heap that is what the forked one was, for another VM: the binding's roots hold the same references. It shares the pages of objects and metadata until one
// of the two writes to them. Its mutators, by those of the heap that was forked, have the same barriers and empty allocators; its workers start at its first
// collection. The child can be forked like any heap.
//
// Errors are ErrTicketClosed, ErrNotForking for a Ticket that PrepareToFork did not return, and the system's.
func (t *Ticket) Child(b vm.Binding, cfg ChildConfig) (*Base, map[*Mutator]*Mutator, error) {
	if t == nil || t.state == nil {
		return nil, nil, ErrNotForking
	}
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil, nil, ErrTicketClosed
	}
	t.users++
	t.mu.Unlock()
	defer t.done()

	mem, err := t.frozen.New()
	if err != nil {
		return nil, nil, err
	}
	opts := t.state.Opts
	if cfg.Options != nil {
		cfg.Options(&opts)
		opts.MaxBytes, opts.NurseryBytes, opts.Types, opts.Forkable = t.state.Opts.MaxBytes, t.state.Opts.NurseryBytes, t.state.Opts.Types, true
		opts.Workers = max(opts.Workers, 1)
	}
	child := assemble(b, opts, mem, t.state.make)
	child.inherit(t.state)
	child.inherited = t.state.orphaned   // which may be large: children that never collect share it
	child.balancer.resumed = child.now() // nobody has run since the freeze, which may be long ago
	mutators := map[*Mutator]*Mutator{}
	if cfg.Thread != nil {
		for _, s := range t.mutators {
			if thread, ok := cfg.Thread(s.thread); ok {
				m := child.NewMutator(thread)
				m.stress, m.zeal, m.turn = s.stress, s.zeal, s.turn
				mutators[s.m] = m
			}
		}
	}
	return child, mutators, nil
}

func (t *Ticket) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users--; t.closed && t.users == 0 {
		t.frozen.Close() //nolint:errcheck // address space is lost, no more
	}
}

// Close gives up what the ticket keeps; children are not touched. It does not resume the heap that was forked. The error is ErrTicketClosed if that was done already.
func (t *Ticket) Close() error {
	if t == nil || t.state == nil {
		return ErrNotForking
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrTicketClosed
	}
	t.closed = true
	if t.users > 0 {
		return nil // the last of them does it
	}
	return t.frozen.Close()
}
