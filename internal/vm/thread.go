package vm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/wasm"
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

// ErrThreadBusy is returned by Enter while another goroutine owns the thread.
var ErrThreadBusy = errors.New("the guest thread is in use by another goroutine")

// Activation is one nested run of an engine on a thread: what the engine found in the context when it began.
type Activation struct {
	PC, FP   uintptr
	Top      uintptr
	Instance uint32
}

// Thread is one guest thread: a store, a guest stack and the safepoint machinery. See the package doc for ownership.
type Thread struct {
	Ctx    *Context
	Store  *Store
	Engine Engine
	ID     uint32 // tid; 0 is the main thread

	// GC configures the heap that the first module with structs or arrays brings; set before anything is instantiated, on the main thread.
	GC HeapConfig

	NoStackCheck bool // overruns of C stacks in linear memory are not looked for; set before anything is instantiated

	// Activations is a stack, kept by the engine: one entry for each engine run below the innermost one.
	Activations []Activation
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
	nestings int          // guest runs that host functions asked for: EnterGuest less LeaveGuest. The owner's
	stack    *mem.Region
	ending   atomic.Bool
	pools    *Pools
	callCtx  context.Context
	waiter   waiter
	inner    *waiter // of guest code that Aside runs; written by the owner under mu

	heap      *Heap                // nil without one
	published atomic.Pointer[Heap] // the same, for other goroutines
	mutator   *gc.Mutator          // likewise
	locals    localSet
	eval      *evaluation // of a constant expression that is under way

	atSafepoint func() // of SetSafepoint
	inEvery     bool   // answering FlagEvery
	turn        bool   // of those answers

	mu        sync.Mutex
	stopCause error         // guarded by mu; set while FlagTerminate is
	stopCh    chan struct{} // guarded by mu; made by Stopped, closed by Stop
	collects  int           // guarded by mu; collections of the heap that run, and Seals
	pausers   int           // guarded by mu; dumps are among them
	dumps     int           // guarded by mu
	resumed   sync.Cond     // of mu: pausers, dumps or collects fell to 0
	settled   sync.Cond     // of mu: the state changed to one other than running or to being in a host function, or the owner of an ending thread has left
	retired   bool          // guarded by mu; Close is due
	closed    bool          // guarded by mu
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
	t := assemble(e, pools, arena.Base(), stack, stack.Base(), make(chan struct{}, 1))
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
func assemble(e Engine, pools *Pools, ctx uintptr, stack *mem.Region, base uintptr, wake chan struct{}) *Thread {
	t := &Thread{Engine: e, stack: stack, pools: pools, Ctx: contextAt(ctx), waiter: waiter{wake: wake}}
	t.resumed.L, t.settled.L = &t.mu, &t.mu
	*t.Ctx = Context{StackBase: base, stackTop: stack.Base() + uintptr(stack.Size()) - stackReserve}
	t.Ctx.stackNear = min(t.Ctx.stackTop, stack.Base()+nearStack)
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

// Enter makes the calling goroutine the thread's owner for one call from outside. ctx ends the call when it is done: the
// guest is stopped wherever it is and the call returns an error that wraps context.Cause(ctx).
// The returned function must be called when the call is over; it gives the thread back and forgets a stop that came from ctx.
func (t *Thread) Enter(ctx context.Context) (leave func(), err error) {
	if err := t.own(ctx); err != nil {
		return nil, err
	}
	leave = t.release
	if ctx.Done() != nil {
		leave = t.watch(ctx) // before it may park
	}
	if err := t.begin(); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// EnterBackground is Enter for a context that is never done; leave with Leave. It allocates nothing.
func (t *Thread) EnterBackground(ctx context.Context) error { return t.acquire(ctx) }

// Leave ends EnterBackground.
func (t *Thread) Leave() { t.release() }

func (t *Thread) acquire(ctx context.Context) error {
	if err := t.own(ctx); err != nil {
		return err
	}
	if err := t.begin(); err != nil {
		t.release()
		return err
	}
	return nil
}

// own makes the calling goroutine the owner.
func (t *Thread) own(ctx context.Context) error {
	if !t.owned.CompareAndSwap(false, true) {
		if t.ending.Load() { // nobody will own it again
			return t.StopError(t.StopCause())
		}
		return ErrThreadBusy
	}
	t.callCtx = ctx
	t.state.Store(uint32(StateRunning))
	return nil
}

// begin is the safepoint at the start of a call.
func (t *Thread) begin() error {
	t.dumpEdge()
	if t.Ctx.Flag() == 0 {
		return nil
	}
	return t.Poll()
}

func (t *Thread) release() {
	t.callCtx = nil
	t.setState(StateIdle)
	t.owned.Store(false)
	if t.ending.Load() {
		t.mu.Lock()
		t.settled.Broadcast()
		t.mu.Unlock()
	}
}

// Shutdown stops the thread for good with cause, waits until its owner has left, and closes it. Calling it again does nothing.
// It must not be called by the thread's owner (from a host function).
func (t *Thread) Shutdown(cause error) {
	if t.Retire(cause) {
		t.Close()
	}
}

// Retire is the first half of Shutdown: it returns when nobody runs the thread, nor ever will again. It reports whether this call did it; then Close is due.
func (t *Thread) Retire(cause error) bool {
	t.Stop(cause)
	if t.ending.Swap(true) {
		return false
	}
	if !t.owned.CompareAndSwap(false, true) {
		t.mu.Lock()
		for !t.owned.CompareAndSwap(false, true) {
			t.settled.Wait()
		}
		t.mu.Unlock()
	}
	t.mu.Lock()
	for t.collects > 0 {
		t.resumed.Wait() // somebody reads what is to go
	}
	t.retired = true
	t.mu.Unlock()
	if t.heap != nil {
		t.heap.leave(t)
	}
	return true
}

func (t *Thread) watch(ctx context.Context) func() {
	done := t.hook(ctx)
	return func() {
		done()
		t.release()
	}
}

// hook stops the thread when ctx is done, until the returned function is called.
func (t *Thread) hook(ctx context.Context) func() {
	done := make(chan struct{})
	var mine bool
	unhook := context.AfterFunc(ctx, func() {
		defer close(done)
		mine = t.Stop(context.Cause(ctx))
	})
	return func() {
		if !unhook() {
			<-done // the stop must have happened before it can be taken back
			if mine {
				t.clearStop()
			}
		}
	}
}

// Stop makes guest code end with an error that wraps cause, as soon as possible, wherever it is: in a loop, a deep call, or
// blocked. The first cause wins. The thread stays stopped until it is closed, or until the call ends whose context asked for the stop.
// It reports whether this was the stop that counts.
func (t *Thread) Stop(cause error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopCause != nil || t.closed {
		return false
	}
	t.stopCause = cause
	t.setFlagLocked(FlagTerminate)
	if t.stopCh != nil {
		close(t.stopCh)
	}
	t.resumed.Broadcast() // a parked thread unwinds too
	t.waiter.signal()
	if t.inner != nil {
		t.inner.signal()
	}
	return true
}

// clearStop takes back the stop that counts. A thread that is shut down stays stopped.
func (t *Thread) clearStop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ending.Load() {
		return
	}
	t.stopCause, t.stopCh = nil, nil
	t.clearFlagLocked(FlagTerminate)
}

// Stopped returns a channel that is closed when the thread is told to stop. Blocking operations select on it.
func (t *Thread) Stopped() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopCh == nil {
		t.stopCh = make(chan struct{})
		if t.stopCause != nil {
			close(t.stopCh)
		}
	}
	return t.stopCh
}

// StopCause returns why the thread was told to stop, nil if it was not.
func (t *Thread) StopCause() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopCause
}

// setFlagLocked sets a bit and raises the stack limit, in this order: an entry that meets the limit reads the flag.
func (t *Thread) setFlagLocked(bit uint32) {
	atomic.OrUint32(&t.Ctx.flag, bit)
	atomic.StoreUintptr(&t.Ctx.stackLimit, 0)
}

// Yield makes the thread let other goroutines run at its next safepoint. Any goroutine may call it.
func (t *Thread) Yield() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.setFlagLocked(FlagYield)
	}
}

// Hurry is Yield for many threads at once, in a time that matters: it does not wait for a thread that somebody else looks after at this moment.
func (t *Thread) Hurry() {
	if t.mu.TryLock() {
		if !t.closed {
			t.setFlagLocked(FlagYield)
		}
		t.mu.Unlock()
	}
}

func (t *Thread) clearFlagLocked(bit uint32) {
	if atomic.AndUint32(&t.Ctx.flag, ^bit)&^bit == 0 {
		atomic.StoreUintptr(&t.Ctx.stackLimit, t.Ctx.stackNear)
	}
}

// Poll answers the safepoint word: it parks while the thread is paused, yields if asked to, and returns an error if the thread must unwind.
// Engines call it from their driver when a poll or the stack limit tripped, with the context's exit state set.
func (t *Thread) Poll() error {
	f := t.Ctx.Flag()
	if f == 0 {
		return nil
	}
	if f&FlagEvery != 0 {
		t.every()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f&FlagYield != 0 {
		t.clearFlagLocked(FlagYield)
		t.mu.Unlock()
		runtime.Gosched()
		t.mu.Lock()
	}
	t.parkLocked()
	if t.stopCause != nil {
		return t.stopErrorLocked()
	}
	return nil
}

func (t *Thread) parkLocked() {
	if !t.heldLocked(t.pausers) {
		return
	}
	t.state.Store(uint32(StateParked))
	t.settled.Broadcast()
	for t.heldLocked(t.pausers) {
		t.resumed.Wait()
	}
	t.state.Store(uint32(StateRunning))
}

// heldLocked reports whether the thread must stay where it is. Who is told to stop does not wait for those n that look or pause, which may take any
// time, but for a collection, which looks at the frames that it would leave.
func (t *Thread) heldLocked(n int) bool { return t.collects > 0 || n > 0 && t.stopCause == nil }

// stopped returns the error of the order to stop, if there is one.
func (t *Thread) stopped() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopCause == nil {
		return nil
	}
	return t.stopErrorLocked()
}

// StopError makes the error of a stop with that cause.
func (t *Thread) StopError(cause error) error {
	return &TrapError{Code: TrapInterrupted, Thread: t.ID, Cause: cause}
}

func (t *Thread) stopErrorLocked() error {
	return t.StopError(t.stopCause)
}

// Pause stops the thread at a safepoint and returns when it is there; Resume lets it go on. Pauses nest. A blocked or idle
// thread counts as stopped. If ctx is done first the pause is taken back and the error returned.
func (t *Thread) Pause(ctx context.Context) error {
	t.Hold(1, 0)
	err := t.AwaitPaused(ctx)
	if err != nil {
		t.Resume()
	}
	return err
}

// Resume takes one Pause back.
func (t *Thread) Resume() { t.Hold(-1, 0) }

func (t *Thread) setState(s State) {
	t.state.Store(uint32(s))
	if t.Ctx.Flag()&FlagPause != 0 {
		t.mu.Lock()
		t.settled.Broadcast()
		t.mu.Unlock()
	}
}

// State returns where the thread is.
func (t *Thread) State() State { return State(t.state.Load()) }

// Block runs f, which may block and must not touch guest state, with the thread counted as stopped. It returns when f has
// returned and nobody holds the thread paused; the error is set if the thread was told to stop.
func (t *Thread) Block(f func()) error {
	t.setState(StateBlocked)
	f()
	t.state.Store(uint32(StateRunning))
	t.dumpEdge()
	if t.Ctx.Flag() != 0 {
		return t.Poll()
	}
	return nil
}

// HostFunc is a host function in slot form. Fn reads its arguments from slots and writes its results over them (v128 takes two
// slots, low half first); slots alias the guest stack and are valid only during the call. len(slots) is the larger of both counts.
type HostFunc struct {
	Name    string
	Params  int // slots
	Results int // slots
	Fn      func(t *Thread, slots []uint64) error
	// Restart says that while the function is in Thread.Block, calling it again with the same arguments in a clone of the thread does in the clone what
	// this call will do here.
	Restart bool

	params, results []wasm.ValType // nil if there are no references among them
}

// HostPanicError is the cause of a trap when a host function panicked.
type HostPanicError struct {
	Func  string
	Value any
	Stack []byte
}

func (e *HostPanicError) Error() string {
	return fmt.Sprintf("panic in host function %s: %v", e.Func, e.Value)
}

// Unwrap returns the panic's value if it was an error.
func (e *HostPanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// CallHost calls a host function on behalf of guest code. Engines call it with the exit state and Top set. A panic becomes an
// error. If the thread was told to stop meanwhile, that is the error: the guest's next safepoint may be far. A pause waits
// for that safepoint, as between the host function's return and the guest's use of its results there is none; a dump does not (see Hold).
func (t *Thread) CallHost(f *HostFunc, slots []uint64) (err error) {
	outer := t.inHost.Load()
	if t.heap != nil {
		m := t.beginLocals(f, outer, slots)
		defer t.endLocals(m, f, outer, slots, &err) // runs after endHost: see endLocals
	}
	t.inHost.Store(f)
	if t.Ctx.Flag() != 0 {
		t.settle()
	}
	defer t.endHost(f, outer, &err)
	if t.again != nil {
		return t.callAgain(f, slots)
	}
	return f.Fn(t, slots)
}

// Elapsed returns how long the host call that the thread is in had waited (BlockSince) in the thread that this one is a clone of; 0 if it is not
// made again.
func (t *Thread) Elapsed() time.Duration {
	if t.again == nil {
		return 0
	}
	return t.again.elapsed
}

// Restartable reports whether the host call that the thread stands in may be made again in a clone.
func (t *Thread) Restartable() bool {
	f := t.inHost.Load()
	return f == nil || f.Restart || t.since.Load() != 0
}

// BlockSince is Block for a host function that counts its time from begin, and that may be made again in a clone (HostFunc.Restart).
func (t *Thread) BlockSince(begin time.Time, f func()) error {
	t.since.Store(instantOf(begin))
	err := t.Block(f)
	t.since.Store(0)
	return err
}

func (t *Thread) endHost(f, outer *HostFunc, err *error) {
	t.inHost.Store(outer)
	t.dumpEdge()
	if v := recover(); v != nil {
		*err = &HostPanicError{Func: f.Name, Value: v, Stack: debug.Stack()}
	}
	if t.Ctx.Flag() != 0 { // after inHost: see Hold
		t.leaveHost(f, outer, err)
	}
}

// hostInFlight reports whether the thread is in a host function, or in guest code that one called. The owner calls it.
func (t *Thread) hostInFlight() bool { return t.nestings > 0 || t.inHost.Load() != nil }

// InHost returns the host function that the thread is in, nil if it is in none, or in guest code that it called.
func (t *Thread) InHost() *HostFunc { return t.inHost.Load() }

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

// threadContext is the context of the host functions that a thread calls: done when the call's context is, and also when the
// thread is stopped for another reason. It keeps the call's context, as contexts derived from it are used by other goroutines, also
// after the call.
type threadContext struct {
	t    *Thread
	call context.Context
}

func (c threadContext) Deadline() (time.Time, bool) { return c.call.Deadline() }
func (c threadContext) Done() <-chan struct{}       { return c.t.Stopped() }
func (c threadContext) Err() error {
	if cause := c.t.StopCause(); cause != nil {
		if errors.Is(cause, context.DeadlineExceeded) {
			return context.DeadlineExceeded
		}
		return context.Canceled
	}
	return nil
}
func (c threadContext) Value(key any) any {
	if key == (threadKey{}) {
		return c.t
	}
	return c.call.Value(key)
}

type threadKey struct{}

// ThreadOf returns the thread whose host function a context was made for (Thread.Context, or a context derived from it), nil if there is none.
func ThreadOf(ctx context.Context) *Thread {
	if c, ok := ctx.(threadContext); ok {
		return c.t
	}
	t, _ := ctx.Value(threadKey{}).(*Thread)
	return t
}

// CallContextOf returns the context that a thread's own was made of: the one of the call that the thread serves. Other contexts, those
// derived from a thread's among them, it returns as they are.
func CallContextOf(ctx context.Context) context.Context {
	if c, ok := ctx.(threadContext); ok {
		return c.call
	}
	return ctx
}

// Nested is Enter for a call from a host function of this thread, whose goroutine owns it already: ctx, if it is not
// the thread's own, ends the nested call.
func (t *Thread) Nested(ctx context.Context) (leave func()) {
	if c, ok := ctx.(threadContext); ok && c.t == t || ctx.Done() == nil {
		return func() {}
	}
	outer := t.callCtx
	t.callCtx = ctx
	done := t.hook(ctx)
	return func() {
		done()
		t.callCtx = outer
	}
}

// Context returns the context for a host function on this thread. It is called on the goroutine of the call.
func (t *Thread) Context() context.Context { return threadContext{t, t.callCtx} }

// CallContext returns the context of the call from outside that the thread runs. It is called on the goroutine of the call.
func (t *Thread) CallContext() context.Context { return t.callCtx }
