package mem

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// PageSize returns the system's page size.
func PageSize() int { return os.Getpagesize() }

func reserve(size int) (*Region, error) {
	p, err := windows.VirtualAlloc(0, uintptr(size), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
	if err != nil {
		return nil, os.NewSyscallError("VirtualAlloc", err)
	}
	return &Region{base: p, size: size}, nil
}

func commit(r *Region, off, n int) error {
	_, err := windows.VirtualAlloc(r.base+uintptr(off), uintptr(n), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return os.NewSyscallError("VirtualAlloc", err)
}

func discard(r *Region, off, n int) error {
	if err := windows.VirtualFree(r.base+uintptr(off), uintptr(n), windows.MEM_DECOMMIT); err != nil {
		return os.NewSyscallError("VirtualFree", err)
	}
	return commit(r, off, n)
}

func hide(r *Region, off, n int) error {
	return os.NewSyscallError("VirtualFree", windows.VirtualFree(r.base+uintptr(off), uintptr(n), windows.MEM_DECOMMIT))
}

func show(r *Region, off, n int) error { return commit(r, off, n) }

func release(r *Region) error {
	return os.NewSyscallError("VirtualFree", windows.VirtualFree(r.base, 0, windows.MEM_RELEASE))
}

// reserveCommitted is not for Windows, which charges for what is committed, touched or not, and does not bound the number of mappings.
func reserveCommitted(int) (uintptr, error) { return 0, errors.ErrUnsupported }
