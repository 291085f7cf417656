package wasi

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// onStdin runs a test for each kind of standard input that can make a guest wait; feed writes to it, end ends it.
func onStdin(t *testing.T, f func(t *testing.T, g *guest, feed func(string), end func())) {
	kinds := map[string]func(t *testing.T) (io.Reader, io.WriteCloser){"reader": readerKind, "pipe": pipeKind}
	for name, k := range moreStdin {
		kinds[name] = k
	}
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			r, w := k(t)
			g := newGuest(t, Config{Stdin: r})
			f(t, g, func(s string) {
				t.Helper()
				if _, err := io.WriteString(w, s); err != nil {
					t.Error(err)
				}
			}, func() { w.Close() })
		})
	}
}

func readerKind(t *testing.T) (io.Reader, io.WriteCloser) {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return r, w
}

func pipeKind(t *testing.T) (io.Reader, io.WriteCloser) { return goPipe(t) }

func goPipe(t *testing.T) (r, w *os.File) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); r.Close() })
	return r, w
}

// moreStdin is filled by files for some systems.
var moreStdin = map[string]func(t *testing.T) (io.Reader, io.WriteCloser){}

type readResult struct {
	s  string
	en errno
}

// reading starts a read in a thread, and returns when it waits.
func reading(g *guest, fd uint32) (*guest, <-chan readResult) {
	th := g.thread()
	c := make(chan readResult, 1)
	go func() {
		s, en := th.read(fd, 100)
		c <- readResult{s, en}
	}()
	<-th.blocked
	return th, c
}

func TestStdin(t *testing.T) {
	onStdin(t, func(t *testing.T, g *guest, feed func(string), end func()) {
		_, c := reading(g, 0)
		feed("hello")
		if r := <-c; r.s != "hello" || r.en != success {
			t.Errorf("read %q, %v", r.s, r.en)
		}
		end()
		if s, en := g.read(0, 100); s != "" || en != success {
			t.Errorf("at the end: %q, %v", s, en)
		}
	})
}

func TestStdinStopped(t *testing.T) {
	onStdin(t, func(t *testing.T, g *guest, feed func(string), end func()) {
		th, c := reading(g, 0)
		th.end()
		if r := <-c; r.en != vfs.EINTR {
			t.Errorf("stopped: %q, %v", r.s, r.en)
		}
		g.again()
		go feed("not lost")
		if s, en := g.read(0, 100); s != "not lost" || en != success {
			t.Errorf("after a read that was stopped: %q, %v", s, en)
		}
	})
}

func TestCloseWhileReading(t *testing.T) {
	onStdin(t, func(t *testing.T, g *guest, feed func(string), end func()) {
		th := g.thread()
		th.s.fds.slots[0].pins.Add(1) // keep the number as a call would that has not returned yet
		_, c := reading(g, 0)
		g.want("close", g.close(0), success)
		if r := <-c; r.en != vfs.EBADF {
			t.Errorf("closed: %q, %v", r.s, r.en)
		}
		fd, en := g.s.fds.add(newDesc(mustStream(g, "x"), rightsStream, 0))
		if fd != 3 || en != success {
			t.Errorf("fd %d, %v: 0 is still in use", fd, en)
		}
		th.s.fds.slots[0].pins.Add(-1)
		fd, en = g.s.fds.add(newDesc(mustStream(g, "x"), rightsStream, 0))
		if fd != 0 || en != success {
			t.Errorf("fd %d, %v: 0 is the lowest", fd, en)
		}
	})
}

func mustStream(g *guest, s string) vfs.File {
	f, err := g.s.stdin(strings.NewReader(s))
	if err != nil {
		g.t.Fatal(err)
	}
	return f
}

func TestRenumberWhileReading(t *testing.T) {
	onStdin(t, func(t *testing.T, g *guest, feed func(string), end func()) {
		// The file that is waited on moves: the wait goes on.
		_, c := reading(g, 0)
		g.want("renumber", g.call("fd_renumber", 0, 2), success)
		g.want("the old number", g.close(0), vfs.EBADF)
		feed("moved")
		if r := <-c; r.s != "moved" || r.en != success {
			t.Errorf("read %q, %v", r.s, r.en)
		}
		// The file that is waited on is replaced: the wait ends.
		_, c = reading(g, 2)
		g.want("renumber", g.call("fd_renumber", 1, 2), success)
		if r := <-c; r.en != vfs.EBADF {
			t.Errorf("read %q, %v", r.s, r.en)
		}
	})
}

// pollSub is a subscription for poll.
type pollSub struct {
	tag     uint8
	fd      uint32
	timeout time.Duration
}

// poll returns the tags of the events, by subscription; -1 is none, otherwise the error.
func (g *guest) poll(subs ...pollSub) ([]int, errno) {
	const in, out = dataAt, dataAt + 0x10000
	for i, s := range subs {
		b := g.mem[in+i*sizeSubscription:][:sizeSubscription]
		clear(b)
		le.PutUint64(b, uint64(i))
		b[8] = s.tag
		le.PutUint32(b[16:], s.fd)
		if s.tag == eventClock {
			le.PutUint32(b[16:], clockMonotonic)
			le.PutUint64(b[24:], uint64(s.timeout))
		}
	}
	en := g.call("poll_oneoff", in, out, uint64(len(subs)), resultAt)
	got := make([]int, len(subs))
	for i := range got {
		got[i] = -1
	}
	if en == success {
		for i := range g.u32(resultAt) {
			b := g.mem[out+int(i)*sizeEvent:]
			got[le.Uint64(b)] = int(le.Uint16(b[8:]))
		}
	}
	return got, en
}

func TestPoll(t *testing.T) {
	onStdin(t, func(t *testing.T, g *guest, feed func(string), end func()) {
		check := func(what string, got []int, en errno, want ...int) {
			t.Helper()
			for i := range want {
				if en != success || got[i] != want[i] {
					t.Errorf("%s: %v, %v, want %v", what, got, en, want)
					return
				}
			}
		}
		got, en := g.poll(pollSub{eventFdRead, 0, 0}, pollSub{eventClock, 0, time.Millisecond})
		check("timeout", got, en, -1, 0)
		got, en = g.poll(pollSub{eventFdRead, 0, 0}, pollSub{eventFdWrite, 1, 0}, pollSub{eventFdRead, 77, 0}, pollSub{9, 0, 0})
		check("at once", got, en, -1, 0, int(vfs.EBADF), int(vfs.EINVAL))

		th := g.thread()
		done := make(chan []int)
		wait := func() {
			got, en := th.poll(pollSub{eventFdRead, 0, 0}, pollSub{eventClock, 0, time.Hour})
			if en != success {
				got = []int{int(en)}
			}
			done <- got
		}
		go wait()
		<-th.blocked
		go feed("x")
		check("data", <-done, success, 0, -1)
		g.read(0, 10)
		go wait()
		<-th.blocked
		g.end()
		if got := <-done; got[0] != int(vfs.EINTR) {
			t.Errorf("stopped: %v", got)
		}
		g.again()
		th = g.thread()
		go wait()
		<-th.blocked
		g.close(0)
		check("closed", <-done, success, int(vfs.EBADF), -1)
	})
}

func TestSleep(t *testing.T) {
	g := newGuest(t, Config{})
	start := time.Now()
	if got, en := g.poll(pollSub{eventClock, 0, 3 * time.Millisecond}); en != success || got[0] != 0 || time.Since(start) < 3*time.Millisecond {
		t.Errorf("slept %v: %v, %v", time.Since(start), got, en)
	}
	th := g.thread()
	go func() { <-th.blocked; th.end() }()
	if _, en := th.poll(pollSub{eventClock, 0, time.Hour}); en != vfs.EINTR {
		t.Errorf("stopped: %v", en)
	}
	g.again()
	// Absolute times, past and overflowing ones.
	for _, timeout := range []uint64{0, 1, 1 << 40} {
		b := g.mem[dataAt:][:sizeSubscription]
		clear(b)
		le.PutUint64(b[24:], timeout)
		le.PutUint16(b[40:], subClockAbstime)
		g.want("absolute", g.call("poll_oneoff", dataAt, dataAt+1000, 1, resultAt), success)
	}
	g.want("nothing", g.call("poll_oneoff", dataAt, dataAt, 0, resultAt), vfs.EINVAL)
	g.want("too much", g.call("poll_oneoff", dataAt, dataAt, 1<<32-1, resultAt), vfs.EINVAL)
	g.want("outside", g.call("poll_oneoff", 1<<20-40, dataAt, 1, resultAt), vfs.EFAULT)
}

func TestStdoutKinds(t *testing.T) {
	var buf bytes.Buffer
	g := newGuest(t, Config{Stdout: &buf, Stderr: funcWriter(func(p []byte) (int, error) { return buf.Write(p) })})
	g.write(1, "one ")
	g.write(2, "two ")
	big := strings.Repeat("x", 200_000)
	if n, en := g.write(2, big); int(n) != len(big) || en != success {
		t.Errorf("wrote %d, %v", n, en)
	}
	if buf.String() != "one two "+big {
		t.Errorf("%d bytes arrived", buf.Len())
	}
	g = newGuest(t, Config{Stdout: funcWriter(func(p []byte) (int, error) { return 0, errors.New("broken") })})
	if _, en := g.write(1, "x"); en != vfs.EIO {
		t.Errorf("a broken writer: %v", en)
	}
	// Pieces of one small write arrive as one; one writer for both streams is called by one thread at a time.
	var calls []string
	all := funcWriter(func(p []byte) (int, error) { calls = append(calls, string(p)); return len(p), nil })
	both := &all
	g = newGuest(t, Config{Stdout: both, Stderr: both})
	copy(g.mem[dataAt:], "a line\n")
	for i, x := range [][2]uint32{{dataAt, 2}, {0, 0}, {dataAt + 2, 5}} {
		le.PutUint32(g.mem[iovAt+8*i:], x[0])
		le.PutUint32(g.mem[iovAt+8*i+4:], x[1])
	}
	g.want("pieces", g.call("fd_write", 2, iovAt, 3, resultAt), success)
	if len(calls) != 1 || calls[0] != "a line\n" || g.u32(resultAt) != 7 {
		t.Errorf("written: %q", calls)
	}
	var wg sync.WaitGroup
	for fd := range uint32(2) {
		wg.Go(func() {
			th := g.thread()
			for range 100 {
				th.write(fd+1, "x")
			}
		})
	}
	wg.Wait()
	if len(calls) != 201 {
		t.Errorf("%d writes", len(calls))
	}
	g = newGuest(t, Config{})
	if n, en := g.write(1, "discarded"); n != 9 || en != success {
		t.Errorf("no writer: %d, %v", n, en)
	}
	if s, en := g.read(0, 10); s != "" || en != success {
		t.Errorf("no reader: %q, %v", s, en)
	}
}

type funcWriter func(p []byte) (int, error)

func (f funcWriter) Write(p []byte) (int, error) { return f(p) }

func TestWriteStopped(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	var got []string
	g := newGuest(t, Config{Stdout: funcWriter(func(p []byte) (int, error) {
		<-release
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(p))
		return len(p), nil
	})})
	go func() { <-g.blocked; g.end() }()
	if _, en := g.write(1, "one"); en != vfs.EINTR {
		t.Errorf("stopped: %v", en)
	}
	g.again()
	th := g.thread()
	done := make(chan errno)
	go func() {
		_, en := th.write(1, "two")
		done <- en
	}()
	<-th.blocked // waits for the write that was left behind
	close(release)
	if en := <-done; en != success {
		t.Errorf("second write: %v", en)
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Join(got, ",") != "one,two" {
		t.Errorf("written: %q", got)
	}
}

// TestNothingLeft counts what a System leaves behind when calls wait on everything.
func TestNothingLeft(t *testing.T) {
	fds := openFiles()
	before := runtime.NumGoroutine()
	for range 20 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		g := newGuest(t, Config{Stdin: r, Listeners: []net.Listener{listen(t, "host"), listen(t, "generic")}, Mounts: []Mount{{Guest: "/", Host: t.TempDir()}}})
		g.mustOpen(3, "f", "wc")
		_, c := reading(g, 0)
		var accepts []<-chan errno
		for fd := range uint64(2) {
			th := g.thread()
			a := make(chan errno, 1)
			go func() { a <- th.call("sock_accept", 4+fd, 0, resultAt) }()
			<-th.blocked
			accepts = append(accepts, a)
		}
		g.s.Close()
		if x := <-c; x.en != vfs.EBADF {
			t.Errorf("read: %v", x.en)
		}
		for _, a := range accepts {
			g.want("accept", <-a, vfs.EBADF)
		}
		r.Close()
		w.Close()
	}
	settled(t, before)
	if n := openFiles(); n > fds {
		t.Errorf("%d open files, %d before", n, fds)
	}
}
