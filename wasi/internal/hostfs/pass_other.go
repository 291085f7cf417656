//go:build !linux

package hostfs

import (
	"errors"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/stream"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// Receiver makes files of what another process has passed, which none does here.
type Receiver struct{ Hub *stream.Hub }

// Receive makes a file. It owns f, also if it fails.
func (*Receiver) Receive(_ vfs.Passed, f *os.File) (vfs.File, error) {
	return nil, errors.Join(vfs.ENOTSUP, f.Close())
}
