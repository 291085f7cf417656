package mockvm

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// Image is a VM as it was when it was frozen: the heap's ticket, and what the VM itself has. VMs are made of it until the ticket is closed.
type Image struct {
	*gc.Ticket
	globals []uint32
	weak    []Weak
	threads map[*Thread]Thread // what each was
	numbers int                // of threads that there have been
}

// Freeze stops the VM and notes what it is; Image.Resume lets it go on. The caller is no running thread: one that forks calls it from within Block.
func (v *VM) Freeze() (*Image, error) {
	t, err := v.Heap.PrepareToFork()
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	i := &Image{Ticket: t, globals: slices.Clone(v.globals), weak: slices.Clone(v.weak), threads: map[*Thread]Thread{}, numbers: len(v.all)}
	for th := range v.threads {
		i.threads[th] = Thread{number: th.number, inbox: slices.Clone(th.inbox), Stack: slices.Clone(th.Stack), Pins: slices.Clone(th.Pins)}
	}
	return i, nil
}

// Reopen makes an image of the same VM of another ticket, which has the same heap.
func (i *Image) Reopen(t *gc.Ticket) *Image {
	c := *i
	c.Ticket = t
	return &c
}

// Fork makes a VM with those threads that keep says yes of; nil keeps all. They stand: the goroutine that runs one calls its VM's Enter first. options,
// if set, changes the heap's. The second result tells which thread of the frozen VM is which.
func (i *Image) Fork(keep func(*Thread) bool, options func(*plan.Options)) (*VM, map[*Thread]*Thread, error) {
	v := &VM{globals: slices.Clone(i.globals), weak: slices.Clone(i.weak), all: make([]*Thread, i.numbers)}
	threads := map[*Thread]*Thread{}
	h, mutators, err := i.Child(v, gc.ChildConfig{Options: options, Thread: func(parent vm.Thread) (vm.Thread, bool) {
		p := parent.(*Thread)
		if keep != nil && !keep(p) {
			return nil, false
		}
		was := i.threads[p]
		threads[p] = &Thread{vm: v, number: was.number, inbox: slices.Clone(was.inbox), Stack: slices.Clone(was.Stack), Pins: slices.Clone(was.Pins)}
		return threads[p], true
	}})
	if err != nil {
		return nil, nil, err
	}
	v.Heap = h
	for p, was := range i.threads {
		if threads[p] == nil && (keep == nil || keep(p)) { // a ticket that was opened knows of none
			threads[p] = &Thread{vm: v, number: was.number, inbox: slices.Clone(was.inbox), Stack: slices.Clone(was.Stack), Pins: slices.Clone(was.Pins)}
		}
	}
	for p, c := range threads {
		m := mutators[p.Mutator]
		if m == nil {
			m = h.NewMutator(c)
		}
		c.start(m)
	}
	return v, threads, nil
}

// Clone copies a program with its model; run it by On. The program does not run meanwhile.
func (p *Program) Clone() *Program {
	c := *p
	c.rng, c.t = p.rng.Clone(), nil
	twins := map[*twin]*twin{}
	var work []*twin
	copyOf := func(tw *twin) *twin {
		if tw == nil {
			return nil
		}
		if t := twins[tw]; t != nil {
			return t
		}
		t := new(twin)
		*t = *tw
		t.refs, t.weak, t.eph = slices.Clone(tw.refs), slices.Clone(tw.weak), slices.Clone(tw.eph)
		twins[tw] = t
		work = append(work, t)
		return t
	}
	copyAll := func(list []*twin) {
		for i := range list {
			list[i] = copyOf(list[i])
		}
	}
	c.roots, c.pins, c.board, c.finals = slices.Clone(p.roots), slices.Clone(p.pins), slices.Clone(p.board), slices.Clone(p.finals)
	copyAll(c.roots)
	copyAll(c.pins)
	copyAll(c.board)
	for i := range c.finals {
		c.finals[i].tw = copyOf(c.finals[i].tw)
	}
	copyKeys := func(places map[*twin]uint32) map[*twin]uint32 {
		c := make(map[*twin]uint32, len(places))
		for tw, r := range places {
			c[copyOf(tw)] = r
		}
		return c
	}
	c.immortal, c.held = copyKeys(p.immortal), copyKeys(p.held)
	for len(work) > 0 {
		t := work[len(work)-1]
		work = work[:len(work)-1]
		copyAll(t.refs)
		copyAll(t.weak)
		for i := range t.eph {
			copyAll(t.eph[i][:])
		}
	}
	return &c
}

// On returns a copy that runs on a thread, whose stack is that which the cloned program had.
func (p *Program) On(t *Thread) *Program {
	c := p.Clone()
	c.t = t
	return c
}

// SameModel compares two programs' models, and returns a *MismatchError if they are not the same graph.
func SameModel(a, b *Program) error {
	x, y := a.Canonical(), b.Canonical()
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return mismatch("the graphs differ at %d of %d: %d and %d", i, len(x), x[i], y[i])
		}
	}
	if len(x) != len(y) {
		return mismatch("one graph is %d long, the other %d", len(x), len(y))
	}
	return nil
}

// SameHeap compares what two threads reach, of two VMs of which one has just been forked from the other: the same objects in the same places. It returns a *MismatchError
// if they are not. Nobody else runs.
func SameHeap(a, b *Thread) error {
	if !slices.Equal(a.Stack, b.Stack) || !slices.Equal(a.Pins, b.Pins) {
		return &MismatchError{"the stacks differ"}
	}
	ma, mb := a.vm.Heap.Mem, b.vm.Heap.Mem
	seen := map[gc.Ref]bool{}
	work := slices.Concat(a.Stack, a.Pins)
	for len(work) > 0 {
		r := work[len(work)-1]
		work = work[:len(work)-1]
		if !heap.IsObject(r) || seen[r] {
			continue
		}
		seen[r] = true
		if *ma.Word(r) != *mb.Word(r) || ma.SpaceOf(r) != mb.SpaceOf(r) {
			return &MismatchError{fmt.Sprintf("%#x has header %#x in space %d, and %#x in space %d", r, *ma.Word(r), ma.SpaceOf(r), *mb.Word(r), mb.SpaceOf(r))}
		}
		size := int(ma.SizeOf(r))
		if !bytes.Equal(ma.Bytes(r, size), mb.Bytes(r, size)) {
			return &MismatchError{fmt.Sprintf("%#x has other fields", r)}
		}
		typ := &ma.Types.All()[ma.TypeOf(r)]
		for _, off := range typ.Refs {
			work = append(work, *ma.Slot(r + off))
		}
		if typ.ElemRef {
			work = append(work, ma.Slots(r+heap.HeaderSize, int(ma.Length(r)))...)
		}
	}
	return nil
}
