package spindle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/internal/process"
	"github.com/spindle-wasm/spindle/internal/standby"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Image is a Process as it stood when it was frozen: memories, tables, globals, exceptions, and the stack of every thread. It does not change, and any
// number of Processes can be made of it, at any time, while the original goes on or is gone. It is safe for concurrent use.
type Image struct {
	rt       *Runtime
	cfg      Config
	vm       *vm.Image
	started  bool // by Start: the main thread's end is the Process's
	tids     []uint32
	jobs     []frozenJob
	names    map[string]int // instances by name, an index in all
	all      []frozenInstance
	stacks   []*auxStack
	lastTID  uint32
	threaded bool
	family   *family
	forks    uint64 // generation
	modules  map[string]FrozenModule
	opened   bool // of a file: every host function is to be found anew

	hostHooks []ForkHooks
	hooksOnce sync.Once
	forker    int         // index of the thread that asked for the image, otherwise the main one's; by hooksOnce
	hooks     []guestHook // HookChild; likewise
	hooksErr  error       // likewise

	passing sync.Mutex
	passed  *standby.Message // guarded by passing; for other processes, once there is one

	mu     sync.Mutex
	uses   int  // guarded by mu; the maker's, and those of forks and writes that run
	closed bool // guarded by mu
}

type frozenInstance struct {
	mod  *Module
	name string
	// started is 0 without a start function, 1 before it has ended, 2 after.
	started uint8
}

// frozenJob is what a thread of an image goes on with.
type frozenJob struct {
	job job // of no Process; nil for an idle main thread
}

// ForkState is an ImportModule that keeps state for its Process, and says what a fork means for that. The functions of other modules are shared by
// parent and children, as a HostModule's are.
type ForkState interface {
	ImportModule
	// Freeze captures the state for p, all of whose threads stand. An error means that p cannot be forked now.
	Freeze(p *Process) (FrozenModule, error)
}

// FrozenModule is the state of an ImportModule in an Image.
type FrozenModule interface {
	// Fork makes the module of a child. It is asked for what the child's modules import before the child runs. opts is what ForkConfig.Options has
	// for it, nil if nothing.
	Fork(child *Process, opts any) (ImportModule, error)
	// Close gives the state up when no child will be made of it any more.
	Close() error
}

// ForkError says why a Process cannot be frozen or forked. Nothing has changed then.
type ForkError struct {
	Reason string
	Thread uint32 // the thread that is in the way, if Reason is about one
	Func   string // the host function that it is in, if that is why
	Hook   string // the hook that refused, or failed
	Cause  error
}

func (e *ForkError) Error() string {
	s := "fork: " + e.Reason
	if e.Func != "" {
		s = fmt.Sprintf("fork: thread %d is in host function %s: %s", e.Thread, e.Func, e.Reason)
	}
	if e.Hook != "" {
		s = fmt.Sprintf("fork: %s: %s", e.Hook, e.Reason)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *ForkError) Unwrap() error { return e.Cause }

// FreezeOptions say what goes into an Image.
type FreezeOptions struct {
	// CallerOnly leaves out all threads but the main one, as POSIX's fork does with the calling one: locks that others hold stay held in a child.
	CallerOnly bool
	// Warmup collects the garbage-collected heap, moves its objects together if the plan can, and makes what is alive an image that collections in
	// children leave alone. It pays before the first freeze of a Process that many children will be made of; each takes as long as a collection of the whole
	// heap, and what is alive then is never given back.
	// It also gives memory back that holds zeros only, 64 KiB or more at a place: for that it reads what the guest has written.
	Warmup bool
	// NoGuestHooks leaves out HookPrepare and HookParent, for the freeze of a guest whose only thread is busy. HookChild is called all the same.
	NoGuestHooks bool
}

// ForkStats tells what a freeze or a fork took.
type ForkStats struct {
	Stop   time.Duration // until all threads stood
	Copy   time.Duration // to make the image, with the threads standing
	Gone   []VanishedThread
	Layer  bool // pages that were written since the last freeze lie on top of an older file, which others use as well
	Copied int  // bytes of these: each child copies them
}

// VanishedThread is a thread that an image does not have.
type VanishedThread = vm.ThreadInfo

// Freeze makes an Image of the Process, which then goes on. Threads stop at safepoints; those that wait (memory.atomic.wait, a blocking call of
// WASI) are in the image as waiting, with the time that is left. A host function in flight is waited for until ctx is done, unless it is restartable.
// If Config.Forkable is set this is quick, whatever the size of memories.
func (p *Process) Freeze(ctx context.Context, opts FreezeOptions) (*Image, ForkStats, error) {
	return p.freeze(ctx, opts, nil, nil)
}

// freeze is Freeze on behalf of a thread in a host function, which answer serves in a child, or of none.
func (p *Process) freeze(ctx context.Context, opts FreezeOptions, caller *vm.Thread, answer *Answer) (*Image, ForkStats, error) {
	var stats ForkStats
	if caller != nil {
		if err := caller.CheckAnswer(answer); err != nil {
			return nil, stats, &ForkError{Reason: err.Error(), Thread: caller.ID, Func: caller.InHost().Name}
		}
		if caller.HostData.(*Caller).inHook {
			return nil, stats, &ForkError{Reason: "a hook of a fork cannot fork", Thread: caller.ID}
		}
		if len(caller.Activations) > 1 {
			return nil, stats, &ForkError{Reason: vm.ErrNested.Error(), Thread: caller.ID}
		}
	}
	if err := p.lockFreezing(ctx, caller); err != nil {
		return nil, stats, err
	}
	defer func() { <-p.freezing }()
	after, err := p.prepareFork(ctx, opts, caller)
	if err != nil {
		return nil, stats, err
	}
	img, err := p.freezeThreads(ctx, opts, caller, answer, &stats)
	if err := after(err); err != nil {
		if img != nil {
			err = errors.Join(err, img.Close())
		}
		return nil, stats, err
	}
	return img, stats, nil
}

// lockFreezing takes p.freezing. A guest thread waits for it as in a call that can be made again: the image that is made meanwhile may have that thread.
func (p *Process) lockFreezing(ctx context.Context, caller *vm.Thread) (err error) {
	select {
	case p.freezing <- struct{}{}:
		return nil
	default:
	}
	if caller == nil {
		select {
		case p.freezing <- struct{}{}:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	stopped := caller.Stopped()
	got := false
	e := caller.BlockSince(time.Now(), func() {
		select {
		case p.freezing <- struct{}{}:
			got = true
		case <-stopped:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	})
	if e != nil {
		if got {
			<-p.freezing
		}
		return p.wrapError(e)
	}
	if err == nil && !got {
		err = p.wrapError(caller.StopError(caller.StopCause()))
	}
	return err
}

// freezeThreads stops the threads and makes an image of them as soon as all can be captured.
func (p *Process) freezeThreads(ctx context.Context, opts FreezeOptions, caller *vm.Thread, answer *Answer, stats *ForkStats) (*Image, error) {
	begin := time.Now()
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		threads, err := p.group.PauseOthers(ctx, caller)
		if err != nil {
			return nil, &ForkError{Reason: "not all threads came to a stop", Cause: err}
		}
		stats.Stop = time.Since(begin)
		img, obstacle, err := p.captureSealed(threads, caller, answer, opts, stats)
		stats.Copy = time.Since(begin) - stats.Stop
		if obstacle == nil {
			return img, err
		}
		if cause, ended := p.group.Ended(); ended {
			return nil, &ForkError{Reason: "the Process has ended", Cause: cause}
		}
		// It has to go on for a while: what it is at cannot be described from outside.
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			obstacle.Cause = context.Cause(ctx)
			return nil, obstacle
		}
	}
}

// captureSealed makes the image of threads that are paused, if nothing is in the way, and has them go on.
func (p *Process) captureSealed(threads []*vm.Thread, caller *vm.Thread, answer *Answer, opts FreezeOptions, stats *ForkStats) (*Image, *ForkError, error) {
	defer p.group.ResumeOthers(caller)
	if obstacle := p.seal(threads, caller); obstacle != nil {
		return nil, obstacle, nil
	}
	defer unseal(threads, caller)
	if obstacle := p.obstacle(threads, caller, opts); obstacle != nil {
		return nil, obstacle, nil
	}
	img, err := p.capture(threads, caller, answer, opts, stats)
	return img, nil, err
}

// seal keeps threads that are paused, but for the caller, where they are until unseal is called, whatever becomes of the Process. On an error none is kept.
func (p *Process) seal(threads []*vm.Thread, caller *vm.Thread) *ForkError {
	for k, t := range threads {
		if t != caller && !t.Seal() {
			unseal(threads[:k], caller)
			return &ForkError{Reason: "it is being taken down", Thread: t.ID}
		}
	}
	return nil
}

func unseal(threads []*vm.Thread, caller *vm.Thread) {
	for _, t := range threads {
		if t != caller {
			t.Unseal()
		}
	}
}

// obstacle returns why the threads cannot be captured as they stand.
func (p *Process) obstacle(threads []*vm.Thread, caller *vm.Thread, opts FreezeOptions) *ForkError {
	for _, t := range threads {
		if t == caller || opts.CallerOnly && !p.alone(t, caller) {
			continue
		}
		if h := t.InHost(); h != nil && !t.Restartable() {
			return &ForkError{Reason: "it cannot be made again in a child", Thread: t.ID, Func: h.Name}
		}
		if len(t.Activations) > 1 {
			return &ForkError{Reason: vm.ErrNested.Error(), Thread: t.ID}
		}
		if j := jobOf(t); j != nil {
			if _, ok := j.clone(p); !ok {
				return &ForkError{Reason: "it is being set up or taken down", Thread: t.ID}
			}
		}
	}
	return nil
}

// alone reports whether t is the thread that an image in CallerOnly mode has.
func (p *Process) alone(t, caller *vm.Thread) bool {
	if caller != nil {
		return t == caller
	}
	return t == p.thread
}

// capture makes the image of threads that stand.
func (p *Process) capture(threads []*vm.Thread, caller *vm.Thread, answer *Answer, opts FreezeOptions, stats *ForkStats) (*Image, error) {
	if cause, ended := p.group.Ended(); ended {
		return nil, &ForkError{Reason: "the Process has ended", Cause: cause}
	}
	p.treeOf() // so that there is a family
	img := &Image{family: p.family, forks: p.generation + 1, rt: p.rt, cfg: p.cfg, started: p.done != nil, modules: map[string]FrozenModule{}, names: map[string]int{}, uses: 1}
	kept := threads
	if opts.CallerOnly {
		kept = nil
		for _, t := range threads {
			if p.alone(t, caller) {
				kept = append(kept, t)
				continue
			}
			if info, ok, err := t.Inspect(context.Background()); ok && err == nil {
				stats.Gone = append(stats.Gone, info)
			}
		}
	}
	for _, t := range kept {
		j := frozenJob{}
		switch own := jobOf(t); {
		case own != nil:
			j.job, _ = own.clone(p)
		case len(t.Activations) > 0:
			j.job = resumed(p, t.HostData.(*Caller).call)
		}
		img.jobs = append(img.jobs, j)
		img.tids = append(img.tids, t.ID)
	}
	img.lastTID, img.threaded = p.group.LastTID(), p.group.Threaded() && !opts.CallerOnly
	p.mu.Lock()
	for i, inst := range p.all {
		f := frozenInstance{}
		if inst != nil {
			f.mod, f.name = inst.mod, inst.name
			if inst.started != nil {
				f.started = 1
				select {
				case <-inst.started:
					f.started = 2
				default:
				}
			}
			for name, of := range p.instances {
				if of == inst {
					img.names[name] = i
				}
			}
		}
		img.all = append(img.all, f)
	}
	for _, a := range p.stacks[:len(p.stacks):len(p.stacks)] {
		c := *a
		img.stacks = append(img.stacks, &c)
	}
	img.hostHooks = slices.Clip(p.forkHooks)
	p.mu.Unlock()
	var err error
	for name, m := range p.cfg.Imports {
		if s, ok := m.(ForkState); ok {
			if img.modules[name], err = s.Freeze(p); err != nil {
				delete(img.modules, name)
				img.release() //nolint:errcheck // the module's error is the one to report
				return nil, &ForkError{Reason: fmt.Sprintf("import module %q", name), Cause: err}
			}
		}
	}
	if img.vm, err = vm.Freeze(p.rt.pools, kept, p.thread.Store, opts.Warmup); err != nil {
		img.release() //nolint:errcheck // likewise
		return nil, &ForkError{Reason: "the guest's state cannot be captured", Cause: err}
	}
	stats.Copied = img.vm.Copied()
	stats.Layer = stats.Copied > 0
	for k, t := range kept {
		if t == caller {
			img.vm.Threads()[k].SetAnswer(answer)
		}
	}
	return img, nil
}

// ForkConfig configures a child.
type ForkConfig struct {
	// Name replaces Config.Name if it is not empty.
	Name string
	// Imports replace modules of the parent's Config.Imports that children may have their own of. Functions are found in them by name.
	Imports Imports
	// Options are for modules that are ForkStates, by module name.
	Options map[string]any
	// Before is called before the child's first instruction. A child whose hook fails is not made: the error is Fork's.
	Before func(child *Process) error

	started func(child *Process) error // called last before the child goes on

	tree *tree // of a guest's fork
	node *node
}

// Fork makes a Process of the image and has it go on from where the image was made. If the original was made by Start, so is the child: Wait tells how it ends.
// Otherwise it is there to be called, and if a call from outside ran in the original, Wait tells how that ends in the child.
//
// ctx ends the child when it is done.
func (i *Image) Fork(ctx context.Context, cfg ForkConfig) (*Process, error) {
	if err := i.use(); err != nil {
		return nil, err
	}
	defer i.unuse() //nolint:errcheck // if this is the last use, Close was called meanwhile, and the child is as good
	return i.fork(ctx, cfg)
}

func (i *Image) fork(ctx context.Context, cfg ForkConfig) (*Process, error) {
	p := i.rt.bareProcess(ctx, i.cfg)
	if cfg.Name != "" {
		p.cfg.Name = cfg.Name
		p.labels = newLabels(ctx, &p.cfg)
	}
	p.image, p.family, p.generation = i, i.family, i.forks
	if n := cfg.node; n != nil {
		p.pid, p.tree = n.pid, cfg.tree
	} else {
		p.pid = i.family.next()
	}
	if len(i.modules)+len(cfg.Imports) > 0 {
		p.cfg.Imports = make(Imports, len(i.cfg.Imports))
		for name, m := range i.cfg.Imports {
			p.cfg.Imports[name] = m
		}
		// In order of their names, so that a module can find what an earlier one has become: wasix_32v1 that of wasi_snapshot_preview1.
		for _, name := range slices.Sorted(maps.Keys(i.modules)) {
			m, err := i.modules[name].Fork(p, cfg.Options[name])
			if err != nil {
				p.runOnClose()
				return nil, &ForkError{Reason: fmt.Sprintf("import module %q", name), Cause: err}
			}
			p.cfg.Imports[name] = m
		}
		for name, m := range cfg.Imports {
			p.cfg.Imports[name] = m
		}
	}
	hosts, err := i.hosts(p, cfg)
	if err != nil {
		p.runOnClose()
		return nil, err
	}
	threads, err := i.vm.Fork(vm.ForkConfig{Budget: p.newBudget(), Host: func(h *vm.HostFunc) *vm.HostFunc {
		if n := hosts[h]; n != nil {
			return n
		}
		return h
	}, Collected: p.cfg.GC.Stats})
	if err != nil {
		p.runOnClose()
		return nil, err
	}
	p.adopt(threads, i)
	if p.budget != nil && p.tree == nil {
		p.treeOf() // while all files of its memories are the original's
	}
	p.forkHooks = i.hostHooks
	p.asleep.Store(true)
	for _, t := range threads {
		if len(t.Activations) > 0 {
			t.Keep()
		}
	}
	free := func() {
		for _, t := range threads {
			if len(t.Activations) > 0 {
				t.Free()
			}
		}
	}
	fail := func(err error) (*Process, error) {
		free()
		for _, t := range threads {
			t.Shutdown(err)
		}
		i.vm.Done()
		p.runOnClose()
		return nil, err
	}
	if err := i.callChildHooks(ctx, p, threads, cfg); err != nil {
		return fail(err)
	}
	if err := i.rt.add(p); err != nil {
		return fail(err)
	}
	free()
	p.asleep.Store(false)
	p.goOn(ctx, threads, i)
	return p, nil
}

// hosts returns the child's host functions by the image's.
func (i *Image) hosts(p *Process, cfg ForkConfig) (map[*vm.HostFunc]*vm.HostFunc, error) {
	if len(i.modules)+len(cfg.Imports) == 0 && !i.opened {
		return nil, nil
	}
	hosts := map[*vm.HostFunc]*vm.HostFunc{}
	for _, inst := range i.vm.Threads()[0].Store.Instances {
		k := 0
		for n := range inst.Module.Imports {
			im := &inst.Module.Imports[n]
			if im.Kind != wasm.ExternFunc {
				continue
			}
			bound := inst.Imports[k].Host
			k++
			_, own := i.modules[im.Module]
			if _, given := cfg.Imports[im.Module]; bound == nil || !own && !given && !i.opened || hosts[bound] != nil {
				continue
			}
			var x Extern
			mod := p.cfg.Imports[im.Module]
			ok := mod != nil
			if ok {
				x, ok = mod.Lookup(p, im.Name)
			}
			if !ok || x == nil {
				return nil, &LinkError{Module: im.Module, Name: im.Name, Msg: "the child's module does not have it"}
			}
			v, err := x.extern(p)
			if err != nil {
				return nil, &LinkError{Module: im.Module, Name: im.Name, Msg: err.Error(), Cause: err}
			}
			if v.Func == nil || v.Func.Host == nil || v.Func.Type != inst.Imports[k-1].Type {
				return nil, &LinkError{Module: im.Module, Name: im.Name, Msg: "the child's module has something else of that name"}
			}
			hosts[bound] = v.Func.Host
		}
	}
	return hosts, nil
}

// adopt makes threads of an image the Process's.
func (p *Process) adopt(threads []*vm.Thread, i *Image) {
	p.thread = threads[0]
	p.caller.p, p.caller.t = p, p.thread
	p.thread.HostData = &p.caller
	p.newGroup()
	for _, t := range threads {
		t.SetSafepoint(p.atSafepoint())
	}
	for _, t := range threads[1:] {
		t.HostData = &Caller{p: p, t: t}
	}
	for k, f := range i.all {
		var inst *Instance
		if f.mod != nil {
			inst = &Instance{p: p, mod: f.mod, inst: p.thread.Store.Instances[k], name: f.name}
			inst.inst.Data = inst
			if f.started > 0 {
				inst.started = make(chan struct{})
				if f.started == 2 {
					close(inst.started)
				}
			}
		}
		p.all = append(p.all, inst)
	}
	for name, k := range i.names {
		p.Register(name, p.all[k])
	}
	for _, a := range i.stacks {
		c := *a
		if c.boot.of != nil {
			c.boot.of = &c
		}
		p.stacks = append(p.stacks, &c)
	}
	if len(p.stacks) > 0 {
		p.stacksOf = len(p.all)
	}
}

// goOn has the threads of a new child run.
func (p *Process) goOn(ctx context.Context, threads []*vm.Thread, i *Image) {
	p.group.Restore(process.TIDsOf(p.pid), i.threaded)
	for k, t := range threads {
		f := &i.jobs[k]
		if k > 0 {
			j, _ := f.job.clone(p)
			t.HostData.(*Caller).job = j
			p.group.Adopt(t, process.Spec{Run: p.begin})
		}
	}
	if f := &i.jobs[0]; f.job != nil {
		j, _ := f.job.clone(p)
		if c, ok := j.(*calls); ok && c.steps[0].of != nil {
			p.outcome = c
		}
		p.run(ctx, j)
	}
	p.group.Start() // last: one of them may freeze the Process at once, and then finds what all are to do
}

// Results returns the results, in slot form, of the call from outside that ran in the original when the image was made, once Done is closed and Wait
// has returned nil.
func (p *Process) Results() []uint64 {
	if p.outcome == nil {
		return nil
	}
	return slices.Clone(p.outcome.results)
}

// Fork is Freeze and Image.Fork in one.
func (p *Process) Fork(ctx context.Context, opts FreezeOptions, cfg ForkConfig) (*Process, ForkStats, error) {
	img, stats, err := p.Freeze(ctx, opts)
	if err != nil {
		return nil, stats, err
	}
	defer img.Close()
	child, err := img.Fork(ctx, cfg)
	return child, stats, err
}

// Answer is what a call of a host function gives in the children of an Image that was made in it: results in slot form, none of them references, and bytes that are written into
// the calling instance's memory 0 before. It is data, as an Image may go into a file.
type Answer = vm.Answer

// AnswerWrite is a part of an Answer.
type AnswerWrite = vm.AnswerWrite

// Freeze makes an Image of the calling Process, from within a host function. In a child the call of that function gives answer, which is not changed any more. An answer that does not fit
// the function's results or the memory is a *ForkError.
func (c *Caller) Freeze(ctx context.Context, opts FreezeOptions, answer Answer) (*Image, ForkStats, error) {
	return c.p.freeze(ctx, opts, c.t, &answer)
}

var errImageClosed = errors.New("spindle: the image is closed")

func (i *Image) use() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return errImageClosed
	}
	i.uses++
	return nil
}

func (i *Image) isClosed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.closed
}

func (i *Image) unuse() error {
	i.mu.Lock()
	i.uses--
	last := i.uses == 0
	i.mu.Unlock()
	if last {
		return i.release()
	}
	return nil
}

// Close gives the image up. Processes made of it go on, and keep its pages; what modules have kept for further ones is given back: the write end of a pipe, for
// example, which otherwise nobody would ever see the end of.
func (i *Image) Close() error {
	i.mu.Lock()
	closed := i.closed
	i.closed = true
	i.mu.Unlock()
	if closed {
		return nil
	}
	return i.unuse()
}

func (i *Image) release() error {
	errs := []error{i.closePassed()}
	for _, m := range i.modules {
		errs = append(errs, m.Close())
	}
	if i.vm != nil {
		i.vm.Close()
	}
	return errors.Join(errs...)
}
