//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package stream

import "golang.org/x/sys/unix"

// reopen cannot: /dev/fd/N is the same description here.
func reopen(int) (own int, ok bool) { return -1, false }

// readReady reads from a file in blocking mode that polls as readable. Another process that takes the bytes first has it wait.
func (s *FD) readReady(p []byte) (int, error) { return unix.Read(s.fd, p) }

// writeReady writes to a file in blocking mode that polls as writable.
func (s *FD) writeReady(p []byte) (int, error) { return unix.Write(s.fd, s.fits(p)) }
