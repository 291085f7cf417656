package hostfs

import (
	"errors"
	"io"
	"math"
	"os"
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// file is an open regular file. Its offset is the host's.
type file struct {
	vfs.Unsupported
	f           *os.File
	own         bool // closed with it
	received    bool // likewise, though others have its description
	read, write bool

	mu     sync.Mutex
	append bool // guarded by mu
}

func (f *file) Type() vfs.FileType { return vfs.TypeRegular }

func (f *file) Stat() (vfs.Stat, error) { return statFile(f.f) }

// fromRead turns what a read of package os returned into the convention of vfs.
func fromRead(n int, err error) (int, error) {
	if n > 0 || errors.Is(err, io.EOF) {
		return n, nil
	}
	return 0, err
}

func (f *file) Read(p []byte) (int, error) {
	if !f.read {
		return 0, vfs.EBADF
	}
	return fromRead(f.f.Read(p))
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if !f.read {
		return 0, vfs.EBADF
	}
	if off < 0 {
		return 0, vfs.EINVAL
	}
	return fromRead(f.f.ReadAt(p, off))
}

func (f *file) Write(p []byte) (int, error) {
	if !f.write {
		return 0, vfs.EBADF
	}
	if emulateAppend || !f.own {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.append {
			if _, err := f.f.Seek(0, io.SeekEnd); err != nil {
				return 0, err
			}
		}
	}
	n, err := f.f.Write(p)
	if n > 0 {
		err = nil // it comes again with the next write
	}
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if !f.write {
		return 0, vfs.EBADF
	}
	if off < 0 {
		return 0, vfs.EINVAL
	}
	if off > math.MaxInt64-int64(len(p)) {
		return 0, vfs.EFBIG
	}
	n, err := writeAt(f.f, p, off)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *file) Seek(off int64, whence int) (int64, error) { return f.f.Seek(off, whence) }

func (f *file) Truncate(size int64) error {
	if !f.write || size < 0 {
		return vfs.EINVAL
	}
	return f.f.Truncate(size)
}

func (f *file) Allocate(off, n int64) error {
	switch {
	case !f.write:
		return vfs.EBADF
	case off < 0 || n <= 0:
		return vfs.EINVAL
	case off > math.MaxInt64-n:
		return vfs.EFBIG
	}
	return allocate(f.f, off, n)
}

// grow is allocate for systems that cannot reserve: it makes the file long enough.
func grow(f *os.File, end int64) error {
	fi, err := f.Stat()
	if err != nil || fi.Size() >= end {
		return err
	}
	return f.Truncate(end)
}

func (f *file) Advise(off, n int64, advice uint8) error {
	if off < 0 || n < 0 {
		return vfs.EINVAL
	}
	return advise(f.f, off, n, advice)
}

func (f *file) SetTimes(t vfs.Times) error { return setTimes(f.f, t) }

func (f *file) Sync(dataOnly bool) error {
	if dataOnly {
		return syncData(f.f)
	}
	return f.f.Sync()
}

func (f *file) SetFlags(fl vfs.Flags) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	on := fl&vfs.FlagAppend != 0
	if on == f.append {
		return nil
	}
	if f.own { // the mode of a file that is not ours would outlive the guest
		if err := setAppend(f.f, on); err != nil {
			return err
		}
	}
	f.append = on
	return nil
}

func (f *file) Close() error {
	if f.own || f.received {
		return f.f.Close()
	}
	return nil
}
