package hostfs

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

// rootOf makes a Root of an open directory. Through /proc it is that very directory; see rootAgain for where that is not mounted.
func (d *dir) rootOf(f *os.File, fi fs.FileInfo, path string) (*os.Root, error) {
	fd, err := fdOf(f)
	if err != nil {
		return nil, err
	}
	if root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
		if same, err := root.Stat("."); err == nil && os.SameFile(fi, same) {
			return root, nil
		}
		_ = root.Close()
	}
	if d.root == nil {
		return nil, fs.ErrNotExist // a directory that another process has passed has no path
	}
	return d.rootAgain(fi, path)
}

// timespecs are t's for utimensat, which can leave a time as it is.
func timespecs(t vfs.Times, _ func(*unix.Stat_t) error) (ts [2]unix.Timespec, err error) {
	for i, ns := range []*int64{t.Atim, t.Mtim} {
		if ns == nil {
			ts[i].Nsec = unix.UTIME_OMIT
		} else {
			ts[i] = unix.NsecToTimespec(*ns)
		}
	}
	return ts, nil
}

func setTimes(f *os.File, t vfs.Times) error {
	fd, err := fdOf(f)
	if err != nil {
		return err
	}
	ts, err := timespecs(t, nil)
	if err != nil {
		return err
	}
	return futimens(fd, &ts)
}

func allocate(f *os.File, off, n int64) error {
	fd, err := fdOf(f)
	if err != nil {
		return err
	}
	err = unix.Fallocate(fd, 0, off, n)
	if err == unix.EOPNOTSUPP {
		return grow(f, off+n)
	}
	return err
}

func advise(f *os.File, off, n int64, advice uint8) error {
	// WASI's advice: normal, sequential, random, willneed, dontneed, noreuse.
	table := [...]int{unix.FADV_NORMAL, unix.FADV_SEQUENTIAL, unix.FADV_RANDOM, unix.FADV_WILLNEED, unix.FADV_DONTNEED, unix.FADV_NOREUSE}
	if int(advice) >= len(table) {
		return vfs.EINVAL
	}
	fd, err := fdOf(f)
	if err != nil {
		return err
	}
	return unix.Fadvise(fd, off, n, table[advice])
}

func syncData(f *os.File) error {
	fd, err := fdOf(f)
	if err != nil {
		return err
	}
	return unix.Fdatasync(fd)
}
