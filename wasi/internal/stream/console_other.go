//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly && !windows

package stream

import "os"

func isConsole(*os.File) bool { return false }
