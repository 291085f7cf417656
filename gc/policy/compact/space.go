// Package compact is a space whose live objects slide together in the order of their addresses (Lisp-2; Jones, Hosking and Moss, The Garbage Collection
// Handbook, section 3.2), with the new places kept beside the objects: for each line the place of its first live object (after the offset vector
// of Kermany and Petrank, The Compressor, PLDI 2006).
package compact

import (
	"math/bits"
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/scheduler"
)

// Space is a compacting space.
//
// All objects that begin in one line stay together, and slide towards the start of the space's sorted blocks. Where they go is never behind where they
// come from: a line's objects fit into what is left of their own block, and so into what is left of it when the cursor is not further on.
type Space struct {
	policy.Marked

	mu     sync.Mutex
	blocks []uint32 // guarded by mu

	// Of the running collection.
	moving []uint32            // blocks whose objects move, sorted
	first  map[uint32][]uint32 // by block: the new place of each line's first live object
	used   int                 // of moving: so many blocks hold objects afterwards
	dense  bool                // the objects have been moved: nothing else is left
}

// New makes a space.
func New(id heap.SpaceID, mem *heap.Memory) *Space {
	return &Space{Marked: policy.Marked{ID: id, Mem: mem}}
}

// Source is where an allocator of the space gets memory from. It implements alloc.Source.
type Source struct {
	s *Space
	t policy.Taker
}

// Source makes an allocator's source.
func (s *Space) Source(t policy.Taker) *Source { return &Source{s, t} }

// Refill implements alloc.Source.
func (f *Source) Refill(uint32) (lo, hi uint32, err error) {
	b, _, err := f.t.Take(1, f.s.ID)
	if err != nil {
		return 0, 0, err
	}
	f.s.mu.Lock()
	f.s.blocks = append(f.s.blocks, b)
	f.s.mu.Unlock()
	return b << heap.LogBlock, (b + 1) << heap.LogBlock, nil
}

// Live implements policy.Space.
func (s *Space) Live(r heap.Ref) bool { return s.dense || s.Mem.Mark.Test(r) }

// Prepare forgets the marks of the last collection.
func (s *Space) Prepare() {
	s.dense = false
	for _, b := range s.blocks {
		s.Mem.Mark.Clear(b<<heap.LogBlock, heap.BlockSize)
	}
}

// Plan computes where live objects go. Blocks with pinned objects stay as they are.
func (s *Space) Plan() {
	slices.Sort(s.blocks)
	s.moving, s.first, s.used = s.moving[:0], make(map[uint32][]uint32, len(s.blocks)), 0
	for _, b := range s.blocks {
		if s.Mem.Pin.None(b<<heap.LogBlock, heap.BlockSize) {
			s.moving = append(s.moving, b)
		}
	}
	s.used = 0
	if len(s.moving) == 0 {
		return
	}
	to, cursor := 0, s.moving[0]<<heap.LogBlock
	for _, b := range s.moving {
		places := make([]uint32, heap.LinesPerBlock)
		for line := range uint32(heap.LinesPerBlock) {
			size := s.lineSize(b<<heap.LogBlock + line<<heap.LogLine)
			if cursor+size > (s.moving[to]+1)<<heap.LogBlock {
				to++
				cursor = s.moving[to] << heap.LogBlock
			}
			places[line] = cursor
			cursor += size
		}
		s.first[b] = places
	}
	s.used = to + 1
	if cursor == s.moving[to]<<heap.LogBlock {
		s.used = to
	}
}

// objects calls f for each live object that begins in a line, in order.
func (s *Space) objects(line uint32, f func(r heap.Ref, size uint32)) {
	for w := s.Mem.Mark.Word(line); w != 0; w &= w - 1 {
		r := line + uint32(bits.TrailingZeros32(w))*8
		f(r, s.Mem.SizeOf(r))
	}
}

func (s *Space) lineSize(line uint32) (n uint32) {
	s.objects(line, func(_ heap.Ref, size uint32) { n += size })
	return n
}

// Forward returns where a live object goes.
func (s *Space) Forward(r heap.Ref) heap.Ref {
	places, moves := s.first[r>>heap.LogBlock]
	if !moves {
		return r
	}
	line := r &^ (heap.LineSize - 1)
	to := places[line>>heap.LogLine%heap.LinesPerBlock]
	s.objects(line, func(o heap.Ref, size uint32) {
		if o < r {
			to += size
		}
	})
	return to
}

// Update adds a packet for each block that makes the references in its live objects be where their objects go.
func (s *Space) Update(sched *scheduler.Scheduler, forward func(heap.Ref) heap.Ref) {
	for _, b := range s.blocks {
		sched.Add(scheduler.Forward, &update{s, b, forward})
	}
}

type update struct {
	s       *Space
	block   uint32
	forward func(heap.Ref) heap.Ref
}

func (u *update) Run(*scheduler.Worker) {
	base := u.block << heap.LogBlock
	for at := base; at < base+heap.BlockSize; at += heap.LineSize {
		u.s.objects(at, func(r heap.Ref, _ uint32) { policy.UpdateFields(u.s.Mem, r, u.forward) })
	}
}

// Compact moves the objects, in the order of their addresses, and gives back the blocks behind them.
func (s *Space) Compact() {
	ends := map[uint32]uint32{} // by block: where its objects end
	for _, b := range s.moving {
		places := s.first[b]
		for line := range uint32(heap.LinesPerBlock) {
			to := places[line]
			s.objects(b<<heap.LogBlock+line<<heap.LogLine, func(r heap.Ref, size uint32) {
				if to != r {
					copy(s.Mem.Bytes(to, int(size)), s.Mem.Bytes(r, int(size)))
				}
				ends[to>>heap.LogBlock] = to + size
				to += size
			})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Mem.Poisons {
		for _, b := range s.moving[:s.used] {
			end := max(ends[b], b<<heap.LogBlock)
			s.Mem.Fill(end, heap.BlockSize-(end-b<<heap.LogBlock))
		}
	}
	gone := s.moving[s.used:]
	for _, b := range s.moving {
		s.Mem.Mark.Clear(b<<heap.LogBlock, heap.BlockSize)
	}
	for _, b := range gone {
		s.Mem.Give(b, 1)
	}
	s.blocks = slices.DeleteFunc(s.blocks, func(b uint32) bool {
		_, found := slices.BinarySearch(gone, b)
		return found
	})
	s.moving, s.first, s.dense = s.moving[:0], nil, true
}
