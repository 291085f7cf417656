//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package stream

import (
	"net"
	"os"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// Hub has nothing to do where goroutines do the waiting.
type Hub struct{}

// NewHub makes a Hub.
func NewHub() *Hub { return &Hub{} }

// Close does nothing.
func (*Hub) Close() {}

// file is a pipe, console or device: goroutines read and write it.
type file struct {
	both
	f   *os.File
	typ vfs.FileType
	own bool
}

// OfFile makes a stream of a file that is neither regular nor a directory. With own set it closes the file.
func OfFile(_ *Hub, f *os.File, own bool) (vfs.Stream, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &file{both: both{NewReader(f), NewWriter(f)}, f: f, typ: vfs.TypeOf(fi.Mode()), own: own}, nil
}

func (s *file) Type() vfs.FileType { return s.typ }

// IsTerminal reports whether it is a console.
func (s *file) IsTerminal() bool { return isConsole(s.f) }

func (s *file) Stat() (vfs.Stat, error) {
	fi, err := s.f.Stat()
	if err != nil {
		return vfs.Stat{}, err
	}
	return vfs.StatOf(fi), nil
}

func (s *file) Close() error {
	if s.own {
		return s.f.Close()
	}
	return nil
}

// OfListener makes a stream of a listener, which it owns.
func OfListener(_ *Hub, l net.Listener) vfs.Listener { return NewAccepter(l) }
