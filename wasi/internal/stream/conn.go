package stream

import (
	"net"
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// Conn makes a socket of any net.Conn, with a goroutine for each read and write.
type Conn struct {
	both
	c net.Conn

	mu              sync.Mutex
	noRead, noWrite bool // guarded by mu: shut down
}

// NewConn makes a Conn, which it owns.
func NewConn(c net.Conn) *Conn { return &Conn{both: both{NewReader(c), NewWriter(c)}, c: c} }

// Type implements vfs.File.
func (s *Conn) Type() vfs.FileType { return vfs.TypeSocketStream }

// Stat implements vfs.File.
func (s *Conn) Stat() (vfs.Stat, error) { return vfs.Stat{Type: vfs.TypeSocketStream, Nlink: 1}, nil }

func (s *Conn) Read(p []byte) (int, error) {
	if s.isShut(vfs.Readable) {
		return 0, nil
	}
	return s.Reader.Read(p)
}

// Start implements vfs.SlowWriter.
func (s *Conn) Start(p []byte) *vfs.WriteOp {
	if s.isShut(vfs.Writable) {
		op := &vfs.WriteOp{Done: make(chan struct{}), Err: vfs.EPIPE}
		close(op.Done)
		return op
	}
	return s.both.Start(p)
}

func (s *Conn) isShut(e vfs.Events) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e == vfs.Readable && s.noRead || e == vfs.Writable && s.noWrite
}

// Ready implements vfs.Stream.
func (s *Conn) Ready(e vfs.Events) vfs.Readiness {
	r := s.both.Ready(e)
	if e&vfs.Readable != 0 && s.isShut(vfs.Readable) {
		r.Events |= vfs.Readable
	}
	return r
}

// Notify implements vfs.Stream.
func (s *Conn) Notify(e vfs.Events, ch chan<- struct{}) func() {
	if e&vfs.Readable != 0 && s.isShut(vfs.Readable) {
		token(ch)
		return noCancel
	}
	return s.both.Notify(e, ch)
}

// Shutdown implements vfs.Socket.
func (s *Conn) Shutdown(read, write bool) error {
	s.mu.Lock()
	s.noRead = s.noRead || read
	s.noWrite = s.noWrite || write
	s.mu.Unlock()
	var err error
	if h, ok := s.c.(interface{ CloseRead() error }); ok && read {
		err = h.CloseRead()
	}
	if h, ok := s.c.(interface{ CloseWrite() error }); ok && write && err == nil {
		err = h.CloseWrite()
	}
	s.Reader.mu.Lock()
	s.Reader.waiting.fire(vfs.Readable)
	s.Reader.mu.Unlock()
	return err
}

// Close implements vfs.File. It ends the goroutines that read and write.
func (s *Conn) Close() error { return s.c.Close() }

// Accepter makes a listening socket of any net.Listener, with a goroutine for each Accept.
type Accepter struct {
	vfs.Unsupported
	l net.Listener

	mu      sync.Mutex
	conn    net.Conn // guarded by mu: accepted, not taken
	err     error    // guarded by mu
	fetch   bool     // guarded by mu
	closed  bool     // guarded by mu
	waiting waiters  // guarded by mu
}

// NewAccepter makes an Accepter, which owns l.
func NewAccepter(l net.Listener) *Accepter { return &Accepter{l: l} }

// Type implements vfs.File.
func (s *Accepter) Type() vfs.FileType { return vfs.TypeSocketStream }

// Stat implements vfs.File.
func (s *Accepter) Stat() (vfs.Stat, error) {
	return vfs.Stat{Type: vfs.TypeSocketStream, Nlink: 1}, nil
}

func (s *Accepter) Read([]byte) (int, error)  { return 0, vfs.ENOTCONN }
func (s *Accepter) Write([]byte) (int, error) { return 0, vfs.ENOTCONN }

// Accept implements vfs.Listener.
func (s *Accepter) Accept() (vfs.Socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, err := s.conn, s.err; c != nil || err != nil {
		s.conn, s.err = nil, nil
		if err != nil {
			return nil, err
		}
		return NewConn(c), nil
	}
	s.fetchLocked()
	return nil, vfs.EAGAIN
}

func (s *Accepter) fetchLocked() {
	if s.fetch {
		return
	}
	s.fetch = true
	go func() {
		c, err := s.l.Accept()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed && c != nil {
			_ = c.Close() // nobody can take it any more
			return
		}
		s.conn, s.err, s.fetch = c, err, false
		s.waiting.fire(vfs.Readable)
	}()
}

// Ready implements vfs.Stream.
func (s *Accepter) Ready(e vfs.Events) vfs.Readiness {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil && s.err == nil {
		if e&vfs.Readable != 0 {
			s.fetchLocked() // as for a Reader
		}
		e = 0
	}
	return vfs.Readiness{Events: e & vfs.Readable}
}

// Notify implements vfs.Stream.
func (s *Accepter) Notify(e vfs.Events, ch chan<- struct{}) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e&vfs.Readable == 0 {
		return noCancel
	}
	if s.conn != nil || s.err != nil {
		token(ch)
		return noCancel
	}
	s.fetchLocked()
	return s.waiting.add(&s.mu, e, ch)
}

// Close implements vfs.File.
func (s *Accepter) Close() error {
	s.mu.Lock()
	s.closed = true
	c := s.conn
	s.conn = nil
	s.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
	return s.l.Close()
}
