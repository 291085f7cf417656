package hostfs

import (
	"io"
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

func checkAdvice(advice uint8) error {
	if advice > 5 { // noreuse is the last
		return vfs.EINVAL
	}
	return nil
}

// readEntries reads the next entries with package os alone.
func readEntries(d *dir, add func(vfs.Entry)) (end bool, err error) {
	list, err := d.file.ReadDir(128)
	for _, e := range list {
		entry := vfs.Entry{Name: e.Name(), Type: vfs.TypeOf(e.Type())}
		if fi, err := e.Info(); err == nil {
			st := vfs.StatOf(fi)
			identifyPath(d, e.Name(), &st)
			entry.Ino = st.Ino
		}
		add(entry)
	}
	if err == io.EOF { //nolint:errorlint // ReadDir returns it bare
		return true, nil
	}
	return err != nil, err
}
