package standby

import (
	"os"

	"golang.org/x/sys/unix"
)

// NewCounter makes a counter that processes can share, by sending it to each other as a file: it is the file's offset, which belongs to the open file description.
func NewCounter(at uint32) (*os.File, error) {
	f, err := NewFile("counter", nil)
	if err != nil {
		return nil, err
	}
	_, err = f.Seek(int64(at), 0)
	return f, err
}

// Count adds one to a counter and returns what it is then. Nobody else gets the same: the kernel moves the offset of a shared description under its lock (since Linux 3.14; open(2),
// POSIX.1-2024, 2.9.7: lseek is atomic with regard to the others).
func Count(f *os.File) (uint32, error) {
	n, err := unix.Seek(int(f.Fd()), 1, 1)
	return uint32(n), os.NewSyscallError("lseek", err)
}

// Counted returns what a counter is.
func Counted(f *os.File) (uint32, error) {
	n, err := unix.Seek(int(f.Fd()), 0, 1)
	return uint32(n), os.NewSyscallError("lseek", err)
}
