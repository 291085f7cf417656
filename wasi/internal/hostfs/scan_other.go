//go:build !linux

package hostfs

import (
	"io"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// scan reads the next entries with package os alone.
func scan(d *dir, add func(vfs.Entry)) (end bool, err error) {
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
