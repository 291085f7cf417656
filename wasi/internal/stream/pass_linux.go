package stream

import (
	"errors"
	"net"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

// Duplicate makes another descriptor of an open file description.
func Duplicate(fd int) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(n), "passed"), nil
}

func (s *FD) pass(kind vfs.PassedKind) (vfs.Passed, *os.File, error) {
	f, err := Duplicate(s.fd)
	return vfs.Passed{Kind: kind}, f, err
}

// Pass implements vfs.Passer.
func (s *FD) Pass(func(any) int) (vfs.Passed, *os.File, error) { return s.pass(vfs.PassedStream) }

// Pass implements vfs.Passer.
func (s *Sock) Pass(func(any) int) (vfs.Passed, *os.File, error) { return s.pass(vfs.PassedSocket) }

// Pass implements vfs.Passer.
func (s *listener) Pass(func(any) int) (vfs.Passed, *os.File, error) {
	return s.pass(vfs.PassedListener)
}

// Pass implements vfs.Passer. What a goroutine has read ahead stays here.
func (s *fileStream) Pass(func(any) int) (vfs.Passed, *os.File, error) {
	return s.fd.pass(vfs.PassedStream)
}

// Pass implements vfs.Passer. Readers and writers of this process cannot go, but for those with nothing in them.
func (s *Direct) Pass(func(any) int) (vfs.Passed, *os.File, error) {
	if !s.Empty() {
		return vfs.Passed{}, nil, vfs.ENOTSUP
	}
	return vfs.Passed{Kind: vfs.PassedNothing, Write: s.w != nil}, nil, nil
}

// Receive makes a stream of one that another process has passed. It owns f.
func Receive(hub *Hub, p vfs.Passed, f *os.File) (vfs.Stream, error) {
	switch p.Kind {
	case vfs.PassedStream:
		return OfFile(hub, f, true)
	case vfs.PassedSocket:
		s := &Sock{}
		if err := s.of(hub, f); err != nil {
			return nil, err
		}
		return s, nil
	case vfs.PassedListener:
		l, err := net.FileListener(f)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil { // l has a descriptor of its own
			return nil, errors.Join(err, l.Close())
		}
		return OfListener(hub, l), nil
	}
	return nil, vfs.ENOTSUP
}

// of makes s a socket of f, which it owns.
func (s *Sock) of(hub *Hub, f *os.File) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if err := rc.Control(func(fd uintptr) { s.fd = int(fd) }); err != nil {
		return err
	}
	s.hub, s.typ, s.nonblock, s.stat, s.close = hub, vfs.TypeSocketStream, isNonblock(s.fd), socketStat(s.fd), f.Close
	return nil
}
