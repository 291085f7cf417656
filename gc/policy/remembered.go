package policy

import (
	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/scheduler"
)

// Remembered adds packets for what mutators have written into old objects: roots of a collection of the young. One of the whole heap finds them anew, if they are alive.
func Remembered(m *heap.Memory, s *scheduler.Scheduler, b barrier.Buffer) {
	b.Distinct(m)
	for refs := b.Objects; len(refs) > 0; {
		n := min(len(refs), chunk)
		s.Add(scheduler.Closure, &remembered{refs[:n]})
		refs = refs[n:]
	}
	if len(b.Slices) > 0 {
		s.Add(scheduler.Closure, &slices{b.Slices})
	}
}

// remembered is a packet of objects that have been written to.
type remembered struct{ refs []heap.Ref }

func (p *remembered) Run(w *scheduler.Worker) {
	t := Of(w)
	for _, r := range p.refs {
		t.Mem.Log.Set(r) // the next write to it is remembered again
	}
	t.stack = append(t.stack, p.refs...)
	t.Drain()
}

// slices is a packet of parts of arrays that have been written to.
type slices struct{ of []barrier.Slice }

func (p *slices) Run(w *scheduler.Worker) {
	t := Of(w)
	for _, s := range p.of {
		t.scanSlots(s.Array+heap.HeaderSize+4*s.First, s.N)
	}
	t.Drain()
}

// Rescan adds packets that trace the fields of objects that are alive by themselves, whether they have been found or not.
func Rescan(s *scheduler.Scheduler, refs []heap.Ref) {
	for len(refs) > 0 {
		n := min(len(refs), chunk)
		s.Add(scheduler.Closure, &rescan{refs[:n]})
		refs = refs[n:]
	}
}

// rescan is a packet of such objects. It leaves refs to whoever keeps them.
type rescan struct{ refs []heap.Ref }

func (p *rescan) Run(w *scheduler.Worker) {
	t := Of(w)
	t.stack = append(t.stack, p.refs...)
	t.Drain()
}
