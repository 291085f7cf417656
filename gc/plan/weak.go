package plan

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/scheduler"
	"github.com/spindle-wasm/spindle/gc/weak"
)

// AddFinalizer registers an object whose death the VM wants to be told of: see weak.Finalizers. Only running mutators call it and NextFinalizer.
func (b *Base) AddFinalizer(r heap.Ref, tag uint64) { b.final.Add(r, tag) }

// NextFinalizer takes the next object that nothing refers to any more, with the tag of its registration, and reports false if there is none. From now on it is the
// caller's to keep the object alive: it must be a root before the next safepoint.
func (b *Base) NextFinalizer() (r heap.Ref, tag uint64, ok bool) {
	c, ok := b.final.Next()
	return c.Ref, c.Tag, ok
}

// Finalizers returns how many registrations wait for their objects to die, and how many wait for NextFinalizer.
func (b *Base) Finalizers() (waiting, ready int) { return b.final.Counts() }

// weakRefs is the sentinel that decides about what is not reachable, step by step as package weak has it. It runs each time when all that is reachable so far has
// been found.
type weakRefs struct {
	b     *Base
	full  bool
	refs  *weak.Refs
	state weakState
}

type weakState int

const (
	weakClosure weakState = iota // ephemerons and the VM's tables may keep more alive
	weakFinal                    // what is dead has been cleared: finalizers' turn
	weakAgain                    // the closure of what finalizers have brought back
)

func (p *weakRefs) Run(w *scheduler.Worker) {
	t := policy.Of(w)
	trace := tracing(t)
	for _, w := range p.b.Sched.Workers() {
		other := policy.Of(w)
		p.refs.Add(other.Weak)
		other.Weak = other.Weak[:0]
	}
	switch p.state {
	case weakClosure:
		// The VM is asked last: when it says that it keeps nothing, it has dropped what is dead.
		if p.refs.Ephemerons(trace) || p.b.vm.WeakRefs(p.b.live, trace) {
			break
		}
		p.decide()
		p.state = weakFinal
	case weakFinal:
		if p.b.final.Decide(!p.full, p.b.live, trace) == 0 {
			return
		}
		p.state = weakAgain
	case weakAgain:
		if !p.refs.Ephemerons(trace) {
			p.decide()
			return
		}
	}
	p.b.Sched.SetSentinel(scheduler.WeakRefs, p)
	t.Drain()
}

// tracing is a worker's trace of any word.
func tracing(t *policy.Tracer) weak.Trace {
	return func(r heap.Ref) heap.Ref {
		if !heap.IsObject(r) {
			return r
		}
		return t.Trace(r)
	}
}

// decide adds packets that clear what is dead. Nothing comes alive until they are done.
func (p *weakRefs) decide() {
	ephemerons, objects := p.refs.Dead()
	const some = 1024
	for len(ephemerons) > 0 {
		n := min(some, len(ephemerons))
		p.b.Sched.Add(scheduler.WeakRefs, &decideWeak{b: p.b, ephemerons: ephemerons[:n]})
		ephemerons = ephemerons[n:]
	}
	for len(objects) > 0 {
		n := min(some, len(objects))
		p.b.Sched.Add(scheduler.WeakRefs, &decideWeak{b: p.b, objects: objects[:n]})
		objects = objects[n:]
	}
}

// decideWeak is a packet of what is to be cleared if it is dead.
type decideWeak struct {
	b          *Base
	ephemerons []uint32
	objects    []heap.Ref
}

func (p *decideWeak) Run(w *scheduler.Worker) {
	weak.Decide(p.b.Mem, p.ephemerons, p.objects, p.b.live, tracing(policy.Of(w)))
}
