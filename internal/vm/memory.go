package vm

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Memory is a linear memory. An unshared one belongs to one store; a shared one is safe for concurrent use, never moves, and
// grows atomically.
type Memory struct {
	Type wasm.MemoryType
	Desc *MemDesc

	pools    *Pools
	maxPages uint64 // limit of grow: the type's maximum and the embedder's

	mu     sync.Mutex  // serialises grow, and close
	region *mem.Region // guarded by mu
	image  *mem.Image  // in place of region: of a memory in an Image
	refs   int         // guarded by mu; stores and host handles that keep a shared memory
	payers payers      // guarded by mu; each for as many pages as the memory has
	owner  *Store      // of an unshared memory
	waits  waitQueues  // of a shared memory
}

// MemoryLimits bound each memory that is made; see Budget for their sum.
type MemoryLimits struct {
	MaxPages uint64
	Limited  bool // MaxPages counts; otherwise the system is the only limit
	Forkable bool // the memory will be frozen: that is then cheap
}

// NewMemory makes a zeroed memory of the type's minimum size.
func NewMemory(pools *Pools, t wasm.MemoryType, lim MemoryLimits) (*Memory, error) {
	maxPages := uint64(maxAddressable / wasm.PageSize)
	if !t.Is64 {
		maxPages = min(maxPages, 1<<16)
	}
	if t.HasMax {
		maxPages = min(maxPages, t.Max)
	}
	if lim.Limited {
		maxPages = min(maxPages, lim.MaxPages)
	}
	if t.Min > maxPages {
		return nil, &LimitError{Limit: "memory pages", Max: maxPages, Got: t.Min}
	}
	reserve := maxPages * wasm.PageSize
	if !t.Shared {
		reserve = min(reserve, max(maxReserve, t.Min*wasm.PageSize))
	}
	if reserve == 0 {
		reserve = wasm.PageSize
	}
	if r := uint64(1) << bits.Len64(reserve-1); r <= maxReserve {
		reserve = r // few sizes, so that the pool serves most
	}
	if reserve > maxAddressable {
		return nil, &LimitError{Limit: "memory bytes", Max: maxAddressable, Got: reserve}
	}
	get := pools.get
	if lim.Forkable {
		get = pools.getForkable
	}
	region, err := get(int(reserve), int(t.Min*wasm.PageSize))
	if err != nil {
		return nil, fmt.Errorf("linear memory: %w", err)
	}
	return &Memory{Type: t, Desc: &MemDesc{Base: region.Base(), Len: t.Min * wasm.PageSize}, pools: pools, maxPages: maxPages, region: region, refs: 1}, nil
}

// Len returns the size in bytes.
func (m *Memory) Len() uint64 { return atomic.LoadUint64(&m.Desc.Len) }

// Pages returns the size in pages.
func (m *Memory) Pages() uint64 { return m.Len() / wasm.PageSize }

// Shared reports whether the memory is shared.
func (m *Memory) Shared() bool { return m.Type.Shared }

// Bytes views the whole memory as it is now. The view must not be used after the memory's store is closed, nor, for an
// unshared memory, after it has grown.
func (m *Memory) Bytes() []byte { return bytesAt(m.Desc.Base, int(m.Len())) }

// Grow adds pages and returns the old size in pages; ok is false if the memory cannot grow that far (specification: Execution, Memory
// Instructions, memory.grow). On a shared memory it is an atomic read-modify-write of the size.
func (m *Memory) Grow(delta uint64) (old uint64, ok bool) {
	if delta > 0 && delta <= m.maxPages && m.ask(delta*wasm.PageSize) != nil {
		return m.Pages(), false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old = m.Pages()
	if m.region == nil || delta > m.maxPages || old+delta > m.maxPages {
		return old, false
	}
	if delta == 0 {
		return old, true
	}
	if m.payers.charge(delta) != nil {
		return old, false
	}
	n := int((old + delta) * wasm.PageSize)
	if n > m.region.Size() {
		ok = m.moveLocked(n)
	} else {
		ok = m.region.Commit(n) == nil
	}
	if !ok {
		m.payers.refund(delta)
		return old, false
	}
	atomic.StoreUint64(&m.Desc.Len, uint64(n))
	return old, true
}

// moveLocked gives an unshared memory a larger reservation. It gives up if the thread that owns the memory is told to stop.
func (m *Memory) moveLocked(n int) bool {
	if m.Type.Shared || uint64(n) > maxAddressable/2 {
		return false
	}
	r, err := m.pools.get(min(2*n, int(m.maxPages*wasm.PageSize)), n)
	if err != nil {
		return false
	}
	if m.owner == nil {
		copy(r.Bytes(n), m.Bytes())
	} else if from := m.Bytes(); move(m.owner.thread, r.Bytes(len(from)), from, chunk, false) != nil {
		m.pools.put(r, len(from))
		return false
	}
	m.pools.put(m.region, int(m.Len()))
	m.region = r
	m.Desc.Base = r.Base()
	return true
}

// hold keeps a shared memory for the store as well. Errors: errMemoryClosed, *LimitError.
func (s *Store) hold(m *Memory) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.region == nil {
		return errMemoryClosed
	}
	if err := m.payLocked(s.budget); err != nil {
		return err
	}
	m.refs++
	s.memories = append(s.memories, m)
	return nil
}

func (m *Memory) payLocked(b *Budget) error {
	if b == nil {
		return nil
	}
	if p := m.payers.find(b); p != nil {
		p.holds++
		return nil
	}
	if err := b.charge(m.Pages()); err != nil {
		return err
	}
	m.payers = append(m.payers, payer{b, 1})
	b.joined(m)
	return nil
}

// Close takes back one use by a host handle; the last use of all gives the memory back. Preconditions: the user does not touch it any more.
func (m *Memory) Close() { m.drop(nil) }

// drop takes back one use by a store with that budget.
func (m *Memory) drop(b *Budget) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.payers.find(b); p != nil {
		if p.holds--; p.holds == 0 {
			b.refund(m.Pages())
			b.left(m)
			*p = m.payers[len(m.payers)-1]
			m.payers = m.payers[:len(m.payers)-1]
		}
	}
	if m.refs--; m.refs == 0 {
		m.releaseLocked()
	}
}

// AddMemory makes a memory that belongs to the store, for its modules to import.
func (s *Store) AddMemory(t wasm.MemoryType, lim MemoryLimits) (*Memory, error) {
	// The pages are paid before they are there, so that what all threads make at once stays within the budget.
	if err := s.budget.charge(t.Min); err != nil {
		return nil, err
	}
	m, err := NewMemory(s.thread.pools, t, lim)
	if err != nil {
		s.budget.refund(t.Min)
		return nil, err
	}
	if s.budget != nil {
		m.payers = payers{{s.budget, 1}}
		s.budget.joined(m)
	}
	if !t.Shared {
		m.owner = s
	}
	s.memories = append(s.memories, m)
	return m, nil
}

// LimitError says that an instance needs more than its limits allow.
type LimitError struct {
	Limit string
	Max   uint64
	Got   uint64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("limit reached: %s: %d wanted, at most %d allowed", e.Limit, e.Got, e.Max)
}
