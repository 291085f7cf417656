package spindle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Caller is a host function's view of the guest that called it. It is valid only during the call, on the goroutine of the call.
type Caller struct {
	p    *Process
	t    *vm.Thread
	fail error   // of the host function that runs
	mem  *Memory // what Memory returned last
	job  job     // what the thread does; nil for calls from outside
	call *Func   // the outermost call from outside that runs

	inHook bool // what runs is a hook of a fork
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
	if c.mem == nil || c.mem.m != ms[0] { // host functions below this one may have a Memory of another instance
		c.mem = &Memory{m: ms[0]}
	}
	return c.mem
}

// Thread returns the tid of the calling guest thread; 0 is the main thread.
func (c *Caller) Thread() uint32 { return c.t.ID }

// Fail makes the guest end with err once the host function returns: an *ExitError ends it with that code, an
// *ExceptionError of this thread goes on as a guest exception, anything else becomes the cause of a TrapHost trap. The first error counts.
func (c *Caller) Fail(err error) {
	if c.fail == nil {
		c.fail = err
	}
}

// Block runs f, which may block but must not touch the guest's memory or other state. Meanwhile the guest counts as stopped, so that it can
// be paused. f must return soon after Stopped is closed. The error is set if the guest is to stop; the host function should then return.
func (c *Caller) Block(f func()) error { return c.t.Block(f) }

// BlockSince is Block for a call that has not yet done anything that must not be done again, and that has been waiting since begin. A fork need not wait for
// it (see HostFunc.Restartable): in a child that makes the call again, Elapsed tells how long
// that had lasted.
func (c *Caller) BlockSince(begin time.Time, f func()) error { return c.t.BlockSince(begin, f) }

// Elapsed returns, in a child of a fork that makes the call again that its parent was in, how long the parent had waited in it; otherwise 0.
func (c *Caller) Elapsed() time.Duration { return c.t.Elapsed() }

// Throw makes the guest see an exception of the tag, with fields in slot form, once the host function returns. It is a form of Fail:
// the first error counts.
func (c *Caller) Throw(tag *Tag, fields ...uint64) {
	if c.fail != nil {
		return
	}
	if n := tag.tag.Slots(); len(fields) != n {
		c.fail = fmt.Errorf("an exception of this tag has %d slots of fields, not %d", n, len(fields))
		return
	}
	fields = slices.Clone(fields)
	narrow(tag.Fields(), fields)
	c.fail = c.exception(tag.tag, fields, nil)
}

// exception makes an exception for the guest that called.
func (c *Caller) exception(tag *vm.Tag, fields []uint64, trace []FrameInfo) error {
	if err := c.t.CheckRefs(tag.Func.Params, fields); err != nil {
		return err
	}
	r := c.t.Store.NewException(tag, fields)
	if r == vm.NullRef {
		return vm.NewTrap(vm.TrapOutOfMemory)
	}
	return &vm.Exception{Ref: r, Store: c.t.Store, Trace: trace}
}

// finish returns what the host function failed with, in the engine's terms.
func (c *Caller) finish() error {
	err := c.fail
	c.fail = nil
	if x, ok := err.(*ExceptionError); ok && x.store == c.t.Store { //nolint:errorlint // an exception wrapped into another error is that error
		return c.exception(x.tag.tag, x.fields, x.trace)
	}
	return err
}
