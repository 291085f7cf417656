package spindle

import (
	"math"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// treeMemory is the account of what a tree of Processes takes: pages that one of them has for itself, and pages that some of them share and that are nobody else's. To count
// is dear (a scan of each memory's page table), so it is done only when it can matter: when the sizes of memories, which are known, do not suffice, and not again
// for a moment.
type treeMemory struct {
	mu      sync.Mutex
	others  mem.Files // what the first Process shared from the start: its original's
	counted uint64    // guarded by mu; at the last count
	grown   uint64    // guarded by mu; since
	at      time.Time // guarded by mu; of the last count; zero: it is out of date
}

// recountAfter is for how long a count is good, with what has grown since.
const recountAfter = 10 * time.Millisecond

// takeMemory notes a growth by so many bytes, or refuses it.
func (t *tree) takeMemory(bytes uint64) error {
	limit := t.limits.PrivateBytes
	if limit == 0 {
		return nil
	}
	m := &t.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.mostMemory()+bytes <= limit {
		return nil
	}
	if time.Since(m.at) > recountAfter {
		m.counted, m.grown, m.at = t.countMemory(m.others), 0, time.Now()
	}
	if m.counted+m.grown+bytes > limit {
		return &TreeLimitError{TreeLimitPrivate, int(min(limit, math.MaxInt))}
	}
	m.grown += bytes
	return nil
}

// forgetCount has the next one who needs it count.
func (t *tree) forgetCount() {
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	t.memory.at = time.Time{}
}

// mostMemory is a bound of what a count would give.
func (t *tree) mostMemory() (bytes uint64) {
	for _, p := range t.processes() {
		if p.thread.Heap() != nil {
			return math.MaxUint64 / 2
		}
		bytes += 2 * p.budget.Used() * wasm.PageSize // its own, and files: each is some memory's
	}
	return bytes
}

func (t *tree) countMemory(others mem.Files) (bytes uint64) {
	files := mem.Files{}
	for _, p := range t.processes() {
		bytes += p.usage(files)
	}
	return bytes + uint64(files.Total(others))
}

func (t *tree) processes() (ps []*Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.nodes {
		if n.p != nil {
			ps = append(ps, n.p)
		}
	}
	return ps
}

// usage counts the Process's memory, with a budget that keeps account of it. One that is closing takes none.
func (p *Process) usage(files mem.Files) (own uint64) {
	p.counting.Lock()
	defer p.counting.Unlock()
	if p.uncounted {
		return 0
	}
	return p.budget.Usage(files) + p.thread.HeapUsage(files)
}

// newBudget makes the budget of the Process's memories, nil for none.
func (p *Process) newBudget() *vm.Budget {
	n := p.maxMemory()
	if p.cfg.Tree.PrivateBytes != 0 {
		p.budget = vm.NewBudget(math.MaxUint64)
		p.budget.Grow = func(bytes uint64) error { return p.treeOf().takeMemory(bytes) }
	}
	if n == 0 {
		return p.budget
	}
	b := vm.NewBudget(n)
	if p.budget != nil {
		b.Grow = p.budget.Grow
		p.budget = b
	}
	return b
}
