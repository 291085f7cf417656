//go:build unix

package stream

import (
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

// hostPipe makes a pipe: a stream to read from, which owns its file, and the other end. Both are closed with the test, if not before: other
// tests count open files.
func hostPipe(t *testing.T, h *Hub) (vfs.Stream, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	s, err := OfFile(h, r, true)
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

// TestHub has many wait on many pipes at the same time; each gets exactly what was written for it.
func TestHub(t *testing.T) {
	h := NewHub()
	var wg sync.WaitGroup
	for range 50 {
		s, w := hostPipe(t, h)
		next := make(chan struct{})
		wg.Go(func() {
			defer s.Close()
			buf := make([]byte, 10)
			for i := range 100 {
				for {
					n, err := s.Read(buf)
					if vfs.ErrnoOf(err) == vfs.EAGAIN {
						ch := make(chan struct{}, 1)
						cancel := s.Notify(vfs.Readable, ch)
						<-ch
						cancel()
						continue
					}
					if n != 1 || buf[0] != byte(i) || err != nil {
						t.Errorf("read %v, %v, want %d", buf[:n], err, i)
					}
					break
				}
				next <- struct{}{}
			}
		})
		wg.Go(func() {
			defer w.Close()
			for i := range 100 {
				if _, err := w.Write([]byte{byte(i)}); err != nil {
					t.Error(err)
				}
				<-next
			}
		})
	}
	wg.Wait()
	h.Close()
}

// TestHubCancel: a wait that is taken back is not polled any more, so that closing reaches the other side; without waits there
// is no goroutine; closing wakes whoever is left.
func TestHubCancel(t *testing.T) {
	h := NewHub()
	s, w := hostPipe(t, h)
	ch := make(chan struct{}, 1)
	h.mu.Lock()
	running := h.exited
	h.mu.Unlock()
	if running != nil {
		t.Error("a goroutine runs for nobody")
	}
	cancel := s.Notify(vfs.Readable, ch)
	h.mu.Lock()
	running = h.exited
	h.mu.Unlock()
	cancel()
	<-running
	_ = s.Close()
	if _, err := w.Write([]byte("x")); vfs.ErrnoOf(err) != vfs.EPIPE {
		t.Errorf("write to what was closed: %v", err)
	}
	s2, w2 := hostPipe(t, h)
	defer w2.Close()
	defer s2.Close()
	cancel = s2.Notify(vfs.Readable, ch)
	h.Close()
	<-ch
	cancel()
	s2.Notify(vfs.Readable, ch)()
	<-ch
	runtime.KeepAlive(w2)
}

// TestReadiness: what poll_oneoff is told.
func TestReadiness(t *testing.T) {
	h := NewHub()
	defer h.Close()
	rs, w := hostPipe(t, h)
	ws, err := OfFile(h, w, true)
	if err != nil {
		t.Fatal(err)
	}
	if x := rs.Ready(vfs.Readable); x != (vfs.Readiness{}) {
		t.Errorf("empty: %+v", x)
	}
	if x := ws.Ready(vfs.Writable); x.Events != vfs.Writable {
		t.Errorf("writable: %+v", x)
	}
	_, _ = w.Write([]byte("abc"))
	if x := rs.Ready(vfs.Readable); x != (vfs.Readiness{Events: vfs.Readable, Bytes: 3}) {
		t.Errorf("three bytes: %+v", x)
	}
	_ = ws.Close()
	_, _ = rs.Read(make([]byte, 3))
	if x := rs.Ready(vfs.Readable); x.Events != vfs.Readable || !x.Hangup {
		t.Errorf("closed: %+v", x)
	}
	if n, err := rs.Read(make([]byte, 3)); n != 0 || err != nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
	_ = rs.Close()
}

// TestHubManyWaits: more may wait than the process may have files open, which is as many as one poll takes.
func TestHubManyWaits(t *testing.T) {
	h := NewHub()
	defer h.Close()
	s, w := hostPipe(t, h)
	defer w.Close()
	defer s.Close()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 100
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Skip("the limit cannot be lowered: ", err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}()
	var waits []<-chan struct{}
	for range 300 {
		ch := make(chan struct{}, 1)
		defer s.Notify(vfs.Readable, ch)()
		waits = append(waits, ch)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, ch := range waits {
		<-ch
	}
}

// blockingPipe makes a pipe in blocking mode, as a shell hands it over.
func blockingPipe(t *testing.T) (r, w *os.File) {
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// TestPipeOfTwo: standard output and error are often one pipe, which two threads fill at the same time; none may wait in the system, where
// nothing can stop it.
func TestPipeOfTwo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system cannot write to a blocking pipe only what fits")
	}
	h := NewHub()
	defer h.Close()
	r, w := blockingPipe(t)
	fd, err := unix.Dup(int(w.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	w2 := os.NewFile(uintptr(fd), "w2")
	defer w2.Close()
	buf := make([]byte, 1<<20)
	for range 500 {
		var wg sync.WaitGroup
		for _, f := range []*os.File{w, w2} {
			s, err := OfFile(h, f, false)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for {
					if _, err := s.Write(buf[:4096]); err != nil {
						if vfs.ErrnoOf(err) != vfs.EAGAIN {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		wg.Wait()
		if n, err := r.Read(buf); err != nil || n < 30_000 {
			t.Fatalf("the pipe held %d bytes, %v", n, err)
		}
	}
}

// TestPipeOfTwoReaders: of several who read the same pipe, one gets what is there, and the others do not wait in the system.
func TestPipeOfTwoReaders(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system cannot read from a blocking pipe only what is there")
	}
	h := NewHub()
	defer h.Close()
	r, w := blockingPipe(t)
	for range 500 {
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		var got [2]int
		var wg sync.WaitGroup
		for i := range got {
			s, err := OfFile(h, r, false)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				n, err := s.Read(make([]byte, 1))
				if got[i] = n; n == 0 && vfs.ErrnoOf(err) != vfs.EAGAIN {
					t.Errorf("read %d, %v", n, err)
				}
			})
		}
		wg.Wait()
		if got[0]+got[1] != 1 {
			t.Fatalf("read %v bytes", got)
		}
	}
}
