package vm

import (
	"context"
	"errors"
	"time"
)

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

// Context returns the context for a host function on this thread. It is called on the goroutine of the call.
func (t *Thread) Context() context.Context { return threadContext{t, t.callCtx} }

// CallContext returns the context of the call from outside that the thread runs. It is called on the goroutine of the call.
func (t *Thread) CallContext() context.Context { return t.callCtx }
