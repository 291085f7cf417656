package spindle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/gc/trace"
	"github.com/spindle-wasm/spindle/internal/process"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Process is a group of instances that live, exit and are closed together.
type Process struct {
	rt      *Runtime
	cfg     Config
	thread  *vm.Thread // the main one
	group   *process.Group
	caller  Caller        // of the main thread
	gcTrace *trace.Writer // nil if none is wanted
	labels  labels

	freezing   chan struct{} // held, by an element in it, by who makes an image
	image      *Image        // that the Process was made of, or nil
	outcome    *calls        // of the call from outside that went on in a child
	generation uint64
	asleep     atomic.Bool // a child that has not gone on
	pid        uint32      // once family is set
	family     *family
	tree       *tree           // guarded by mu
	budget     *vm.Budget      // if TreeLimits.PrivateBytes is set
	startCtx   context.Context // guarded by mu; of run; nil before

	counting  sync.Mutex
	uncounted bool // guarded by counting; Close frees the memory

	linking   sync.Mutex    // held while an instance is added to the main thread's store, or it is looked at
	gone      bool          // guarded by linking: the main thread's memory goes, or has gone
	bootstrap chan struct{} // held, by an element in it, by the thread that runs on the bootstrap stacks (auxStack.boot)

	mu        sync.Mutex
	instances map[string]*Instance // guarded by mu; by name
	all       []*Instance          // guarded by mu; the main thread's by index, nil for one that failed
	stacks    []*auxStack          // guarded by mu; of all[:stacksOf]
	stacksOf  int                  // guarded by mu
	forkHooks []ForkHooks          // guarded by mu; only appended to
	onClose   []func()             // guarded by mu; run last first
	closed    chan struct{}        // closed when Close is complete
	closing   bool                 // guarded by mu

	done chan struct{} // of Start: closed when the entry has ended
	err  error         // of Start: how; read after done
}

// NewProcess makes a Process without instances.
func (r *Runtime) NewProcess(cfg Config) (*Process, error) {
	return r.newProcess(context.Background(), cfg)
}

// newProcess makes a Process whose threads have the profile labels of ctx.
func (r *Runtime) newProcess(ctx context.Context, cfg Config) (*Process, error) {
	if err := cfg.GC.check(); err != nil {
		return nil, err
	}
	size := cfg.StackSize
	if size == 0 {
		size = r.stackSize
	}
	t, err := vm.NewThread(r.engine, r.pools, vm.ThreadConfig{StackSize: size})
	if err != nil {
		return nil, err
	}
	p := r.bareProcess(ctx, cfg)
	p.thread = t
	t.NoStackCheck = r.noStackCheck || cfg.NoStackCheck
	t.GC = p.heapConfig()
	p.caller.p, p.caller.t = p, t
	t.HostData = &p.caller
	t.SetSafepoint(p.atSafepoint())
	if b := p.newBudget(); b != nil {
		t.Store.SetBudget(b)
	}
	p.newGroup()
	if err := r.add(p); err != nil {
		t.Shutdown(err)
		return nil, err
	}
	return p, nil
}

// bareProcess makes a Process without threads.
func (r *Runtime) bareProcess(ctx context.Context, cfg Config) *Process {
	p := &Process{rt: r, cfg: cfg, closed: make(chan struct{}), bootstrap: make(chan struct{}, 1), freezing: make(chan struct{}, 1)}
	p.labels = newLabels(ctx, &p.cfg)
	return p
}

// newGroup makes the group of the Process's main thread.
func (p *Process) newGroup() {
	p.group = process.New(p.thread, process.Config{
		MaxThreads: p.cfg.MaxThreads, StackSize: p.cfg.ThreadStackSize, Limits: p.memoryLimits(),
		Adopt: func(t *vm.Thread) {
			t.SetSafepoint(p.atSafepoint())
		},
		Begin:     p.labels.begin,
		TIDs:      func() uint32 { return p.treeOf().family.next() }, // identifiers of Processes are not used again, and so neither are these
		Instances: &p.linking,
	})
}

// atSafepoint returns what the Process's threads call at safepoints, nil for nothing.
func (p *Process) atSafepoint() func() {
	if p.cfg.AtSafepoint == nil {
		return nil
	}
	return func() { p.cfg.AtSafepoint(p) }
}

// Instantiate makes a Process with one instance of m: for modules used as libraries. It runs the start function and, if the module exports it,
// the reactor's _initialize. Closing the instance's Process ends it.
func (r *Runtime) Instantiate(ctx context.Context, m *Module, cfg Config) (*Instance, error) {
	p, err := r.NewProcess(cfg)
	if err != nil {
		return nil, err
	}
	inst, err := p.Instantiate(ctx, m, cfg.Name)
	if err == nil {
		err = inst.initialize(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return inst, nil
}

// Start makes a Process of m and runs its entry (Config.Entry) on a goroutine of its own; Wait tells how it ended. ctx ends the guest when it is done.
// Errors are those of instantiation except for what the guest itself does in its start function, which Wait reports.
func (r *Runtime) Start(ctx context.Context, m *Module, cfg Config) (*Process, error) {
	entry := cfg.Entry
	if entry == "" {
		entry = "_start"
	}
	if e, ok := m.Export(entry); !ok || e.Kind != KindFunc {
		return nil, fmt.Errorf("the module exports no function %q to start", entry)
	}
	p, err := r.newProcess(ctx, cfg)
	if err != nil {
		return nil, err
	}
	inst, err := p.link(m, cfg.Name)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	fn, _ := m.m.FindExport(entry, wasm.ExternFunc)
	if n := len(m.m.FuncType(fn).Params); n > 0 {
		return nil, errors.Join(fmt.Errorf("the function %q to start takes %d arguments", entry, n), p.Close())
	}
	p.run(ctx, &calls{p: p, steps: append(startCalls(inst.inst), call{inst: inst.inst.Index, fn: fn, slots: make([]uint64, p.newFunc(inst.inst.Func(fn)).results)})})
	return p, nil
}

// run runs the main thread's job on a goroutine of its own, and ends the Process with it. Wait tells how.
func (p *Process) run(ctx context.Context, j job) {
	p.done = make(chan struct{})
	p.mu.Lock()
	p.startCtx = ctx
	p.mu.Unlock()
	p.caller.job = j
	unhook := context.AfterFunc(ctx, func() {
		if p.group.Threaded() { // otherwise the main thread's own end tells more
			p.group.End(0, p.wrapError(p.thread.StopError(context.Cause(ctx))))
		}
	})
	go func() {
		p.labels.begin(0, true)
		defer close(p.done)
		defer unhook()
		err := p.callMain(ctx, j)
		p.group.End(0, err)
		p.group.Wait()
		p.err, _ = p.group.Ended()
		if sameStop(p.err, err) {
			p.err = err // with the main thread's backtrace
		}
	}()
}

// sameStop reports whether both are the main thread's stop for the same reason: one as it was recorded for all threads, without a backtrace, and the other one as
// the main thread then met it.
func sameStop(recorded, met error) bool {
	r, ok := recorded.(*TrapError)
	m, also := met.(*TrapError)
	return ok && also && r.Code == TrapInterrupted && m.Code == TrapInterrupted && r.Thread == m.Thread && r.Frames == nil && errors.Is(m.Cause, r.Cause)
}

// Wait waits until the entry that Start ran has ended, and returns nil if it returned or exited with code 0, otherwise the reason:
// *ExitError, *TrapError or *ExceptionError. If ctx is done first its cause is returned and the guest runs on.
func (p *Process) Wait(ctx context.Context) error {
	if p.done == nil {
		return errors.New("spindle: Wait on a Process that Start did not make")
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var exit *ExitError
	if errors.As(p.err, &exit) && exit.Code == 0 {
		return nil
	}
	return p.err
}

// Done is closed when the entry that Start ran has ended; nil for other Processes.
func (p *Process) Done() <-chan struct{} { return p.done }

// Import returns what the Process imports under a module name (Config.Imports; of a child, its own), nil if there is nothing.
func (p *Process) Import(module string) ImportModule { return p.cfg.Imports[module] }

// Runtime returns the Process's Runtime.
func (p *Process) Runtime() *Runtime { return p.rt }

// OnClose has f called when the Process is closed, after its guest has ended and before its memory goes; last registered first.
func (p *Process) OnClose(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onClose = append(p.onClose, f)
}

// Close ends the guest wherever it is, waits until its goroutine has left, and gives everything back. It must not be called
// from a host function of the Process: that would wait for itself (use Caller.Fail with an ExitError). Closing again waits
// for the first Close.
func (p *Process) Close() error {
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		<-p.closed
		return nil
	}
	p.closing = true
	t := p.tree
	p.mu.Unlock()
	p.stop(ErrClosed)
	if t != nil && t.root == p.pid {
		t.close()
	}
	if p.done != nil {
		<-p.done
	}
	p.group.Wait()
	p.thread.Retire(ErrClosed)
	p.runOnClose()
	p.linking.Lock()
	p.gone = true
	p.linking.Unlock()
	p.counting.Lock()
	p.uncounted = true
	p.counting.Unlock()
	p.thread.Close()
	p.group.Close()
	var err error
	if i := p.image; i != nil {
		i.vm.Done()
	}
	if p.gcTrace != nil {
		err = errors.Join(err, p.gcTrace.Close())
	}
	p.rt.remove(p)
	close(p.closed)
	return err
}

// stop has the guest end, without waiting for it.
func (p *Process) stop(cause error) {
	p.group.End(0, p.thread.StopError(cause))
	p.thread.Stop(cause)
}

func (p *Process) runOnClose() {
	p.mu.Lock()
	hooks := p.onClose
	p.onClose = nil
	p.mu.Unlock()
	for i := len(hooks) - 1; i >= 0; i-- {
		hooks[i]()
	}
}

// Pause stops all threads of the guest at safepoints and returns when they stand there; Resume lets them go on. A thread that is spawned meanwhile starts
// stopped. Pauses nest. A thread that nobody calls into, or that is blocked, counts as stopped, and a call into a paused Process waits for Resume or for the end of its context. A host
// function in flight that does not use Caller.Block is waited for; if ctx is done first, the pause is taken back and the error is ctx's cause. So a host
// function of the Process must not call it. A paused guest still ends when it is told to (Close, a context).
func (p *Process) Pause(ctx context.Context) error { return p.group.Pause(ctx) }

// Resume takes one Pause back. Without one it does nothing.
func (p *Process) Resume() { p.group.Resume() }
