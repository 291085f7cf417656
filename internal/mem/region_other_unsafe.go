//go:build !unix && !windows

package mem

import (
	"errors"
	"unsafe"
)

// PageSize returns the granularity of Commit.
func PageSize() int { return 65536 }

// reserve takes plain Go memory where the system has no address space to reserve; it does not move.
func reserve(size int) (*Region, error) {
	b := make([]byte, size)
	return &Region{base: uintptr(unsafe.Pointer(unsafe.SliceData(b))), size: size, backing: b}, nil
}

func commit(*Region, int, int) error { return nil }

func discard(r *Region, off, n int) error {
	clear(r.bytes(off, n))
	return nil
}

func hide(*Region, int, int) error { return errors.ErrUnsupported }

func show(*Region, int, int) error { return errors.ErrUnsupported }

func release(*Region) error { return nil }

func reserveCommitted(int) (uintptr, error) { return 0, errors.ErrUnsupported }
