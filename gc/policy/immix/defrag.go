package immix

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Opportunistic evacuation (Blackburn and McKinley, PLDI 2008, sections 2.4 and 3.3): a collection of the whole heap chooses blocks, by how many holes they had
// after the last one, and copies the live objects that it finds in them into free lines of the others while it marks, for as long as there is room. Objects that find
// none, and pinned ones, stay.
//
// An object in a chosen block is found by who sets its mark bit first. That worker copies it, and leaves the copy's place in the header; or it pins the object where it is, until
// the end of the collection. The others wait for one of these. So the header of an object that stays never changes, and may be read at any time.

// Defrag is when a space is defragmented.
type Defrag uint8

const (
	// DefragAuto: when the last collection has not made enough room, or many free lines were not of use to the allocators.
	DefragAuto Defrag = iota
	// DefragNever: objects of the space never move.
	DefragNever
	// DefragAlways: in each collection of the whole heap, as many blocks as there is room for.
	DefragAlways
	// DefragEveryBlock: the same, and all blocks are chosen: the recipe to find missing roots with. What there is no room for stays.
	DefragEveryBlock
)

// Values of heap.Memory.States in blocks of the space.
const (
	stateStays  = 0
	stateSource = 1 // its objects move
	stateFilled = 2 // an allocator has had it since the last collection: what its marks and lines say is old
)

// Headroom is how many blocks of so many an allocator of the space leaves free for defragmentation. (The paper's section 3.3: 2.5 % are enough.)
func (d Defrag) Headroom(blocks int64) int64 {
	if d == DefragNever {
		return 0
	}
	return blocks / 40
}

// evacuation is a space's defragmentation in the running collection.
type evacuation struct {
	on      bool
	copyTo  int          // the tracers' copy allocators: that one for objects up to a line, the next for others
	room    atomic.Int64 // free blocks that copies may still take
	full    atomic.Bool  // there are none, and no holes
	sources []uint32
	stayed  []heap.Ref // guarded by Space.mu; pinned for want of room
	gain    int64      // what the last collection wanted another one for: blocks; 0 if it did not
}

// Defragment decides which blocks are emptied in a collection of the whole heap, before Prepare. Copies may take room free blocks; copyTo is the first of two copy
// allocators of the tracers (CopyHoles, CopyFree). Urgent tells that the last collection has not made enough room.
func (s *Space) Defragment(mode Defrag, urgent bool, room int64, copyTo int) {
	e := &s.evacuation
	e.on, e.copyTo = false, copyTo
	if mode == DefragNever {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	chosen := s.choose(max(room, 0), mode, urgent)
	if len(chosen) == 0 {
		return
	}
	e.on = true
	e.room.Store(room)
	e.full.Store(false)
	e.sources = chosen
	for _, b := range chosen {
		*s.Mem.States.At(b) = stateSource
	}
	kept := s.reusable[:0]
	for _, b := range s.reusable {
		if *s.Mem.States.At(b) != stateSource {
			kept = append(kept, b)
		}
	}
	s.reusable = kept
}

// choose picks the blocks that are emptied: the ones with the most holes, as many as what lives in them fits into free blocks and the other blocks' free lines. If it is urgent, or
// shall be done always, they are the ones of which the fewest bytes are alive, though they may have no hole at all.
func (s *Space) choose(room int64, mode Defrag, urgent bool) (chosen []uint32) {
	if mode == DefragEveryBlock {
		return append(chosen, s.blocks...)
	}
	from := s.reusable
	every := mode == DefragAlways || urgent
	if every {
		from = s.blocks
	}
	lives, size := s.sample(from)
	type sums struct{ blocks, free, live float64 }
	var byRank [heap.LinesPerBlock + 1]sums
	ranks := make([]uint8, len(from)) // 0: not to be chosen
	free := 0.0                       // lines
	for i, b := range from {
		if *s.Mem.States.At(b) == stateFilled {
			continue
		}
		rank, n := s.holes(b)
		live := float64(heap.LinesPerBlock-n) * lives
		if every {
			live = min(float64(s.Mem.Mark.Count(b<<heap.LogBlock, heap.BlockSize))*size/heap.LineSize, heap.LinesPerBlock)
			rank = heap.LinesPerBlock - int(live)
		}
		free += float64(n)
		ranks[i] = uint8(rank)
		r := &byRank[rank]
		r.blocks++
		r.free += float64(n)
		r.live += live
	}
	// Allocators go through all holes before they take free blocks: those that they did not want are too small, or not near the end of what there is.
	if lines := float64(len(s.blocks)) * heap.LinesPerBlock; !every && free < lines/8 {
		return nil
	}
	space := float64(room)*heap.LinesPerBlock + free
	blocks, least := 0.0, len(byRank)
	some := 0 // blocks of the rank below the least one, for which there is not room for all
	for k := len(byRank) - 1; k > 0; k-- {
		r := &byRank[k]
		need := r.live*9/8 + r.free // copies leave lines half empty here and there
		// A block that is nearly full gives nothing for what it takes.
		if every && k < heap.LinesPerBlock/8 {
			break
		}
		if need > space {
			some = int(r.blocks * max(space, 0) / need)
			blocks += float64(some)
			break
		}
		space -= need
		blocks += r.blocks
		least = k
	}
	// A closure in which objects move takes several times as long.
	if !every && blocks < float64(len(s.blocks))/8 {
		return nil
	}
	for i, b := range from {
		if rank := int(ranks[i]); rank >= least {
			chosen = append(chosen, b)
		} else if rank > 0 && rank == least-1 && some > 0 {
			chosen = append(chosen, b)
			some--
		}
	}
	return chosen
}

// sample tells, by some of the blocks, which part of the bytes of marked lines the marked objects are, and how large these are.
func (s *Space) sample(blocks []uint32) (dense, size float64) {
	const samples = 64
	lines, objects, bytes := 1, 1, uint32(0)
	for i := 0; i < len(blocks); i += max(len(blocks)/samples, 1) {
		if *s.Mem.States.At(blocks[i]) == stateFilled {
			continue
		}
		_, free := s.holes(blocks[i])
		lines += heap.LinesPerBlock - free
		policy.EachMarked(s.Mem, blocks[i], func(r heap.Ref) {
			bytes += s.Mem.SizeOf(r)
			objects++
		})
	}
	return min(float64(bytes)/float64(lines<<heap.LogLine), 1), float64(bytes) / float64(objects)
}

// Again tells, after Release, whether another collection should follow at once, urgently: a quarter of the space's blocks, and a sixteenth of the heap's, could be had by
// defragmentation, while less than least blocks are free, holes included if they are of use. It says no when the last one gained little.
func (s *Space) Again(room, least, heapBlocks int64, holes bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if room >= least {
		s.evacuation.gain = 0
		return false
	}
	_, size := s.sample(s.blocks)
	objects, free := 0, 0
	for _, b := range s.blocks {
		objects += s.Mem.Mark.Count(b<<heap.LogBlock, heap.BlockSize)
		if holes {
			_, n := s.holes(b)
			free += n
		}
	}
	blocks := int64(len(s.blocks))
	gain := blocks - int64(float64(objects)*size*9/8)>>heap.LogBlock
	before := s.evacuation.gain
	if gain <= max(blocks/4, heapBlocks/16) || room+int64(free)/heap.LinesPerBlock >= least || before > 0 && gain > before*9/10 {
		gain = 0
	}
	s.evacuation.gain = gain
	return gain > 0
}

// holes counts a block's runs of free lines, and the lines in them.
func (s *Space) holes(b uint32) (holes, free int) {
	last := byte(1)
	for _, l := range s.Mem.Lines.Range(b*heap.LinesPerBlock, heap.LinesPerBlock) {
		if l == 0 {
			free++
			if last != 0 {
				holes++
			}
		}
		last = l
	}
	return holes, free
}

// Trace implements policy.Space.
func (s *Space) Trace(t *policy.Tracer, r heap.Ref) heap.Ref {
	if !s.evacuation.on || *s.Mem.States.At(r >> heap.LogBlock) != stateSource {
		return s.Marked.Trace(t, r)
	}
	if s.Mem.Mark.Set(r) {
		return s.move(t, r)
	}
	for {
		if s.Mem.Pin.Test(r) {
			return r
		}
		if to, moved := s.Mem.Forwarded(r); moved {
			return to
		}
		runtime.Gosched()
	}
}

// move copies an object that the worker has found, or lets it stay.
func (s *Space) move(t *policy.Tracer, r heap.Ref) heap.Ref {
	to := r
	if !s.Mem.Pin.Test(r) {
		var ok bool
		if to, ok = s.copy(t, r); !ok {
			to = r
			s.Mem.Pin.Set(r)
			s.mu.Lock()
			s.evacuation.stayed = append(s.evacuation.stayed, r)
			s.mu.Unlock()
		}
	}
	t.Push(to)
	return to
}

func (s *Space) copy(t *policy.Tracer, r heap.Ref) (heap.Ref, bool) {
	e := &s.evacuation
	if e.full.Load() {
		return 0, false
	}
	size := s.Mem.SizeOf(r)
	a := e.copyTo
	if size > heap.LineSize {
		a++
	}
	to, err := t.Copy[a].Alloc(size)
	if err != nil && size > heap.LineSize {
		to, err = t.Copy[e.copyTo].Alloc(size)
	}
	if err != nil {
		if size <= heap.LineSize {
			e.full.Store(true)
		}
		return 0, false
	}
	policy.CopyObject(s.Mem, r, to, *s.Mem.Word(r), size)
	s.Mem.Mark.Set(to)
	s.Mem.Settle(r, to)
	return to, true
}

// settle ends the evacuation, when the closure is over: what has moved leaves no mark, and what stayed may move again.
func (s *Space) settleLocked() {
	e := &s.evacuation
	for _, r := range e.stayed {
		s.Mem.Pin.Unset(r)
	}
	for _, b := range e.sources {
		*s.Mem.States.At(b) = stateStays
		for line := b << heap.LogBlock; line>>heap.LogBlock == b; line += heap.LineSize {
			for w := s.Mem.Mark.Word(line); w != 0; w &= w - 1 {
				r := line + uint32(bits.TrailingZeros32(w))*8
				if _, moved := s.Mem.Forwarded(r); moved {
					s.Mem.Mark.Unset(r)
				}
			}
		}
	}
	e.on, e.stayed, e.sources = false, e.stayed[:0], nil
}

// CopyHoles and CopyFree make the sources of a tracer's two copy allocators for evacuation.
func (s *Space) CopyHoles() *Holes { return s.Holes(&quota{s}) }

// CopyFree is described at CopyHoles.
func (s *Space) CopyFree() *Free { return s.Free(&quota{s}) }

// quota gives copies the blocks that there is room for. It implements policy.Taker.
type quota struct{ s *Space }

func (q *quota) Take(n uint32, space heap.SpaceID) (uint32, bool, error) {
	if room := &q.s.evacuation.room; room.Add(-int64(n)) < 0 {
		room.Add(int64(n))
		return 0, false, heap.ErrFull
	}
	return q.s.Mem.Take(n, space)
}
