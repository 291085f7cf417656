//go:build !linux

package hostfs

import "github.com/spindle-wasm/spindle/wasi/internal/vfs"

type scanner struct{}

func (*scanner) read(d *dir, add func(vfs.Entry)) (end bool, err error) { return readEntries(d, add) }
