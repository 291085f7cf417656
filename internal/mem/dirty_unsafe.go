//go:build linux

package mem

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The interface of PAGEMAP_SCAN (Linux 6.7, Documentation/admin-guide/mm/pagemap.rst, include/uapi/linux/fs.h).
type scanArg struct {
	size, flags                             uint64
	start, end, walkEnd                     uint64
	vec, vecLen, maxPages                   uint64
	inverted, mask, anyOf, returnCategories uint64
}

type scanRegion struct{ start, end, categories uint64 }

const (
	pagemapScan = 0xC0606610 // _IOWR('f', 16, struct pm_scan_arg)

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsPFNZero = 1 << 5
)

// scan returns the pages of a range that are the process's own: written to since they were mapped, in memory or swapped out. The system's page of
// zeros and pages of a file are not.
func scan(r *Region, off, n int) ([]Span, error) { return scanBy(r, off, n, scanSlow) }

// scanQuick is scan where the system goes through the pages itself; otherwise that takes longer than to do without.
func scanQuick(r *Region, off, n int) ([]Span, error) { return scanBy(r, off, n, nil) }

func scanBy(r *Region, off, n int, fallback func(fd int, r *Region, off, n int) ([]Span, error)) ([]Span, error) {
	if missing(func(f *Faults) bool { return f.NoPagemap }) {
		return nil, errors.ErrUnsupported
	}
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	defer unix.Close(fd)
	var spans []Span
	if missing(func(f *Faults) bool { return f.NoScan }) {
		err = errors.ErrUnsupported
	} else {
		spans, err = scanFast(fd, r, off, n, scanBatch)
	}
	if err != nil && fallback != nil {
		spans, err = fallback(fd, r, off, n)
	}
	return spans, err
}

// scanBatch is how many runs of pages one call returns.
const scanBatch = 256

// scanFast uses PAGEMAP_SCAN. A call may stop before the end, when its vector is full and otherwise: only where it says that it is at the end it is.
func scanFast(fd int, r *Region, off, n, batch int) (spans []Span, err error) {
	vec := make([]scanRegion, batch)
	var pin runtime.Pinner
	pin.Pin(&vec[0])
	defer pin.Unpin()
	arg := &scanArg{
		start: uint64(r.base) + uint64(off), end: uint64(r.base) + uint64(off+n),
		vec: uint64(uintptr(unsafe.Pointer(&vec[0]))), vecLen: uint64(batch),
		inverted: pageIsFile | pageIsPFNZero, mask: pageIsFile | pageIsPFNZero, anyOf: pageIsPresent | pageIsSwapped,
		returnCategories: pageIsPresent,
	}
	arg.size = uint64(unsafe.Sizeof(*arg))
	for arg.start < arg.end {
		got, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), pagemapScan, uintptr(unsafe.Pointer(arg)))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return nil, os.NewSyscallError("ioctl", errno)
		}
		for _, v := range vec[:got] {
			spans = appendSpan(spans, Span{int(v.start - uint64(r.base)), int(v.end - v.start)})
		}
		if arg.walkEnd <= arg.start {
			return nil, errStuck
		}
		arg.start = arg.walkEnd
	}
	return spans, nil
}

var errStuck = errors.New("mem: PAGEMAP_SCAN makes no progress")

// Bits of an entry of /proc/self/pagemap.
const (
	entryFile    = 1 << 61 // of a file, or shared
	entrySwapped = 1 << 62
	entryPresent = 1 << 63
)

// scanSlow reads an entry for each page. It cannot tell the system's page of zeros from one that was written.
func scanSlow(fd int, r *Region, off, n int) (spans []Span, err error) {
	page := PageSize()
	entries := make([]uint64, min(n/page, 8192))
	for n > 0 {
		k := min(n/page, len(entries))
		buf := unsafe.Slice((*byte)(unsafe.Pointer(&entries[0])), k*8)
		at := int64((r.base + uintptr(off)) / uintptr(page) * 8)
		for got := 0; got < len(buf); {
			m, err := unix.Pread(fd, buf[got:], at+int64(got))
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err == nil && m == 0 {
				err = unix.EIO
			}
			if err != nil {
				return nil, os.NewSyscallError("pread", err)
			}
			got += m
		}
		for i, e := range entries[:k] {
			if e&(entryPresent|entrySwapped) != 0 && e&entryFile == 0 {
				spans = appendSpan(spans, Span{off + i*page, page})
			}
		}
		off, n = off+k*page, n-k*page
	}
	return spans, nil
}
