package mockvm

import (
	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
)

// twin is what an object should be.
type twin struct {
	typ    gc.TypeID
	length uint32
	stamp  uint64
	refs   []*twin
	raw    uint32     // an array of bytes: the value of its last byte
	weak   []*twin    // of weak fields; what is not reachable may be gone
	eph    [][2]*twin // keys and values of ephemerons
}

func (p *Program) newTwin(typ gc.TypeID, length uint32) *twin {
	t := &p.t.vm.Heap.Mem.Types.All()[typ]
	tw := &twin{typ: typ, length: length, refs: make([]*twin, len(t.Refs)), weak: make([]*twin, len(t.Weak)), eph: make([][2]*twin, len(t.Ephemerons))}
	switch {
	case t.ElemRef:
		tw.refs = make([]*twin, length)
	case t.ElemWeak:
		tw.weak = make([]*twin, length)
	case t.ElemEphemeron:
		tw.eph = make([][2]*twin, length)
	}
	return tw
}

// stamped tells whether objects of the kind have a number of their own.
func (tw *twin) stamped(p *Program) bool { return p.t.vm.Heap.Mem.Types.All()[tw.typ].Elem == 0 }

func (tw *twin) isArray(p *Program) bool {
	return tw.typ == p.types[typeRefs] && tw.length > 0
}

// place is where field i of those that offs lists is, or element i of an array of elements of that size.
func place(offs []uint32, i int, elem uint32) uint32 {
	if len(offs) > 0 {
		return offs[i]
	}
	return heap.HeaderSize + elem*uint32(i)
}

// offset, weakOffset and ephOffset are the places of a twin's fields in its object.
func (p *Program) offset(tw *twin, i int) uint32 {
	return place(p.t.vm.Heap.Mem.Types.All()[tw.typ].Refs, i, 4)
}

func (p *Program) weakOffset(tw *twin, i int) uint32 {
	return place(p.t.vm.Heap.Mem.Types.All()[tw.typ].Weak, i, 4)
}

func (p *Program) ephOffset(tw *twin, i int) uint32 {
	return place(p.t.vm.Heap.Mem.Types.All()[tw.typ].Ephemerons, i, 8)
}

// reachable finds all twins that roots lead to, ephemerons considered.
func (p *Program) reachable() map[*twin]bool {
	seen := map[*twin]bool{}
	var work []*twin
	waiting := map[*twin][]*twin{} // values by key
	visit := func(tw *twin) {
		if tw != nil && !seen[tw] {
			seen[tw] = true
			work = append(work, tw)
		}
	}
	for _, list := range [][]*twin{p.roots, p.pins, p.board} {
		for _, tw := range list {
			visit(tw)
		}
	}
	for tw := range p.immortal {
		visit(tw)
	}
	for len(work) > 0 {
		tw := work[len(work)-1]
		work = work[:len(work)-1]
		for _, to := range tw.refs {
			visit(to)
		}
		for _, e := range tw.eph {
			switch {
			case e[0] == nil:
			case seen[e[0]]:
				visit(e[1])
			default:
				waiting[e[0]] = append(waiting[e[0]], e[1])
			}
		}
		for _, value := range waiting[tw] {
			visit(value)
		}
	}
	return seen
}

// forget makes the model lose what a collection of the whole heap drops.
func (p *Program) forget(reachable map[*twin]bool) {
	for tw := range reachable {
		for i, to := range tw.weak {
			if !reachable[to] {
				tw.weak[i] = nil
			}
		}
		for i, e := range tw.eph {
			if !reachable[e[0]] {
				tw.eph[i] = [2]*twin{}
			}
		}
	}
}

// check goes through a graph and its model at the same time.
type check struct {
	p         *Program
	mem       *heap.Memory
	reachable map[*twin]bool
	exact     bool // weak references to what is not reachable are gone
	seen      map[*twin]uint32
	back      map[uint32]*twin
	work      []*twin
}

// Verify compares everything that is reachable with the model, and returns a *MismatchError if they differ.
func (p *Program) Verify() error { return p.verify(false) }

func (p *Program) verify(exact bool) error {
	c := check{p: p, mem: p.t.vm.Heap.Mem, reachable: p.reachable(), exact: exact, seen: map[*twin]uint32{}, back: map[uint32]*twin{}}
	if err := c.stay(); err != nil {
		return err
	}
	for i, tw := range p.roots {
		if err := c.visit(tw, p.t.Stack[i], 0, i); err != nil {
			return err
		}
	}
	for i, tw := range p.pins {
		if err := c.visit(tw, p.t.Pins[i], 0, i); err != nil {
			return err
		}
	}
	if board, off := p.t.Board(); board != 0 {
		for i, tw := range p.board {
			if err := c.visit(tw, *c.mem.Slot(board + off + 4*uint32(i)), board, i); err != nil {
				return err
			}
		}
	}
	return c.run()
}

// visit compares a reference in field i of an object with its model.
func (c *check) visit(tw *twin, r, of uint32, i int) error {
	if tw == nil {
		if heap.IsObject(r) {
			return mismatch("field %d of %#x is %#x, want none", i, of, r)
		}
		return nil
	}
	if old, ok := c.seen[tw]; ok {
		if old != r {
			return mismatch("field %d of %#x is %#x, elsewhere it is %#x", i, of, r, old)
		}
		return nil
	}
	if !heap.IsObject(r) || c.mem.SpaceOf(r) == 0 || c.back[r] != nil {
		return mismatch("field %d of %#x is %#x, which is no object of its own", i, of, r)
	}
	c.seen[tw], c.back[r] = r, tw
	c.work = append(c.work, tw)
	return nil
}

func (c *check) run() error {
	for len(c.work) > 0 {
		tw := c.work[len(c.work)-1]
		c.work = c.work[:len(c.work)-1]
		r := c.seen[tw]
		if err := c.object(tw, r); err != nil {
			return err
		}
		for i, to := range tw.refs {
			if err := c.visit(to, *c.mem.Slot(r + c.p.offset(tw, i)), r, i); err != nil {
				return err
			}
		}
		if err := c.weak(tw, r); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) object(tw *twin, r uint32) error {
	if err := c.held(tw, r); err != nil {
		return err
	}
	if c.mem.TypeOf(r) != tw.typ || c.mem.Length(r) != tw.length {
		return mismatch("%#x has type %d and length %d, want %d and %d", r, c.mem.TypeOf(r), c.mem.Length(r), tw.typ, tw.length)
	}
	if tw.stamp != 0 && *c.mem.Word(r + stampAt) != tw.stamp {
		return mismatch("%#x has stamp %d, want %d", r, *c.mem.Word(r + stampAt), tw.stamp)
	}
	if tw.typ == c.p.types[typeBytes] && tw.length > 0 {
		if b := c.mem.Bytes(r+heap.HeaderSize, int(tw.length)); uint32(b[tw.length-1]) != tw.raw {
			return mismatch("bytes %#x end with %d, want %d", r, b[tw.length-1], tw.raw)
		}
	}
	return nil
}

// weak compares weak fields and ephemerons. Those of what is reachable are there.
func (c *check) weak(tw *twin, r uint32) error {
	for i, to := range tw.weak {
		switch v := *c.mem.Slot(r + c.p.weakOffset(tw, i)); {
		case to == nil || c.reachable[to]:
			if err := c.visit(to, v, r, i); err != nil {
				return err
			}
		case v != 0 && c.exact:
			return mismatch("weak field %d of %#x is %#x, which is not reachable", i, r, v)
		case v != 0:
			if err := c.object(to, v); err != nil {
				return err
			}
		}
	}
	for i, e := range tw.eph {
		at := r + c.p.ephOffset(tw, i)
		key, value := *c.mem.Slot(at), *c.mem.Slot(at + 4)
		switch {
		case e[0] == nil || c.reachable[e[0]]:
			if err := c.visit(e[0], key, r, i); err != nil {
				return err
			}
			if err := c.visit(e[1], value, r, i); err != nil {
				return err
			}
		case key != 0 && c.exact:
			return mismatch("key %d of %#x is %#x, which is not reachable", i, r, key)
		case key != 0:
			if err := c.object(e[0], key); err != nil {
				return err
			}
		case value != 0:
			return mismatch("ephemeron %d of %#x has the value %#x and no key", i, r, value)
		}
	}
	return nil
}

// Canonical describes the graph that the roots lead to, without addresses: two runs of one program end with the same. It is of the model, which Verify
// compares with the heap.
func (p *Program) Canonical() []uint64 {
	var out []uint64
	number := map[*twin]uint64{nil: 0}
	var order []*twin
	visit := func(tw *twin) {
		n, ok := number[tw]
		if !ok {
			n = uint64(len(number))
			number[tw] = n
			order = append(order, tw)
		}
		out = append(out, n)
	}
	for _, list := range [][]*twin{p.roots, p.pins, p.board} {
		for _, tw := range list {
			visit(tw)
		}
	}
	for len(order) > 0 {
		tw := order[0]
		order = order[1:]
		out = append(out, uint64(tw.typ), uint64(tw.length), tw.stamp, uint64(tw.raw))
		for _, list := range [][]*twin{tw.refs, tw.weak} {
			for _, to := range list {
				visit(to)
			}
		}
		for _, e := range tw.eph {
			visit(e[0])
			visit(e[1])
		}
	}
	return out
}
