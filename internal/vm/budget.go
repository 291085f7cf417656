package vm

import (
	"sync/atomic"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Budget bounds the linear memory that a Process has in all. A shared memory counts once, however many stores of the Process hold it, and in every Process
// that holds one. Its size may change under other Processes' hands: whoever grows a memory needs room in the budgets of all that hold it. A nil *Budget bounds
// nothing. It is safe for concurrent use.
type Budget struct {
	max  uint64 // pages
	used atomic.Uint64
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
