package spindle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// The exports by which a module is asked, and told, of forks. Each returns an i32: 0 acknowledges, anything else refuses, as do a trap, an exit, an uncaught exception and
// a hook that takes longer than Config.ForkHookTimeout. Then there is no fork: the error is a *ForkError that names the hook. A module exports the ones that
// it has a use for; one of a wrong type refuses every fork.
//
// HookPrepare and HookParent run in the Process that is frozen: on the thread that asks for it in a host function (Caller.Fork, Caller.Freeze); otherwise on the
// main thread if nobody is in it; otherwise on a thread of their own (Process.Spawn), for which the module's memory must be shared. Of a guest whose only thread is
// busy nobody can run them: the freeze is refused, unless FreezeOptions.NoGuestHooks is set.
//
// HookChild runs in each child, before any other guest instruction of it. It runs on the thread that asked for the image, otherwise on the main one, above the frames which that
// is to go on with: like a signal handler. Unless the guest has forked itself, so that it stood at a call, the hook should use only what signal handlers
// may: a lock that another thread of the image holds is never released, and the child is refused when its time is over. No thread can be started in it, and no fork made.
//
// In a Process of several instances HookPrepare is called in the last one first, the others in the order in which instances were made, as pthread_atfork
// has it (POSIX.1-2024).
const (
	// HookPrepare, of type () -> i32, is called before a freeze, while other threads run: here a guest can take its locks, or refuse.
	HookPrepare = "spindle_fork_prepare"
	// HookParent, of type () -> i32, is called after a freeze; also if that has failed, or another hook has refused it, once the instance's HookPrepare has agreed.
	HookParent = "spindle_fork_parent"
	// HookChild, of type (i64, i32) -> i32, is called in a child with its generation (Process.Generation) and the number of its threads: here a guest makes its seeds and identities
	// anew, and forgets the threads that it does not have any more.
	HookChild = "spindle_fork_child"
)

// DefaultForkHookTimeout is used if Config.ForkHookTimeout is 0.
const DefaultForkHookTimeout = time.Second

// ForkHooks are an embedder's functions around forks of a Process, whoever asks for them. Each may be nil. An error from one of them refuses the fork: it is the Cause of
// the *ForkError.
type ForkHooks struct {
	// Prepare is called before a freeze, after the guest's (HookPrepare) and while the guest runs.
	Prepare func(p *Process) error
	// Parent is called after a freeze, before the guest's (HookParent); err says that there is no image. It is called if Prepare was, and returned nil.
	Parent func(p *Process, err error) error
	// Child is called before the first instruction of a child, after the modules that it imports were made for it (ForkState) and before the guest's (HookChild). It can call
	// exports of a child whose original was idle. A child that is refused is closed: Process.OnClose's functions are called.
	Child func(child *Process) error
}

// OnFork registers hooks for forks of the Process and of its children, to any depth. Prepare is called in the reverse order of registration, Parent and Child in the order.
func (p *Process) OnFork(h ForkHooks) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forkHooks = append(p.forkHooks, h)
}

// guestHook is an export of an instance.
type guestHook struct{ inst, fn uint32 }

// guestHooks returns the instances' exports of the name, in the order of the instances; mod is nil for one that was not made.
func guestHooks(n int, mod func(k int) *Module, name string) (hooks []guestHook, err error) {
	var params []wasm.ValType
	if name == HookChild {
		params = []wasm.ValType{wasm.I64, wasm.I32}
	}
	for k := range n {
		m := mod(k)
		if m == nil {
			continue
		}
		fn, ok := m.m.FindExport(name, wasm.ExternFunc)
		if !ok {
			continue
		}
		if !hasType(m.m, fn, params, []wasm.ValType{wasm.I32}) {
			return nil, &ForkError{Reason: "the guest's function is not of the type of that hook", Hook: name}
		}
		hooks = append(hooks, guestHook{uint32(k), fn})
	}
	return hooks, nil
}

// parentHooks returns what a freeze of the Process is to call.
func (p *Process) parentHooks(opts FreezeOptions) (prepare, parent []guestHook, host []ForkHooks, err error) {
	p.mu.Lock()
	host = slices.Clip(p.forkHooks)
	all := slices.Clip(p.all)
	p.mu.Unlock()
	if opts.NoGuestHooks {
		return nil, nil, host, nil
	}
	mod := func(k int) *Module {
		if all[k] == nil {
			return nil
		}
		return all[k].mod
	}
	if prepare, err = guestHooks(len(all), mod, HookPrepare); err == nil {
		parent, err = guestHooks(len(all), mod, HookParent)
	}
	return prepare, parent, host, err
}

// prepareFork calls the Prepare hooks. What it returns is to be called with what then came of the freeze, and returns the hooks' error or that one. On an error of its own
// nothing is left to be done.
//
// Preconditions: p.freezing is held; no thread is held up.
func (p *Process) prepareFork(ctx context.Context, opts FreezeOptions, caller *vm.Thread) (after func(error) error, err error) {
	prepare, parent, host, err := p.parentHooks(opts)
	if err != nil {
		return nil, err
	}
	if len(prepare)+len(parent)+len(host) == 0 {
		return func(err error) error { return err }, nil
	}
	agreed := map[uint32]bool{} // instances whose HookPrepare did
	prepared := len(host)       // host[prepared:] were asked, and agreed
	all := false
	after = func(outcome error) error {
		var errs error
		for _, h := range host[prepared:] {
			if h.Parent != nil {
				if err := h.Parent(p, outcome); err != nil {
					errs = errors.Join(errs, &ForkError{Reason: "a hook refuses", Hook: "ForkHooks.Parent", Cause: err})
				}
			}
		}
		for _, h := range parent {
			if all || agreed[h.inst] {
				errs = errors.Join(errs, p.callParentHook(ctx, caller, h, HookParent))
			}
		}
		if outcome != nil {
			return outcome
		}
		return errs
	}
	for _, h := range slices.Backward(prepare) {
		if err := p.callParentHook(ctx, caller, h, HookPrepare); err != nil {
			return nil, after(err)
		}
		agreed[h.inst] = true
	}
	for k, h := range slices.Backward(host) {
		if h.Prepare != nil {
			if err := h.Prepare(p); err != nil {
				return nil, after(&ForkError{Reason: "a hook refuses", Hook: "ForkHooks.Prepare", Cause: err})
			}
		}
		prepared = k
	}
	all = true
	return after, nil
}

// hookContext bounds the time of one hook.
func (p *Process) hookContext(ctx context.Context) (context.Context, context.CancelFunc) {
	d := p.cfg.ForkHookTimeout
	if d == 0 {
		d = DefaultForkHookTimeout
	}
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("limit reached: time of a fork's hook: at most %v allowed", d))
}

// callParentHook calls a hook in the Process that is to be frozen, or was.
func (p *Process) callParentHook(ctx context.Context, caller *vm.Thread, h guestHook, name string) error {
	ctx, cancel := p.hookContext(ctx)
	defer cancel()
	if caller != nil {
		c := caller.HostData.(*Caller)
		failed := c.fail
		c.inHook = true
		leave := caller.Nested(ctx)
		err := p.callHook(caller, h, name, 0)
		leave()
		c.fail, c.inHook = failed, false
		if err != nil && isExit(err) {
			c.Fail(err.Cause)
		}
		return typed(err)
	}
	if p.done == nil {
		leave, err := p.thread.Enter(ctx)
		if err == nil {
			defer leave()
			p.caller.inHook = true
			defer func() { p.caller.inHook = false }()
			return typed(p.callHook(p.thread, h, name, 0))
		}
		if !errors.Is(err, vm.ErrThreadBusy) {
			return refused(name, 0, p.wrapError(err))
		}
	}
	inst := p.mainInstance(h.inst)
	ms := inst.inst.Memories
	if len(ms) == 0 || slices.ContainsFunc(ms, func(m *vm.Memory) bool { return !m.Shared() }) {
		return &ForkError{Reason: "the guest's only thread is busy, so that nobody can run the hook", Hook: name}
	}
	t, err := p.SpawnWith(ctx, SpawnConfig{Instance: inst, Contain: true}, name)
	if err != nil {
		return refused(name, 0, err)
	}
	results, err := t.Wait(context.Background()) // ctx ends the thread
	if err == nil {
		err = acknowledged(results[0])
	}
	return typed(refused(name, t.ID(), err))
}

// callHook calls a hook on a thread that the caller owns.
func (p *Process) callHook(t *vm.Thread, h guestHook, name string, threads int) *ForkError {
	slots := []uint64{p.generation, uint64(threads)} // only HookChild has parameters
	err := p.callIn(t, t.Store.Instances[h.inst], h.fn, slots)
	if err == nil {
		err = acknowledged(slots[0])
	}
	return refused(name, t.ID, err)
}

func acknowledged(result uint64) error {
	if n := int32(result); n != 0 {
		return fmt.Errorf("it returned %d", n)
	}
	return nil
}

func refused(name string, tid uint32, err error) *ForkError {
	if err == nil {
		return nil
	}
	return &ForkError{Reason: "the guest's hook did not acknowledge", Hook: name, Thread: tid, Cause: err}
}

// typed makes an error of a pointer that may be nil.
func typed(err *ForkError) error {
	if err == nil {
		return nil
	}
	return err
}

// childHooks returns the children's HookChild; the error is every fork's.
func (i *Image) childHooks() ([]guestHook, error) {
	i.hooksOnce.Do(func() {
		ts := i.vm.Threads()
		i.forker = max(0, slices.IndexFunc(ts, (*vm.Thread).Answered))
		// A thread has the instances that there were at the Process's first spawn.
		n := min(len(i.all), len(ts[i.forker].Store.Instances))
		i.hooks, i.hooksErr = guestHooks(n, func(k int) *Module { return i.all[k].mod }, HookChild)
	})
	return i.hooks, i.hooksErr
}

// callChildHooks calls all that is to run before the first instruction of a child.
func (i *Image) callChildHooks(ctx context.Context, p *Process, threads []*vm.Thread, cfg ForkConfig) error {
	for _, h := range p.forkHooks {
		if h.Child != nil {
			if err := h.Child(p); err != nil {
				return &ForkError{Reason: "a hook refuses", Hook: "ForkHooks.Child", Cause: err}
			}
		}
	}
	if cfg.Before != nil {
		if err := cfg.Before(p); err != nil {
			return &ForkError{Reason: "a hook refuses", Hook: "ForkConfig.Before", Cause: err}
		}
	}
	hooks, err := i.childHooks()
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if err := i.callChildHook(ctx, p, threads[i.forker], h, len(threads)); err != nil {
			return err
		}
	}
	if cfg.started != nil {
		return cfg.started(p)
	}
	return nil
}

func (i *Image) callChildHook(ctx context.Context, p *Process, t *vm.Thread, h guestHook, threads int) error {
	c := t.HostData.(*Caller)
	ctx, cancel := p.hookContext(ctx)
	defer cancel()
	var refusal *ForkError
	c.inHook = true
	err := t.Aside(ctx, func() error {
		refusal = p.callHook(t, h, HookChild, threads)
		return nil
	})
	c.inHook, c.fail = false, nil
	if err != nil {
		refusal = refused(HookChild, t.ID, p.wrapError(err))
	}
	return typed(refusal)
}
