package spindle

import (
	"context"
	"slices"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// job is what a guest thread does from its beginning to its end, kept as data, so that a clone of the thread can go on with it. It belongs to the
// thread's goroutine; a freeze reads it while the thread stands.
type job interface {
	// run does what is left. Where t has an activation, being a clone, it goes on with that first.
	run(t *vm.Thread) error
	// clone returns the job of a clone of the thread in another Process; ok is false if the thread is at something that a clone cannot go on with.
	clone(p *Process) (j job, ok bool)
}

// calls is a job of calls in the guest, one after the other.
type calls struct {
	p       *Process
	steps   []call
	next    int      // the step that runs, or is to run
	results []uint64 // of the last step
	failed  bool
}

// call is one call of a job.
type call struct {
	inst, fn uint32
	slots    []uint64
	// of is the function of a call from outside, whose results are the host code's.
	of *Func
	// starts says that the call ends what Instance.started waits for.
	starts bool
	// limits says that slots are the bounds of the C stack, to be filled in (stackLimits).
	limits bool
}

func (j *calls) run(t *vm.Thread) error {
	for j.next < len(j.steps) {
		s := &j.steps[j.next]
		err := s.run(j.p, t)
		if s.starts {
			close(j.p.mainInstance(s.inst).started)
		}
		if err != nil {
			j.failed = true
			for _, s := range j.steps[j.next+1:] {
				if s.starts {
					close(j.p.mainInstance(s.inst).started) // nobody waits for what will not be
				}
			}
			return err
		}
		// No safepoint since the call: whoever stops the thread finds the step done and the next one not begun.
		j.next++
		j.results = s.slots
	}
	return nil
}

func (s *call) run(p *Process, t *vm.Thread) error {
	inst := t.Store.Instances[s.inst]
	if len(t.Activations) > 0 {
		err := t.Engine.Resume(t, s.slots)
		if s.of != nil {
			t.ResultsKept(s.of.typ.Results, s.slots, err)
		}
		return p.wrapError(err)
	}
	if s.limits {
		s.slots = p.stackLimits(t, inst)
	}
	return p.callIn(t, inst, s.fn, s.slots)
}

func (j *calls) clone(p *Process) (job, bool) {
	c := &calls{p: p, next: j.next, steps: make([]call, len(j.steps)), results: slices.Clone(j.results)}
	for k, s := range j.steps {
		s.slots = append([]uint64(nil), s.slots...) // those of the running one receive its results
		c.steps[k] = s
	}
	return c, !j.failed
}

// resumed is the job of a clone of a thread that was in a call from outside: it ends with that call.
func resumed(p *Process, f *Func) *calls {
	return &calls{p: p, steps: []call{{of: f, slots: make([]uint64, f.results)}}}
}

// jobOf returns the job of a thread, nil if it has none.
func jobOf(t *vm.Thread) job { return t.HostData.(*Caller).job }

// callMain runs a job on the main thread, on behalf of a call from outside.
func (p *Process) callMain(ctx context.Context, j job) error {
	leave, err := p.thread.Enter(ctx)
	if err != nil {
		return p.wrapError(err)
	}
	defer leave()
	p.caller.job = j
	if err := j.run(p.thread); err != nil {
		return p.failed(p.thread, err)
	}
	return nil
}

// begin runs the job of a thread. It stays the thread's when it is over: then there is nothing left of it.
func (p *Process) begin(t *vm.Thread) error { return t.HostData.(*Caller).job.run(t) }

// startCalls are the calls that a new instance of the main thread wants before it may be used: its C stack's bounds, and its start function.
func startCalls(inst *vm.Instance) (steps []call) {
	if x := inst.Module.CStack().SetLimits; x >= 0 {
		steps = append(steps, call{inst: inst.Index, fn: uint32(x), limits: true})
	}
	if x := inst.Module.Start; x >= 0 {
		steps = append(steps, call{inst: inst.Index, fn: uint32(x)})
	}
	if len(steps) > 0 {
		steps[len(steps)-1].starts = true
	}
	return steps
}
