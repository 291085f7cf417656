package wasi

import (
	"io"
	"net"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// listen returns a listener of the given kind: the host's own, or one that only has its methods.
func listen(t *testing.T, kind string) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no network: ", err)
	}
	if kind == "generic" {
		return struct{ net.Listener }{l}
	}
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func onListeners(t *testing.T, f func(t *testing.T, g *guest, dial func() net.Conn)) {
	for _, kind := range []string{"host", "generic"} {
		t.Run(kind, func(t *testing.T) {
			l := listen(t, kind)
			g := newGuest(t, Config{Listeners: []net.Listener{l}})
			f(t, g, func() net.Conn { return dial(t, l) })
		})
	}
}

func TestSockets(t *testing.T) {
	onListeners(t, func(t *testing.T, g *guest, dial func() net.Conn) {
		g.want("non-blocking", g.call("fd_fdstat_set_flags", 3, uint64(vfs.FlagNonblock)), success)
		g.want("accept nothing", g.call("sock_accept", 3, 0, resultAt), vfs.EAGAIN)
		g.want("blocking", g.call("fd_fdstat_set_flags", 3, 0), success)
		c := dial()
		if got, en := g.poll(pollSub{eventFdRead, 3, 0}); en != success || got[0] != 0 {
			t.Errorf("poll of a listener: %v, %v", got, en)
		}
		g.want("accept", g.call("sock_accept", 3, uint64(vfs.FlagNonblock), resultAt), success)
		fd := g.u32(resultAt)
		_, en := g.read(fd, 10)
		g.want("read nothing", en, vfs.EAGAIN)
		g.want("blocking", g.call("fd_fdstat_set_flags", uint64(fd), 0), success)
		if st, _ := g.fdStat(fd); st.Type != vfs.TypeSocketStream {
			t.Errorf("type %v", st.Type)
		}
		io.WriteString(c, "request")
		recv := func(n, flags uint64) (string, errno) {
			p, cnt := g.iov(dataAt, n)
			en := g.call("sock_recv", uint64(fd), p, cnt, flags, resultAt, resultAt+8)
			return string(g.mem[dataAt:][:g.u32(resultAt)]), en
		}
		if s, en := recv(3, riPeek); s != "req" || en != success {
			t.Errorf("peek %q, %v", s, en)
		}
		if s, en := recv(7, riWaitall); s != "request" || en != success {
			t.Errorf("recv %q, %v", s, en)
		}
		go func() {
			io.WriteString(c, "12")
			io.WriteString(c, "345")
		}()
		if s, en := recv(5, riWaitall); s != "12345" || en != success {
			t.Errorf("waitall %q, %v", s, en)
		}
		copy(g.mem[dataAt:], "answer")
		p, cnt := g.iov(dataAt, 6)
		g.want("send", g.call("sock_send", uint64(fd), p, cnt, 0, resultAt), success)
		g.want("send flags", g.call("sock_send", uint64(fd), p, cnt, 1, resultAt), vfs.EINVAL)
		if got, en := g.poll(pollSub{eventFdWrite, fd, 0}); en != success || got[0] != 0 {
			t.Errorf("poll for writing: %v, %v", got, en)
		}
		g.want("shutdown", g.call("sock_shutdown", uint64(fd), shutWrite), success)
		g.want("bad shutdown", g.call("sock_shutdown", uint64(fd), 4), vfs.EINVAL)
		if b, err := io.ReadAll(c); string(b) != "answer" || err != nil {
			t.Errorf("the other side got %q, %v", b, err)
		}
		_, en = g.write(fd, "x")
		g.want("write after shutdown", en, vfs.EPIPE)
		c.Close()
		if s, en := g.read(fd, 10); s != "" || en != success {
			t.Errorf("at the end: %q, %v", s, en)
		}
		g.want("recv of a listener", g.call("sock_recv", 3, p, cnt, 0, resultAt, resultAt+8), vfs.ENOTCONN)
		g.want("recv of stdin", g.call("sock_recv", 0, p, cnt, 0, resultAt, resultAt+8), vfs.ENOTSOCK)
		g.want("accept of stdin", g.call("sock_accept", 0, 0, resultAt), vfs.ENOTSOCK)
		g.want("close", g.close(fd), success)
	})
}

func TestAcceptStopped(t *testing.T) {
	onListeners(t, func(t *testing.T, g *guest, dial func() net.Conn) {
		accepting := func() (*guest, <-chan errno) {
			th := g.thread()
			c := make(chan errno, 1)
			go func() { c <- th.call("sock_accept", 3, 0, resultAt) }()
			<-th.blocked
			return th, c
		}
		th, c := accepting()
		th.end()
		g.want("stopped", <-c, vfs.EINTR)
		g.again()
		th, c = accepting()
		dial()
		g.want("accept", <-c, success)
		fd := th.u32(resultAt)
		_, r := reading(g, fd)
		g.close(fd)
		if x := <-r; x.en != vfs.EBADF {
			t.Errorf("read of a closed connection: %v", x.en)
		}
		_, c = accepting()
		g.close(3)
		g.want("closed", <-c, vfs.EBADF)
	})
}

// TestPeekEmptyPiece: an empty piece before others is no end of the stream.
func TestPeekEmptyPiece(t *testing.T) {
	onListeners(t, func(t *testing.T, g *guest, dial func() net.Conn) {
		io.WriteString(dial(), "x")
		g.want("accept", g.call("sock_accept", 3, 0, resultAt), success)
		fd := uint64(g.u32(resultAt))
		for i, x := range [][2]uint32{{0, 0}, {dataAt, 10}} {
			le.PutUint32(g.mem[iovAt+8*i:], x[0])
			le.PutUint32(g.mem[iovAt+8*i+4:], x[1])
		}
		g.want("peek", g.call("sock_recv", fd, iovAt, 2, riPeek, resultAt, resultAt+8), success)
		if n := g.u32(resultAt); n != 1 || g.mem[dataAt] != 'x' {
			t.Errorf("%d bytes", n)
		}
	})
}

// noSocket counts the writes on a file that is none.
type noSocket struct {
	vfs.Unsupported
	n int
}

func (w *noSocket) Type() vfs.FileType          { return vfs.TypeRegular }
func (w *noSocket) Stat() (vfs.Stat, error)     { return vfs.Stat{}, nil }
func (w *noSocket) Write(p []byte) (int, error) { w.n++; return len(p), nil }

// sink is a socket that takes everything; closed runs when it is closed.
type sink struct {
	noSocket
	closed func()
}

func (*sink) Peek([]byte) (int, error)                  { return 0, nil }
func (*sink) Shutdown(bool, bool) error                 { return nil }
func (*sink) Ready(e vfs.Events) vfs.Readiness          { return vfs.Readiness{Events: e} }
func (*sink) Notify(vfs.Events, chan<- struct{}) func() { return func() {} }
func (s *sink) Close() error                            { s.closed(); return nil }

// TestSendRace: what sock_send writes to is the socket that it found. The number becomes another file's as soon as the call lets go of
// the socket.
func TestSendRace(t *testing.T) {
	g := newGuest(t, Config{})
	add := func(f vfs.File) (uint64, *desc) {
		d := newDesc(f, rightsAll, 0)
		fd, en := g.s.fds.add(d)
		g.want("add", en, success)
		return uint64(fd), d
	}
	file, socket := &noSocket{}, &sink{}
	other, _ := add(file)
	fd, d := add(socket)
	socket.closed = func() { g.want("renumber", g.call("fd_renumber", other, fd), success) }
	d.refs.Store(0) // so that the call is the last to use it
	p, n := g.iov(dataAt, 1)
	g.want("sock_send", g.call("sock_send", fd, p, n, 0, resultAt), success)
	if file.n != 0 || socket.n != 1 {
		t.Errorf("%d writes on the socket, %d on what came after it", socket.n, file.n)
	}
}
