// Package iofs mounts an io/fs.FS, read-only. Symbolic links are followed by our own resolution where the file system can read
// them (fs.ReadLinkFS), so that they lead no further than those of a host directory. Files have numbers made from their paths.
package iofs

import (
	"hash/fnv"
	"io"
	"io/fs"
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// Mount returns the root directory of a file system.
func Mount(fsys fs.FS) vfs.Dir { return &dir{t: &tree{fsys}, name: "."} }

// tree implements vfs.Tree: a file is its name in the file system.
type tree struct{ fsys fs.FS }

func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

func (t *tree) lstat(name string) (fs.FileInfo, error) {
	fi, err := fs.Lstat(t.fsys, name)
	if err != nil {
		return nil, vfs.ErrnoOf(err)
	}
	return fi, nil
}

// Lookup implements vfs.Tree.
func (t *tree) Lookup(dir, name string) (string, vfs.FileType, error) {
	p := join(dir, name)
	fi, err := t.lstat(p)
	if err != nil {
		return "", 0, err
	}
	return p, vfs.TypeOf(fi.Mode()), nil
}

// Target implements vfs.Tree.
func (t *tree) Target(link string) (string, error) {
	target, err := fs.ReadLink(t.fsys, link)
	if err != nil {
		return "", vfs.ErrnoOf(err)
	}
	return target, nil
}

func (t *tree) stat(name string, fi fs.FileInfo) vfs.Stat {
	s := vfs.StatOf(fi)
	if s.Ino == 0 {
		s.Ino = number(name)
	}
	return s
}

func number(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64() | 1 // 0 says that a file has none
}

// dir is a directory, known by its name.
type dir struct {
	vfs.UnsupportedDir
	t    *tree
	name string

	mu   sync.Mutex
	list []fs.DirEntry // guarded by mu: as read at cookie 0
	read bool          // guarded by mu
}

func (d *dir) Stat() (vfs.Stat, error) {
	fi, err := fs.Stat(d.t.fsys, d.name)
	if err != nil {
		return vfs.Stat{}, err
	}
	return d.t.stat(d.name, fi), nil
}

func (d *dir) SetTimes(vfs.Times) error { return vfs.EROFS }

func (d *dir) Entries(cookie uint64, yield func(vfs.Entry) bool) error {
	d.mu.Lock()
	if cookie == 0 || !d.read {
		list, err := fs.ReadDir(d.t.fsys, d.name)
		if err != nil && vfs.ErrnoOf(err) != vfs.ENOENT { // a directory that is removed is empty
			d.mu.Unlock()
			return err
		}
		d.list, d.read = list, true
	}
	list := d.list
	d.mu.Unlock()
	for i := cookie; i < uint64(len(list))+2; i++ {
		e := vfs.Entry{Next: i + 1, Type: vfs.TypeDirectory, Ino: number(d.name)}
		switch i {
		case 0:
			e.Name = "."
		case 1:
			e.Name = ".."
		default:
			x := list[i-2]
			e.Name, e.Type, e.Ino = x.Name(), vfs.TypeOf(x.Type()), number(join(d.name, x.Name()))
			if fi, err := x.Info(); err == nil {
				e.Ino = d.t.stat(join(d.name, x.Name()), fi).Ino
			}
		}
		if !yield(e) {
			break
		}
	}
	return nil
}

func (d *dir) find(path string, follow bool) (string, vfs.FileType, error) {
	at, err := vfs.Resolve(d.t, d.name, path, follow)
	if err == nil && !at.Exists {
		err = vfs.ENOENT
	}
	return at.Node, at.Type, err
}

func (d *dir) Open(path string, o vfs.OpenFlags) (vfs.File, error) {
	name, typ, err := d.find(path, o.Follow && !(o.Create && o.Exclusive))
	switch {
	case err == vfs.ENOENT && o.Create:
		return nil, vfs.EROFS
	case err != nil:
		return nil, err
	case o.Create && o.Exclusive:
		return nil, vfs.EEXIST
	case typ == vfs.TypeSymlink:
		return nil, vfs.ELOOP
	case typ == vfs.TypeDirectory && (o.Write || o.Create || o.Truncate):
		return nil, vfs.EISDIR
	case typ == vfs.TypeDirectory:
		return &dir{t: d.t, name: name}, nil
	case o.Directory:
		return nil, vfs.ENOTDIR
	case o.Write || o.Truncate:
		return nil, vfs.EROFS
	}
	f, err := d.t.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	return &file{t: d.t, name: name, f: f, typ: typ, readable: o.Read}, nil
}

func (d *dir) StatPath(path string, follow bool) (vfs.Stat, error) {
	name, _, err := d.find(path, follow)
	if err != nil {
		return vfs.Stat{}, err
	}
	fi, err := d.t.lstat(name)
	if err != nil {
		return vfs.Stat{}, err
	}
	return d.t.stat(name, fi), nil
}

func (d *dir) Readlink(path string) (string, error) {
	name, typ, err := d.find(path, false)
	if err != nil {
		return "", err
	}
	if typ != vfs.TypeSymlink {
		return "", vfs.EINVAL
	}
	return d.t.Target(name)
}

func (d *dir) SetTimesPath(string, bool, vfs.Times) error  { return vfs.EROFS }
func (d *dir) Mkdir(string) error                          { return vfs.EROFS }
func (d *dir) Rmdir(string) error                          { return vfs.EROFS }
func (d *dir) Unlink(string) error                         { return vfs.EROFS }
func (d *dir) Symlink(string, string) error                { return vfs.EROFS }
func (d *dir) Rename(string, vfs.Dir, string) error        { return vfs.EROFS }
func (d *dir) Link(path string, _ vfs.Dir, _ string) error { return vfs.EROFS }

// file is an open file. One that can neither seek nor read at an offset is read whole when that is asked for.
type file struct {
	vfs.Unsupported
	t        *tree
	name     string
	typ      vfs.FileType
	readable bool

	mu   sync.Mutex
	f    fs.File // guarded by mu
	off  int64   // guarded by mu
	at   int64   // guarded by mu: where f itself stands
	all  []byte  // guarded by mu: everything, if it had to be read
	have bool    // guarded by mu: all is valid
}

func (f *file) Type() vfs.FileType { return f.typ }

func (f *file) Stat() (vfs.Stat, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fi, err := f.f.Stat()
	if err != nil {
		return vfs.Stat{}, err
	}
	return f.t.stat(f.name, fi), nil
}

func (f *file) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.readLocked(p, f.off)
	f.off += int64(n)
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.readLocked(p, off)
}

func (f *file) readLocked(p []byte, off int64) (n int, err error) {
	switch {
	case !f.readable:
		return 0, vfs.EBADF
	case off < 0:
		return 0, vfs.EINVAL
	case len(p) == 0:
		return 0, nil
	}
	if f.have {
		return f.copyLocked(p, off), nil
	}
	if off > 0 {
		// Some file systems call it an error to read where a file has ended.
		if fi, err := f.f.Stat(); err == nil && f.typ == vfs.TypeRegular && off >= fi.Size() {
			return 0, nil
		}
	}
	if r, ok := f.f.(io.ReaderAt); ok {
		n, err = r.ReadAt(p, off)
	} else {
		if off != f.at {
			s, ok := f.f.(io.Seeker)
			if !ok {
				return f.readAllLocked(p, off)
			}
			if _, err := s.Seek(off, io.SeekStart); err != nil {
				return 0, err
			}
			f.at = off
		}
		n, err = f.f.Read(p)
		f.at += int64(max(0, n))
	}
	if n > 0 || err == io.EOF { //nolint:errorlint // io.Reader returns it bare
		err = nil
	}
	return n, err
}

func (f *file) readAllLocked(p []byte, off int64) (int, error) {
	again, err := f.t.fsys.Open(f.name)
	if err != nil {
		return 0, err
	}
	defer again.Close()
	if f.all, err = io.ReadAll(again); err != nil {
		return 0, err
	}
	f.have = true
	return f.copyLocked(p, off), nil
}

func (f *file) copyLocked(p []byte, off int64) int {
	if off >= int64(len(f.all)) {
		return 0
	}
	return copy(p, f.all[off:])
}

func (f *file) Seek(off int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, err := vfs.Seek(f.off, off, whence, func() (int64, error) {
		fi, err := f.f.Stat()
		if err != nil {
			return 0, err
		}
		return fi.Size(), nil
	})
	if err == nil {
		f.off = at
	}
	return at, err
}

func (f *file) Write([]byte) (int, error)          { return 0, vfs.EBADF }
func (f *file) WriteAt([]byte, int64) (int, error) { return 0, vfs.EBADF }
func (f *file) Allocate(int64, int64) error        { return vfs.EBADF }
func (f *file) SetTimes(vfs.Times) error           { return vfs.EROFS }
func (f *file) Sync(bool) error                    { return nil }
func (f *file) Close() error                       { return f.f.Close() }

func (f *file) Advise(off, n int64, _ uint8) error {
	if off < 0 || n < 0 {
		return vfs.EINVAL
	}
	return nil
}
