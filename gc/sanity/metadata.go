package sanity

import (
	"fmt"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// MetadataError says that what is beside the objects contradicts itself.
type MetadataError struct {
	Block uint32
	Msg   string
}

func (e *MetadataError) Error() string {
	return fmt.Sprintf("gc: sanity: block %d: %s", e.Block, e.Msg)
}

// Metadata checks after a collection what is beside the objects, and returns a *MetadataError for the first thing that is wrong:
//
//   - a free block has no bits: whoever uses it next would find objects marked, logged or pinned that are not there;
//   - where nothing is remembered (log is false) nothing has a Log bit, and in spaces whose lines are marked only marked objects have one.
//
// Blocks of the image are marked and logged as a whole, but for objects that have been written to.
func Metadata(m *heap.Memory, log bool, image heap.SpaceID, lines func(heap.SpaceID) bool) error {
	top := m.Top()
	for b := uint32(1); b < top; b++ {
		base, space := b<<heap.LogBlock, *m.Spaces.At(b)
		fail := func(msg string) error { return &MetadataError{b, msg} }
		switch {
		case space == image && image != 0:
		case space == 0:
			for _, bits := range []struct {
				name string
				of   heap.Bits
			}{{"Mark", m.Mark}, {"Log", m.Log}, {"Pin", m.Pin}} {
				if !bits.of.None(base, heap.BlockSize) {
					return fail("it is free and has " + bits.name + " bits")
				}
			}
		default:
			for at := base; at-base < heap.BlockSize; at += heap.LineSize {
				l := m.Log.Word(at)
				if l&^m.Mark.Word(at) != 0 && lines(space) {
					return fail(fmt.Sprintf("an object at %#x or behind has a Log bit and is not marked", at))
				}
				if l != 0 && !log {
					return fail(fmt.Sprintf("an object at %#x or behind has a Log bit under a plan without a barrier", at))
				}
			}
		}
	}
	return nil
}
