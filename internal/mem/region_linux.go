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
	return os.NewSyscallError("madvise", unix.Madvise(r.bytes(off, n), unix.MADV_DONTNEED))
}
