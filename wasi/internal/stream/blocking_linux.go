package stream

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A file in blocking mode stays in it, because others share its description. What reads and writes it here must not wait in the system
// all the same, where nothing could stop it: neither when another reader takes what poll has seen, nor when another writer fills the room.

// reopen opens a terminal again, in non-blocking mode, as RWF_NOWAIT is not for terminals. ok is false if the system does not allow it.
func reopen(fd int) (own int, ok bool) {
	var was, is unix.Stat_t
	mode, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || unix.Fstat(fd, &was) != nil || was.Rdev == unix.Mkdev(5, 2) { // /dev/ptmx again is another terminal
		return -1, false
	}
	own, err = unix.Open(fmt.Sprint("/proc/self/fd/", fd), mode&unix.O_ACCMODE|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, false
	}
	if unix.Fstat(own, &is) != nil || is.Dev != was.Dev || is.Ino != was.Ino {
		_ = unix.Close(own)
		return -1, false
	}
	return own, true
}

// readReady reads from a file in blocking mode that polls as readable.
func (s *FD) readReady(p []byte) (int, error) {
	if !s.noNowait.Load() {
		n, err := unix.Preadv2(s.fd, [][]byte{p}, -1, unix.RWF_NOWAIT)
		if !s.lacksNowait(err) {
			return n, err
		}
	}
	return unix.Read(s.fd, p)
}

// writeReady writes to a file in blocking mode that polls as writable.
func (s *FD) writeReady(p []byte) (int, error) {
	if !s.noNowait.Load() {
		n, err := unix.Pwritev2(s.fd, [][]byte{p}, -1, unix.RWF_NOWAIT)
		if !s.lacksNowait(err) {
			return n, err
		}
	}
	return unix.Write(s.fd, s.fits(p))
}

// lacksNowait notes whether an error says that the file does not have RWF_NOWAIT: pipes have since Linux 6.4, sockets since 4.14.
func (s *FD) lacksNowait(err error) bool {
	if err != unix.EOPNOTSUPP && err != unix.ENOSYS && err != unix.EINVAL {
		return false
	}
	s.noNowait.Store(true)
	return true
}
