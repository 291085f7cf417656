package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy/image"
	"github.com/spindle-wasm/spindle/gc/sanity"
	"github.com/spindle-wasm/spindle/gc/weak"
	"github.com/spindle-wasm/spindle/internal/mem"
)

// State is what a Ticket has besides the pages of its heap's memory: plain data, for files and other processes. Offsets in it mean the same in each heap that is made of it.
type State struct {
	Plan                             string // Constraints.Name
	MaxBytes, MinBytes, NurseryBytes int64
	Balance                          float64
	Memory                           heap.State
	Collections                      uint64
	Foreign                          []image.Foreign
	Written                          []heap.Ref     // objects of the image that have been written to
	Remembered                       barrier.Buffer // what will come to these
	Pins                             map[heap.Ref]int
	Waiting, Ready                   []weak.Candidate // finalizers
}

var (
	// ErrNotWarm is returned for the State of a heap that has objects outside of its image.
	ErrNotWarm = errors.New("gc: the heap has objects outside of its image: Warmup comes right before")
	// ErrBadState is returned for a State that is not one of a heap of that memory and plan.
	ErrBadState = errors.New("gc: the state does not fit the heap's memory")
)

// Image returns the pages of the heap's memory. They are the ticket's, and good until it is closed.
func (t *Ticket) Image() *mem.Image { return t.frozen.Image() }

// State returns what Open needs besides the Image. All objects must be in the heap's image: nothing was allocated since a Warmup. The error is ErrNotWarm.
func (t *Ticket) State() (State, error) {
	if t == nil || t.state == nil {
		return State{}, ErrNotForking
	}
	b := t.state
	if b.image.Blocks() != b.Mem.InUse() {
		return State{}, ErrNotWarm
	}
	o := b.Opts
	s := State{
		Plan: b.plan.Constraints().Name, MaxBytes: o.MaxBytes, MinBytes: o.MinBytes, NurseryBytes: o.NurseryBytes, Balance: o.Balance,
		Memory: t.frozen.State(), Collections: b.Sched.Collections(), Foreign: b.image.Foreign(), Written: slices.Clone(b.image.Written()), Pins: maps.Clone(b.pins),
	}
	s.Remembered.Append(b.orphaned)
	s.Waiting, s.Ready = b.final.All()
	return s, nil
}

// Constraints returns those of the heap, and of its children.
func (t *Ticket) Constraints() Constraints { return t.state.Constraints() }

// Edit has f look at the memory that children will have, and change objects if it says that it has. No Child has been made yet. The error is f's, or the system's.
func (t *Ticket) Edit(f func(m *heap.Memory) (changed bool, err error)) error {
	if t == nil || t.state == nil {
		return ErrNotForking
	}
	m, err := t.frozen.New()
	if err != nil {
		return err
	}
	changed, err := f(m)
	if err == nil && changed {
		var to *heap.Frozen
		if to, err = m.Freeze(); err == nil {
			err = t.frozen.Close()
			t.frozen = to
		}
	}
	return errors.Join(err, m.Close())
}

// CheckBlocks checks, of a ticket that Open returned, what is beside the objects of a memory that Edit gives: each block in use is the image's, a free one has no bits and, unless it is said to be
// dirty, is zero. The error is ErrBadState (wrapped).
func (t *Ticket) CheckBlocks(m *heap.Memory) error {
	bad := func(b uint32, msg string) error { return fmt.Errorf("%w: block %d %s", ErrBadState, b, msg) }
	s, top := t.frozen.State(), m.Top()
	for b := range uint32(heap.MaxBytes >> heap.LogBlock) {
		is := *m.Spaces.At(b)
		if b == 0 || b >= s.Blocks || s.Taken[b/64]&(1<<(b%64)) == 0 {
			if is != 0 {
				return bad(b, "is free and belongs to a space")
			}
			if b > 0 && b < top && s.Dirty[b/64]&(1<<(b%64)) == 0 && slices.ContainsFunc(m.Bytes(b<<heap.LogBlock, heap.BlockSize), func(c byte) bool { return c != 0 }) {
				return bad(b, "is not zero")
			}
		} else if is != imageSpace {
			return bad(b, "is not the image's")
		}
	}
	if err := sanity.Metadata(m, true, imageSpace, func(heap.SpaceID) bool { return false }); err != nil {
		return fmt.Errorf("%w: %w", ErrBadState, err)
	}
	return nil
}

// Open makes a ticket of the pages and the state of another one, perhaps of another process: children are made of it as of any ticket, and there is nothing to
// resume. Options that size the heap are the state's; Types must be the same types in the same order. The ticket takes img over, unless there is an error: ErrBadState (wrapped).
//
// What the heap's objects hold is not looked at. Whoever takes pages from elsewhere sees to it that they are what was written.
func Open(opts Options, s State, img *mem.Image, make func(*Base) Plan) (*Ticket, error) {
	opts.Forkable = true
	opts.MaxBytes, opts.MinBytes, opts.NurseryBytes, opts.Balance = s.MaxBytes, s.MinBytes, s.NurseryBytes, s.Balance
	if err := opts.complete(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadState, err)
	}
	frozen, err := heap.OpenFrozen(opts.Types, s.Memory, img)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadState, err)
	}
	b := assemble(nil, opts, frozen.Shell(), make)
	if name := b.plan.Constraints().Name; name != s.Plan {
		return nil, fmt.Errorf("%w: plan %s, not %s", ErrBadState, s.Plan, name)
	}
	if _, ok := b.plan.(Forker); !ok {
		return nil, ErrPlanForks
	}
	b.Sched.Continue(s.Collections)
	b.image.Restore(b.Mem.InUse(), s.Foreign, s.Written)
	b.orphaned.Append(s.Remembered)
	b.pins = maps.Clone(s.Pins)
	b.final = weak.NewFinalizers(s.Waiting, s.Ready)
	b.after.Store(b.Mem.InUse())
	return &Ticket{frozen: frozen, state: b, resumed: true}, nil
}
