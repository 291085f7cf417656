package stream

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// Direct is a stream over readers and writers that never block, and are called on the guest's own goroutine.
type Direct struct {
	vfs.Unsupported
	mu sync.Mutex
	r  io.Reader // guarded by mu; nil if it cannot be read
	w  io.Writer // guarded by mu; likewise
}

// OfReader returns a stream that reads from r; nil is empty.
func OfReader(r io.Reader) vfs.Stream {
	switch r := r.(type) {
	case nil:
		return &Direct{r: strings.NewReader("")}
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return &Direct{r: r}
	}
	return NewReader(r)
}

// OfWriter returns a stream that writes to w; nil discards.
func OfWriter(w io.Writer) vfs.Stream {
	if w == nil {
		w = io.Discard
	}
	switch w.(type) {
	case *bytes.Buffer, *strings.Builder:
		return &Direct{w: w}
	}
	if w == io.Discard {
		return &Direct{w: w}
	}
	return NewWriter(w)
}

// Type implements vfs.File.
func (s *Direct) Type() vfs.FileType { return vfs.TypeUnknown }

// Stat implements vfs.File.
func (s *Direct) Stat() (vfs.Stat, error) { return vfs.Stat{Nlink: 1}, nil }

func (s *Direct) Read(p []byte) (int, error) {
	if s.r == nil {
		return 0, vfs.EBADF
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.r.Read(p)
	if n > 0 || errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (s *Direct) Write(p []byte) (int, error) {
	if s.w == nil {
		return 0, vfs.EBADF
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// Ready implements vfs.Stream.
func (s *Direct) Ready(e vfs.Events) vfs.Readiness { return vfs.Readiness{Events: e} }

// Notify implements vfs.Stream.
func (s *Direct) Notify(_ vfs.Events, ch chan<- struct{}) func() {
	token(ch)
	return noCancel
}

// Nothing makes the stream that PassedNothing describes.
func Nothing(p vfs.Passed) vfs.Stream {
	if p.Write {
		return OfWriter(nil)
	}
	return OfReader(nil)
}

// Empty reports whether nothing can be read, or what is written is discarded.
func (s *Direct) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.r.(*strings.Reader)
	return ok && r.Len() == 0 || s.w == io.Discard
}
