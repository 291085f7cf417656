package plan

import (
	"time"

	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/scheduler"
	"github.com/spindle-wasm/spindle/gc/weak"
)

// Collection tells of a collection that is over.
type Collection struct {
	Number  uint64
	Full    bool          // of the whole heap
	Start   time.Time     // when it was begun
	Stop    time.Duration // until all mutators stood
	Pause   time.Duration // from then until they could go on
	Objects uint64        // found alive
	Bytes   uint64        // of these
	Before  int64         // blocks in use
	After   int64
	Limit   int64 // bytes that may be in use, copies included, until the next one
}

// begin is the first packet of a collection.
func (b *Base) begin(w *scheduler.Worker) {
	b.current = Collection{Number: b.Sched.Collections() + 1, Start: b.now()}
	if !b.held.Load() {
		b.vm.StopMutators()
	}
	// Added by a packet that goes wrong, too: nobody waits for ever.
	defer b.Sched.Add(scheduler.Final, &resume{b})
	b.current.Stop = b.now().Sub(b.current.Start)
	b.current.Before = b.Mem.InUse()

	b.mu.Lock()
	mutators := b.mutators
	remembered := b.orphaned.Take()
	remembered.Append(b.inherited)
	b.inherited = barrier.Buffer{}
	b.mu.Unlock()
	for _, m := range mutators {
		m.reset()
		remembered.Append(m.barrier.Take())
	}
	b.image.Remember(&remembered)
	if b.Opts.Sanity && !b.checkBefore(remembered) {
		return // it would stumble over what is found; the heap is unusable anyway
	}
	for _, w := range b.Sched.Workers() {
		policy.Of(w).Begin(w)
	}
	if b.warm = b.wantWarm.Swap(false); b.warm {
		b.wantFull.Store(true)
		b.image.Record()
	}
	b.urgent = b.short.Swap(false)
	if b.again.Swap(false) {
		b.urgent = true
		b.wantFull.Store(true)
	}
	if !b.plan.Constraints().Collects {
		return // a warm-up or a look: everything stays
	}
	full := b.plan.Full(b.wantFull.Swap(false))
	b.current.Full = full
	b.fixed.a.Reset()
	if full {
		b.large.Prepare()
		b.fixed.space.Prepare()
		b.immortal.Roots(b.Sched)
	}
	b.plan.Prepare(full)
	b.common.Prepared()
	if !full {
		policy.Remembered(b.Mem, b.Sched, remembered)
	}
	b.image.Roots(b.Sched, full, b.foreign)
	for _, m := range mutators {
		b.Sched.Add(scheduler.PinningRoots, &pinRoots{b, m})
		b.Sched.Add(scheduler.Closure, &roots{b, m})
	}
	b.Sched.Add(scheduler.PinningRoots, &pinRoots{b, nil})
	b.Sched.Add(scheduler.Closure, &roots{b, nil})
	b.Sched.SetSentinel(scheduler.WeakRefs, &weakRefs{b: b, full: full, refs: &weak.Refs{Mem: b.Mem, Live: b.live}})
	if c, ok := b.plan.(Compactor); ok {
		b.Sched.SetSentinel(scheduler.Finalizers, &places{b, c, mutators})
		b.Sched.Add(scheduler.Compact, &compact{c})
	}
	b.Sched.Add(scheduler.Release, &release{b, full})
}

// pinRoots finds the roots of a mutator, or the global ones, whose objects must not move.
type pinRoots struct {
	b *Base
	m *Mutator
}

func (p *pinRoots) Run(w *scheduler.Worker) {
	pins := policy.Pins{Tracer: policy.Of(w)}
	if p.m != nil {
		p.b.vm.Roots(p.m.Thread, &pins)
	} else {
		p.b.vm.GlobalRoots(&pins)
	}
	pins.Close()
}

// roots traces from the roots of a mutator, or from the global ones.
type roots struct {
	b *Base
	m *Mutator
}

func (p *roots) Run(w *scheduler.Worker) {
	t := policy.Of(w)
	if p.m != nil {
		p.b.vm.Roots(p.m.Thread, t)
	} else {
		p.b.vm.GlobalRoots(t)
		p.b.final.Roots(t)
	}
	t.Drain()
}

func (b *Base) live(r uint32) bool {
	if !heap.IsObject(r) {
		return r != 0
	}
	s := b.common.Spaces[b.Mem.SpaceOf(r)]
	return s != nil && s.Live(r)
}

// places decides where live objects go, when all of them are known, and lets everything be told that refers to one.
type places struct {
	b        *Base
	c        Compactor
	mutators []*Mutator
}

func (p *places) Run(*scheduler.Worker) {
	p.b.forgetPins()
	forward := p.c.Places()
	for _, m := range p.mutators {
		p.b.Sched.Add(scheduler.Forward, &updateRoots{p.b, m, forward})
	}
	p.b.Sched.Add(scheduler.Forward, &updateRoots{p.b, nil, forward}, &updateOthers{p.b, forward})
}

// updateRoots tells the roots of a mutator, or the global ones and weak references, where objects go.
type updateRoots struct {
	b       *Base
	m       *Mutator
	forward func(heap.Ref) heap.Ref
}

func (p *updateRoots) Run(*scheduler.Worker) {
	u := policy.Updater{Forward: p.forward}
	if p.m != nil {
		p.b.vm.Roots(p.m.Thread, u)
		return
	}
	p.b.vm.GlobalRoots(u)
	p.b.final.Forward(p.forward)
	p.b.vm.WeakRefs(p.b.live, func(r uint32) uint32 {
		if !heap.IsObject(r) {
			return r
		}
		return p.forward(r)
	})
}

// updateOthers tells the objects of spaces that are not the plan's where objects go.
type updateOthers struct {
	b       *Base
	forward func(heap.Ref) heap.Ref
}

func (p *updateOthers) Run(*scheduler.Worker) {
	p.b.image.Update(p.forward)
	update := func(r heap.Ref) { policy.UpdateFields(p.b.Mem, r, p.forward) }
	p.b.large.Each(update)
	p.b.immortal.Each(update)
	p.b.fixed.space.Each(update)
}

// compact moves objects.
type compact struct{ c Compactor }

func (p *compact) Run(*scheduler.Worker) { p.c.Compact() }

// release gives back what is dead.
type release struct {
	b    *Base
	full bool
}

func (p *release) Run(*scheduler.Worker) {
	most := max(p.b.current.Before, p.b.Mem.InUse())
	if _, done := p.b.plan.(Compactor); !done {
		p.b.forgetPins()
	}
	p.b.plan.Release(p.full)
	p.b.large.Release()
	p.b.fixed.space.Release()
	p.b.immortal.Release()
	p.b.balance()
	if p.full {
		// What will hardly be needed soon goes back to the system: what was in use a moment ago, mutators and copies will have again before the next
		// collection, unless somebody asked for this one. (A page costs some 700 ns to have again: 5 ns for each object of 32 bytes.)
		keep := p.b.Budget.Blocks() / 8
		if !p.b.asked.Swap(false) {
			keep = max(keep, most-p.b.Mem.InUse())
		}
		keep = min(keep, max(p.b.Budget.Blocks()-p.b.Mem.InUse(), 0))
		if err := p.b.Mem.Trim(int(keep)); err != nil {
			p.b.fail(err)
		}
	}
	for _, w := range p.b.Sched.Workers() {
		for i := range policy.Of(w).Copy {
			policy.Of(w).Copy[i].Reset()
		}
	}
}

// resume lets the mutators go on.
type resume struct{ b *Base }

func (p *resume) Run(*scheduler.Worker) {
	// Whatever a check or somebody who looks at the heap does: nobody waits for ever.
	defer func() {
		if !p.b.held.Load() {
			p.b.vm.ResumeMutators()
		}
	}()
	if p.b.warm {
		p.b.freezeImage()
	}
	if p.b.Opts.Sanity {
		p.b.check()
	}
	p.b.inspected()
	c := &p.b.current
	for _, w := range p.b.Sched.Workers() {
		t := policy.Of(w)
		c.Objects += t.Objects
		c.Bytes += t.Bytes
	}
	c.After, c.Limit = p.b.Mem.InUse(), p.b.Budget.Blocks()<<heap.LogBlock
	p.b.after.Store(c.After)
	p.b.balancer.resumed = p.b.now()
	c.Pause = p.b.now().Sub(c.Start) - c.Stop
}

func (b *Base) done() {
	if t := b.Opts.Trace; t != nil {
		c := &b.current
		t.Span("collection", c.Start, c.Stop+c.Pause, map[string]any{
			"number": c.Number, "full": c.Full, "objects": c.Objects, "bytes": c.Bytes, "blocksBefore": c.Before, "blocksAfter": c.After, "limit": c.Limit,
		})
	}
	if b.Opts.Stats != nil {
		b.Opts.Stats(b.current)
	}
}
