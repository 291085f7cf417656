package hostfs

import (
	"io/fs"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// rootAgain opens a directory that was opened before a second time, as a Root, and makes sure that it is the same.
func (d *dir) rootAgain(fi fs.FileInfo, path string) (*os.Root, error) {
	root, err := d.root.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	same, err := root.Stat(".")
	if err != nil || !os.SameFile(fi, same) {
		_ = root.Close()
		return nil, vfs.ENOENT // renamed in between
	}
	return root, nil
}
