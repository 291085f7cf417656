package heap

import (
	"sync/atomic"
	"unsafe"
)

// View is a Memory's addresses for loops over many objects. As a local value it is in registers, where those of a Memory would be read
// again after each write through them. It is good until the world goes on.
type View struct{ objects, mark, lines, spaces unsafe.Pointer }

// View returns the addresses.
func (m *Memory) View() View { return View{m.objects, m.Mark.base, m.Lines.base, m.Spaces.base} }

// Header reads an object's header.
func (v View) Header(r Ref) uint64 { return *(*uint64)(unsafe.Add(v.objects, uintptr(r))) }

// Load reads a 32-bit word of the object area.
func (v View) Load(off uint32) uint32 { return *(*uint32)(unsafe.Add(v.objects, uintptr(off))) }

// Store writes one.
func (v View) Store(off, x uint32) { *(*uint32)(unsafe.Add(v.objects, uintptr(off))) = x }

// Space returns the space of the block that a word read as a reference points into, 0 for none.
func (v View) Space(r Ref) SpaceID { return *(*byte)(unsafe.Add(v.spaces, uintptr(r>>LogBlock))) }

// MarkLine marks a line.
func (v View) MarkLine(l uint32, epoch byte) { *(*byte)(unsafe.Add(v.lines, uintptr(l))) = epoch }

// The word of an object's mark bit. Words of 32 bits as in Bits: 256 bytes of objects each.
func (v View) markWord(r Ref) *uint32 { return (*uint32)(unsafe.Add(v.mark, uintptr(r>>8)<<2)) }

// Marked returns 1 if an object's mark bit is set, 0 if not; while others set bits, it may be late. It does not branch.
func (v View) Marked(r Ref) uint32 { return *v.markWord(r) >> (r >> 3 & 31) & 1 }

// SetAlone sets an object's mark bit while nobody else touches any, and reports whether this call did it.
func (v View) SetAlone(r Ref) bool {
	w, m := v.markWord(r), mask(r)
	old := *w
	if old&m != 0 {
		return false
	}
	*w = old | m
	return true
}

// Set sets an object's mark bit while others may set theirs, and reports whether this call did it.
func (v View) Set(r Ref) bool {
	m := mask(r)
	return atomic.OrUint32(v.markWord(r), m)&m == 0
}
