package immix

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Holes finds free lines for one allocator. It implements alloc.Source.
type Holes struct {
	s *Space
	t policy.Taker

	block, line uint32 // where to look on; block 0: nowhere
}

// Holes makes an allocator's source of memory: first the holes of blocks that have some, then free blocks.
func (s *Space) Holes(t policy.Taker) *Holes { return &Holes{s: s, t: t} }

// Reset forgets the current block, at the start of a collection.
func (h *Holes) Reset() { h.block = 0 }

// Refill implements alloc.Source.
func (h *Holes) Refill(size uint32) (lo, hi uint32, err error) {
	for {
		if h.block != 0 {
			if lo, hi, ok := h.next(size); ok {
				return lo, hi, nil
			}
		}
		b, ok := h.s.takeReusable()
		if !ok {
			break
		}
		h.block, h.line = b, 0
	}
	h.block = 0
	b, err := h.s.takeFree(h.t)
	if err != nil {
		return 0, 0, err
	}
	return b << heap.LogBlock, (b + 1) << heap.LogBlock, nil
}

// next finds the next run of free lines in the block with room for size bytes.
func (h *Holes) next(size uint32) (lo, hi uint32, ok bool) {
	lines := h.s.Mem.Lines.Range(h.block*heap.LinesPerBlock, heap.LinesPerBlock)
	for i := h.line; i < heap.LinesPerBlock; i++ {
		if lines[i] != 0 {
			continue
		}
		first := i
		for i < heap.LinesPerBlock && lines[i] == 0 {
			i++
		}
		if (i-first)<<heap.LogLine >= size {
			h.line = i
			base := h.block << heap.LogBlock
			return base + first<<heap.LogLine, base + i<<heap.LogLine, true
		}
	}
	h.line = heap.LinesPerBlock
	return 0, 0, false
}

// Free gives an allocator of larger objects free blocks only. It implements alloc.Source.
type Free struct {
	s *Space
	t policy.Taker
}

// Free makes a source of free blocks.
func (s *Space) Free(t policy.Taker) *Free { return &Free{s, t} }

// Refill implements alloc.Source.
func (f *Free) Refill(uint32) (lo, hi uint32, err error) {
	b, err := f.s.takeFree(f.t)
	return b << heap.LogBlock, (b + 1) << heap.LogBlock, err
}
