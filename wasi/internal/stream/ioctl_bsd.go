//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package stream

import "golang.org/x/sys/unix"

const (
	ioctlTermios  = unix.TIOCGETA
	ioctlReadable = 0x4004667f // FIONREAD
)

// maxWritePipe is PIPE_BUF: what a pipe that polls as writable takes without blocking.
const maxWritePipe = 512
