//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package stream

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

// FD is a pipe, terminal, device or socket of the host.
type FD struct {
	vfs.Unsupported
	hub   *Hub
	fd    int
	typ   vfs.FileType
	tty   bool
	stat  func() (vfs.Stat, error)
	close func() error

	// nonblock says that the descriptor itself is in non-blocking mode. If it is not, because others share it, a read or write is
	// preceded by a poll, under a lock so that no other guest thread gets in between, and asks not to wait where the system can be asked.
	nonblock bool
	rmu, wmu sync.Mutex
	noNowait atomic.Bool // it cannot be asked
}

// maxWriteTerminal is what a terminal that polls as writable takes without blocking. For pipes it is PIPE_BUF: see maxWritePipe.
const maxWriteTerminal = 256

// OfFile makes a stream of a file that is neither regular nor a directory. With own set it closes the file.
func OfFile(hub *Hub, f *os.File, own bool) (vfs.Stream, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := &FD{hub: hub, fd: -1, typ: vfs.TypeOf(fi.Mode()), close: func() error { return nil }}
	s.stat = func() (vfs.Stat, error) {
		fi, err := f.Stat()
		if err != nil {
			return vfs.Stat{}, err
		}
		return vfs.StatOf(fi), nil
	}
	if own {
		s.close = f.Close
	}
	rc, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := rc.Control(func(fd uintptr) { s.fd = int(fd) }); err != nil {
		return nil, err
	}
	s.nonblock = isNonblock(s.fd) && fi.Mode()&os.ModeNamedPipe == 0 // a FIFO without a writer yet reads as ended: poll knows better
	s.tty = isTerminal(s.fd)
	if s.tty && !s.nonblock {
		if fd, ok := reopen(s.fd); ok {
			s.fd, s.nonblock = fd, true
			closeFile := s.close
			s.close = func() error { return errors.Join(unix.Close(fd), closeFile()) }
		}
	}
	if poll(s.fd, vfs.Readable|vfs.Writable)&unix.POLLNVAL != 0 {
		// Some systems cannot poll some devices.
		return &fileStream{both{NewReader(f), NewWriter(f)}, s}, nil
	}
	return s, nil
}

func isNonblock(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK != 0
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, ioctlTermios)
	return err == nil
}

// Type implements vfs.File.
func (s *FD) Type() vfs.FileType { return s.typ }

// IsTerminal reports whether it is a terminal.
func (s *FD) IsTerminal() bool { return s.tty }

// Stat implements vfs.File.
func (s *FD) Stat() (vfs.Stat, error) { return s.stat() }

func (s *FD) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.nonblock {
		return retry(func() (int, error) { return unix.Read(s.fd, p) })
	}
	s.rmu.Lock()
	defer s.rmu.Unlock()
	if poll(s.fd, vfs.Readable) == 0 {
		return 0, vfs.EAGAIN
	}
	return retry(func() (int, error) { return s.readReady(p) })
}

func (s *FD) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.nonblock {
		return retry(func() (int, error) { return unix.Write(s.fd, p) })
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if poll(s.fd, vfs.Writable) == 0 {
		return 0, vfs.EAGAIN
	}
	return retry(func() (int, error) { return s.writeReady(p) })
}

// fits returns the beginning of p that fits into a file that polls as writable, if nobody else writes to it.
func (s *FD) fits(p []byte) []byte {
	limit := maxWritePipe
	if s.tty {
		limit = maxWriteTerminal
	}
	return p[:min(len(p), limit)]
}

// Ready implements vfs.Stream.
func (s *FD) Ready(e vfs.Events) vfs.Readiness {
	got := poll(s.fd, e)
	var r vfs.Readiness
	if got&pollAlways != 0 {
		r.Events = e // the next read or write tells
		r.Hangup = got&unix.POLLHUP != 0
	}
	if got&unix.POLLIN != 0 {
		r.Events |= e & vfs.Readable
		if n, err := unix.IoctlGetInt(s.fd, ioctlReadable); err == nil && n > 0 {
			r.Bytes = uint64(uint32(n))
		}
	}
	if got&unix.POLLOUT != 0 {
		r.Events |= e & vfs.Writable
	}
	return r
}

// Notify implements vfs.Stream.
func (s *FD) Notify(e vfs.Events, ch chan<- struct{}) func() { return s.hub.notify(s.fd, e, ch) }

// Close implements vfs.File.
func (s *FD) Close() error { return s.close() }

func retry(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err == unix.EINTR {
			continue
		}
		return max(0, n), err
	}
}

// lockFork keeps a fork from inheriting a descriptor before it is marked.
func lockFork() (unlock func()) {
	syscall.ForkLock.RLock()
	return syscall.ForkLock.RUnlock
}

// fileStream is a device that cannot be polled: goroutines read and write it.
type fileStream struct {
	both
	fd *FD
}

func (s *fileStream) Type() vfs.FileType      { return s.fd.typ }
func (s *fileStream) IsTerminal() bool        { return s.fd.tty }
func (s *fileStream) Stat() (vfs.Stat, error) { return s.fd.stat() }
func (s *fileStream) Close() error            { return s.fd.close() }
