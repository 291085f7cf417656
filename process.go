package spindle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spindle-wasm/spindle/gc/trace"
	"github.com/spindle-wasm/spindle/internal/process"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Config configures a Process.
type Config struct {
	// Name names the Process's first instance, and the Process in dumps and Go's profiles.
	Name string
	// Imports supplies what modules import, by module name.
	Imports Imports
	// Entry is the export that Start runs; the default is "_start".
	Entry string
	// MaxMemory and StackSize override the Runtime's if they are not 0; see WithMaxMemory.
	MaxMemory uint64
	StackSize int
	// MaxThreads bounds the threads beside the main one that live at the same time; 0 means DefaultMaxThreads, less than 0 none.
	MaxThreads int
	// NoStackCheck turns the detection of overruns of the C stack in linear memory off (TrapStackOverrun), as WithoutStackCheck does for all.
	NoStackCheck bool
	// ThreadStackSize is the size in bytes of further threads' guest stacks; 0 means 1 MiB.
	ThreadStackSize int
	// Forkable says that the Process will be frozen (Process.Freeze): linear memories then lie in files from the start, where the system has
	// files in memory, and need not be copied. Each takes a file descriptor.
	Forkable bool
	// Tree bounds what the guest can do with forks.
	Tree TreeLimits
	// ThreadLabels has each guest thread's goroutine labelled with its tid for Go's profiles (LabelThread). It makes a spawn dearer by
	// about half a microsecond; LabelProcess costs nothing.
	ThreadLabels bool
	// ForkHookTimeout bounds the time of each of the guest's hooks around a fork (HookChild); 0 means DefaultForkHookTimeout.
	ForkHookTimeout time.Duration
	// GC configures the garbage-collected heap, of modules that have struct or array types.
	GC GCConfig
	// AtSafepoint, for finding bugs, is called by each guest thread at each of its safepoints that is not below a host function, which makes guests many times slower. The thread counts as
	// stopped meanwhile, so that the function may freeze the Process, and may take as long as it likes. Children call it, too.
	AtSafepoint func(p *Process)
}

// DefaultMaxThreads is used if Config.MaxThreads is 0.
const DefaultMaxThreads = process.DefaultMaxThreads

// Imports supplies what modules import, by module name.
type Imports map[string]ImportModule

// ImportModule supplies the entities that a module imports under one module name: a HostModule, an *Instance of the same
// Process, or an implementation of state for each Process such as package wasi's.
type ImportModule interface {
	// Lookup returns the entity of that name for p; ok is false if there is none.
	Lookup(p *Process, name string) (x Extern, ok bool)
}

// Extern is something that can be imported: *HostFunc, *Func, *Memory, *Table, *Global or *Tag.
type Extern interface {
	extern(p *Process) (vm.Extern, error)
}

// HostModule is a set of host-made entities.
type HostModule map[string]Extern

// Lookup implements ImportModule.
func (h HostModule) Lookup(_ *Process, name string) (Extern, bool) {
	x, ok := h[name]
	return x, ok
}

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
			t.HostData = &Caller{p: p, t: t}
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

// Instantiate adds an instance of m to the Process and runs its start function (but no _initialize). The instance can be
// imported by later ones under its name, if it is not empty. While the guest runs, also from a host function, the error is ErrBusy.
func (p *Process) Instantiate(ctx context.Context, m *Module, name string) (*Instance, error) {
	inst, err := p.link(m, name)
	if err != nil {
		return nil, err
	}
	if steps := startCalls(inst.inst); len(steps) > 0 {
		err := p.callMain(ctx, &calls{p: p, steps: steps})
		p.caller.job = nil
		if err != nil {
			return nil, err
		}
	}
	return inst, nil
}

// link instantiates up to the start function; startCalls are due then.
func (p *Process) link(m *Module, name string) (*Instance, error) {
	if m.rt != p.rt {
		return nil, errors.New("spindle: the module was compiled by another Runtime")
	}
	if err := p.thread.EnterBackground(context.Background()); err != nil {
		return nil, err
	}
	defer p.thread.Leave()
	p.linking.Lock()
	vi, err := vm.Instantiate(p.thread, m.m, m.code, p.resolve, p.memoryLimits())
	p.linking.Unlock()
	if err != nil {
		return nil, p.wrapError(err)
	}
	inst := &Instance{p: p, mod: m, inst: vi, name: name}
	vi.Data = inst
	if len(startCalls(vi)) > 0 {
		inst.started = make(chan struct{})
	}
	p.mu.Lock()
	for len(p.all) <= int(vi.Index) {
		p.all = append(p.all, nil)
	}
	p.all[vi.Index] = inst
	p.mu.Unlock()
	if name != "" {
		p.Register(name, inst)
	}
	return inst, nil
}

// first returns the Process's first instance, nil if it has none.
func (p *Process) first() *Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, inst := range p.all {
		if inst != nil {
			return inst
		}
	}
	return nil
}

// mainInstance returns the main thread's instance of an index, nil if there is none.
func (p *Process) mainInstance(idx uint32) *Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(idx) >= len(p.all) {
		return nil
	}
	return p.all[idx]
}

// maxMemory is the bound of the Process's memories together, 0 for none.
func (p *Process) maxMemory() uint64 {
	if p.cfg.MaxMemory != 0 {
		return p.cfg.MaxMemory
	}
	return p.rt.maxMemory
}

// memoryLimits are those of each of them, so that none is reserved larger than it can become.
func (p *Process) memoryLimits() vm.MemoryLimits {
	l := memoryLimits(p.maxMemory())
	l.Forkable = p.cfg.Forkable
	return l
}

func memoryLimits(n uint64) vm.MemoryLimits {
	return vm.MemoryLimits{MaxPages: n / wasm.PageSize, Limited: n != 0}
}

// Register makes inst importable under a name, in place of what was importable under it before.
func (p *Process) Register(name string, inst *Instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.instances == nil {
		p.instances = map[string]*Instance{}
	}
	p.instances[name] = inst
}

// Instance returns the instance registered under a name, nil if there is none.
func (p *Process) Instance(name string) *Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.instances[name]
}

func (p *Process) resolve(im *wasm.Import) (vm.Extern, bool, error) {
	var mod ImportModule
	if inst := p.Instance(im.Module); inst != nil {
		mod = inst
	} else if mod = p.cfg.Imports[im.Module]; mod == nil {
		return vm.Extern{}, false, nil
	}
	var x Extern
	var ok bool
	p.thread.Outside(&lookup, func() { x, ok = mod.Lookup(p, im.Name) })
	if !ok || x == nil {
		return vm.Extern{}, false, nil
	}
	v, err := linked(p, im, x)
	return v, err == nil, err
}

// lookup is what a thread is in while it waits for an ImportModule.
var lookup = vm.HostFunc{Name: "ImportModule.Lookup"}

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
