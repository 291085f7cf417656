package memfs

import (
	"math"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// file is an open regular file.
type file struct {
	vfs.Unsupported
	fs          *FS
	node        *node
	read, write bool

	mu     sync.Mutex
	off    int64 // guarded by mu
	append bool  // guarded by mu
}

func (f *file) Type() vfs.FileType { return vfs.TypeRegular }

func (f *file) Stat() (vfs.Stat, error) { return f.fs.stat(f.node), nil }

func (f *file) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if !f.read {
		return 0, vfs.EBADF
	}
	if off < 0 {
		return 0, vfs.EINVAL
	}
	n := f.node.data.readAt(p, off)
	if n > 0 {
		f.node.atime.Store(time.Now().UnixNano())
	}
	return n, nil
}

func (f *file) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	off := f.off
	if f.append {
		off = -1
	}
	at, err := f.writeAt(p, off)
	if err != nil {
		return 0, err
	}
	f.off = at + int64(len(p))
	return len(p), nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, vfs.EINVAL
	}
	if _, err := f.writeAt(p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (f *file) writeAt(p []byte, off int64) (int64, error) {
	if !f.write {
		return 0, vfs.EBADF
	}
	at, err := f.node.data.writeAt(f.fs, p, off)
	if err == nil && len(p) > 0 {
		f.node.touch()
	}
	return at, err
}

func (f *file) Seek(off int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, err := vfs.Seek(f.off, off, whence, func() (int64, error) { return f.node.data.size(), nil })
	if err == nil {
		f.off = at
	}
	return at, err
}

func (f *file) Truncate(size int64) error {
	if !f.write || size < 0 {
		return vfs.EINVAL
	}
	if err := f.node.data.truncate(f.fs, size); err != nil {
		return err
	}
	f.node.touch()
	return nil
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
	return f.node.data.grow(f.fs, off+n)
}

func (f *file) Advise(off, n int64, _ uint8) error {
	if off < 0 || n < 0 {
		return vfs.EINVAL
	}
	return nil
}

func (f *file) SetTimes(t vfs.Times) error {
	f.node.setTimes(t)
	return nil
}

func (f *file) Sync(bool) error { return nil }

func (f *file) SetFlags(fl vfs.Flags) error {
	f.mu.Lock()
	f.append = fl&vfs.FlagAppend != 0
	f.mu.Unlock()
	return nil
}

func (f *file) Close() error {
	if f.node.data.close() {
		f.fs.forget(f.node)
	}
	return nil
}
