//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package stream

import "golang.org/x/sys/unix"

func accept(fd int) (int, error) {
	unlock := lockFork()
	defer unlock()
	c, _, err := unix.Accept(fd)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(c)
	if err := unix.SetNonblock(c, true); err != nil {
		_ = unix.Close(c)
		return -1, err
	}
	return c, nil
}
