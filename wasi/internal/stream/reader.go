package stream

import (
	"errors"
	"io"
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

var errCount = errors.New("an io.Reader returned an invalid number of bytes")

// readSize is how much a Reader asks its source for.
const readSize = 16 << 10

// Reader makes a stream of an io.Reader that may block: a goroutine reads when a guest asks, and what it got stays here until a
// guest takes it, so that a guest that stops waiting loses nothing. It never reads ahead of a guest that has asked.
type Reader struct {
	vfs.Unsupported
	r io.Reader

	mu      sync.Mutex
	buf     []byte  // guarded by mu, but the goroutine's while fetching
	data    []byte  // guarded by mu: what is left of buf
	err     error   // guarded by mu: comes after data
	fetch   bool    // guarded by mu: a goroutine reads
	waiting waiters // guarded by mu
}

// NewReader makes a Reader.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Type implements vfs.File.
func (s *Reader) Type() vfs.FileType { return vfs.TypeUnknown }

// Stat implements vfs.File.
func (s *Reader) Stat() (vfs.Stat, error) { return vfs.Stat{Nlink: 1}, nil }

func (s *Reader) Read(p []byte) (int, error) { return s.read(p, false) }

// Peek is Read that leaves the bytes.
func (s *Reader) Peek(p []byte) (int, error) { return s.read(p, true) }

func (s *Reader) read(p []byte, peek bool) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.data) > 0 {
		n := copy(p, s.data)
		if !peek {
			s.data = s.data[n:]
		}
		return n, nil
	}
	if err := s.err; err != nil {
		if !peek {
			s.err = nil // the end of a file may not be the last word, as on a terminal
		}
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		return 0, err
	}
	s.fetchLocked()
	return 0, vfs.EAGAIN
}

func (s *Reader) fetchLocked() {
	if s.fetch {
		return
	}
	s.fetch = true
	if s.buf == nil {
		s.buf = make([]byte, readSize)
	}
	go func() {
		n, err := s.r.Read(s.buf)
		switch {
		case n < 0 || n > len(s.buf): // here a panic would be nobody's to recover
			n, err = 0, errCount
		case n == 0 && err == nil:
			err = io.ErrNoProgress // a Reader must not; waiting for it to do better would spin
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.data, s.err, s.fetch = s.buf[:n], err, false
		s.waiting.fire(vfs.Readable)
	}()
}

// Ready implements vfs.Stream. Who asks wants to read: a guest that only ever asks is told in the end.
func (s *Reader) Ready(e vfs.Events) vfs.Readiness {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e&vfs.Readable == 0 {
		return vfs.Readiness{}
	}
	if len(s.data) == 0 && s.err == nil {
		s.fetchLocked()
		return vfs.Readiness{}
	}
	return vfs.Readiness{Events: vfs.Readable, Bytes: uint64(len(s.data)), Hangup: len(s.data) == 0}
}

// Notify implements vfs.Stream.
func (s *Reader) Notify(e vfs.Events, ch chan<- struct{}) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e&vfs.Readable == 0 {
		return noCancel
	}
	if len(s.data) > 0 || s.err != nil {
		token(ch)
		return noCancel
	}
	s.fetchLocked()
	return s.waiting.add(&s.mu, e, ch)
}
