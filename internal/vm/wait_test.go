package vm

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// queueEntries counts the offsets that have a queue.
func queueEntries(m *Memory) (n int) {
	for i := range m.waits.shards {
		s := &m.waits.shards[i]
		s.mu.Lock()
		n += len(s.queues)
		s.mu.Unlock()
	}
	return n
}

func noWaiters(t *testing.T, m *Memory) {
	t.Helper()
	if n, q := m.Waiters(), queueEntries(m); n != 0 || q != 0 {
		t.Errorf("%d waiters and %d queues left", n, q)
	}
	for i := range m.waits.shards {
		if !m.waits.shards[i].nobody() {
			t.Errorf("shard %d counts %d waiters", i, m.waits.shards[i].waiters.Load())
		}
	}
}

func zeroCell() uint64 { return 0 }

// A notify reaches the waiters of its memory and offset, and nobody else's. A count of 0 reaches nobody.
func TestNotifyElsewhereWakesNobody(t *testing.T) {
	th, owner := newTestThread(t, &idleEngine{}), newTestThread(t, &idleEngine{})
	m, other := sharedMemory(t, owner.pools), sharedMemory(t, owner.pools)
	woken := make(chan uint32)
	go func() {
		r, err := th.AtomicWait(m, 64, 0, zeroCell, -1)
		if err != nil {
			t.Error(err)
		}
		woken <- r
	}()
	waitFor(t, "it waits", func() bool { return m.Waiters() == 1 })
	for addr := uint64(0); addr < 4096; addr += 4 {
		if n := owner.AtomicNotify(other, addr, math.MaxUint32); n != 0 {
			t.Fatalf("another memory, offset %d: %d woken", addr, n)
		}
		if n := owner.AtomicNotify(m, addr, math.MaxUint32); addr != 64 && n != 0 {
			t.Fatalf("offset %d: %d woken", addr, n)
		} else if addr == 64 {
			if n != 1 {
				t.Fatalf("its own offset: %d woken", n)
			}
			if r := <-woken; r != WaitOK {
				t.Fatalf("it returns %d", r)
			}
			go func() {
				r, _ := th.AtomicWait(m, 64, 0, zeroCell, -1)
				woken <- r
			}()
			waitFor(t, "it waits again", func() bool { return m.Waiters() == 1 })
			if n := owner.AtomicNotify(m, 64, 0); n != 0 {
				t.Fatalf("a count of 0: %d woken", n)
			}
		}
	}
	if n := owner.AtomicNotify(m, 64, 1); n != 1 {
		t.Errorf("%d woken at the end", n)
	}
	<-woken
	noWaiters(t, m)
}

// A notify that has nobody to wake does not wait for others in its shard, who may have lost their processors: here the test holds the lock in their place. It does as soon as a thread
// waits, or is about to compare its cell.
func TestNotifyOfNobodyWaitsForNobody(t *testing.T) {
	th, owner := newTestThread(t, &idleEngine{}), newTestThread(t, &idleEngine{})
	m := sharedMemory(t, owner.pools)
	s := m.waits.shard(64)
	s.mu.Lock()
	for addr := uint64(0); addr < 4096; addr += 4 {
		if n := owner.AtomicNotify(m, addr, math.MaxUint32); n != 0 {
			t.Errorf("offset %d: %d woken", addr, n)
		}
	}
	s.mu.Unlock()

	// The notify falls between the wait's look at its cell and its place in the queue: it gets the lock when the wait is in.
	started, woken, notified := make(chan bool), make(chan uint32), make(chan uint32)
	go func() {
		r, err := th.AtomicWait(m, 64, 0, func() uint64 {
			started <- true
			<-started
			return 0
		}, -1)
		if err != nil {
			t.Error(err)
		}
		woken <- r
	}()
	<-started
	if s.nobody() {
		t.Error("a thread that compares its cell is not counted")
	}
	go func() { notified <- owner.AtomicNotify(m, 64, 1) }()
	started <- true
	if n, r := <-notified, <-woken; n != 1 || r != WaitOK {
		t.Errorf("%d woken, and the wait returned %d", n, r)
	}
	noWaiters(t, m)
}

// Who times out in the middle of a queue does not disturb the order of the others.
func TestTimeoutsKeepTheOrder(t *testing.T) {
	owner := newTestThread(t, &idleEngine{})
	m := sharedMemory(t, owner.pools)
	const n = 30
	woken, expired := make(chan int, n), make(chan int, n)
	for i := range n {
		th := newTestThread(t, &idleEngine{})
		timeout := int64(-1)
		if i%3 != 1 {
			timeout = int64(200 * time.Millisecond)
		}
		go func() {
			switch r, err := th.AtomicWait(m, 8, 0, zeroCell, timeout); {
			case err != nil:
				t.Error(err)
			case r == WaitOK:
				woken <- i
			case r == WaitTimedOut && timeout > 0:
				expired <- i
			default:
				t.Errorf("waiter %d: %d", i, r)
			}
		}()
		waitFor(t, "waiter is queued or has timed out", func() bool { return m.Waiters()+len(expired) >= i+1 })
	}
	for range n / 3 * 2 {
		<-expired
	}
	for i := 1; i < n; i += 3 {
		if got := owner.AtomicNotify(m, 8, 1); got != 1 {
			t.Fatalf("notify woke %d", got)
		}
		if got := <-woken; got != i {
			t.Fatalf("woke %d, want %d", got, i)
		}
	}
	noWaiters(t, m)
}

// The longest times are for ever, or nearly so, and do not overflow.
func TestLongTimeouts(t *testing.T) {
	owner := newTestThread(t, &idleEngine{})
	m := sharedMemory(t, owner.pools)
	timeouts := []int64{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 / 2, 1 << 55, -1, -2, math.MinInt64, math.MinInt64 + 1}
	var wg sync.WaitGroup
	for _, timeout := range timeouts {
		th := newTestThread(t, &idleEngine{})
		wg.Go(func() {
			if r, err := th.AtomicWait(m, 0, 0, zeroCell, timeout); err != nil || r != WaitOK {
				t.Errorf("timeout %d: %d, %v", timeout, r, err)
			}
		})
	}
	waitFor(t, "all wait", func() bool { return m.Waiters() == len(timeouts) })
	if n := owner.AtomicNotify(m, 0, math.MaxUint32); n != uint32(len(timeouts)) {
		t.Errorf("%d woken, want %d", n, len(timeouts))
	}
	wg.Wait()
	noWaiters(t, m)
}

// A notify after the store of a new value is never lost: a waiter either sees the new value or is in the queue by then. Two threads pass a
// ball by one cell each; a lost wake-up hangs them.
func TestNoWakeUpIsLost(t *testing.T) {
	rounds := uint64(20_000)
	if testing.Short() {
		rounds = 2000
	}
	a, b := newTestThread(t, &idleEngine{}), newTestThread(t, &idleEngine{})
	m := sharedMemory(t, a.pools)
	var cell atomic.Uint64
	play := func(th *Thread, odd uint64) {
		for i := range rounds {
			want := 2*i + odd // wait for this value, then store the next
			for {
				now := cell.Load()
				if now == want {
					break
				}
				if r, err := th.AtomicWait(m, 128, now, cell.Load, -1); err != nil || r == WaitTimedOut {
					t.Errorf("wait: %d, %v", r, err)
					return
				}
			}
			cell.Store(want + 1)
			th.AtomicNotify(m, 128, 1)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { play(a, 0) })
	wg.Go(func() { play(b, 1) })
	wg.Wait()
	noWaiters(t, m)
}

// Timeouts, notifies and stops meet: each wait ends in one way. What notify counted are the waits that returned 0, and at most as many more as
// were stopped, which may have been notified before.
func TestWaitsStopsAndNotifies(t *testing.T) {
	waits := 400
	if testing.Short() {
		waits = 60
	}
	owner := newTestThread(t, &idleEngine{})
	m := sharedMemory(t, owner.pools)
	cause := errors.New("stopped")
	const offsets = 5
	var ok, stopped, notified atomic.Int64
	var wg sync.WaitGroup
	for k := range 12 {
		th := newTestThread(t, &idleEngine{})
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(k), 1))
			for range waits {
				ctx, cancel := context.WithCancelCause(context.Background())
				leave, err := th.Enter(ctx)
				if err != nil {
					t.Error(err)
					cancel(nil)
					return
				}
				timeout := []int64{-1, 0, 1, 1000, 100_000, -1}[r.IntN(6)]
				canceled := make(chan struct{})
				if r.IntN(3) == 0 {
					go func() { cancel(cause); close(canceled) }()
				} else {
					close(canceled)
				}
				res, err := th.AtomicWait(m, uint64(r.IntN(offsets))*64, 0, zeroCell, timeout)
				switch {
				case errors.Is(err, cause):
					stopped.Add(1)
				case err != nil:
					t.Error(err)
				case res == WaitOK:
					ok.Add(1)
				case res != WaitTimedOut || timeout < 0:
					t.Errorf("result %d with timeout %d", res, timeout)
				}
				<-canceled
				leave()
				cancel(nil)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for i, running := 0, true; running; i++ {
		select {
		case <-done:
			running = false
		default:
			if n := owner.AtomicNotify(m, uint64(i%offsets)*64, uint32(i%4)); n > 0 {
				notified.Add(int64(n))
			} else {
				runtime.Gosched()
			}
		}
	}
	o, s, n := ok.Load(), stopped.Load(), notified.Load()
	if n < o || n > o+s {
		t.Errorf("notify counted %d; %d waits returned 0, %d were stopped", n, o, s)
	}
	noWaiters(t, m)
}

// A wait whose thread was told to stop before is not begun; a memory with no bytes can be asked, too.
func TestStoppedBeforeTheWait(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	m, err := NewMemory(th.pools, wasm.MemoryType{Limits: wasm.Limits{Max: 1, HasMax: true}, Shared: true}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	cause := errors.New("over")
	th.Stop(cause)
	for _, timeout := range []int64{-1, 0, 1 << 40} {
		if _, err := th.AtomicWait(m, 0, 0, zeroCell, timeout); !errors.Is(err, cause) {
			t.Errorf("timeout %d: %v", timeout, err)
		}
	}
	noWaiters(t, m)
}

// A paused thread stays in its queue: it can be notified, and returns when it is resumed.
func TestPausedInAWait(t *testing.T) {
	th, owner := newTestThread(t, &idleEngine{}), newTestThread(t, &idleEngine{})
	m := sharedMemory(t, owner.pools)
	if err := th.EnterBackground(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer th.Leave()
	woken := make(chan uint32)
	go func() {
		r, err := th.AtomicWait(m, 0, 0, zeroCell, -1)
		if err != nil {
			t.Error(err)
		}
		woken <- r
	}()
	waitFor(t, "it waits", func() bool { return m.Waiters() == 1 })
	for range 3 { // pauses of a blocked thread come and go
		if err := th.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		if m.Waiters() != 1 {
			t.Fatal("a pause took it out of its queue")
		}
		th.Resume()
	}
	if err := th.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := owner.AtomicNotify(m, 0, 1); n != 1 {
		t.Fatalf("%d woken", n)
	}
	select {
	case <-woken:
		t.Error("it returns while paused")
	default:
	}
	waitFor(t, "it parks", func() bool { return th.State() == StateParked })
	th.Resume()
	if r := <-woken; r != WaitOK {
		t.Errorf("it returns %d", r)
	}
	noWaiters(t, m)
}
