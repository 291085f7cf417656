package spindle

import (
	"context"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Caller is a host function's view of the guest that called it. It is valid only during the call, on the goroutine of the call.
type Caller struct {
	p    *Process
	t    *vm.Thread
	fail error
	mem  Memory
}

// Context is done when the call's context is, and when the guest is told to stop for another reason. Calls back into the guest
// take it, or a context derived from it.
func (c *Caller) Context() context.Context { return c.t.Context() }

// Stopped is closed when the guest is told to stop. Host functions that block select on it.
func (c *Caller) Stopped() <-chan struct{} { return c.t.Stopped() }

// Process returns the calling Process.
func (c *Caller) Process() *Process { return c.p }

// Instance returns the calling instance.
func (c *Caller) Instance() *Instance {
	return c.p.instanceOf(c.t.Current())
}

// Memory returns the calling instance's memory 0, nil if it has none. It is valid until the host function returns.
func (c *Caller) Memory() *Memory {
	ms := c.t.Current().Memories
	if len(ms) == 0 {
		return nil
	}
	c.mem.m = ms[0]
	return &c.mem
}

// Thread returns the tid of the calling guest thread; 0 is the main thread.
func (c *Caller) Thread() uint32 { return c.t.ID }

// Fail makes the guest end with err once the host function returns: an *ExitError ends it with that code, an
// *ExceptionError goes on as a guest exception, anything else becomes the cause of a TrapHost trap. The first error counts.
func (c *Caller) Fail(err error) {
	if c.fail == nil {
		c.fail = err
	}
}

// Block runs f, which may block but must not touch the guest's memory or other state. Meanwhile the guest counts as stopped, so that it can
// be paused. f must return soon after Stopped is closed. The error is set if the guest is to stop; the host function should then return.
func (c *Caller) Block(f func()) error { return c.t.Block(f) }

// Throw makes the guest see an exception of the tag, with fields in slot form, once the host function returns.
func (c *Caller) Throw(tag *Tag, fields ...uint64) {
	s := c.t.Store
	c.Fail(&vm.Exception{Ref: s.NewException(tag.tag, fields), Store: s})
}

// finish returns what the host function failed with, in the engine's terms.
func (c *Caller) finish() error {
	err := c.fail
	if err == nil {
		return nil
	}
	c.fail = nil
	if x, ok := err.(*ExceptionError); ok { //nolint:errorlint // an exception wrapped into another error is that error
		return x.exn
	}
	return err
}
