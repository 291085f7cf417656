package hostfs

import (
	"errors"
	"fmt"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/stream"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// Pass implements vfs.Passer.
func (f *file) Pass(func(any) int) (p vfs.Passed, _ *os.File, err error) {
	f.mu.Lock()
	p = vfs.Passed{Kind: vfs.PassedFile, Read: f.read, Write: f.write, Append: f.append, Own: f.own}
	f.mu.Unlock()
	own, err := duplicate(f.f)
	return p, own, err
}

// Pass implements vfs.Passer.
func (d *dir) Pass(mount func(any) int) (vfs.Passed, *os.File, error) {
	own, err := duplicate(d.file)
	return vfs.Passed{Kind: vfs.PassedDir, Path: d.path, Mount: mount(d.m)}, own, err
}

func duplicate(f *os.File) (*os.File, error) {
	fd, err := fdOf(f)
	if err != nil {
		return nil, err
	}
	return stream.Duplicate(fd)
}

// Receiver makes files of what another process has passed.
type Receiver struct {
	Hub    *stream.Hub
	mounts map[int]*mount
}

// Receive makes a file. It owns f, also if it fails.
func (r *Receiver) Receive(p vfs.Passed, f *os.File) (file vfs.File, err error) {
	switch p.Kind {
	case vfs.PassedFile:
		file, err = r.file(p, f)
	case vfs.PassedDir:
		file, err = r.dir(p, f)
	default:
		file, err = stream.Receive(r.Hub, p, f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file, nil
}

func (r *Receiver) file(p vfs.Passed, f *os.File) (vfs.File, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() && !fi.IsDir() {
		return nil, fmt.Errorf("a regular file that is none (%v)", fi.Mode())
	}
	return &file{f: f, own: p.Own, received: true, read: p.Read, write: p.Write, append: p.Append}, nil
}

// dir opens the directory again: the offset of an open file description would be shared, and listing moves it.
func (r *Receiver) dir(p vfs.Passed, f *os.File) (vfs.File, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, fmt.Errorf("a directory that is none (%v)", fi.Mode())
	}
	root, err := (&dir{}).rootOf(f, fi, "")
	if err != nil {
		return nil, err
	}
	m := r.mounts[p.Mount]
	if m == nil {
		if r.mounts == nil {
			r.mounts = map[int]*mount{}
		}
		m = newMount(root, r.Hub)
		r.mounts[p.Mount] = m
	}
	d, err := newDir(m, root, p.Path)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	m.fast = hasBeneath(d.file)
	if err := f.Close(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
