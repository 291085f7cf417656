package spindle

import (
	"context"
	"fmt"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Func is a function that can be called: an export, or what a reference in a table or global refers to.
type Func struct {
	p       *Process
	fn      *vm.Func
	typ     *FuncType
	params  int  // slots
	results int  // slots
	refs    bool // references are among the parameters
}

func (p *Process) newFunc(fn *vm.Func) *Func {
	f := &Func{p: p, fn: fn, typ: &p.rt.types.Def(fn.Type).Func}
	for _, t := range f.typ.Params {
		f.params += t.Slots()
		f.refs = f.refs || t.IsRef()
	}
	for _, t := range f.typ.Results {
		f.results += t.Slots()
	}
	return f
}

func (f *Func) extern(p *Process) (vm.Extern, error) {
	if f.p != p && f.fn.Host == nil {
		return vm.Extern{}, fmt.Errorf("the function belongs to another Process")
	}
	return vm.Extern{Kind: KindFunc, Func: f.fn}, nil
}

// Type returns the function's type. Concrete heap types in it are canonical ids of the Runtime.
func (f *Func) Type() *FuncType { return f.typ }

// Name returns the function's name in backtraces.
func (f *Func) Name() string {
	if f.fn.Host != nil {
		return f.fn.Host.Name
	}
	return f.fn.Inst.Module.FuncName(f.fn.Index)
}

// Call calls the function with arguments in slot form and returns its results in slot form: see the package's words on values. Errors: *TrapError (also for a
// ctx that is done, which then is its cause), *ExitError, *ExceptionError, ErrBusy. After a trap the instance may be called again.
//
// A call runs on the Process's main thread, of which there is one: while a goroutine is in it, calls by others return ErrBusy at once. To run
// exports on several goroutines at a time, start a thread for each with Process.Spawn, or instantiate the module in several Processes.
//
// From a host function, call with the Caller's context (or one derived from it) on the same goroutine: that runs on the
// Caller's thread, in its instances.
func (f *Func) Call(ctx context.Context, args ...uint64) ([]uint64, error) {
	if len(args) != f.params {
		return nil, fmt.Errorf("function %s takes %d argument slots, not %d", f.Name(), f.params, len(args))
	}
	slots := make([]uint64, max(f.params, f.results))
	copy(slots, args)
	if err := f.CallSlots(ctx, slots); err != nil {
		return nil, err
	}
	return slots[:f.results], nil
}

// CallSlots is Call without allocation: slots holds the arguments and receives the results. Its length must be at least the
// larger of both counts of slots.
func (f *Func) CallSlots(ctx context.Context, slots []uint64) error {
	if len(slots) < f.params || len(slots) < f.results {
		return fmt.Errorf("function %s needs %d slots, not %d", f.Name(), max(f.params, f.results), len(slots))
	}
	narrow(f.typ.Params, slots)
	t := f.thread()
	if ctx.Done() == nil {
		if err := t.EnterBackground(ctx); err != nil {
			return f.p.wrapError(err)
		}
		err := f.runOutside(t, slots)
		t.Leave()
		if err == nil {
			return nil
		}
		return f.p.failed(t, err)
	}
	return f.callContext(ctx, t, slots)
}

// callContext is CallSlots with a context that may end the call. It is a function of its own as its defers would cost the common case.
func (f *Func) callContext(ctx context.Context, t *vm.Thread, slots []uint64) error {
	if own := vm.ThreadOf(ctx); own != nil && (own == t || f.p.owns(own)) {
		defer own.Nested(ctx)()
		c := own.HostData.(*Caller)
		failed := c.fail // the host function's that calls; those that the guest calls have their own
		err := f.p.wrapError(f.run(own, slots))
		c.fail = failed
		return err
	}
	leave, err := t.Enter(ctx)
	if err != nil {
		return f.p.wrapError(err)
	}
	defer leave()
	if err := f.runOutside(t, slots); err != nil {
		return f.p.failed(t, err)
	}
	return nil
}

// runOutside is run for a call from outside, with a note of what runs, for a freeze.
func (f *Func) runOutside(t *vm.Thread, slots []uint64) error {
	c := t.HostData.(*Caller)
	c.call = f
	err := f.run(t, slots)
	c.call = nil
	return err
}

// thread returns the thread that the function belongs to.
func (f *Func) thread() *vm.Thread {
	if f.fn.Inst != nil {
		return f.fn.Inst.Store.Thread()
	}
	return f.p.thread
}

// run calls the function on t: for another thread's function, the one of t's own instance of the same module.
func (f *Func) run(t *vm.Thread, slots []uint64) error {
	if f.refs {
		if err := t.CheckRefs(f.typ.Params, slots); err != nil {
			return err
		}
	}
	if f.fn.Host != nil {
		err := t.CallHost(f.fn.Host, slots)
		if t.InHost() == nil {
			t.ResultsGiven(f.typ.Results, slots, err)
		}
		return vm.HostError(t, f.fn.Host, err)
	}
	return t.Engine.Call(t, t.Store.Instances[f.fn.Inst.Index], f.fn.Index, slots)
}

// Ref returns a reference to the function in slot form, for tables, globals and arguments of type funcref.
// The caller must be the only one who uses the Process.
func (f *Func) Ref() uint64 { return uint64(f.p.thread.Store.RefOf(f.fn)) }

// FuncRef returns the function that a reference in slot form refers to, nil for null.
func (p *Process) FuncRef(ref uint64) *Func {
	if ref == uint64(vm.NullRef) {
		return nil
	}
	return p.newFunc(p.thread.Store.FuncOf(vm.Ref(ref)))
}

// ExternRef returns the externref for a host value, in slot form; nil is null. The Process keeps the value alive as long as guest code can
// reach the reference, at least until guest code runs again (see the package's words on values). A comparable value has one reference at a time.
//
// It is for the main thread: the embedder's calls, and host functions that run on it. Host functions on further threads use Caller.ExternRef.
func (p *Process) ExternRef(v any) uint64 { return externRef(p.thread, v) }

// ExternValue returns the host value of an externref in slot form; ok is false if the reference is not one to a host value.
func (p *Process) ExternValue(ref uint64) (v any, ok bool) {
	return p.thread.Store.HostValue(vm.Ref(ref))
}
