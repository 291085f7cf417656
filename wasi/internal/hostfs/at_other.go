//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package hostfs

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

const (
	openAlways    = 0
	openDirectory = 0
	emulateAppend = true
)

func (d *dir) rootOf(_ *os.File, fi fs.FileInfo, path string) (*os.Root, error) {
	return d.rootAgain(fi, path)
}

// lstat is Lstat of what a slash does not lead away from.
func (d *dir) lstat(path string) (fs.FileInfo, error) {
	dirPath, base, slash := vfs.Split(path)
	fi, err := d.root.Lstat(dirPath + "/" + base)
	if err == nil && slash && !fi.IsDir() {
		return nil, vfs.ENOTDIR
	}
	return fi, d.m.err(err)
}

func (d *dir) Rmdir(path string) error {
	fi, err := d.lstat(path)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return vfs.ENOTDIR
	}
	return d.m.err(d.root.Remove(path))
}

func (d *dir) Unlink(path string) error {
	fi, err := d.lstat(path)
	if err != nil {
		return err
	}
	if fi.IsDir() {
		return vfs.EISDIR
	}
	return d.m.err(d.root.Remove(path))
}

// common returns a Root and the names in it for an operation on two directories: that of the mount, unless both are one.
// Names below the mount hold while nothing above was renamed, which is checked.
func (d *dir) common(t *dir, old, new string) (*os.Root, string, string, error) {
	if d == t {
		return d.root, old, new, nil
	}
	for _, x := range []*dir{d, t} {
		now, err := d.m.root.Stat(x.path)
		if err != nil {
			return nil, "", "", d.m.err(err)
		}
		was, err := x.file.Stat()
		if err != nil {
			return nil, "", "", err
		}
		if !os.SameFile(now, was) {
			return nil, "", "", vfs.EXDEV
		}
	}
	return d.m.root, path.Join(d.path, old), path.Join(t.path, new), nil
}

func (d *dir) Rename(path string, to vfs.Dir, newPath string) error {
	t, ok := to.(*dir)
	if !ok || t.m != d.m {
		return vfs.EXDEV
	}
	fi, err := d.lstat(path)
	if err != nil {
		return err
	}
	if _, _, slash := vfs.Split(newPath); slash && !fi.IsDir() {
		return vfs.ENOTDIR
	}
	root, old, new, err := d.common(t, path, newPath)
	if err != nil {
		return err
	}
	err = root.Rename(old, new)
	at, statErr := root.Lstat(new)
	switch {
	case err == nil || statErr != nil || os.SameFile(at, fi) || !at.IsDir() && !fi.IsDir():
		return d.m.err(err)
	case !fi.IsDir():
		return vfs.EISDIR
	case !at.IsDir():
		return vfs.ENOTDIR
	}
	// Windows does not rename onto a directory. What stands in the way is removed if it is empty, and comes back if that was not the reason.
	if err := root.Remove(new); err != nil {
		return vfs.ENOTEMPTY
	}
	if err := root.Rename(old, new); err != nil {
		return errors.Join(d.m.err(err), root.Mkdir(new, permDir))
	}
	return nil
}

func (d *dir) Link(path string, to vfs.Dir, newPath string) error {
	t, ok := to.(*dir)
	if !ok || t.m != d.m {
		return vfs.EXDEV
	}
	fi, err := d.lstat(path)
	if err != nil {
		return err
	}
	if fi.IsDir() {
		return vfs.EPERM
	}
	root, old, new, err := d.common(t, path, newPath)
	if err != nil {
		return err
	}
	return d.m.err(root.Link(old, new))
}

func (d *dir) setTimesNoFollow(path string, t vfs.Times) error {
	fi, err := d.root.Lstat(path)
	if err != nil {
		return d.m.err(err)
	}
	if fi.Mode()&fs.ModeSymlink != 0 {
		return vfs.ENOTSUP
	}
	return d.m.err(d.root.Chtimes(path, goTime(t.Atim), goTime(t.Mtim)))
}

func (d *dir) Mkdir(path string) error { return d.m.err(d.root.Mkdir(path, permDir)) }

func (d *dir) Symlink(target, path string) error { return d.m.err(d.root.Symlink(target, path)) }

func (d *dir) Readlink(path string) (string, error) {
	target, err := d.root.Readlink(path)
	return target, d.m.err(err)
}

func writeAt(f *os.File, p []byte, off int64) (int, error) { return f.WriteAt(p, off) }

// setAppend has nothing to do: appending is emulated.
func setAppend(*os.File, bool) error { return nil }

func allocate(f *os.File, off, n int64) error { return grow(f, off+n) }

func advise(*os.File, int64, int64, uint8) error { return nil }

func syncData(f *os.File) error { return f.Sync() }
