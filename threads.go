package spindle

import (
	"errors"

	"github.com/spindle-wasm/spindle/internal/process"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

var (
	// ErrEnding is returned by a spawn in a Process that is ending.
	ErrEnding = process.ErrEnding
	// ErrMainReturned is what stops other threads when the entry of a started Process has returned.
	ErrMainReturned = process.ErrMainReturned
	// ErrAsleep is returned by a spawn in a child of a fork that has not gone on: in a hook.
	ErrAsleep = errors.New("a child cannot have further threads before it has gone on")
	// ErrNoThreadEntry is returned by Caller.SpawnThread if the calling module does not export a function wasi_thread_start of type (i32, i32) -> ().
	ErrNoThreadEntry = errors.New("the module does not export wasi_thread_start with two parameters of type i32 and no result")
)

// ThreadLimitError says that a Process has as many threads as Config.MaxThreads allows.
type ThreadLimitError = process.LimitError

// PlanError says which import keeps a Process from having further threads.
type PlanError = vm.PlanError

// threadEntry is the export that a new thread runs (wasi-threads).
const threadEntry = "wasi_thread_start"

// NumThreads returns how many guest threads there are, the main one included.
func (p *Process) NumThreads() int { return p.group.Len() }

// SpawnThread starts a guest thread as wasi-threads says: the modules of the Process are instantiated again in it, with the
// same imports and shared memories, their start functions run, and then the calling module's export wasi_thread_start with the new
// thread's identifier and arg. It returns that identifier, between 1 and 0x1FFFFFFF.
//
// A trap, an exit or an uncaught exception in any thread ends the whole Process.
func (c *Caller) SpawnThread(arg uint32) (tid uint32, err error) {
	if c.p.asleep.Load() {
		return 0, ErrAsleep
	}
	inst := c.t.Current()
	x, ok := inst.Module.FindExport(threadEntry, wasm.ExternFunc)
	if !ok || !isThreadEntry(inst.Module.FuncType(x)) {
		return 0, ErrNoThreadEntry
	}
	return c.p.group.Spawn(c.t.CallContext(), &guestThread{caller: Caller{p: c.p}, inst: inst.Index, fn: x, arg: arg})
}

// guestThread is a thread that the guest starts: all that it needs on this side of package vm, in one object, as programs start many.
type guestThread struct {
	caller        Caller
	job           calls
	steps         [1]call // room for the job's, most often
	slots         [2]uint64
	inst, fn, arg uint32
}

// Prepare implements process.Job.
func (g *guestThread) Prepare(t *vm.Thread) error {
	findAuxStack(t, t.Store.Instances[g.inst], g.arg)
	g.slots = [2]uint64{uint64(t.ID), uint64(g.arg)}
	steps := startsOf(t, tellCalls(t, nil, g.steps[:0]))
	g.job = calls{p: g.caller.p, steps: append(steps, call{inst: g.inst, fn: g.fn, slots: g.slots[:]})}
	g.caller.t, g.caller.job = t, &g.job
	t.HostData = &g.caller
	return nil
}

// Run implements process.Job.
func (g *guestThread) Run(t *vm.Thread) error { return g.job.run(t) }

// Left implements process.Job.
func (g *guestThread) Left(error) {}

func isThreadEntry(ft *wasm.FuncType) bool {
	return len(ft.Results) == 0 && len(ft.Params) == 2 && ft.Params[0] == wasm.I32 && ft.Params[1] == wasm.I32
}

// startsOf appends the start functions of a new thread's instances, in the order in which the main thread's were made.
func startsOf(t *vm.Thread, steps []call) []call {
	for _, inst := range t.Store.Instances {
		if s := inst.Module.Start; s >= 0 {
			steps = append(steps, call{inst: inst.Index, fn: uint32(s)})
		}
	}
	return steps
}

// runCalls makes calls on a thread whose job is another one.
func (p *Process) runCalls(t *vm.Thread, steps []call) error {
	return (&calls{p: p, steps: steps}).run(t)
}

// callIn calls a function of the index space on a thread that the caller owns.
func (p *Process) callIn(t *vm.Thread, inst *vm.Instance, fn uint32, slots []uint64) error {
	if int(fn) >= len(inst.Imports) {
		return p.wrapError(t.Engine.Call(t, inst, fn, slots))
	}
	f := inst.Func(fn)
	if f.Host != nil {
		return p.wrapError(vm.HostError(t, f.Host, t.CallHost(f.Host, slots)))
	}
	return p.wrapError(t.Engine.Call(t, f.Inst, f.Index, slots))
}

// owns reports whether t is a thread of the Process.
func (p *Process) owns(t *vm.Thread) bool {
	c, ok := t.HostData.(*Caller)
	return ok && c.p == p
}

// failed ends the Process if a call from outside failed in the guest while there are other threads: they may wait for what the failed one will
// never do. A Process with one thread can be called again.
func (p *Process) failed(t *vm.Thread, err error) error {
	err = p.wrapError(err)
	if p.group.Threaded() {
		p.group.End(t.ID, err)
		t.Stop(err)
	}
	return err
}
