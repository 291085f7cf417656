//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package stream

import (
	"net"
	"syscall"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

// Sock is a connected stream socket of the host.
type Sock struct{ FD }

// Peek implements vfs.Socket.
func (s *Sock) Peek(p []byte) (int, error) {
	return retry(func() (int, error) {
		n, _, err := unix.Recvfrom(s.fd, p, unix.MSG_PEEK)
		return n, err
	})
}

// Shutdown implements vfs.Socket.
func (s *Sock) Shutdown(read, write bool) error {
	switch {
	case read && write:
		return unix.Shutdown(s.fd, unix.SHUT_RDWR)
	case read:
		return unix.Shutdown(s.fd, unix.SHUT_RD)
	}
	return unix.Shutdown(s.fd, unix.SHUT_WR)
}

// listener is a listening socket of the host.
type listener struct {
	FD
}

// OfListener makes a stream of a listener, which it owns.
func OfListener(hub *Hub, l net.Listener) vfs.Listener {
	sc, ok := l.(syscall.Conn)
	if !ok {
		return NewAccepter(l)
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return NewAccepter(l)
	}
	s := &listener{}
	if err := rc.Control(func(fd uintptr) { s.fd = int(fd) }); err != nil {
		return NewAccepter(l)
	}
	s.hub, s.typ, s.nonblock, s.stat, s.close = hub, vfs.TypeSocketStream, isNonblock(s.fd), socketStat(s.fd), l.Close
	if !s.nonblock {
		return NewAccepter(l)
	}
	return s
}

func (s *listener) Read([]byte) (int, error)  { return 0, vfs.ENOTCONN }
func (s *listener) Write([]byte) (int, error) { return 0, vfs.ENOTCONN }

// Accept implements vfs.Listener.
func (s *listener) Accept() (vfs.Socket, error) {
	fd, err := retry(func() (int, error) { return accept(s.fd) })
	if err != nil {
		return nil, err
	}
	c := &Sock{}
	c.hub, c.fd, c.typ, c.nonblock, c.stat = s.hub, fd, vfs.TypeSocketStream, true, socketStat(fd)
	c.close = func() error { return unix.Close(fd) }
	return c, nil
}

func socketStat(fd int) func() (vfs.Stat, error) {
	return func() (vfs.Stat, error) {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return vfs.Stat{}, err
		}
		return vfs.Stat{Dev: uint64(st.Dev), Ino: uint64(st.Ino), Type: vfs.TypeSocketStream, Nlink: 1}, nil
	}
}
