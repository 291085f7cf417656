package mem

import (
	"os"

	"golang.org/x/sys/unix"
)

const mapNoReserve = unix.MAP_NORESERVE

// discardMin is the size below which clearing by hand beats the system call and the page faults after it.
const discardMin = 64 << 10

func discard(r *Region, off, n int) error {
	if n <= discardMin {
		clear(r.bytes(off, n))
		return nil
	}
	return drop(r, off, n)
}

// drop is discard that gives the memory back however little it is.
func drop(r *Region, off, n int) error {
	return os.NewSyscallError("madvise", unix.Madvise(r.bytes(off, n), unix.MADV_DONTNEED))
}

// sparse tells the system that few of the pages will be touched, far apart: a huge page for each would take hundreds of times the memory.
func sparse(base uintptr, size int) {
	r := Region{base: base, size: size}
	unix.Madvise(r.bytes(0, size), unix.MADV_NOHUGEPAGE) //nolint:errcheck // a system without huge pages refuses
}
