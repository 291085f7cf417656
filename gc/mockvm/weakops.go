package mockvm

import (
	"cmp"
	"slices"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// weakField picks a weak field or, with eph, an ephemeron of the object that a root refers to.
func (p *Program) weakField() (i, at int, eph, ok bool) {
	i = p.rootOf(func(tw *twin) bool { return len(tw.weak)+len(tw.eph) > 0 })
	if i < 0 {
		return 0, 0, false, false
	}
	tw := p.roots[i]
	at = p.rng.IntN(len(tw.weak) + len(tw.eph))
	if at >= len(tw.weak) {
		return i, at - len(tw.weak), true, true
	}
	return i, at, false, true
}

// storeWeak writes a weak field or an ephemeron. Values without keys are none of the model's.
func (p *Program) storeWeak() error {
	i, at, eph, ok := p.weakField()
	if !ok {
		return nil
	}
	tw, k := p.roots[i], p.root()
	if !eph {
		tw.weak[at] = p.roots[k]
		p.t.Write(p.t.Stack[i], p.weakOffset(tw, at), p.t.Stack[k])
		return nil
	}
	l, off := p.root(), p.ephOffset(tw, at)
	if p.roots[k] == nil {
		l = k
	}
	tw.eph[at] = [2]*twin{p.roots[k], p.roots[l]}
	p.t.Write(p.t.Stack[i], off, p.t.Stack[k])
	p.t.Write(p.t.Stack[i], off+4, p.t.Stack[l])
	return nil
}

// loadWeak makes a root of what a weak field or an ephemeron's value refers to, if it is there whatever has been collected.
func (p *Program) loadWeak() error {
	i, at, eph, ok := p.weakField()
	if !ok {
		return nil
	}
	tw, mem := p.roots[i], p.t.vm.Heap.Mem
	to, key, off := tw.value(at, eph), (*twin)(nil), uint32(0)
	if eph {
		key, off = tw.eph[at][0], p.ephOffset(tw, at)+4
	} else {
		key, off = to, p.weakOffset(tw, at)
	}
	if key != nil && !p.reachable()[key] {
		return nil
	}
	r := *mem.Slot(p.t.Stack[i] + off)
	if heap.IsObject(r) != (to != nil) {
		return mismatch("weak field %d of %#x is %#x", at, p.t.Stack[i], r)
	}
	p.setRoot(p.target(), to, r)
	return nil
}

func (tw *twin) value(at int, eph bool) *twin {
	if eph {
		return tw.eph[at][1]
	}
	return tw.weak[at]
}

// finalizer registers an object.
func (p *Program) finalizer() error {
	if i := p.root(); p.roots[i] != nil {
		p.next++
		tag := uint32(p.next)
		p.finals = append(p.finals, final{uint64(tag), p.roots[i], p.t.Stack[i]})
		p.t.AddFinalizer(p.t.Stack[i], tag)
	}
	return nil
}

// Settle collects the whole heap until nothing more dies, and compares what then is with the model, which knows by now what is dead: weak references are
// gone, and the registered objects that are not reachable have died, no others, and each once. Some that lead to nothing live on as roots.
//
// An object that has died keeps others alive until it is taken. Which ones those are depends on when it died; so it is dropped, and collected after, before
// the dead are counted.
func (p *Program) Settle() error {
	reachable := p.reachable()
	p.forget(reachable)
	collects := p.t.vm.Heap.Plan().Constraints().Collects
	dead := map[uint64]*final{}
	leaves := map[uint64]int{} // where those are that may live on
	for i := range p.finals {
		if f := &p.finals[i]; !reachable[f.tw] {
			dead[f.tag] = f
		}
	}
	if !collects {
		return p.settleAlone(reachable, dead)
	}
	// Leaves stay on the stack meanwhile: they keep nothing else alive.
	depth := len(p.t.Stack)
	for more := true; more; {
		if err := p.t.vm.Heap.Collect(p.t.Mutator, true); err != nil {
			return err
		}
		more = false
		for {
			r, tag, ok := p.t.Died()
			if !ok {
				break
			}
			more = true
			f := dead[uint64(tag)]
			if f == nil {
				return mismatch("%#x was registered with tag %d, and is reachable or has died before", r, tag)
			}
			if err := p.verifyDead(f.tw, r); err != nil {
				return err
			}
			delete(dead, uint64(tag))
			if f.tw.typ == p.types[typeLeaf] {
				leaves[f.tag] = len(p.t.Stack)
				p.t.Stack = append(p.t.Stack, r)
			}
		}
	}
	if len(dead) > 0 {
		return mismatch("%d registered objects are not reachable and have not died", len(dead))
	}
	var back []final
	var refs []uint32
	p.finals = slices.DeleteFunc(p.finals, func(f final) bool {
		if at, ok := leaves[f.tag]; ok {
			back = append(back, f)
			refs = append(refs, p.t.Stack[at])
		}
		return !reachable[f.tw]
	})
	p.t.Stack = slices.Delete(p.t.Stack, depth, len(p.t.Stack))
	err := p.verify(true) // before roots are overwritten
	p.revive(back, refs)
	return err
}

// settleAlone is Settle where nothing is ever collected: the program does by itself what a collection would.
func (p *Program) settleAlone(reachable map[*twin]bool, dead map[uint64]*final) error {
	if _, ready := p.t.vm.Heap.Finalizers(); ready > 0 {
		return mismatch("%d objects have died without a collection", ready)
	}
	if err := p.clearWeak(reachable); err != nil {
		return err
	}
	var back []final
	var refs []uint32
	p.finals = slices.DeleteFunc(p.finals, func(f final) bool {
		if dead[f.tag] != nil && f.tw.typ == p.types[typeLeaf] {
			back, refs = append(back, f), append(refs, f.ref)
		}
		return dead[f.tag] != nil
	})
	err := p.verify(true) // before roots are overwritten
	p.revive(back, refs)
	return err
}

// clearWeak writes 0 into weak fields of whatever is reachable where the model has nothing.
func (p *Program) clearWeak(reachable map[*twin]bool) error {
	c := check{p: p, mem: p.t.vm.Heap.Mem, reachable: reachable, seen: map[*twin]uint32{}, back: map[uint32]*twin{}}
	start := func(tw *twin, r uint32) {
		if tw != nil && c.seen[tw] == 0 {
			c.seen[tw] = r
			c.work = append(c.work, tw)
		}
	}
	for i, tw := range p.roots {
		start(tw, p.t.Stack[i])
	}
	for i, tw := range p.pins {
		start(tw, p.t.Pins[i])
	}
	if board, off := p.t.Board(); board != 0 {
		for i, tw := range p.board {
			start(tw, *c.mem.Slot(board + off + 4*uint32(i)))
		}
	}
	for len(c.work) > 0 {
		tw := c.work[len(c.work)-1]
		c.work = c.work[:len(c.work)-1]
		r := c.seen[tw]
		for i, to := range tw.refs {
			start(to, *c.mem.Slot(r + p.offset(tw, i)))
		}
		for i, to := range tw.weak {
			if to == nil {
				p.t.Write(r, p.weakOffset(tw, i), 0)
			}
		}
		for i, e := range tw.eph {
			at := p.ephOffset(tw, i)
			if e[0] == nil {
				p.t.Write(r, at, 0)
				p.t.Write(r, at+4, 0)
				continue
			}
			start(e[1], *c.mem.Slot(r + at + 4))
		}
	}
	return nil
}

// verifyDead compares what a dead object leads to with the model: it is whole, but for weak references.
func (p *Program) verifyDead(tw *twin, r uint32) error {
	c := check{p: p, mem: p.t.vm.Heap.Mem, seen: map[*twin]uint32{}, back: map[uint32]*twin{}}
	if err := c.visit(tw, r, 0, 0); err != nil {
		return err
	}
	for len(c.work) > 0 {
		tw := c.work[len(c.work)-1]
		c.work = c.work[:len(c.work)-1]
		r := c.seen[tw]
		if err := c.object(tw, r); err != nil {
			return err
		}
		for i, to := range tw.refs {
			if err := c.visit(to, *c.mem.Slot(r + p.offset(tw, i)), r, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// revive makes roots of some objects that died.
func (p *Program) revive(dead []final, refs []uint32) {
	order := make([]int, len(dead))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(dead[a].tag, dead[b].tag) })
	for _, i := range order {
		if p.rng.IntN(2) == 0 {
			p.setRoot(p.target(), dead[i].tw, refs[i])
		}
	}
}
