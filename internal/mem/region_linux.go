package mem

import (
	"os"

	"golang.org/x/sys/unix"
)

const mapNoReserve = unix.MAP_NORESERVE

// FreeCommit tells that committed pages cost nothing before they are touched, while a border between committed and reserved pages does: neighbouring
// regions that are committed as a whole are one mapping, and Linux bounds the mappings of a process (65,530 by default).
const FreeCommit = true

// discardMin is the size below which clearing by hand beats the system call and the page faults after it.
const discardMin = 64 << 10

func discard(r *Region, off, n int) error {
	if n <= discardMin {
		clear(r.bytes(off, n))
		return nil
	}
	return os.NewSyscallError("madvise", unix.Madvise(r.bytes(off, n), unix.MADV_DONTNEED))
}
