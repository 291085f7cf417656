//go:build !linux

package wasi

import (
	"os"
	"syscall"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

func duplicate(syscall.Conn) (*os.File, error) { return nil, vfs.ENOTSUP }
