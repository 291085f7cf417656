// Package ttytest makes terminals for tests.
package ttytest

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Open makes a terminal in blocking mode, as a shell hands it over, and the side of whoever sits at it. Both are closed with the test.
func Open(t testing.TB) (tty, user *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { user.Close() })
	rc, err := user.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var nerr error
	if err := rc.Control(func(fd uintptr) {
		if nerr = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); nerr == nil {
			n, nerr = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || nerr != nil {
		t.Fatal(err, nerr)
	}
	fd, err := unix.Open(fmt.Sprint("/dev/pts/", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	tty = os.NewFile(uintptr(fd), "tty")
	t.Cleanup(func() { tty.Close() })
	return tty, user
}
