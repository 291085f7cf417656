package process

import (
	"context"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Job is what a new thread is for.
type Job interface {
	// Prepare sees the thread before it runs; its error is the spawn's.
	Prepare(t *vm.Thread) error
	// Run runs on a goroutine which then owns t. Its error ends the group.
	Run(t *vm.Thread) error
	// Left is called, with the error that Run ended with, when the thread is gone and does not count any more.
	Left(err error)
}

// Main is a Job that only runs.
type Main func(t *vm.Thread) error

func (f Main) Prepare(*vm.Thread) error { return nil }
func (f Main) Run(t *vm.Thread) error   { return f(t) }
func (f Main) Left(error)               {}

// worker is a goroutine that runs one thread after the other, and between two of them keeps what the last one left: a guest stack, a wired
// store, and its own Go stack, which has grown to what guests need. A thread costs much less for it.
type worker struct {
	next chan start // has room for one: who takes a worker out of Group.idle sends once
	last *vm.Thread // retired and not closed; nil in a worker that has run nothing
}

// start is what a worker is to run; without a thread it ends.
type start struct {
	t   *vm.Thread
	ctx context.Context
	job Job
}

// maxIdle bounds the workers that a group keeps.
const maxIdle = 64

// Spawn makes a thread. The plan is made at the first spawn, of the instances that the main thread's store has
// then. The thread does not end with ctx; its values are the thread's. Any goroutine may call it. Errors: ErrEnding, *LimitError, *vm.PlanError,
// and those of the memory that a thread needs.
func (g *Group) Spawn(ctx context.Context, job Job) (tid uint32, err error) {
	// The tid first: from here on Wait waits for it, and so nothing that the plan is made of goes away.
	tid, w, err := g.reserve()
	if err != nil {
		return 0, err
	}
	t, err := g.newThread(w)
	if err != nil {
		g.dismiss(w, tid)
		return 0, err
	}
	t.ID, t.Trapped = tid, g.main.Trapped
	if g.cfg.Adopt != nil {
		g.cfg.Adopt(t)
	}
	if err := job.Prepare(t); err != nil {
		t.Shutdown(err)
		g.dismiss(w, tid)
		return 0, err
	}
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		t.Shutdown(ErrEnding)
		g.dismiss(w, tid)
		return 0, ErrEnding
	}
	g.threads[tid] = t
	g.joinLocked(t)
	g.mu.Unlock()
	if ctx.Done() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	if w.next == nil {
		w.next = make(chan start, 1)
		go g.work(w)
	}
	w.next <- start{t, ctx, job}
	return tid, nil
}

// newThread makes a thread for a worker, out of what its last one left if it has had one.
func (g *Group) newThread(w *worker) (*vm.Thread, error) {
	g.planOnce.Do(g.makePlan)
	if g.planErr != nil {
		return nil, g.planErr
	}
	last := w.last
	w.last = nil
	if last != nil {
		return g.plan.Renew(last)
	}
	return g.plan.NewThread(vm.ThreadConfig{StackSize: g.cfg.StackSize})
}

func (g *Group) makePlan() {
	if l := g.cfg.Instances; l != nil {
		l.Lock()
		defer l.Unlock()
	}
	g.plan, g.planErr = vm.NewPlan(g.main, g.cfg.Limits)
}

// work is a worker's goroutine.
func (g *Group) work(w *worker) {
	for fresh := true; ; fresh = false {
		s := <-w.next
		if s.t == nil {
			if w.last != nil {
				w.last.Close()
			}
			g.leave(0)
			return
		}
		if g.cfg.Begin != nil {
			g.cfg.Begin(s.t.ID, fresh)
		}
		err := s.t.EnterBackground(s.ctx)
		if err == nil {
			err = s.job.Run(s.t)
			s.t.Leave()
		}
		if err != nil {
			g.End(s.t.ID, err)
		}
		s.t.Retire(ErrEnding)
		kept := err == nil && s.t.Renewable() && g.keep(w, s.t)
		if !kept {
			s.t.Close()
			g.leave(s.t.ID)
		}
		s.job.Left(err)
		if !kept {
			return
		}
	}
}

// keep makes w idle, and reports false if it is to end instead.
func (g *Group) keep(w *worker, t *vm.Thread) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended || len(g.idle) >= maxIdle {
		return false
	}
	w.last = t
	g.idle = append(g.idle, w)
	delete(g.threads, t.ID)
	g.left.Broadcast()
	return true
}

// dismiss ends a worker that got a tid and no thread.
func (g *Group) dismiss(w *worker, tid uint32) {
	if w.next == nil {
		g.leave(tid)
		return
	}
	g.mu.Lock()
	delete(g.threads, tid)
	g.mu.Unlock()
	w.next <- start{}
}

// leave takes a worker out of the group, with its thread if tid is not 0.
func (g *Group) leave(tid uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.threads, tid)
	g.workers--
	g.left.Broadcast()
}
