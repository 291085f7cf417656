// Package image is the space of objects that are frozen: those that a heap had when it was warmed up for forks. They are never allocated into, moved, marked or
// freed, and not traced either, so that a collection in a forked heap touches none of their pages, nor the pages of their metadata (after ART's zygote space and mod-union
// table). Its garbage is never found.
//
// What they refer to outside of the image must be found all the same. When the image is made, nothing is outside; after that, every object of it has its Log bit, so
// that the first write to it is remembered, and what has been written to once is a root of every later collection.
package image

import (
	"maps"
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/gc/barrier"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
	"github.com/spindle-wasm/spindle/gc/scheduler"
)

// Space is an image. Its blocks may be those of several images of one heap, made one after the other.
type Space struct {
	id  heap.SpaceID
	mem *heap.Memory

	blocks  int64
	written []heap.Ref // once, and have no Log bit any more

	// What the objects' foreign fields held when they became part of the image.
	mu        sync.Mutex
	foreign   map[Foreign]struct{} // guarded by mu
	recording bool                 // changes while the world stands
}

// Foreign is a word of a foreign field.
type Foreign struct {
	Class uint8
	Word  uint32
}

// New makes a space without objects.
func New(id heap.SpaceID, mem *heap.Memory) *Space { return &Space{id: id, mem: mem} }

// Trace implements policy.Space.
func (s *Space) Trace(_ *policy.Tracer, r heap.Ref) heap.Ref { return r }

// Live implements policy.Space.
func (s *Space) Live(heap.Ref) bool { return true }

// Role implements policy.Space: there is nothing to be done.
func (s *Space) Role() policy.Role { return 0 }

// Blocks returns how many blocks the image has. The world stands.
func (s *Space) Blocks() int64 { return s.blocks }

// Record makes the space note foreign words, in a collection of the whole heap that ends with a Freeze.
func (s *Space) Record() {
	s.recording = true
	if s.foreign == nil {
		s.foreign = map[Foreign]struct{}{}
	}
}

// Note is told of the foreign words of live objects.
func (s *Space) Note(class uint8, word uint32) {
	if !s.recording {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreign[Foreign{class, word}] = struct{}{}
}

// Freeze makes all blocks of all spaces part of the image. The world stands, everything that is not alive has been given back as far as the spaces do, and
// the spaces forget their blocks.
func (s *Space) Freeze() {
	s.recording = false
	s.mem.Each(func(b uint32, space heap.SpaceID) {
		if space == s.id {
			return
		}
		*s.mem.Spaces.At(b) = s.id
		// Whoever looks at bits only finds all objects marked, and the first write to each is remembered. Which offsets are objects is not known, and need not be.
		s.mem.Mark.Fill(b<<heap.LogBlock, heap.BlockSize)
		s.mem.Log.Fill(b<<heap.LogBlock, heap.BlockSize)
		s.blocks++
	})
	// What they refer to is in the image now.
	for _, r := range s.written {
		s.mem.Log.Set(r)
	}
	s.written = nil
}

// Remember takes from what mutators remember that which is the image's, at the start of a collection.
func (s *Space) Remember(b *barrier.Buffer) {
	if s.blocks == 0 {
		return
	}
	mine := func(r heap.Ref) bool { return s.mem.SpaceOf(r) == s.id }
	b.Objects = slices.DeleteFunc(b.Objects, func(r heap.Ref) bool {
		if mine(r) {
			s.written = append(s.written, r)
			return true
		}
		return false
	})
	// The slices of one collection would have to be kept for all later ones. The whole array is scanned instead, and the next writes to it cost nothing.
	b.Slices = slices.DeleteFunc(b.Slices, func(l barrier.Slice) bool {
		if !mine(l.Array) {
			return false
		}
		if s.mem.Log.Unset(l.Array) {
			s.written = append(s.written, l.Array)
		}
		return true
	})
}

// Written returns the objects that have been written to since they became part of the image. The caller does not change it.
func (s *Space) Written() []heap.Ref { return s.written }

// Roots adds packets that trace what the image refers to, and in a collection of the whole heap one that tells of its foreign words.
func (s *Space) Roots(sched *scheduler.Scheduler, full bool, foreign func(class uint8, word uint32)) {
	policy.Rescan(sched, s.written)
	if full && len(s.foreign) > 0 {
		sched.Add(scheduler.Closure, &tell{s.Foreign(), foreign})
	}
}

// tell is a packet that tells the VM what the image's foreign fields held when the collection began: one that makes more objects the image's notes theirs meanwhile.
type tell struct {
	words   []Foreign
	foreign func(class uint8, word uint32)
}

func (p *tell) Run(*scheduler.Worker) {
	for _, f := range p.words {
		p.foreign(f.Class, f.Word)
	}
}

// Update makes the references in what was written be where forward says their objects go.
func (s *Space) Update(forward func(heap.Ref) heap.Ref) {
	for _, r := range s.written {
		policy.UpdateFields(s.mem, r, forward)
	}
}

// Inherit makes a space that has just been made what another one is, whose memory its own is a copy of.
func (s *Space) Inherit(from *Space) {
	s.blocks, s.written = from.blocks, slices.Clone(from.written)
	from.mu.Lock()
	defer from.mu.Unlock()
	s.foreign = maps.Clone(from.foreign)
}

// Foreign returns the words that foreign fields had held when their objects became part of the image.
func (s *Space) Foreign() []Foreign {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.foreign))
}

// Restore makes a space that has just been made one of so many blocks, with what Foreign and Written returned.
func (s *Space) Restore(blocks int64, foreign []Foreign, written []heap.Ref) {
	s.blocks, s.written = blocks, slices.Clone(written)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreign = map[Foreign]struct{}{}
	for _, f := range foreign {
		s.foreign[f] = struct{}{}
	}
}
