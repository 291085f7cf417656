//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly && !windows

package hostfs

import (
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

func setTimes(*os.File, vfs.Times) error { return vfs.ENOTSUP }

func identifyFile(*os.File, *vfs.Stat) {}

func identifyPath(*dir, string, *vfs.Stat) {}
