package vm

import (
	"context"
	"errors"
)

// ErrThreadBusy is returned by Enter while another goroutine owns the thread.
var ErrThreadBusy = errors.New("the guest thread is in use by another goroutine")

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
	if t.Asked() {
		return t.Poll()
	}
	return nil
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
