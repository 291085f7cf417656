package memfs

import (
	"sort"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// dir is an open directory. It stays the same directory when it is renamed, and is empty once it is removed.
type dir struct {
	vfs.UnsupportedDir
	fs   *FS
	node *node
}

// Root opens the file system's root.
func (f *FS) Root() vfs.Dir { return &dir{fs: f, node: f.root} }

func (d *dir) Stat() (vfs.Stat, error) { return d.fs.stat(d.node), nil }

func (d *dir) SetTimes(t vfs.Times) error {
	d.node.setTimes(t)
	return nil
}

func (d *dir) Entries(cookie uint64, yield func(vfs.Entry) bool) error {
	// Copied in batches, so that yield runs without the lock.
	for {
		batch := d.batch(cookie)
		for _, e := range batch {
			if !yield(e) {
				return nil
			}
		}
		if len(batch) == 0 {
			return nil
		}
		cookie = batch[len(batch)-1].Next
	}
}

func (d *dir) batch(cookie uint64) []vfs.Entry {
	f, n := d.fs, d.node
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []vfs.Entry
	if cookie == 0 {
		out = append(out, vfs.Entry{Next: 1, Ino: n.ino, Name: ".", Type: vfs.TypeDirectory})
	}
	if cookie <= 1 {
		up := n.ino // the parent of the directory that was mounted is nobody's business
		if n.parent != nil {
			up = n.parent.ino
		}
		out = append(out, vfs.Entry{Next: firstCookie, Ino: up, Name: "..", Type: vfs.TypeDirectory})
	}
	i := sort.Search(len(n.order), func(i int) bool { return n.order[i].cookie > cookie })
	for _, e := range n.order[i:min(len(n.order), i+64)] {
		out = append(out, vfs.Entry{Next: e.cookie, Ino: e.node.ino, Name: e.name, Type: e.node.typ})
	}
	return out
}

// find resolves a path. Preconditions: FS.mu is held.
func (d *dir) find(path string, follow bool) (vfs.Found[*node], error) {
	return vfs.Resolve(d.fs, d.node, path, follow)
}

// findNew resolves the path of something to be made, which must not end in a slash.
func (d *dir) findNew(path string) (vfs.Found[*node], error) {
	at, err := d.find(path, false)
	switch {
	case err != nil:
		return at, err
	case at.Exists:
		return at, vfs.EEXIST
	case at.Slash:
		return at, vfs.ENOENT
	case at.Dir.parent == nil: // removed
		return at, vfs.ENOENT
	}
	return at, nil
}

// findOld resolves the path of something that must exist.
func (d *dir) findOld(path string, follow bool) (vfs.Found[*node], error) {
	at, err := d.find(path, follow)
	if err == nil && !at.Exists {
		err = vfs.ENOENT
	}
	return at, err
}

func (d *dir) Open(path string, o vfs.OpenFlags) (vfs.File, error) {
	f := d.fs
	f.mu.Lock()
	defer f.mu.Unlock()
	at, err := d.find(path, o.Follow && !(o.Create && o.Exclusive))
	if err != nil {
		return nil, err
	}
	n := at.Node
	switch {
	case !at.Exists:
		if !o.Create || o.Directory || at.Slash || at.Dir.parent == nil {
			return nil, vfs.ENOENT
		}
		if n, err = f.makeLocked(at, vfs.TypeRegular, ""); err != nil {
			return nil, err
		}
	case o.Create && o.Exclusive:
		return nil, vfs.EEXIST
	case at.Type == vfs.TypeSymlink:
		return nil, vfs.ELOOP
	case at.Type == vfs.TypeDirectory:
		if o.Write || o.Create || o.Truncate {
			return nil, vfs.EISDIR
		}
		return &dir{fs: f, node: n}, nil
	case o.Directory:
		return nil, vfs.ENOTDIR
	case o.Truncate:
		if err := n.data.truncate(f, 0); err != nil {
			return nil, err
		}
		n.touch()
	}
	n.data.open()
	return &file{fs: f, node: n, read: o.Read, write: o.Write, append: o.Status&vfs.FlagAppend != 0}, nil
}

func (f *FS) makeLocked(at vfs.Found[*node], t vfs.FileType, target string) (*node, error) {
	if err := f.reserve(int64(nodeCost + len(target))); err != nil {
		return nil, err
	}
	n := f.newNode(t)
	n.target = target
	at.Dir.addLocked(at.Name, n)
	return n, nil
}

func (d *dir) StatPath(path string, follow bool) (vfs.Stat, error) {
	d.fs.mu.RLock()
	at, err := d.findOld(path, follow)
	d.fs.mu.RUnlock()
	if err != nil {
		return vfs.Stat{}, err
	}
	return d.fs.stat(at.Node), nil
}

func (d *dir) SetTimesPath(path string, follow bool, t vfs.Times) error {
	d.fs.mu.RLock()
	at, err := d.findOld(path, follow)
	d.fs.mu.RUnlock()
	if err == nil {
		at.Node.setTimes(t)
	}
	return err
}

func (d *dir) Readlink(path string) (string, error) {
	d.fs.mu.RLock()
	defer d.fs.mu.RUnlock()
	at, err := d.findOld(path, false)
	if err == nil && at.Type != vfs.TypeSymlink {
		err = vfs.EINVAL
	}
	if err != nil {
		return "", err
	}
	return at.Node.target, nil
}
