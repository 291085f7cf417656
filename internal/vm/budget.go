package vm

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Budget bounds the linear memory that a Process has in all. A shared memory counts once, however many stores of the Process hold it, and in every Process
// that holds one. Its size may change under other Processes' hands: whoever grows a memory needs room in the budgets of all that hold it. A nil *Budget bounds
// nothing. It is safe for concurrent use.
type Budget struct {
	max  uint64 // pages
	used atomic.Uint64

	// Grow, if not nil, is asked before a memory grows by so many bytes, with no lock held; an error refuses. Set it before the budget is used.
	Grow func(bytes uint64) error

	mu      sync.Mutex
	members map[*Memory]struct{} // guarded by mu; that count in the budget, if Grow is set
}

// NewBudget makes a budget of that many bytes, rounded down to whole pages.
func NewBudget(bytes uint64) *Budget { return &Budget{max: bytes / wasm.PageSize} }

// Used returns the pages that count now.
func (b *Budget) Used() uint64 { return b.used.Load() }

// charge takes pages if there are as many.
func (b *Budget) charge(pages uint64) error {
	if b == nil {
		return nil
	}
	for {
		used := b.used.Load()
		if pages > b.max-used {
			return &LimitError{Limit: "memory pages", Max: b.max, Got: used + pages}
		}
		if b.used.CompareAndSwap(used, used+pages) {
			return nil
		}
	}
}

func (b *Budget) refund(pages uint64) {
	if b != nil {
		b.used.Add(-pages)
	}
}

// joined and left keep account of the memories.
func (b *Budget) joined(m *Memory) {
	if b == nil || b.Grow == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.members == nil {
		b.members = map[*Memory]struct{}{}
	}
	b.members[m] = struct{}{}
}

func (b *Budget) left(m *Memory) {
	if b == nil || b.Grow == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.members, m)
}

// Usage sums what the memories of a budget with Grow take; see mem.Region.Usage.
func (b *Budget) Usage(files mem.Files) (own uint64) {
	b.mu.Lock()
	ms := slices.Collect(maps.Keys(b.members))
	b.mu.Unlock()
	for _, m := range ms {
		m.mu.Lock()
		if m.region != nil {
			own += uint64(m.region.Usage(files))
		}
		m.mu.Unlock()
	}
	return own
}

// ask asks the budgets that want to know of a growth.
func (m *Memory) ask(bytes uint64) error {
	m.mu.Lock()
	var asked []*Budget
	for _, p := range m.payers {
		if p.budget.Grow != nil {
			asked = append(asked, p.budget)
		}
	}
	m.mu.Unlock()
	for _, b := range asked {
		if err := b.Grow(bytes); err != nil {
			return err
		}
	}
	return nil
}

// payer is a budget that a memory counts in.
type payer struct {
	budget *Budget
	holds  int // stores
}

// payers of a memory, which never are many: Processes that share it.
type payers []payer

func (ps payers) find(b *Budget) *payer {
	for i := range ps {
		if ps[i].budget == b {
			return &ps[i]
		}
	}
	return nil
}

// charge takes pages of all budgets, or of none.
func (ps payers) charge(pages uint64) error {
	for i := range ps {
		if err := ps[i].budget.charge(pages); err != nil {
			ps[:i].refund(pages)
			return err
		}
	}
	return nil
}

func (ps payers) refund(pages uint64) {
	for i := range ps {
		ps[i].budget.refund(pages)
	}
}
