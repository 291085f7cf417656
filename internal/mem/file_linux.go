package mem

import (
	"errors"
	"math"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// newFile makes a file that is size bytes long and takes no memory. The error is errors.ErrUnsupported where there are none (a filter of
// system calls may refuse them).
func newFile(size int) (*file, error) {
	if missing(func(f *Faults) bool { return f.NoFiles }) {
		return nil, errors.ErrUnsupported
	}
	if err := fault(); err != nil {
		return nil, err
	}
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("spindle", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("spindle", flags)
	}
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return nil, errors.ErrUnsupported
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := &file{fd: fd}
	f.refs.Store(1)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		f.drop()
		return nil, os.NewSyscallError("ftruncate", err)
	}
	return f, nil
}

func (f *file) close() { unix.Close(f.fd) } //nolint:errcheck // nothing was written that could be lost

// duplicate makes another descriptor of what one refers to.
func duplicate(fd uintptr) (int, error) {
	if err := fault(); err != nil {
		return 0, err
	}
	n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	return n, os.NewSyscallError("fcntl", err)
}

// seal makes the content final: nobody can write to the file any more, nor change its size. There must be no shared mapping left: FUTURE_WRITE
// lets those that exist be, and need not go through the pages as WRITE does.
func (f *file) seal() error {
	const size = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	_, err := unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, size|unix.F_SEAL_FUTURE_WRITE)
	if errors.Is(err, unix.EINVAL) { // before Linux 5.1
		if w := f.writer; w != nil {
			f.writer = nil
			w.Release() //nolint:errcheck // address space is lost, no more
		}
		_, err = unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, size|unix.F_SEAL_WRITE)
	}
	return os.NewSyscallError("fcntl", err)
}

// keepWriter makes the mapping by which the content can change later. Without it such a change takes another file. Where addresses have 32 bits there is no room for one.
func (f *file) keepWriter(size int) {
	if math.MaxInt == math.MaxInt32 {
		return
	}
	w, err := Reserve(size)
	if err != nil {
		return
	}
	if mapShared(w, f) != nil {
		w.Release() //nolint:errcheck // address space is lost, no more
		return
	}
	f.writer = w
}

func (r *Region) open(off, n int) error { return commit(r, off, n) }

func (r *Region) shut(off, n int) error {
	return os.NewSyscallError("mprotect", unix.Mprotect(r.bytes(off, n), unix.PROT_NONE))
}

// resident returns how many bytes the file takes. One that has images of several regions (start) counts as a whole.
func (f *file) resident() int {
	var st unix.Stat_t
	if unix.Fstat(f.fd, &st) != nil {
		return 0
	}
	return int(st.Blocks) * 512 // inode(7): st_blocks is in units of 512 bytes
}

// data returns where the first data at or behind off is; ok is false if there is none. File systems tell blocks of their own, not pages.
func (f *file) data(off int) (at int, ok bool, err error) {
	from, err := unix.Seek(f.fd, f.start+int64(off), unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) { // nothing but a hole
		return 0, false, nil
	}
	return int(from - f.start), err == nil, err
}

// extents returns the parts of the first n bytes that have data.
func (f *file) extents(n int) []Span {
	var spans []Span
	for at := 0; at < n; {
		if len(spans) == maxExtents {
			return appendSpan(spans, Span{at, n - at})
		}
		from, ok, err := f.data(at)
		if err != nil {
			return appendSpan(spans, Span{at, n - at})
		}
		first := from / PageSize() * PageSize()
		if !ok || first >= n {
			return spans
		}
		to, err := unix.Seek(f.fd, f.start+int64(from), unix.SEEK_HOLE)
		if err != nil {
			return appendSpan(spans, Span{at, n - at})
		}
		at = min(roundUp(int(to-f.start), PageSize()), n)
		spans = appendSpan(spans, Span{first, at - first})
	}
	return spans
}

// write puts bytes into a file that is not sealed.
func (f *file) write(b []byte, off int) error {
	if err := fault(); err != nil {
		return err
	}
	for len(b) > 0 {
		n, err := unix.Pwrite(f.fd, b, f.start+int64(off))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("pwrite", err)
		}
		b, off = b[n:], off+n
	}
	return nil
}

// read gets bytes of the file.
func (f *file) read(b []byte, off int) error {
	for len(b) > 0 {
		n, err := unix.Pread(f.fd, b, f.start+int64(off))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			err = unix.EIO // it has become shorter
		}
		if err != nil {
			return os.NewSyscallError("pread", err)
		}
		b, off = b[n:], off+n
	}
	return nil
}

// punch gives the memory of n bytes back: they are zero.
func (f *file) punch(off, n int) error {
	return os.NewSyscallError("fallocate", unix.Fallocate(f.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, f.start+int64(off), int64(n)))
}

// mapFile maps n bytes of the file over the same place of the region.
func mapFile(r *Region, f *file, off, n, prot, flags int) error {
	if err := fault(); err != nil {
		return err
	}
	_, err := unix.MmapPtr(f.fd, f.start+int64(off), ptr(r.base+uintptr(off)), uintptr(n), prot, flags|unix.MAP_FIXED|unix.MAP_NORESERVE)
	return os.NewSyscallError("mmap", err)
}

// mapShared makes the whole region a view of the file, nothing of it accessible.
func mapShared(r *Region, f *file) error {
	return mapFile(r, f, 0, r.size, unix.PROT_NONE, unix.MAP_SHARED)
}

// mapPrivate makes the first used bytes a private view of the file, accessible.
func mapPrivate(r *Region, f *file, used int) error {
	return mapFile(r, f, 0, used, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
}

// mapReadable makes the first used bytes a view of the file that cannot be written to.
func mapReadable(r *Region, f *file, used int) error {
	return mapFile(r, f, 0, used, unix.PROT_READ, unix.MAP_SHARED)
}

// collapsePages uses MADV_COLLAPSE (Linux 6.1, madvise(2)), which does not ask for what /sys/kernel/mm/transparent_hugepage/shmem_enabled says. A part that cannot be
// had now (EAGAIN, EBUSY) is left as it is; other errors are the system's refusal.
func collapsePages(r *Region, off int) error {
	err := unix.Madvise(r.bytes(off, hugePage), unix.MADV_COLLAPSE)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EBUSY) {
		return nil
	}
	return err
}

// mapAnonymous maps fresh memory over n bytes of the region.
func mapAnonymous(r *Region, off, n int, accessible bool) error {
	prot := unix.PROT_NONE
	if accessible {
		prot = unix.PROT_READ | unix.PROT_WRITE
	}
	if err := fault(); err != nil {
		return err
	}
	_, err := unix.MmapPtr(-1, 0, ptr(r.base+uintptr(off)), uintptr(n), prot, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED|unix.MAP_NORESERVE)
	return os.NewSyscallError("mmap", err)
}

// populate has the system make the pages of a range that is about to be written, in one call instead of a fault for each. It is not needed for anything else.
func (r *Region) populate(off, n int) {
	if n > PageSize() {
		unix.Madvise(r.bytes(off, n), unix.MADV_POPULATE_WRITE) //nolint:errcheck // before Linux 5.14
	}
}

// forget takes the pages of the first n bytes of a shared view out of the page tables; the file has them. A mapping over them does that, too, but alone: it is most of what a
// freeze takes, 3 ms for 64 MiB, and here all processors share it.
func (r *Region) forget(n int) {
	const least = 8 << 20
	parts := min(runtime.GOMAXPROCS(0), n/least)
	if parts < 2 {
		return
	}
	part := roundUp(n/parts, 2<<20)
	var wg sync.WaitGroup
	for off := 0; off < n; off += part {
		wg.Go(func() {
			unix.Madvise(r.bytes(off, min(part, n-off)), unix.MADV_DONTNEED) //nolint:errcheck // what it leaves is the mapping's
		})
	}
	wg.Wait()
}

// revert makes n bytes of a private view what the file has, and gives back the pages that were written.
func revert(r *Region, off, n int) error {
	return os.NewSyscallError("madvise", unix.Madvise(r.bytes(off, n), unix.MADV_DONTNEED))
}
