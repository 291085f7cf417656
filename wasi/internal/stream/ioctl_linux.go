package stream

import "golang.org/x/sys/unix"

const (
	ioctlTermios  = unix.TCGETS
	ioctlReadable = unix.TIOCINQ
)

// maxWritePipe is PIPE_BUF: what a pipe that polls as writable takes without blocking.
const maxWritePipe = 4096
