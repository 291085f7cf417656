//go:build linux

package hostfs

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// futimens sets an open file's times: utimensat without a path, which package unix cannot express.
func futimens(fd int, ts *[2]unix.Timespec) error {
	_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(ts)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
