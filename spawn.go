package spindle

import (
	"context"
	"errors"
	"fmt"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// DefaultAuxStackSize is used if SpawnConfig.StackSize is 0.
const DefaultAuxStackSize = 256 << 10

// SpawnConfig configures a thread that the host starts.
type SpawnConfig struct {
	// Instance is the one whose export the thread calls; nil means the Process's first.
	Instance *Instance
	// StackSize is the size in bytes of the thread's C stack in linear memory; 0 means DefaultAuxStackSize. Its guest stack, which is not in linear
	// memory, has Config.ThreadStackSize.
	StackSize int
	// NoStack says that what the thread calls has no C stack and no thread-local variables in linear memory, whatever the module looks like.
	NoStack bool
	// Contain keeps a trap, an uncaught exception and the end of the context in this thread: it ends alone, and only its Wait tells. Whatever
	// it held stays held, the locks of the guest's allocator and streams among them: other threads may wait for them for ever. So this
	// is for guests that are written with that in mind. An exit (proc_exit) ends the Process in any case.
	Contain bool
}

// Thread is a guest thread that the host has started. Its methods may be called by any goroutine, also after the Process was closed.
type Thread struct {
	id      uint32
	done    chan struct{}
	results []uint64 // read after done
	err     error    // likewise
}

// ID returns the thread's tid; see Caller.Thread.
func (t *Thread) ID() uint32 { return t.id }

// Done is closed when the thread has ended.
func (t *Thread) Done() <-chan struct{} { return t.done }

// Wait waits until the thread has ended and returns the export's results in slot form, or why there are none: *TrapError (also if the thread's
// context was done, or the Process ended: then that is its cause), *ExitError, *ExceptionError, or *AuxStackError if the export was never
// called because the guest had no memory left. If ctx is done first its cause is returned and the thread runs on.
//
// A host function that waits for another thread does so in Caller.Block, with its Caller's Context.
func (t *Thread) Wait(ctx context.Context) ([]uint64, error) {
	select {
	case <-t.done:
	default:
		select {
		case <-t.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return t.results, t.err
}

// finish ends the handle unless that has happened. Only the thread's goroutine calls it.
func (t *Thread) finish(err error) {
	select {
	case <-t.done:
		return
	default:
	}
	if t.err = err; err != nil {
		t.results = nil
	}
	close(t.done)
}

// ErrThreadReference is returned by a spawn on an export with results of reference types, or with a reference other than null among its arguments: each
// thread has references of its own.
var ErrThreadReference = errors.New("references do not pass between threads")

// Spawn starts a guest thread that calls an export of the Process's first instance, with arguments in slot form as for Func.Call. It is the way to
// run guest code on several goroutines at once. Any goroutine may call it at any time, while the guest runs too, and host functions may.
//
// As for a thread that the guest starts, the modules of the Process are instantiated again in it (those that it had at its first
// spawn): shared memories are the same in all threads, while globals, tables and unshared memories are the thread's own and fresh. The start functions
// run in it, once those of the main thread's instances have run. Its tid comes from the same set, and Config.MaxThreads counts it. How it ends is the Process's end too unless it returns:
// with a trap, an exit, an uncaught exception, or because ctx is done, as a thread that is stopped leaves its locks held (but see SpawnConfig.Contain).
// A Process made by Start ends its threads when its entry returns; another one when it is closed.
//
// Of a C module over shared memory (one with a stack pointer) the thread has a stack and thread-local variables of its own:
// a block from the guest's exported malloc that goes back to its exported free. The module must export both, and those of __stack_pointer,
// __wasm_init_tls, __tls_size and __tls_align that it has, unless the name section tells them. It is also told by what it may export
// besides: __set_stack_limits(high, low), __host_thread_begin(tid, low, high) on the thread's stack before the call, __host_thread_end()
// after it. What a C library keeps of its own for each thread, such as pthread_self, it must make by these hooks or when it is first asked for;
// package guest/pthread does. Modules without a stack pointer need nothing of this.
//
// Errors: *ThreadLimitError, ErrEnding, ErrAsleep, *PlanError, *AuxStackError, ErrThreadReference; what happens later is told by Thread.Wait.
func (p *Process) Spawn(ctx context.Context, export string, args ...uint64) (*Thread, error) {
	return p.SpawnWith(ctx, SpawnConfig{}, export, args...)
}

// SpawnWith is Spawn with options.
//
// ctx may be a Caller's Context: then the thread is bound to the context of the call that the Caller is part of, and outlives that thread. A context
// derived from it, however, ends with the calling thread.
func (p *Process) SpawnWith(ctx context.Context, cfg SpawnConfig, export string, args ...uint64) (*Thread, error) {
	if p.asleep.Load() {
		return nil, ErrAsleep
	}
	ctx = vm.CallContextOf(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	inst := cfg.Instance
	if inst == nil {
		inst = p.first()
	}
	if inst == nil || inst.p != p {
		return nil, errors.New("spindle: no such instance in the Process")
	}
	m := inst.mod.m
	fn, ok := m.FindExport(export, wasm.ExternFunc)
	if !ok {
		return nil, fmt.Errorf("no exported function %q", export)
	}
	f := p.newFunc(inst.inst.Func(fn))
	if err := f.checkThread(args); err != nil {
		return nil, err
	}
	s := &spawned{
		p: p, ctx: ctx, cfg: cfg, inst: inst.inst.Index, fn: fn,
		slots:  make([]uint64, max(f.params, f.results)),
		handle: &Thread{done: make(chan struct{})},
	}
	copy(s.slots, args)
	s.handle.results = s.slots[:f.results]
	if !cfg.NoStack {
		var err error
		if s.stacks, err = p.auxStacks(); err != nil {
			return nil, err
		}
	}
	if _, err := p.group.Spawn(ctx, s); err != nil {
		return nil, err
	}
	return s.handle, nil
}

// checkThread looks at the arguments of a call on a thread of its own.
func (f *Func) checkThread(args []uint64) error {
	if len(args) != f.params {
		return fmt.Errorf("function %s takes %d argument slots, not %d", f.Name(), f.params, len(args))
	}
	for _, t := range f.typ.Params {
		if t.IsRef() && args[0] != uint64(vm.NullRef) {
			return ErrThreadReference
		}
		args = args[t.Slots():]
	}
	for _, t := range f.typ.Results {
		if t.IsRef() {
			return ErrThreadReference
		}
	}
	return nil
}

// spawned is a thread that the host started, seen from its own goroutine.
type spawned struct {
	p      *Process
	ctx    context.Context
	cfg    SpawnConfig
	inst   uint32 // whose export
	fn     uint32
	slots  []uint64
	handle *Thread
	stacks []*auxStack // of the instances that need one
	blocks []auxBlock  // what this thread has of them
	export calls       // the call of the export
	called phase
}

// phase tells how far a thread has come that the host started.
type phase uint8

const (
	phaseBegin  phase = iota
	phaseExport       // in the export, or about to call it
	phaseEnd
)

// Prepare implements process.Job.
func (s *spawned) Prepare(t *vm.Thread) error {
	if int(s.inst) >= len(t.Store.Instances) {
		return errors.New("spindle: the instance was made after the Process's first thread, so threads do not have it")
	}
	s.handle.id = t.ID
	t.HostData = &Caller{p: s.p, t: t, job: s}
	return nil
}

// Run implements process.Job.
func (s *spawned) Run(t *vm.Thread) error { return s.run(t) }

// Left implements process.Job.
func (s *spawned) Left(err error) { s.handle.finish(err) }

// run implements job. Its error ends the Process.
func (s *spawned) run(t *vm.Thread) error {
	done := t.Nested(s.ctx)
	err := s.call(t)
	done()
	switch {
	case err == nil:
		return nil
	case t.StopCause() != nil: // the Process ends
		return err
	case isAuxStackError(err):
	case s.cfg.Contain && !isExit(err):
	default:
		return err
	}
	// The thread ends alone. Its end is told before its memory is given back: that may block if the guest's allocator is locked for ever.
	s.handle.finish(err)
	if err := s.freeBlocks(t); isExit(err) {
		return err
	}
	return nil
}

func isExit(err error) bool {
	var exit *ExitError
	return errors.As(err, &exit)
}

// call runs the thread from its instances' start functions, or from where it is, to the last use of its stack.
func (s *spawned) call(t *vm.Thread) error {
	if s.called == phaseBegin {
		if err := s.setUp(t); err != nil {
			return err
		}
		if err := s.hook(t, hookBegin); err != nil {
			return err
		}
		s.export = calls{p: s.p, steps: []call{{inst: s.inst, fn: s.fn, slots: s.slots}}}
		s.called = phaseExport
	}
	if err := s.export.run(t); err != nil {
		return err
	}
	s.called = phaseEnd
	if err := s.hook(t, hookEnd); err != nil {
		return err
	}
	return s.freeBlocks(t)
}

// clone implements job. Nobody waits for the clone's end, and nothing but the Process ends it early. Outside of the export the thread may hold the Process's
// bootstrap stack: then it has to go on first.
func (s *spawned) clone(p *Process) (job, bool) {
	if s.called != phaseExport {
		return nil, false
	}
	c := &spawned{p: p, ctx: context.Background(), cfg: s.cfg, inst: s.inst, fn: s.fn, handle: &Thread{id: s.handle.id, done: make(chan struct{})}, called: phaseExport}
	j, _ := s.export.clone(p)
	c.export = *j.(*calls)
	c.slots = c.export.steps[0].slots
	for _, b := range s.blocks {
		for _, a := range p.stacks {
			if a.inst == b.of.inst {
				b.of = a
			}
		}
		c.blocks = append(c.blocks, b)
	}
	c.stacks = p.stacks
	return c, true
}
