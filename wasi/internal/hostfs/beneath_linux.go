package hostfs

import (
	"errors"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

// openat2(2) with RESOLVE_BENEATH gives in one system call what os.Root gives in one or two for each component: the same refusal to leave the
// directory, by the kernel. It is used for what programs do most; where it is missing (old kernels, some sandboxes), and when it
// asks for another try too often because of renames, os.Root does the work.

// errSlow says that os.Root has to do it.
var errSlow = errors.New("hostfs: not by openat2")

// hasBeneath asks whether the system has openat2.
func hasBeneath(f *os.File) bool {
	fd, err := fdOf(f)
	if err != nil {
		return false
	}
	n, err := unix.Openat2(fd, ".", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH})
	if err != nil {
		return false
	}
	_ = unix.Close(n)
	return true
}

// beneath opens a path below d.
func (d *dir) beneath(path string, flags int, mode uint32) (int, error) {
	if !d.m.fast {
		return -1, errSlow
	}
	fd, err := fdOf(d.file)
	if err != nil {
		return -1, err
	}
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Mode: uint64(mode), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	for range 32 {
		n, err := unix.Openat2(fd, path, &how)
		switch err {
		case unix.EINTR, unix.EAGAIN:
			continue
		case unix.EXDEV: // the way out
			return -1, vfs.EPERM
		}
		return n, err
	}
	return -1, errSlow
}

func (d *dir) fastOpen(path string, flag int, follow bool) (*os.File, error) {
	mode := uint32(0)
	if flag&os.O_CREATE != 0 {
		mode = permFile
		if _, _, slash := vfs.Split(path); slash && d.m.fast {
			return nil, d.createSlash(path, flag)
		}
	}
	if !follow {
		flag |= unix.O_NOFOLLOW
	}
	fd, err := d.beneath(path, flag|unix.O_LARGEFILE, mode)
	switch {
	case err == unix.ENOTDIR && !follow && flag&unix.O_DIRECTORY != 0:
		if st, serr := d.fastStat(path, false); serr == nil && st.Type == vfs.TypeSymlink {
			err = vfs.ELOOP // the reason why
		}
	case err == unix.EISDIR && flag&os.O_CREATE != 0:
		err = d.createSlash(path, flag) // there may be a slash at the end of a link's target
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// createSlash is the error for creating a file where a slash says that it is a directory. The kernel's is EISDIR whatever is there.
func (d *dir) createSlash(path string, flag int) error {
	st, err := d.fastStat(path, true)
	switch {
	case err != nil:
		return err
	case flag&os.O_EXCL != 0:
		return vfs.EEXIST
	case st.Type == vfs.TypeDirectory:
		return vfs.EISDIR
	}
	return vfs.ENOTDIR
}

func (d *dir) fastStat(path string, follow bool) (st vfs.Stat, err error) {
	flags := unix.O_PATH
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := d.beneath(path, flags, 0)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return st, err
	}
	return vfs.Stat{
		Dev: uint64(s.Dev), Ino: s.Ino, Type: typeOf(s.Mode), Nlink: uint64(s.Nlink), Size: uint64(s.Size),
		Atim: uint64(s.Atim.Nano()), Mtim: uint64(s.Mtim.Nano()), Ctim: uint64(s.Ctim.Nano()),
	}, nil
}

func typeOf(mode uint32) vfs.FileType {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return vfs.TypeRegular
	case unix.S_IFDIR:
		return vfs.TypeDirectory
	case unix.S_IFLNK:
		return vfs.TypeSymlink
	case unix.S_IFCHR:
		return vfs.TypeCharDevice
	case unix.S_IFBLK:
		return vfs.TypeBlockDevice
	case unix.S_IFSOCK:
		return vfs.TypeSocketStream
	}
	return vfs.TypeUnknown
}

// openParent opens a directory that is only a place to name things in.
func (d *dir) openParent(path string) (*os.File, error) {
	fd, err := d.beneath(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err == errSlow {
		return d.root.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// fastTimes sets times through an O_PATH descriptor, which kernels before 5.8 cannot.
func (d *dir) fastTimes(path string, t vfs.Times) error {
	fd, err := d.beneath(path, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ts, err := timespecs(t, nil)
	if err != nil {
		return err
	}
	if err := unix.UtimesNanoAt(fd, "", ts[:], unix.AT_EMPTY_PATH); err != unix.EINVAL && err != unix.ENOENT {
		return err
	}
	return errSlow
}
