package stream

import "github.com/spindle-wasm/spindle/wasi/internal/vfs"

// both is a stream that is read and written by goroutines.
type both struct {
	*Reader
	w *Writer
}

// Start implements vfs.SlowWriter.
func (s both) Start(p []byte) *vfs.WriteOp { return s.w.Start(p) }

// Ready implements vfs.Stream.
func (s both) Ready(e vfs.Events) vfs.Readiness {
	r := s.Reader.Ready(e)
	r.Events |= s.w.Ready(e).Events
	return r
}

// Notify implements vfs.Stream.
func (s both) Notify(e vfs.Events, ch chan<- struct{}) func() {
	r, w := s.Reader.Notify(e, ch), s.w.Notify(e, ch)
	return func() { r(); w() }
}
