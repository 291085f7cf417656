package hostfs

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/stream"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// mount is what the directories opened below one mounted directory share.
type mount struct {
	hub     *stream.Hub
	escapes error    // os.Root's error for paths that lead out of it, which has no name
	fast    bool     // see fastOpen
	root    *os.Root // the mounted directory's; it lives as long as its dir
}

// Mount opens a directory of the host.
func Mount(path string, hub *stream.Hub) (vfs.Dir, error) {
	fi, err := os.Stat(path) // before opening, which would wait on a FIFO
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, &fs.PathError{Op: "mount", Path: path, Err: vfs.ENOTDIR}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	m := newMount(root, hub)
	d, err := newDir(m, root, ".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	m.fast = hasBeneath(d.file)
	return d, nil
}

func newMount(root *os.Root, hub *stream.Hub) *mount {
	m := &mount{hub: hub, root: root}
	var pe *fs.PathError
	if _, err := root.Lstat(".."); errors.As(err, &pe) {
		m.escapes = pe.Err
	}
	return m
}

// err translates an error of os.Root.
func (m *mount) err(err error) error {
	if err == nil {
		return nil
	}
	if m.escapes != nil && errors.Is(err, m.escapes) {
		return vfs.EPERM
	}
	return vfs.ErrnoOf(err)
}
