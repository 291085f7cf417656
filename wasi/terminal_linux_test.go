package wasi

import (
	"io"
	"os"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/ttytest"
)

// typist sits at a terminal. What is typed ends with the control character that hands over what there is, and is the end if there is nothing.
type typist struct{ user *os.File }

const endOfFile = 4

func (u typist) Write(p []byte) (int, error) {
	_, err := u.user.Write(append(p[:len(p):len(p)], endOfFile))
	return len(p), err
}

func (u typist) Close() error {
	_, err := u.user.Write([]byte{endOfFile})
	return err
}

func init() {
	moreStdin["terminal"] = func(t *testing.T) (io.Reader, io.WriteCloser) {
		tty, user := ttytest.Open(t)
		return tty, typist{user}
	}
	hostWaits["write to a full terminal"] = func(t *testing.T) waitKind {
		tty, user := ttytest.Open(t)
		fill(t, tty)
		return waitKind{
			cfg:   Config{Stdout: tty, Mounts: []Mount{{Guest: "/", Mem: NewMemFS(0)}}},
			setup: `(i32.const 1)`, waits: `(call $write (local.get 0) (i32.const 0x108) (i32.const 1) (i32.const 0x80))`,
			feed: func() { go io.Copy(io.Discard, user) },
			some: true, // the system goes on moving what was written from one buffer to the next
		}
	}
}
