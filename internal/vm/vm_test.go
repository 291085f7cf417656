package vm

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// idleEngine runs nothing: for tests of what lies around an engine. refs are what it reports as live on the stack.
type idleEngine struct {
	refs []uint64
	typ  wasm.ValType
	call func(t *Thread, slots []uint64) error
}

func (e *idleEngine) Compile(*wasm.Module, *wasm.TypeSpace) (Code, error) { return idleCode{}, nil }
func (e *idleEngine) Call(t *Thread, _ *Instance, _ uint32, slots []uint64) error {
	return e.call(t, slots)
}
func (e *idleEngine) Resume(t *Thread, slots []uint64) error { return e.call(t, slots) }
func (e *idleEngine) Rewind(*Thread)                         {}
func (e *idleEngine) Extent(t *Thread) (uintptr, error)      { return t.Top, nil }
func (e *idleEngine) Frames(*Thread, func(Frame) bool)       {}
func (e *idleEngine) StackRefs(_ *Thread, visit func(*uint64, wasm.ValType)) {
	for i := range e.refs {
		visit(&e.refs[i], e.typ)
	}
}

type idleCode struct{}

func (idleCode) FuncAddr(uint32) uintptr { return 1 }

func newTestThread(t testing.TB, e Engine) *Thread {
	t.Helper()
	pools := NewPools()
	th, err := NewThread(e, pools, ThreadConfig{})
	if err != nil {
		t.Fatal(err)
	}
	th.Store.types = wasm.NewTypeSpace()
	t.Cleanup(func() {
		th.Shutdown(errors.New("test over"))
		if n := pools.Live(); n != 0 {
			t.Errorf("%d regions still in use", n)
		}
		pools.Close()
	})
	return th
}

func TestMemoryGrowsWithinItsLimits(t *testing.T) {
	pools := NewPools()
	defer pools.Close()
	m, err := NewMemory(pools, wasm.MemoryType{Limits: wasm.Limits{Min: 1, Max: 3, HasMax: true}}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	m.Bytes()[65535] = 7
	if old, ok := m.Grow(2); !ok || old != 1 {
		t.Fatalf("Grow(2) = %d, %v", old, ok)
	}
	if b := m.Bytes(); len(b) != 3*65536 || b[65535] != 7 || b[65536] != 0 {
		t.Fatal("contents after growing")
	}
	if _, ok := m.Grow(1); ok {
		t.Fatal("grew beyond the maximum")
	}
	if _, ok := m.Grow(1 << 63); ok {
		t.Fatal("grew by an overflowing amount")
	}
	m.Close()
	// The next user of the reservation must find zeros.
	m, err = NewMemory(pools, wasm.MemoryType{Limits: wasm.Limits{Min: 3, Max: 3, HasMax: true}}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range m.Bytes() {
		if v != 0 {
			t.Fatalf("reused memory: byte %d is %d", i, v)
		}
	}
	m.Close()
	if _, err := NewMemory(pools, wasm.MemoryType{Limits: wasm.Limits{Min: 10}}, MemoryLimits{MaxPages: 9, Limited: true}); err == nil {
		t.Fatal("a memory beyond the embedder's limit was made")
	}
	if pools.Live() != 0 {
		t.Fatalf("%d regions live", pools.Live())
	}
}

func TestMemory64MovesWhenItsReservationIsFull(t *testing.T) {
	if testing.Short() {
		t.Skip("reserves many GiB of address space")
	}
	pools := NewPools()
	defer pools.Close()
	m, err := NewMemory(pools, wasm.MemoryType{Limits: wasm.Limits{Min: 1, Is64: true}}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.Bytes()[100] = 42
	m.mu.Lock()
	ok := m.moveLocked(4 * wasm.PageSize)
	m.mu.Unlock()
	if !ok || m.Bytes()[100] != 42 {
		t.Fatalf("move: %v", ok)
	}
}

// Growing from many goroutines must hand out disjoint ranges, each as large as was asked for.
func TestSharedGrowIsAtomic(t *testing.T) {
	pools := NewPools()
	defer pools.Close()
	m, err := NewMemory(pools, wasm.MemoryType{Limits: wasm.Limits{Max: 4096, HasMax: true}, Shared: true}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	base := m.Desc.Base
	var taken [4096]atomic.Int32
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				n := uint64(g+i)%4 + 1
				old, ok := m.Grow(n)
				if !ok {
					t.Errorf("grow %d", n)
					return
				}
				for k := old; k < old+n; k++ {
					if taken[k].Add(1) != 1 {
						t.Errorf("page %d handed out twice", k)
					}
				}
			}
		})
	}
	wg.Wait()
	if m.Desc.Base != base {
		t.Error("a shared memory moved")
	}
}

func TestTableKeepsItsElementsWhenItGrows(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	tb, err := th.Store.NewTable(wasm.TableType{Limits: wasm.Limits{Min: 3}, Elem: wasm.FuncRef}, 5)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(3); n < 100_000; {
		delta := n/2 + 1
		if old, ok, err := th.TableGrow(tb, delta, Ref(n)); err != nil || !ok || old != n {
			t.Fatalf("Grow at %d: %d, %v", n, old, ok)
		}
		if first, _ := tb.Get(0); first != 5 {
			t.Fatalf("element 0 is %d", first)
		}
		if last, _ := tb.Get(n + delta - 1); last != Ref(n) {
			t.Fatalf("new element is %d, want %d", last, n)
		}
		n += delta
	}
	for _, delta := range []uint64{maxTable, 1 << 32, 1 << 63, -tb.Size(), -tb.Size() + 1, ^uint64(0)} {
		if _, ok, err := th.TableGrow(tb, delta, 0); ok || err != nil {
			t.Errorf("grew by %#x, %v", delta, err)
		}
	}
	if _, ok := tb.Get(tb.Size()); ok || tb.Set(tb.Size(), 1) {
		t.Error("access beyond the end")
	}
}

func TestBulkBounds(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	m, err := NewMemory(th.pools, wasm.MemoryType{Limits: wasm.Limits{Min: 1}}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const size = 65536
	for _, c := range []struct {
		at, n uint64
		ok    bool
	}{{0, size, true}, {size, 0, true}, {size + 1, 0, false}, {1, size, false}, {^uint64(0), 2, false}, {2, ^uint64(0), false}} {
		if err := th.MemoryFill(m, c.at, 1, c.n); (err == nil) != c.ok {
			t.Errorf("fill at %#x, %#x bytes: %v", c.at, c.n, err)
		}
		if err := th.MemoryCopy(m, m, 0, c.at, c.n); (err == nil) != c.ok {
			t.Errorf("copy from %#x, %#x bytes: %v", c.at, c.n, err)
		}
	}
}

// Overlapping copies that span several chunks must behave as if through a buffer.
func TestMemoryCopyOverlapsAcrossChunks(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	m, err := NewMemory(th.pools, wasm.MemoryType{Limits: wasm.Limits{Min: 80}}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const n = 3*chunk + 5
	for _, c := range []struct{ d, s uint64 }{{1, 0}, {0, 1}, {chunk + 3, 0}, {0, chunk + 3}, {7, 7}} {
		b := m.Bytes()
		for i := range b {
			b[i] = byte(i * 7 >> 3)
		}
		want := append([]byte(nil), b...)
		copy(want[c.d:c.d+n], want[c.s:c.s+n])
		if err := th.MemoryCopy(m, m, c.d, c.s, n); err != nil {
			t.Fatal(err)
		}
		for i, v := range m.Bytes() {
			if v != want[i] {
				t.Fatalf("copy %d to %d: byte %d differs", c.s, c.d, i)
			}
		}
	}
}

func TestEnterIsExclusive(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	if err := th.EnterBackground(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := th.Enter(context.Background()); !errors.Is(err, ErrThreadBusy) {
		t.Fatalf("second owner: %v", err)
	}
	th.Leave()
	leave, err := th.Enter(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	leave()
}

func TestContextStopsOnlyItsOwnCall(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	leave, err := th.Enter(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel(cause)
	<-th.Stopped()
	if err := th.Poll(); !errors.Is(err, cause) {
		t.Fatalf("Poll = %v", err)
	}
	if th.Ctx.StackLimit() != 0 {
		t.Error("entries would not notice the stop")
	}
	leave()
	if leave, err = th.Enter(context.Background()); err != nil {
		t.Fatalf("the next call: %v", err)
	}
	defer leave()
	if th.Ctx.Flag() != 0 || th.Ctx.StackLimit() != th.Ctx.StackNear() {
		t.Error("the stop was not forgotten")
	}
}

func TestPauseWaitsForASafepoint(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	if err := th.EnterBackground(context.Background()); err != nil {
		t.Fatal(err)
	}
	// The owner never polls: a pause must give up with its context, and take its request back.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := th.Pause(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Pause = %v", err)
	}
	if th.Ctx.Flag() != 0 {
		t.Fatal("the request was left behind")
	}
	// The owner polls: it parks until resumed.
	var steps atomic.Int64
	stop := make(chan struct{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := th.Poll(); err != nil {
				t.Error(err)
				return
			}
			steps.Add(1)
		}
	}()
	for range 100 {
		if err := th.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		if s := th.State(); s != StateParked {
			t.Fatalf("state %v", s)
		}
		before := steps.Load()
		for range 10 {
			runtime.Gosched()
		}
		if after := steps.Load(); after != before {
			t.Fatal("it runs while paused")
		}
		th.Resume()
	}
	close(stop)
	<-over
	th.Leave()
}

func TestBlockedCountsAsStopped(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	if err := th.EnterBackground(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer th.Leave()
	release, blocked, back := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(back)
		if err := th.Block(func() { close(blocked); <-release }); err != nil {
			t.Error(err)
		}
	}()
	<-blocked
	if err := th.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	close(release)
	select {
	case <-back:
		t.Error("came back while paused")
	default:
	}
	th.Resume()
	<-back
}

func TestHostPanicBecomesAnError(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	boom := errors.New("boom")
	err := th.CallHost(&HostFunc{Name: "f", Fn: func(*Thread, []uint64) error { panic(boom) }}, nil)
	var p *HostPanicError
	if !errors.As(err, &p) || p.Func != "f" || !errors.Is(err, boom) {
		t.Fatalf("%v", err)
	}
	if th.InHost() != nil {
		t.Error("still in the host function")
	}
}

func TestCollectFreesWhatNothingRefersTo(t *testing.T) {
	e := &idleEngine{typ: wasm.ExnRef}
	th := newTestThread(t, e)
	s := th.Store
	ft := wasm.FuncType{Params: []wasm.ValType{wasm.ExnRef, wasm.ExternRef, wasm.V128}}
	id, err := s.types.FuncTypeID(ft)
	if err != nil {
		t.Fatal(err)
	}
	tag := NewTag(id, ft)
	inner := s.NewException(tag, []uint64{0, uint64(s.HostRef("inner")), 0, 0})
	outer := s.NewException(tag, []uint64{uint64(inner), uint64(s.HostRef("outer")), 0, 0})
	lost := s.NewException(tag, []uint64{0, uint64(s.HostRef("lost")), 0, 0})
	for _, r := range []Ref{inner, outer, lost} {
		s.EscapeException(r)
	}
	e.refs = []uint64{uint64(outer)}
	g, err := s.NewGlobal(wasm.GlobalType{Type: wasm.ExternRef}, uint64(s.HostRef("global")), 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Collect()
	if n := s.LiveExceptions(); n != 2 {
		t.Errorf("%d exceptions live, want 2", n)
	}
	if n := s.LiveHandles(); n != 3 {
		t.Errorf("%d host values live, want inner, outer, global", n)
	}
	if v, ok := s.HostValue(Ref(firstSlot(g))); !ok || v != "global" {
		t.Errorf("global holds %v, %v", v, ok)
	}
	if s.HostRef("inner") == s.HostRef("outer") || s.HostRef("outer") != s.HostRef("outer") {
		t.Error("identity of host values")
	}
	e.refs = nil
	s.Collect()
	if n := s.LiveExceptions(); n != 0 {
		t.Errorf("%d exceptions live, want none", n)
	}
}

func firstSlot(g *Global) uint64 {
	lo, _ := g.Get()
	return lo
}

func sharedMemory(t *testing.T, pools *Pools) *Memory {
	t.Helper()
	m, err := NewMemory(pools, wasm.MemoryType{Limits: wasm.Limits{Min: 1, Max: 1, HasMax: true}, Shared: true}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(50 * time.Microsecond)
	}
}

func TestWaitResults(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	m := sharedMemory(t, th.pools)
	zero := func() uint64 { return 0 }
	if r, err := th.AtomicWait(m, 0, 1, zero, -1); err != nil || r != WaitNotEqual {
		t.Errorf("other value: %d, %v", r, err)
	}
	if r, err := th.AtomicWait(m, 0, 0, zero, 0); err != nil || r != WaitTimedOut {
		t.Errorf("no time: %d, %v", r, err)
	}
	u, err := NewMemory(th.pools, wasm.MemoryType{Limits: wasm.Limits{Min: 1}}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	var trap *TrapError
	if _, err := th.AtomicWait(u, 0, 0, zero, 0); !errors.As(err, &trap) || trap.Code != TrapExpectedShared {
		t.Errorf("unshared memory: %v", err)
	}
	if th.AtomicNotify(u, 0, 1) != 0 {
		t.Error("notify on unshared memory woke somebody")
	}
	if m.Waiters() != 0 || len(m.waits.shards[0].queues) != 0 {
		t.Error("entries left behind")
	}
}

// Waiters wake in the order in which they came, and each only once.
func TestNotifyIsFIFO(t *testing.T) {
	owner := newTestThread(t, &idleEngine{})
	m := sharedMemory(t, owner.pools)
	const n = 20
	woken := make(chan int, n)
	for i := range n {
		th := newTestThread(t, &idleEngine{})
		go func() {
			if r, err := th.AtomicWait(m, 8, 0, func() uint64 { return 0 }, -1); err != nil || r != WaitOK {
				t.Errorf("waiter %d: %d, %v", i, r, err)
			}
			woken <- i
		}()
		waitFor(t, "waiter is queued", func() bool { return m.Waiters() == i+1 })
	}
	for i := range n {
		if got := owner.AtomicNotify(m, 8, 1); got != 1 {
			t.Fatalf("notify woke %d", got)
		}
		if got := <-woken; got != i {
			t.Fatalf("woke %d, want %d", got, i)
		}
	}
	if m.Waiters() != 0 {
		t.Error("waiters left")
	}
}

// The sum of what notify returned must equal the number of waits that returned 0, timeouts and stops notwithstanding.
func TestNotifiedOrTimedOutIsDecidedOnce(t *testing.T) {
	owner := newTestThread(t, &idleEngine{})
	m := sharedMemory(t, owner.pools)
	var ok, notified atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		th := newTestThread(t, &idleEngine{})
		wg.Go(func() {
			for i := range 2000 {
				switch r, err := th.AtomicWait(m, 16, 0, func() uint64 { return 0 }, int64(i%3)*1000); {
				case err != nil:
					t.Error(err)
				case r == WaitOK:
					ok.Add(1)
				case r != WaitTimedOut:
					t.Errorf("result %d", r)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			if n := owner.AtomicNotify(m, 16, 2); n > 0 {
				notified.Add(int64(n))
			} else {
				runtime.Gosched()
			}
		}
	}
	if ok.Load() != notified.Load() {
		t.Errorf("%d waits returned 0, notify counted %d", ok.Load(), notified.Load())
	}
	if m.Waiters() != 0 {
		t.Error("waiters left")
	}
}

func TestStopEndsAWait(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	m := sharedMemory(t, th.pools)
	cause := errors.New("over")
	ctx, cancel := context.WithCancelCause(context.Background())
	leave, err := th.Enter(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	go func() {
		waitFor(t, "it waits", func() bool { return m.Waiters() == 1 })
		cancel(cause)
	}()
	if _, err := th.AtomicWait(m, 0, 0, func() uint64 { return 0 }, -1); !errors.Is(err, cause) {
		t.Errorf("wait ended with %v", err)
	}
	if m.Waiters() != 0 {
		t.Error("the waiter was left behind")
	}
}

func TestMemoryFill(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	m, err := NewMemory(th.pools, wasm.MemoryType{Limits: wasm.Limits{Min: 40}}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, n := range []uint64{0, 1, 7, 8, 9, 255, 256, 257, 511, 513, 70_000, chunk, chunk + 1, 2*chunk + 3} {
		for _, val := range []byte{0, 1, 0xFE} {
			b := m.Bytes()
			for i := range b {
				b[i] = 0x55
			}
			if err := th.MemoryFill(m, 3, val, n); err != nil {
				t.Fatal(err)
			}
			for i, v := range b {
				want := byte(0x55)
				if i >= 3 && uint64(i) < 3+n {
					want = val
				}
				if v != want {
					t.Fatalf("fill of %d bytes with %#x: byte %d is %#x", n, val, i, v)
				}
			}
		}
	}
}
