package mockvm

import "github.com/spindle-wasm/spindle/gc/plan"

// semantics chooses what an object is to be. Immortal ones are few and not long: all that they ever refer to lives.
func (p *Program) semantics(kind int, length uint32) plan.Semantics {
	switch {
	case !p.Semantics:
		return plan.Default
	case kind <= typeWide && p.rng.IntN(200) == 0 || kind == typeBytes && p.rng.IntN(200) == 0:
		return plan.Immortal
	}
	return [...]plan.Semantics{plan.Default, plan.NonMoving, plan.Large, plan.Default}[p.rng.IntN(4)]
}

// hold pins the object of a root, or takes a pin back.
func (p *Program) hold() error {
	i := p.root()
	tw, r := p.roots[i], p.t.Stack[i]
	if tw == nil {
		return nil
	}
	h := p.t.vm.Heap
	at, ok := p.held[tw]
	n := h.Pins(r)
	switch {
	case !ok:
		p.held[tw] = r
		h.Pin(r)
	case at != r || n == 0:
		return mismatch("root %d was pinned at %#x; it is at %#x and pinned %d times", i, at, r, n)
	case p.rng.IntN(3) == 0:
		h.Pin(r)
	default:
		h.Unpin(r)
		if n == 1 {
			delete(p.held, tw)
		}
	}
	return nil
}

// stay compares what is not to move with where it was.
func (c *check) stay() error {
	for tw, r := range c.p.immortal {
		if err := c.visit(tw, r, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// held compares the place of an object with where it was pinned.
func (c *check) held(tw *twin, r uint32) error {
	if at, ok := c.p.held[tw]; ok && at != r {
		return mismatch("%#x was pinned at %#x", r, at)
	}
	return nil
}
