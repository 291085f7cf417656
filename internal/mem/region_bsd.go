//go:build unix && !linux

package mem

import (
	"os"

	"golang.org/x/sys/unix"
)

const mapNoReserve = 0

// discard maps fresh pages over the old ones: MADV_DONTNEED promises zeros on Linux only.
func discard(r *Region, off, n int) error {
	_, err := unix.MmapPtr(-1, 0, ptr(r.base+uintptr(off)), uintptr(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED)
	return os.NewSyscallError("mmap", err)
}

func drop(r *Region, off, n int) error { return discard(r, off, n) }

func sparse(uintptr, int) {}
