package gc

import (
	"os"

	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/vm"
	"github.com/spindle-wasm/spindle/internal/mem"
)

// Errors of forks; see package plan.
var (
	ErrNotForkable  = plan.ErrNotForkable
	ErrPlanForks    = plan.ErrPlanForks
	ErrForking      = plan.ErrForking
	ErrNotForking   = plan.ErrNotForking
	ErrTicketClosed = plan.ErrTicketClosed
	ErrNoHeap       = plan.ErrNoHeap
	ErrClosed       = plan.ErrClosed
	ErrStopped      = plan.ErrStopped
	ErrNotWarm      = plan.ErrNotWarm
	ErrBadState     = plan.ErrBadState
)

// State is what a Ticket has besides the pages of its heap's memory: see plan.State.
type State = plan.State

// Image is the pages of a frozen heap's memory, and Layout what must be known of them besides their content; see Ticket.Image and Open.
type (
	Image  = mem.Image
	Layout = mem.Layout
)

// ImageFromFile makes an image of a file's content from offset start on, a multiple of the page size: one that Image.Share returned, or a file that holds what Image.Content told.
// Its pages are mapped, not read, where the system can; whoever changes the file then changes the image. The file may be closed afterwards.
func ImageFromFile(f *os.File, start int64, l Layout) (*Image, error) {
	return mem.FromFile(f, start, l)
}

// ChildConfig says what differs in a child.
type ChildConfig = plan.ChildConfig

// Ticket is a heap as it was when PrepareToFork returned. See plan.Ticket.
type Ticket struct{ *plan.Ticket }

// PrepareToFork brings the heap to where it can be copied: see plan.Base.PrepareToFork.
func (h *Heap) PrepareToFork() (*Ticket, error) {
	t, err := h.Base.PrepareToFork()
	if err != nil {
		return nil, err
	}
	return &Ticket{t}, nil
}

// Resume lets the heap that was forked go on: see plan.Ticket.Resume.
func (t *Ticket) Resume() error {
	if t == nil {
		return ErrNotForking
	}
	return t.Ticket.Resume()
}

// Close gives up what the ticket keeps: see plan.Ticket.Close.
func (t *Ticket) Close() error {
	if t == nil {
		return ErrNotForking
	}
	return t.Ticket.Close()
}

// Child makes a heap that is what the forked one was, and tells which of its mutators is whose: see plan.Ticket.Child.
func (t *Ticket) Child(b vm.Binding, cfg ChildConfig) (*Heap, map[*Mutator]*Mutator, error) {
	if t == nil {
		return nil, nil, ErrNotForking
	}
	base, mutators, err := t.Ticket.Child(b, cfg)
	if err != nil {
		return nil, nil, err
	}
	return &Heap{base}, mutators, nil
}

// Open makes a ticket of the pages and the state of another one, perhaps of another process: see plan.Open. cfg.Plan is the state's if it is empty.
func Open(cfg Config, s State, img *Image) (*Ticket, error) {
	if cfg.Plan == "" {
		cfg.Plan = s.Plan
	}
	make, err := cfg.maker()
	if err != nil {
		return nil, err
	}
	t, err := plan.Open(cfg.Options, s, img, make)
	if err != nil {
		return nil, err
	}
	return &Ticket{t}, nil
}
