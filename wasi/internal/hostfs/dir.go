package hostfs

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/stream"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// dir is an open directory.
type dir struct {
	vfs.UnsupportedDir
	m    *mount
	root *os.Root
	file *os.File // the same directory, for what os.Root has no method
	path string   // below the mount, when it was opened; only for platforms without *at calls
	list listing
}

// newDir takes over root.
func newDir(m *mount, root *os.Root, path string) (*dir, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, m.err(err)
	}
	return &dir{m: m, root: root, file: f, path: path}, nil
}

func (d *dir) Close() error {
	return errors.Join(d.file.Close(), d.root.Close())
}

func (d *dir) Stat() (vfs.Stat, error) { return statFile(d.file) }

func (d *dir) SetTimes(t vfs.Times) error { return setTimes(d.file, t) }

func (d *dir) Sync(bool) error {
	if err := d.file.Sync(); vfs.ErrnoOf(err) != vfs.EINVAL { // some systems cannot sync directories
		return err
	}
	return nil
}

func (d *dir) Entries(cookie uint64, yield func(vfs.Entry) bool) error {
	return d.list.entries(d, cookie, yield)
}

// perm is what new files and directories get, less the umask.
const (
	permFile = 0o666
	permDir  = 0o777
)

func (d *dir) Open(path string, o vfs.OpenFlags) (vfs.File, error) {
	flag := openAlways
	switch {
	case o.Write && o.Read, o.Truncate && o.Read: // the host truncates what it can write
		flag |= os.O_RDWR
	case o.Write, o.Truncate:
		flag |= os.O_WRONLY
	}
	if o.Create {
		flag |= os.O_CREATE
	}
	if o.Exclusive {
		flag |= os.O_EXCL
	}
	if o.Truncate {
		flag |= os.O_TRUNC
	}
	if o.Directory {
		flag |= openDirectory
	}
	if o.Status&vfs.FlagAppend != 0 {
		flag |= os.O_APPEND
	}
	if o.Status&(vfs.FlagSync|vfs.FlagDSync|vfs.FlagRSync) != 0 {
		flag |= os.O_SYNC
	}
	f, err := d.fastOpen(path, flag, o.Follow)
	switch {
	case err != errSlow: //nolint:errorlint // exactly that
	case o.Follow || o.Create && o.Exclusive: // os.Root does not follow a link for O_EXCL
		f, err = d.root.OpenFile(path, flag, permFile)
	default:
		f, err = d.openNoFollow(path, flag)
	}
	if err != nil {
		return nil, d.m.err(err)
	}
	file, err := d.wrap(f, path, o)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file, nil
}

// openNoFollow opens what is no symbolic link. os.Root has no such flag, so what was opened is compared with what was there.
func (d *dir) openNoFollow(path string, flag int) (*os.File, error) {
	for range 100 { // somebody swaps the file all the time
		before, err := d.root.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0 {
			f, err := d.root.OpenFile(path, flag|os.O_EXCL, permFile)
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return f, err
		}
		if err != nil {
			return nil, err
		}
		if before.Mode()&fs.ModeSymlink != 0 {
			return nil, vfs.ELOOP
		}
		// Truncation waits until it is known what would be truncated.
		f, err := d.root.OpenFile(path, flag&^(os.O_CREATE|os.O_TRUNC), permFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		after, err := f.Stat()
		if err == nil && os.SameFile(before, after) {
			if flag&os.O_CREATE != 0 && after.IsDir() {
				err = vfs.EISDIR
			} else if flag&os.O_TRUNC != 0 {
				err = f.Truncate(0)
			}
			if err == nil {
				return f, nil
			}
			return nil, errors.Join(err, f.Close())
		}
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, vfs.ELOOP
}

// wrap makes of an open file what it is.
func (d *dir) wrap(f *os.File, path string, o vfs.OpenFlags) (vfs.File, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case fi.IsDir():
		root, err := d.rootOf(f, fi, path)
		if err != nil {
			return nil, d.m.err(err)
		}
		return &dir{m: d.m, root: root, file: f, path: d.path + "/" + path}, nil
	case o.Directory:
		return nil, vfs.ENOTDIR
	case fi.Mode().IsRegular():
		return &file{f: f, own: true, read: o.Read, write: o.Write, append: o.Status&vfs.FlagAppend != 0}, nil
	}
	return stream.OfFile(d.m.hub, f, true)
}

// FromFile makes a file of one that the embedder has open: standard input and the like. It is not closed with it.
func FromFile(hub *stream.Hub, f *os.File, read, write bool) (vfs.File, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Mode().IsRegular() || fi.IsDir() { // a directory fails when it is read
		return &file{f: f, read: read, write: write}, nil
	}
	return stream.OfFile(hub, f, false)
}

func (d *dir) StatPath(path string, follow bool) (vfs.Stat, error) {
	if st, err := d.fastStat(path, follow); err != errSlow { //nolint:errorlint // exactly that
		return st, d.m.err(err)
	}
	var fi fs.FileInfo
	var err error
	if follow {
		fi, err = d.root.Stat(path)
	} else {
		fi, err = d.root.Lstat(path)
	}
	if err != nil {
		return vfs.Stat{}, d.m.err(err)
	}
	s := vfs.StatOf(fi)
	identifyPath(d, path, &s)
	return s, nil
}

func (d *dir) SetTimesPath(path string, follow bool, t vfs.Times) error {
	if !follow {
		return d.setTimesNoFollow(path, t)
	}
	if err := d.fastTimes(path, t); err != errSlow { //nolint:errorlint // exactly that
		return d.m.err(err)
	}
	return d.m.err(d.root.Chtimes(path, goTime(t.Atim), goTime(t.Mtim)))
}

// goTime returns a time as os.Chtimes takes it: the zero time leaves things as they are.
func goTime(ns *int64) time.Time {
	if ns == nil {
		return time.Time{}
	}
	return time.Unix(0, *ns)
}

func statFile(f *os.File) (vfs.Stat, error) {
	fi, err := f.Stat()
	if err != nil {
		return vfs.Stat{}, err
	}
	s := vfs.StatOf(fi)
	identifyFile(f, &s)
	return s, nil
}
