package heap

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// All accesses to a heap's memory are here. Invariant: the offset lies in a block that is in use, or in the metadata of any block, and the
// Memory is not closed. The memory is off the Go heap; Go's collector ignores pointers into it.

// ptr turns an address outside of the Go heap into a pointer. The indirection keeps the conversion within the rules that vet checks.
func ptr(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// address is one outside of the Go heap.
type address = unsafe.Pointer

// attach makes a region the memory's own.
func (m *Memory) attach(r *mem.Region, at layout) {
	m.region, m.meta = r, int(at.objects)
	base := ptr(r.Base())
	m.objects = unsafe.Add(base, at.objects)
	m.Mark, m.Log, m.Pin = Bits{unsafe.Add(base, at.mark)}, Bits{unsafe.Add(base, at.log)}, Bits{unsafe.Add(base, at.pin)}
	m.Lines, m.Spaces, m.States = Table{unsafe.Add(base, at.lines)}, Table{unsafe.Add(base, at.spaces)}, Table{unsafe.Add(base, at.states)}
}

// Base is the address of offset 0 of the object area, for engines. It stays.
func (m *Memory) Base() uintptr { return uintptr(m.objects) }

// Slot is the place of a 32-bit word in the object area.
func (m *Memory) Slot(off uint32) *uint32 { return (*uint32)(unsafe.Add(m.objects, uintptr(off))) }

// Word is the place of a 64-bit word in the object area; off is a multiple of 8.
func (m *Memory) Word(off uint32) *uint64 { return (*uint64)(unsafe.Add(m.objects, uintptr(off))) }

// Bytes views n bytes of the object area.
func (m *Memory) Bytes(off uint32, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(m.objects, uintptr(off))), n)
}

// Slots views n 32-bit words of the object area.
func (m *Memory) Slots(off uint32, n int) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Add(m.objects, uintptr(off))), n)
}

// Bits is a bit for each 8 bytes of the object area.
type Bits struct{ base unsafe.Pointer }

// Base is the address of the bits, for engines: that of r is bit r>>3&31 of the 32-bit word r>>8.
func (b Bits) Base() uintptr { return uintptr(b.base) }

func (b Bits) word(r Ref) *uint32 { return (*uint32)(unsafe.Add(b.base, uintptr(r>>8)<<2)) }

func mask(r Ref) uint32 { return 1 << (r >> 3 & 31) }

// Test reads a bit.
func (b Bits) Test(r Ref) bool { return atomic.LoadUint32(b.word(r))&mask(r) != 0 }

// Set sets a bit while others may set theirs, and reports whether this call did it.
func (b Bits) Set(r Ref) bool {
	w, m := b.word(r), mask(r)
	return atomic.LoadUint32(w)&m == 0 && atomic.OrUint32(w, m)&m == 0
}

// Unset clears a bit while others may change theirs, and reports whether this call did it.
func (b Bits) Unset(r Ref) bool {
	w, m := b.word(r), mask(r)
	return atomic.LoadUint32(w)&m != 0 && atomic.AndUint32(w, ^m)&m != 0
}

// Clear clears the bits of n bytes from off, both multiples of 256, while nobody else touches them.
func (b Bits) Clear(off, n uint32) { clear(b.words(off, n)) }

// Copy sets the bits of n bytes from off as they are in another table, under the same conditions.
func (b Bits) Copy(from Bits, off, n uint32) { copy(b.words(off, n), from.words(off, n)) }

func (b Bits) words(off, n uint32) []uint32 { return unsafe.Slice(b.word(off), n>>8) }

// Table is a byte for each unit (line, block) of the object area.
type Table struct{ base unsafe.Pointer }

// At is the place of a unit's byte.
func (t Table) At(i uint32) *byte { return (*byte)(unsafe.Add(t.base, uintptr(i))) }

// Range views n bytes from that of unit i.
func (t Table) Range(i, n uint32) []byte { return unsafe.Slice(t.At(i), n) }

// None reports whether no bit of n bytes from off is set, both multiples of 256.
func (b Bits) None(off, n uint32) bool {
	for _, w := range b.words(off, n) {
		if w != 0 {
			return false
		}
	}
	return true
}

// Word returns the 32 bits of the 256 bytes from off, while nobody changes them.
func (b Bits) Word(off uint32) uint32 { return *b.word(off) }

// Count counts the bits of n bytes from off, while nobody changes them.
func (b Bits) Count(off, n uint32) (count int) {
	for _, w := range b.words(off, n) {
		count += bits.OnesCount32(w)
	}
	return count
}
