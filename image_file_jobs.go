package spindle

import (
	"context"
	"fmt"

	"github.com/spindle-wasm/spindle/internal/image"
	"github.com/spindle-wasm/spindle/internal/vm"
)

// What is written of a thread's job.
const (
	jobNone = iota
	jobCalls
	jobSpawned
	numJobs
)

func (i *Image) writeJob(w *image.Writer, j job) error {
	switch j := j.(type) {
	case nil:
		w.Uint(jobNone)
	case *calls:
		w.Uint(jobCalls)
		return i.writeCalls(w, j)
	case *spawned:
		w.Uint(jobSpawned)
		w.Uint(uint64(j.inst))
		w.Uint(uint64(j.fn))
		w.Bool(j.cfg.NoStack)
		w.Bool(j.cfg.Contain)
		w.Uint(uint64(len(j.blocks)))
		for k := range j.blocks {
			w.Uint(uint64(j.blocks[k].of.inst))
			writeBlock(w, &j.blocks[k])
		}
		return i.writeCalls(w, &j.export)
	default:
		return &SnapshotError{Reason: fmt.Sprintf("a thread is at something that cannot be in a file (%T)", j)}
	}
	return nil
}

func (i *Image) writeCalls(w *image.Writer, j *calls) error {
	w.Uint(uint64(j.next))
	w.Uint(uint64(len(j.steps)))
	for k := range j.steps {
		s := &j.steps[k]
		w.Uint(uint64(s.inst))
		w.Uint(uint64(s.fn))
		w.Words(s.slots)
		w.Bool(s.limits)
		w.Bool(s.starts)
		w.Bool(s.of != nil)
		if s.of != nil {
			if s.of.fn.Inst == nil {
				return &SnapshotError{Reason: "a call from outside of host function " + s.of.Name()}
			}
			w.Uint(uint64(s.of.fn.Inst.Index))
			w.Uint(uint64(s.of.fn.Index))
		}
	}
	return nil
}

func (i *Image) readJob(d *image.Decoder, t *vm.Thread) job {
	switch d.Below(numJobs, "a job") {
	case jobNone:
		if len(t.Activations) > 0 || t != i.vm.Threads()[0] {
			d.Failf("thread %d has nothing to do", t.ID)
		}
	case jobCalls:
		if c := i.readCalls(d, t); d.Err() == nil {
			return c
		}
	case jobSpawned:
		s := &spawned{ctx: context.Background(), inst: d.Uint32(), fn: d.Uint32(), handle: &Thread{id: t.ID, done: make(chan struct{})}, called: phaseExport}
		s.cfg = SpawnConfig{NoStack: d.Bool(), Contain: d.Bool()}
		for range d.Len(5) {
			inst := d.Uint32()
			b := readBlock(d)
			for _, a := range i.stacks {
				if a.inst == inst {
					b.of = a
				}
			}
			if b.of == nil {
				d.Failf("instance %d has no C stacks", inst)
				return nil
			}
			s.blocks = append(s.blocks, b)
		}
		c := i.readCalls(d, t)
		if d.Err() != nil {
			return nil
		}
		if len(c.steps) == 0 {
			d.Failf("a thread without a call")
			return nil
		}
		s.export = *c
		s.slots = c.steps[0].slots
		return s
	}
	return nil
}

func (i *Image) readCalls(d *image.Decoder, t *vm.Thread) *calls {
	j := &calls{next: int(d.Below(1<<16, "a step"))}
	instances := t.Store.Instances
	n := d.Len(6)
	for k := range n {
		s := call{inst: d.Uint32(), fn: d.Uint32(), slots: d.Words(), limits: d.Bool(), starts: d.Bool()}
		outside := d.Bool()
		inst, fn := s.inst, s.fn
		if outside {
			inst, fn = d.Uint32(), d.Uint32()
		}
		if d.Err() != nil {
			return nil
		}
		if int(inst) >= len(instances) || int(fn) >= len(instances[inst].Module.Funcs) {
			d.Failf("a call of function %d of instance %d", fn, inst)
			return nil
		}
		vi := instances[inst]
		f := (&Process{rt: i.rt}).newFunc(&vm.Func{Type: vi.FuncTypeID(fn), Inst: vi, Index: fn})
		running := k == j.next && len(t.Activations) > 0
		need := max(f.params, f.results)
		if outside {
			s.of, need = f, f.results
		}
		switch {
		case s.limits && (vi.Module.CStack().SetLimits != int64(fn) || f.results != 0):
			d.Failf("function %d takes no bounds of a stack", fn)
		case s.starts && (int(inst) >= len(i.all) || i.all[inst].mod == nil || k >= j.next && i.all[inst].started != 1):
			d.Failf("instance %d does not start", inst)
		case outside && !running && k >= j.next: // one that is over has its results
			d.Failf("a call from outside that has not begun")
		case !s.limits && len(s.slots) < need || len(s.slots) > max(need, 1<<12):
			d.Failf("%d slots for a call that takes %d", len(s.slots), need)
		}
		j.steps = append(j.steps, s)
	}
	if d.Err() == nil && (j.next > n || len(t.Activations) > 0 && j.next == n) {
		d.Failf("step %d of %d", j.next, n)
	}
	if d.Err() == nil && j.next > 0 {
		j.results = j.steps[j.next-1].slots
	}
	return j
}

func writeBlock(w *image.Writer, b *auxBlock) {
	for _, n := range []uint64{b.block, b.low, b.high, b.tls} {
		w.Uint(n)
	}
}

func readBlock(d *image.Decoder) auxBlock {
	return auxBlock{block: d.Uint(), low: d.Uint(), high: d.Uint(), tls: d.Uint()}
}

// readStack reads how threads get C stacks in one instance.
func (i *Image) readStack(d *image.Decoder) error {
	k := d.Below(uint64(len(i.all)), "an instance")
	made, boot := d.Bool(), readBlock(d)
	if d.Err() != nil {
		return d.Err()
	}
	f := i.all[k]
	if f.mod == nil {
		d.Failf("instance %d was not made", k)
		return d.Err()
	}
	a, err := newAuxStack(&Instance{mod: f.mod, name: f.name, inst: i.vm.Threads()[0].Store.Instances[k]})
	if err != nil {
		return err
	}
	if a == nil {
		d.Failf("instance %d has no C stacks", k)
		return d.Err()
	}
	if made {
		boot.of = a
		a.boot = boot
	}
	i.stacks = append(i.stacks, a)
	return nil
}
