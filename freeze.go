package spindle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spindle-wasm/spindle/internal/vm"
)

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
