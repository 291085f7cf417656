package wasi

import (
	"os"
	"syscall"

	"github.com/spindle-wasm/spindle/wasi/internal/stream"
)

// duplicate makes another descriptor of what c has open.
func duplicate(c syscall.Conn) (f *os.File, err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	cerr := rc.Control(func(fd uintptr) { f, err = stream.Duplicate(int(fd)) })
	if cerr != nil {
		return nil, cerr
	}
	return f, err
}
