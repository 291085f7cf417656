package heap

import (
	"math/bits"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// hidden is which pages of a heap are inaccessible. Its fields are guarded by Memory.mu.
type hidden struct {
	bits []uint64 // a bit for each page; nil before the first Hide
	runs int      // stretches of them
}

// maxHidden bounds the stretches. Each is a mapping of its own to the system, and so is what is between them; when a process has too many (Linux:
// vm.max_map_count, 65,530 by default), the next one to be refused may be Go's own allocator.
const maxHidden = 8192

// HideUnit is the size in bytes of what Hide can make inaccessible: pages, or blocks where pages are larger.
func HideUnit() uint32 { return uint32(min(max(mem.PageSize(), 4096), BlockSize)) }

// Hide makes free memory inaccessible, so that every use of it faults. off and n are multiples of HideUnit in blocks that are in use; nothing in them is hidden.
// Where the system cannot, or has too much to note, they are filled with a pattern that is neither a reference nor a header.
func (m *Memory) Hide(off, n uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hidden.bits == nil {
		m.hidden.bits = make([]uint64, (uint64(m.blocks)<<LogBlock/uint64(HideUnit())+63)/64)
	}
	h, first, end := &m.hidden, off/HideUnit(), off/HideUnit()+n/HideUnit()
	runs := h.runs + 1 - h.at(first-1) - h.at(end)
	if runs > maxHidden || mem.PageSize() > BlockSize || m.region.Hide(m.meta+int(off), int(n)) != nil {
		m.Fill(off, n)
		return
	}
	h.runs = runs
	for p := first; p < end; p++ {
		h.bits[p/64] |= 1 << (p % 64)
	}
}

// Hidden reports whether an address is inaccessible.
func (m *Memory) Hidden(r Ref) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hidden.at(r/HideUnit()) == 1
}

// Show makes memory accessible again. What it holds is not defined.
func (m *Memory) Show(off, n uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.showLocked(off/HideUnit(), n/HideUnit())
}

// showLocked shows n pages from p.
func (m *Memory) showLocked(p, n uint32) error {
	h := &m.hidden
	if h.bits == nil {
		return nil
	}
	end := p + n
	for ; p < end; p++ {
		if h.at(p) == 0 {
			continue
		}
		first := p
		for p < end && h.at(p) == 1 {
			p++
		}
		if err := m.region.Show(m.meta+int(first*HideUnit()), int((p-first)*HideUnit())); err != nil {
			return err
		}
		h.runs += h.at(first-1) + h.at(p) - 1
		for k := first; k < p; k++ {
			h.bits[k/64] &^= 1 << (k % 64)
		}
	}
	return nil
}

// at is 1 for a hidden page. Page numbers next to the heap's are of none.
func (h *hidden) at(p uint32) int {
	if p/64 >= uint32(len(h.bits)) {
		return 0
	}
	return int(h.bits[p/64] >> (p % 64) & 1)
}

// wholly tells whether all of a block is hidden, and so holds no memory.
func (h *hidden) wholly(b uint32) bool {
	if h.bits == nil {
		return false
	}
	n := BlockSize / HideUnit()
	p := b * n
	return bits.OnesCount64(h.bits[p/64]>>(p%64)&(1<<n-1)) == int(n)
}
