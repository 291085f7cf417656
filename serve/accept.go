package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// door is the listener of a guest that is being warmed up: nobody comes, and it tells when somebody waits. Package wasi calls Accept when the guest does, or polls,
// and not before.
type door struct {
	asked, closed chan struct{}
	ask, shut     sync.Once
}

func newDoor() *door { return &door{asked: make(chan struct{}), closed: make(chan struct{})} }

func (d *door) Accept() (net.Conn, error) {
	d.ask.Do(func() { close(d.asked) })
	<-d.closed
	return nil, net.ErrClosed
}

func (d *door) Close() error {
	d.shut.Do(func() { close(d.closed) })
	return nil
}

func (d *door) Addr() net.Addr { return &net.TCPAddr{} }

// visitor is the listener of a child: it has one connection, and then nobody comes.
type visitor struct {
	door
	conn chan net.Conn
}

func newVisitor(c net.Conn) *visitor {
	v := &visitor{door: door{asked: make(chan struct{}), closed: make(chan struct{})}, conn: make(chan net.Conn, 1)}
	v.conn <- c
	return v
}

func (v *visitor) Accept() (net.Conn, error) {
	select {
	case c := <-v.conn:
		return c, nil
	default:
		return v.door.Accept()
	}
}

// watched is a child's connection. It tells when something moves, and when the guest closes it.
type watched struct {
	net.Conn
	moved   func()
	closed  func()
	in, out atomic.Int64
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.in.Add(int64(n))
	if n > 0 {
		w.moved()
	}
	return n, err
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.out.Add(int64(n))
	if n > 0 {
		w.moved()
	}
	return n, err
}

// CloseRead and CloseWrite are what a guest's sock_shutdown does.
func (w *watched) CloseRead() error {
	if c, ok := w.Conn.(interface{ CloseRead() error }); ok {
		return c.CloseRead()
	}
	return nil
}

func (w *watched) CloseWrite() error {
	if c, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

func (w *watched) Close() error {
	err := w.Conn.Close()
	w.closed()
	return err
}

// errIdle ends a child on whose connection nothing has moved for Config.Timeout.
var errIdle = errors.New("nothing moved on the connection for longer than the server allows")

// serveAccept is Serve for PointAccept.
func (s *Server) serveAccept(l net.Listener) error {
	defer l.Close()
	stop := context.AfterFunc(s.accepting, func() { l.Close() })
	defer stop()
	for pause := time.Millisecond; ; {
		conn, err := l.Accept()
		if err == nil {
			pause = time.Millisecond
			go s.ServeConn(conn)
			continue
		}
		if s.accepting.Err() != nil {
			return nil
		}
		var temporary interface{ Temporary() bool } // of descriptors there may be more later, as net/http has it
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return err
		}
		s.cfg.Log.Warn("accept failed", "error", err)
		select {
		case <-time.After(pause):
		case <-s.accepting.Done():
			return nil
		}
		pause = min(2*pause, time.Second)
	}
}

// ServeConn has a child return from its accept with conn, and returns when the guest has closed that, or has ended. It closes conn. It is for PointAccept.
func (s *Server) ServeConn(conn net.Conn) {
	defer conn.Close()
	begin := time.Now()
	id, err := s.begin()
	if err != nil {
		return
	}
	defer s.live.Done()
	ctx, cancel := context.WithCancelCause(s.serving)
	defer cancel(errDone)
	w := &watched{Conn: conn, moved: func() {}, closed: func() { cancel(errDone) }}
	if s.cfg.Timeout > 0 {
		idle := time.AfterFunc(s.cfg.Timeout, func() { cancel(errIdle) })
		defer idle.Stop()
		w.moved = func() {
			if ctx.Err() == nil {
				idle.Reset(s.cfg.Timeout)
			}
		}
	}
	pid, err := s.converse(ctx, w)
	s.metrics.served(err)
	log, attrs := s.cfg.Log, []slog.Attr{
		slog.Uint64("id", id), slog.String("client", conn.RemoteAddr().String()), slog.Int64("received", w.in.Load()), slog.Int64("sent", w.out.Load()),
		slog.Duration("took", time.Since(begin)), slog.Uint64("pid", uint64(pid)),
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "connection", attrs...)
	if err != nil {
		log.LogAttrs(context.Background(), slog.LevelWarn, "connection failed", slog.Uint64("id", id), slog.String("error", err.Error()))
	}
}

// converse runs the child of a connection.
func (s *Server) converse(ctx context.Context, conn net.Conn) (pid uint32, err error) {
	if err := s.slots.take(ctx); err != nil {
		return 0, err
	}
	defer s.slots.put()
	p, err := s.fork(ctx, spindle.ForkConfig{Options: options(&wasi.ForkOptions{Listeners: []net.Listener{newVisitor(conn)}})})
	if err != nil {
		return 0, err
	}
	s.metrics.live.Add(1)
	defer s.metrics.live.Add(-1)
	pid = p.PID()
	err = finish(ctx, p, &s.cfg)
	if cause := context.Cause(ctx); errors.Is(cause, errDone) {
		err = nil // the guest has closed the connection, and was ended after that
	} else if cause != nil {
		err = cause
	}
	return pid, errors.Join(err, p.Close())
}
