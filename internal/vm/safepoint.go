package vm

import (
	"context"
	"runtime"
	"sync/atomic"
)

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
func (t *Thread) heldLocked(n int32) bool { return t.collects > 0 || n > 0 && t.stopCause == nil }

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

// Block runs f, which may block and must not touch guest state, with the thread counted as stopped. It returns when f has
// returned and nobody holds the thread paused; the error is set if the thread was told to stop.
func (t *Thread) Block(f func()) error {
	t.setState(StateBlocked)
	f()
	t.state.Store(uint32(StateRunning))
	if t.Asked() {
		return t.Poll()
	}
	return nil
}
