//go:build unix

package mem

import (
	"os"

	"golang.org/x/sys/unix"
)

// PageSize returns the system's page size.
func PageSize() int { return os.Getpagesize() }

func reserve(size int) (*Region, error) {
	if err := fault(); err != nil {
		return nil, err
	}
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return &Region{base: uintptr(p), size: size}, nil
}

// reserveCommitted maps size bytes, all accessible.
func reserveCommitted(size int) (uintptr, error) {
	if err := fault(); err != nil {
		return 0, err
	}
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return 0, os.NewSyscallError("mmap", err)
	}
	sparse(uintptr(p), size)
	return uintptr(p), nil
}

func commit(r *Region, off, n int) error {
	if err := fault(); err != nil {
		return err
	}
	return os.NewSyscallError("mprotect", unix.Mprotect(r.bytes(off, n), unix.PROT_READ|unix.PROT_WRITE))
}

func hide(r *Region, off, n int) error {
	if err := drop(r, off, n); err != nil {
		return err
	}
	return os.NewSyscallError("mprotect", unix.Mprotect(r.bytes(off, n), unix.PROT_NONE))
}

func show(r *Region, off, n int) error { return commit(r, off, n) }

func release(r *Region) error {
	return os.NewSyscallError("munmap", unix.MunmapPtr(ptr(r.base), uintptr(r.size)))
}
