//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package hostfs

import (
	"errors"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

const (
	// openAlways keeps an open from waiting for the other end of a FIFO, and from taking a terminal as ours.
	openAlways    = unix.O_NONBLOCK | unix.O_NOCTTY
	openDirectory = unix.O_DIRECTORY
	emulateAppend = false
)

// place is where the last component of a path lives: a directory, held open, and a single name.
type place struct {
	fd    int
	name  string
	slash bool
	f     *os.File // to close; nil if fd is the dir's own
}

func (p *place) close() {
	if p.f != nil {
		_ = p.f.Close()
	}
}

// parent opens the directory that holds the last component, which is neither "." nor "..".
func (d *dir) parent(path string) (place, error) {
	dirPath, base, slash := vfs.Split(path)
	p := place{name: base, slash: slash}
	f := d.file
	if dirPath != "." {
		var err error
		f, err = d.openParent(dirPath)
		if err != nil {
			return p, d.m.err(err)
		}
		p.f = f
	}
	fd, err := fdOf(f)
	if err != nil {
		p.close()
		return p, err
	}
	p.fd = fd
	return p, nil
}

// fdOf returns a file's descriptor, valid while f is open, without the change of mode that File.Fd may make.
func fdOf(f *os.File) (int, error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	err = rc.Control(func(x uintptr) { fd = int(x) })
	return fd, err
}

// isDir reports whether the place holds a directory itself, not a link to one.
func (p *place) isDir() (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(p.fd, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	return st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}

// checkSlash answers for a slash after the name of what is removed or moved: that must be a directory. The slash itself never
// reaches the system, which might follow a link for it.
func (p *place) checkSlash() error {
	if !p.slash {
		return nil
	}
	if dir, err := p.isDir(); err != nil {
		return err
	} else if !dir {
		return vfs.ENOTDIR
	}
	return nil
}

func (d *dir) at(path string, f func(p *place) error) error {
	p, err := d.parent(path)
	if err != nil {
		return err
	}
	defer p.close()
	for {
		if err := f(&p); err != unix.EINTR {
			return err
		}
	}
}

// Mkdir makes a directory; a slash after its name changes nothing.
func (d *dir) Mkdir(path string) error {
	return d.at(path, func(p *place) error { return unix.Mkdirat(p.fd, p.name, permDir) })
}

func (d *dir) Symlink(target, path string) error {
	if _, _, slash := vfs.Split(path); slash {
		return d.errSlash(path)
	}
	return d.at(path, func(p *place) error { return unix.Symlinkat(target, p.fd, p.name) })
}

func (d *dir) Rmdir(path string) error {
	return d.at(path, func(p *place) error { return unix.Unlinkat(p.fd, p.name, unix.AT_REMOVEDIR) })
}

func (d *dir) Unlink(path string) error {
	return d.at(path, func(p *place) error {
		if err := p.checkSlash(); err != nil {
			return err
		}
		err := unix.Unlinkat(p.fd, p.name, 0)
		if err == unix.EPERM { // POSIX's error for directories, where Linux has EISDIR
			if dir, err := p.isDir(); err == nil && dir {
				return vfs.EISDIR
			}
		}
		return err
	})
}

func (d *dir) Rename(path string, to vfs.Dir, newPath string) error {
	t, ok := to.(*dir)
	if !ok || t.m != d.m {
		return vfs.EXDEV
	}
	return d.at(path, func(from *place) error {
		return t.at(newPath, func(to *place) error {
			if from.slash || to.slash {
				if dir, err := from.isDir(); err != nil {
					return err
				} else if !dir {
					return vfs.ENOTDIR
				}
			}
			return unix.Renameat(from.fd, from.name, to.fd, to.name)
		})
	})
}

func (d *dir) Link(path string, to vfs.Dir, newPath string) error {
	t, ok := to.(*dir)
	if !ok || t.m != d.m {
		return vfs.EXDEV
	}
	return d.at(path, func(from *place) error {
		if err := from.checkSlash(); err != nil {
			return err
		}
		if _, err := from.isDir(); err != nil { // what is missing counts before what is in the way
			return err
		}
		if _, _, slash := vfs.Split(newPath); slash {
			return t.errSlash(newPath)
		}
		return t.at(newPath, func(to *place) error {
			return unix.Linkat(from.fd, from.name, to.fd, to.name, 0)
		})
	})
}

// errSlash is the error for making something other than a directory where a path ends in a slash.
func (d *dir) errSlash(path string) error {
	if _, err := d.StatPath(path, true); err != nil {
		return err
	}
	return vfs.EEXIST
}

func (d *dir) setTimesNoFollow(path string, t vfs.Times) error {
	if _, _, slash := vfs.Split(path); slash || vfs.EndsInDot(path) {
		return d.SetTimesPath(path, true, t)
	}
	return d.at(path, func(p *place) error {
		ts, err := timespecs(t, func(st *unix.Stat_t) error { return unix.Fstatat(p.fd, p.name, st, unix.AT_SYMLINK_NOFOLLOW) })
		if err != nil {
			return err
		}
		return unix.UtimesNanoAt(p.fd, p.name, ts[:], unix.AT_SYMLINK_NOFOLLOW)
	})
}

func (d *dir) Readlink(path string) (string, error) {
	if _, _, slash := vfs.Split(path); slash || vfs.EndsInDot(path) {
		if _, err := d.StatPath(path, true); err != nil {
			return "", err
		}
		return "", vfs.EINVAL // a directory
	}
	var target string
	err := d.at(path, func(p *place) error {
		for size := 256; ; size *= 2 {
			b := make([]byte, size)
			n, err := unix.Readlinkat(p.fd, p.name, b)
			if err != nil {
				return err
			}
			if n < size {
				target = string(b[:max(0, n)])
				return nil
			}
		}
	})
	return target, err
}

func writeAt(f *os.File, p []byte, off int64) (int, error) {
	n, err := f.WriteAt(p, off)
	if err == nil || n > 0 || errors.As(err, new(unix.Errno)) {
		return n, err
	}
	fd, fdErr := fdOf(f) // package os refuses for files opened to append; the system decides
	if fdErr != nil {
		return 0, err
	}
	for {
		n, err := unix.Pwrite(fd, p, off)
		if err != unix.EINTR {
			return max(0, n), err
		}
	}
}

func setAppend(f *os.File, on bool) error {
	fd, err := fdOf(f)
	if err != nil {
		return err
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if on {
		flags |= unix.O_APPEND
	} else {
		flags &^= unix.O_APPEND
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	return err
}

// Files are identified by what StatOf finds.
func identifyPath(*dir, string, *vfs.Stat)  {}
func identifyFile(f *os.File, st *vfs.Stat) {}
