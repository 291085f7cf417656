package memfs

import "github.com/spindle-wasm/spindle/wasi/internal/vfs"

// The operations that change the tree. The WASI layer keeps paths away from them that end in "." or "..".

func (d *dir) Mkdir(path string) error { return d.make(path, vfs.TypeDirectory, "") }

func (d *dir) Symlink(target, path string) error {
	if target == "" {
		return vfs.ENOENT
	}
	return d.make(path, vfs.TypeSymlink, target)
}

func (d *dir) make(path string, t vfs.FileType, target string) error {
	d.fs.mu.Lock()
	defer d.fs.mu.Unlock()
	if t == vfs.TypeDirectory {
		dirPath, base, _ := vfs.Split(path) // mkdir does not follow a link, slash or not
		path = dirPath + "/" + base
	}
	at, err := d.findNew(path)
	if err != nil {
		return err
	}
	_, err = d.fs.makeLocked(at, t, target)
	return err
}

func (d *dir) Rmdir(path string) error {
	return d.remove(path, func(at vfs.Found[*node]) error {
		switch {
		case at.Type != vfs.TypeDirectory:
			return vfs.ENOTDIR
		case len(at.Node.names) > 0:
			return vfs.ENOTEMPTY
		case at.Name == ".":
			return vfs.EINVAL
		}
		return nil
	})
}

func (d *dir) Unlink(path string) error {
	return d.remove(path, func(at vfs.Found[*node]) error {
		if at.Type == vfs.TypeDirectory {
			return vfs.EISDIR
		}
		return nil
	})
}

// remove takes a name away if check, which runs with FS.mu held, has nothing against it.
func (d *dir) remove(path string, check func(vfs.Found[*node]) error) error {
	d.fs.mu.Lock()
	defer d.fs.mu.Unlock()
	at, err := d.findNoSlashLink(path)
	if err == nil {
		err = check(at)
	}
	if err != nil {
		return err
	}
	at.Dir.removeLocked(at.Name)
	d.fs.dropLocked(at.Node)
	return nil
}

// findNoSlashLink is findOld for what is to be removed or moved: here a symbolic link is itself even with a slash after it,
// which then does not fit, as on Linux.
func (d *dir) findNoSlashLink(path string) (vfs.Found[*node], error) {
	dirPath, base, slash := vfs.Split(path)
	at, err := d.findOld(dirPath+"/"+base, false)
	if err == nil && slash && at.Type != vfs.TypeDirectory {
		err = vfs.ENOTDIR
	}
	return at, err
}

func (d *dir) Rename(path string, to vfs.Dir, newPath string) error {
	t, ok := to.(*dir)
	if !ok || t.fs != d.fs {
		return vfs.EXDEV
	}
	d.fs.mu.Lock()
	defer d.fs.mu.Unlock()
	oldDir, oldBase, oldSlash := vfs.Split(path)
	newDir, newBase, newSlash := vfs.Split(newPath)
	old, err := d.find(oldDir+"/"+oldBase, false)
	if err != nil {
		return err
	}
	dst, err := t.find(newDir+"/"+newBase, false)
	if err != nil {
		return err
	}
	isDir := old.Type == vfs.TypeDirectory
	switch {
	case !old.Exists:
		return vfs.ENOENT
	case old.Name == "." || dst.Name == ".":
		return vfs.EBUSY
	case (oldSlash || newSlash) && !isDir:
		return vfs.ENOTDIR
	case dst.Dir.parent == nil:
		return vfs.ENOENT
	case dst.Exists && dst.Node == old.Node:
		return nil
	case isDir && below(dst.Dir, old.Node):
		return vfs.EINVAL
	case dst.Exists && below(old.Dir, dst.Node):
		return vfs.ENOTEMPTY
	}
	if dst.Exists {
		switch {
		case isDir && dst.Type != vfs.TypeDirectory:
			return vfs.ENOTDIR
		case !isDir && dst.Type == vfs.TypeDirectory:
			return vfs.EISDIR
		case isDir && len(dst.Node.names) > 0:
			return vfs.ENOTEMPTY
		}
		dst.Dir.removeLocked(dst.Name)
		d.fs.dropLocked(dst.Node)
	}
	old.Dir.removeLocked(old.Name)
	dst.Dir.addLocked(dst.Name, old.Node)
	return nil
}

// below reports whether n is top or a directory below it.
func below(n, top *node) bool {
	for ; n != nil; n = n.parent {
		if n == top {
			return true
		}
		if n.parent == n {
			return false
		}
	}
	return false
}

func (d *dir) Link(path string, to vfs.Dir, newPath string) error {
	t, ok := to.(*dir)
	if !ok || t.fs != d.fs {
		return vfs.EXDEV
	}
	d.fs.mu.Lock()
	defer d.fs.mu.Unlock()
	old, err := d.findNoSlashLink(path)
	if err != nil {
		return err
	}
	dst, err := t.findNew(newPath)
	switch {
	case err != nil:
		return err
	case old.Type == vfs.TypeDirectory:
		return vfs.EPERM
	}
	dst.Dir.addLocked(dst.Name, old.Node)
	return nil
}
