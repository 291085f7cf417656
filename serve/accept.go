package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spindle-wasm/spindle/internal/warm"
	"github.com/spindle-wasm/spindle/wasi"
)

// visit is the listener of a child: it has one connection, and then nobody comes.
type visit struct {
	*warm.Door
	conn chan net.Conn

	mu    sync.Mutex
	again bool          // guarded by mu: the guest accepts again
	left  bool          // guarded by mu: it has closed the connection
	over  bool          // guarded by mu: it has ended
	done  chan struct{} // closed when left is set
	back  chan struct{} // closed when both again and left are
}

func newVisit() *visit {
	return &visit{Door: warm.NewDoor(), conn: make(chan net.Conn, 1), done: make(chan struct{}), back: make(chan struct{})}
}

func (v *visit) Accept() (net.Conn, error) {
	select {
	case c := <-v.conn:
		return c, nil
	default:
	}
	v.tell(func() { v.again = true })
	return v.Door.Accept()
}

// tell notes something.
func (v *visit) tell(what func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	was, wasDone := v.again && v.left, v.left
	what()
	if v.left && !wasDone {
		close(v.done)
	}
	if v.again && v.left && !was {
		close(v.back)
	}
}

// closed is for the connection: what ends with the guest, the guest has not closed.
func (v *visit) closed() { v.tell(func() { v.left = v.left || !v.over }) }

func (v *visit) end() { v.tell(func() { v.over = true }) }

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

// errDone ends a child that nobody waits for.
var errDone = errors.New("the request is over")

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
	v := newVisit()
	w := &watched{Conn: conn, moved: func() {}, closed: v.closed}
	v.conn <- w
	if s.cfg.Timeout > 0 {
		idle := time.AfterFunc(s.cfg.Timeout, func() { cancel(errIdle) })
		defer idle.Stop()
		w.moved = func() {
			if ctx.Err() == nil {
				idle.Reset(s.cfg.Timeout)
			}
		}
	}
	pid, err := s.converse(ctx, conn.RemoteAddr().String(), v)
	took := time.Since(begin)
	s.metrics.served(err, took)
	log, attrs := s.cfg.Log, []slog.Attr{
		slog.Uint64("id", id), slog.String("client", conn.RemoteAddr().String()), slog.Int64("received", w.in.Load()), slog.Int64("sent", w.out.Load()),
		slog.Duration("took", took), slog.Uint64("pid", uint64(pid)),
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "connection", attrs...)
	if err != nil {
		log.LogAttrs(context.Background(), slog.LevelWarn, "connection failed", slog.Uint64("id", id), slog.String("error", err.Error()))
	}
}

// converse runs the child of a connection. An heir has gone when it is at its point again, the others when they have closed the connection.
func (s *Server) converse(ctx context.Context, client string, v *visit) (pid uint32, err error) {
	if err := s.slots.take(ctx); err != nil {
		return 0, err
	}
	defer s.slots.put()
	c, err := s.fork(ctx, client, func(bool) streams {
		return streams{options: &wasi.ForkOptions{Listeners: []net.Listener{v}}, back: v.back, over: v.end, output: func(error) { v.Close() }}
	})
	if err != nil {
		return 0, err
	}
	select {
	case <-c.ended:
	case <-v.done:
		if c.of.heir {
			defer c.release(time.Now().Add(s.limit())).Stop()
		} else {
			c.cancel(errDone)
		}
	}
	<-c.ended
	pid = c.p.PID()
	select {
	case <-v.done: // what came after that is not the client's
		s.counted(c.of)
		return pid, nil
	default:
	}
	if cause := context.Cause(ctx); cause != nil {
		return pid, cause
	}
	return pid, c.err
}
