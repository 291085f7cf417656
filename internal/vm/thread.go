package vm

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/internal/mem"
)

// State tells where a thread is. Stoppers wait only for threads in StateRunning.
type State uint32

const (
	StateIdle    State = iota // no goroutine owns the thread; no guest frames but those of an abandoned call
	StateRunning              // in guest code, or in a host function that may touch guest state
	StateBlocked              // in a blocking operation; touches no guest state until it is back
	StateParked               // at a safepoint, waiting to be resumed
)

func (s State) String() string {
	return [...]string{"idle", "running", "blocked", "parked"}[s]
}

// Activation is one nested run of an engine on a thread: what the engine found in the context when it began.
type Activation struct {
	PC, FP   uintptr
	Top      uintptr
	Instance uint32
}

// Thread is one guest thread: a store, a guest stack and the safepoint machinery. See the package doc for ownership.
type Thread struct {
	*core
	Ctx    *Context
	Store  *Store
	Engine Engine
	ID     uint32 // tid; 0 is the main thread

	NoStackCheck bool // overruns of C stacks in linear memory are not looked for; set before anything is instantiated

	keeps   bool // clones get locals; see ResultsKept
	inEvery bool // answering FlagEvery
	turn    bool // of those answers
	retired bool // guarded by mu; Close is due
	closed  bool // guarded by mu

	// Top is the first free address of the guest stack while the thread is outside of guest code; set by the engine when
	// it leaves guest code. A nested Call starts its frames there.
	Top uintptr

	// Trapped, if set, is called when the thread has trapped, before its backtrace is made.
	Trapped func()

	// HostData belongs to the embedding API (its Caller).
	HostData any

	owned    atomic.Bool
	state    atomic.Uint32
	inHost   atomic.Pointer[HostFunc]
	again    *callAgain   // of a clone, until it has made the host call again that was in flight; the owner's
	since    atomic.Int64 // when the host function that blocks began to wait (an instant); 0 if it does not tell
	nestings int32        // guest runs that host functions asked for: EnterGuest less LeaveGuest. The owner's
	ending   atomic.Bool
	callCtx  context.Context
	inner    *waiter // of guest code that Aside runs; written by the owner under mu

	heap      *Heap                // nil without one
	published atomic.Pointer[Heap] // the same, for other goroutines
	mutator   *gc.Mutator          // likewise
	locals    localSet

	atSafepoint func() // of SetSafepoint

	stopCause error         // guarded by mu; set while FlagTerminate is
	stopCh    chan struct{} // guarded by mu; made by Stopped, closed by Stop
	collects  int32         // guarded by mu; collections of the heap that run, and Seals
	pausers   int32         // guarded by mu; dumps are among them
	dumps     int32         // guarded by mu
}

// core is what a thread leaves to the one that Plan.Renew makes of it, so that a spawn allocates little. A pointer to a thread that is over may be kept for long, by a
// context of a host function or by somebody who was about to stop or to look at it, and must not reach its successor. So what is in here is either only
// the owner's, or used under mu by who has seen that its own thread is not closed, or it does no harm: who waits for a condition looks at its own thread.
type core struct {
	// GC configures the heap that the first module with structs or arrays brings; set before anything is instantiated, on the main thread.
	GC HeapConfig
	// Activations is a stack, kept by the engine: one entry for each engine run below the innermost one.
	Activations []Activation

	stack  *mem.Region
	pools  *Pools
	waiter waiter
	eval   *evaluation // of a constant expression that is under way

	mu      sync.Mutex
	resumed sync.Cond // of mu: pausers, dumps or collects fell to 0
	settled sync.Cond // of mu: the state changed to one other than running or to being in a host function, or the owner of an ending thread has left
}

func newCore(pools *Pools, stack *mem.Region) *core {
	c := &core{stack: stack, pools: pools, waiter: waiter{wake: make(chan struct{}, 1)}}
	c.resumed.L, c.settled.L = &c.mu, &c.mu
	return c
}

// ThreadConfig sizes a thread.
type ThreadConfig struct {
	StackSize int // bytes of guest stack; 0 means DefaultStackSize
}

// DefaultStackSize holds well over 100,000 simple frames.
const DefaultStackSize = 8 << 20

// contextSize is what the Context takes of the region, rounded to a cache line multiple.
const contextSize = 256

// nearStack is how much of the guest stack frames take before the engine is asked: most threads stay below it, and their stacks come
// back without a system call, as the pages beyond are known to be untouched. It bounds what an idle stack keeps resident.
const nearStack = 64 << 10

// stackReserve is kept free above the stack limit: operands of the instructions that run between two checks.
const stackReserve = 1024

// NewThread makes an idle thread with an empty store.
func NewThread(e Engine, pools *Pools, cfg ThreadConfig) (*Thread, error) {
	stack, err := pools.getStack(cfg.size())
	if err != nil {
		return nil, fmt.Errorf("guest stack: %w", err)
	}
	arena, err := pools.getArena(contextSize)
	if err != nil {
		pools.putStack(stack, false)
		return nil, fmt.Errorf("thread region: %w", err)
	}
	t := assemble(e, newCore(pools, stack), arena.Base(), stack.Base())
	t.Store = newStore(t, arena)
	return t, nil
}

func (cfg ThreadConfig) size() int {
	if cfg.StackSize <= 0 {
		return DefaultStackSize
	}
	return max(cfg.StackSize, 4*stackReserve)
}

// assemble makes a thread of its parts: a context at ctx, whose bytes may be anything, and frames from base to the end of the stack.
func assemble(e Engine, c *core, ctx, base uintptr) *Thread {
	t := &Thread{core: c, Engine: e, Ctx: contextAt(ctx)}
	*t.Ctx = Context{StackBase: base, stackTop: t.stack.Base() + uintptr(t.stack.Size()) - stackReserve}
	t.Ctx.stackNear = min(t.Ctx.stackTop, t.stack.Base()+nearStack)
	t.Ctx.stackLimit = t.Ctx.stackNear
	t.Top = base
	return t
}

// DeepStack lets frames go beyond the near limit, and remembers it. Engines call it on the owner's goroutine when a frame is to end above
// Context.StackNear.
func (t *Thread) DeepStack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Ctx.stackNear = t.Ctx.stackTop
	if t.Ctx.Flag() == 0 {
		atomic.StoreUintptr(&t.Ctx.stackLimit, t.Ctx.stackTop)
	}
}

// deep reports whether frames may have touched more of the stack than nearStack.
func (t *Thread) deep() bool { return t.Ctx.stackNear > t.stack.Base()+nearStack }

// State returns where the thread is.
func (t *Thread) State() State { return State(t.state.Load()) }

// SwitchTo makes inst the running instance of the context.
func (t *Thread) SwitchTo(inst *Instance) {
	c := t.Ctx
	c.Instance, c.RefBase = inst.Index, inst.refBase
	c.Mems, c.Tables, c.Globals, c.ImpGlobals = inst.view.mems, inst.view.tables, inst.view.globals, inst.view.impGlobals
	c.AuxFloor, c.AuxTop = inst.view.aux.floor, inst.view.aux.top
}

// Current returns the running instance: in a host function, the one that called it.
func (t *Thread) Current() *Instance { return t.Store.Instances[t.Ctx.Instance] }

// Trap makes a trap at the thread's innermost frame.
func (t *Thread) Trap(code TrapCode) *TrapError { return t.Backtrace(&TrapError{Code: code}) }

// maxBacktrace bounds the frames kept of a backtrace; the outermost ones go first.
const maxBacktrace = 100

// Backtrace fills in the thread and its frames unless e has them already.
func (t *Thread) Backtrace(e *TrapError) *TrapError {
	if e.Frames != nil {
		return e
	}
	e.Thread = t.ID
	if t.Trapped != nil && e.Code != TrapInterrupted {
		t.Trapped()
	}
	t.Engine.Frames(t, func(f Frame) bool {
		e.Frames = append(e.Frames, f.Info())
		return len(e.Frames) < maxBacktrace
	})
	return e
}

// Info makes a frame readable without its instance.
func (f Frame) Info() FrameInfo {
	m := f.Instance.Module
	return FrameInfo{Module: m.Names().Module, Func: f.Func, Name: m.FuncName(f.Func), Offset: f.Offset}
}

// Close gives the memory of a retired thread back.
func (t *Thread) Close() {
	if t.heap != nil && t.heap.main == t { // the last one
		t.heap.close()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.finish()
}

func (t *Thread) finish() {
	deep := t.deep()
	t.Ctx = nil // it goes with the store or with the stack
	t.Store.close()
	t.pools.putStack(t.stack, deep)
}
