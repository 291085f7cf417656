package stream

import (
	"io"
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// maxWrite bounds what a Writer copies for one write.
const maxWrite = 64 << 10

// Writer makes a stream of an io.Writer that may block: a goroutine writes a copy, and the guest waits for it. A guest that stops
// waiting leaves its write to finish when it can.
type Writer struct {
	vfs.Unsupported
	w io.Writer

	mu      sync.Mutex
	buf     []byte  // guarded by mu, but the goroutine's while busy
	busy    bool    // guarded by mu
	waiting waiters // guarded by mu
}

// NewWriter makes a Writer.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Type implements vfs.File.
func (s *Writer) Type() vfs.FileType { return vfs.TypeUnknown }

// Stat implements vfs.File.
func (s *Writer) Stat() (vfs.Stat, error) { return vfs.Stat{Nlink: 1}, nil }

// Start implements vfs.SlowWriter.
func (s *Writer) Start(p []byte) *vfs.WriteOp {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return nil
	}
	s.busy = true
	s.buf = append(s.buf[:0], p[:min(len(p), maxWrite)]...)
	op := &vfs.WriteOp{Done: make(chan struct{})}
	go func() {
		op.N, op.Err = writeAll(s.w, s.buf)
		close(op.Done)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy = false
		s.waiting.fire(vfs.Writable)
	}()
	return op
}

func writeAll(w io.Writer, p []byte) (int, error) {
	n, err := w.Write(p)
	if n < 0 || n > len(p) {
		n = 0
	}
	if n < len(p) && err == nil {
		err = io.ErrShortWrite
	}
	if n > 0 {
		err = nil // it comes again with the next write
	}
	return n, err
}

// Ready implements vfs.Stream.
func (s *Writer) Ready(e vfs.Events) vfs.Readiness {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		e = 0
	}
	return vfs.Readiness{Events: e & vfs.Writable}
}

// Notify implements vfs.Stream.
func (s *Writer) Notify(e vfs.Events, ch chan<- struct{}) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e&vfs.Writable == 0 {
		return noCancel
	}
	if !s.busy {
		token(ch)
		return noCancel
	}
	return s.waiting.add(&s.mu, e, ch)
}
