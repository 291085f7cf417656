//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package hostfs

import (
	"io/fs"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

// openParent opens a directory that is only a place to name things in.
func (d *dir) openParent(path string) (*os.File, error) {
	return d.root.OpenFile(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
}

func (d *dir) rootOf(_ *os.File, fi fs.FileInfo, path string) (*os.Root, error) {
	return d.rootAgain(fi, path)
}

// timespecs are t's, with what is there for what stays: not every system can leave a time as it is.
func timespecs(t vfs.Times, stat func(*unix.Stat_t) error) (ts [2]unix.Timespec, err error) {
	var st unix.Stat_t
	if t.Atim == nil || t.Mtim == nil {
		if err := stat(&st); err != nil {
			return ts, err
		}
		ts = [2]unix.Timespec{st.Atim, st.Mtim}
	}
	if t.Atim != nil {
		ts[0] = unix.NsecToTimespec(*t.Atim)
	}
	if t.Mtim != nil {
		ts[1] = unix.NsecToTimespec(*t.Mtim)
	}
	return ts, nil
}

// setTimes is good for microseconds: the BSDs' futimens is out of package unix's reach.
func setTimes(f *os.File, t vfs.Times) error {
	fd, err := fdOf(f)
	if err != nil {
		return err
	}
	ts, err := timespecs(t, func(st *unix.Stat_t) error { return unix.Fstat(fd, st) })
	if err != nil {
		return err
	}
	return unix.Futimes(fd, []unix.Timeval{unix.NsecToTimeval(ts[0].Nano()), unix.NsecToTimeval(ts[1].Nano())})
}

func allocate(f *os.File, off, n int64) error { return grow(f, off+n) }

func advise(*os.File, int64, int64, uint8) error { return nil }

func syncData(f *os.File) error { return f.Sync() }
