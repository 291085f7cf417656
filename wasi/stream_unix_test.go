//go:build unix

package wasi

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

func init() {
	// A pipe in blocking mode, as a shell hands it over.
	moreStdin["blocking pipe"] = func(t *testing.T) (io.Reader, io.WriteCloser) {
		r, w := blockingPipe(t)
		return r, w
	}
	morePipes["pipe"], morePipes["blocking pipe"] = goPipe, blockingPipe
	hostWaits["read of a FIFO"] = func(t *testing.T) waitKind {
		dir := t.TempDir()
		path := filepath.Join(dir, "fifo")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return waitKind{
			cfg:   Config{Mounts: []Mount{{Guest: "/", Host: dir}}},
			setup: `(call $open_path (i32.const 0x21) (i32.const 4))`, waits: `(call $read (local.get 0) (i32.const 0x100) (i32.const 1) (i32.const 0x80))`,
			feed: func() {
				if err := os.WriteFile(path, []byte("x"), 0); err != nil {
					t.Error(err)
				}
			},
		}
	}
}

// fill writes to a pipe until nothing fits any more.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	g := newGuest(t, Config{Stdout: w})
	g.want("non-blocking", g.call("fd_fdstat_set_flags", 1, uint64(vfs.FlagNonblock)), success)
	for {
		switch _, en := g.write(1, strings.Repeat("x", 4096)); en {
		case success:
		case vfs.EAGAIN:
			return
		default:
			t.Fatal(en)
		}
	}
}

func blockingPipe(t *testing.T) (r, w *os.File) {
	var p [2]int
	if err := syscall.Pipe(p[:]); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// openFiles counts this process's open files where it can.
func openFiles() int {
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0
	}
	return len(names)
}

func TestStdoutPipeFull(t *testing.T) {
	for name, pipe := range morePipes {
		t.Run(name, func(t *testing.T) {
			r, w := pipe(t)
			g := newGuest(t, Config{Stdout: w})
			for i := range dataSize {
				g.mem[dataAt+i] = byte(i % 251)
			}
			var total int
			done := make(chan struct{})
			go func() { <-g.blocked; g.end() }()
			p, n := g.iov(dataAt, dataSize) // more than a pipe holds
			g.want("stopped on a full pipe", g.call("fd_write", 1, p, n, resultAt), vfs.EINTR)
			g.again()
			g.want("non-blocking", g.call("fd_fdstat_set_flags", 1, uint64(vfs.FlagNonblock)), success)
			g.want("full", g.call("fd_write", 1, p, n, resultAt), vfs.EAGAIN)
			g.want("blocking", g.call("fd_fdstat_set_flags", 1, 0), success)
			go func() {
				b, _ := io.ReadAll(r)
				total = len(b)
				close(done)
			}()
			g.want("write", g.call("fd_write", 1, p, n, resultAt), success)
			if g.u32(resultAt) != dataSize {
				t.Errorf("wrote %d", g.u32(resultAt))
			}
			w.Close()
			<-done
			if total < dataSize {
				t.Errorf("%d bytes arrived", total)
			}
			r.Close()
		})
	}
}

func TestBrokenPipe(t *testing.T) {
	r, w := blockingPipe(t)
	r.Close()
	g := newGuest(t, Config{Stdout: w})
	_, en := g.write(1, "x")
	g.want("write", en, vfs.EPIPE)
}

// TestFIFO opens a FIFO of a mount: that must not wait for the other end, and reading it must.
func TestFIFO(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Host: dir}}})
	_, en := g.open(3, "fifo", "rd")
	g.want("as a directory", en, vfs.ENOTDIR)
	_, en = g.open(3, "fifo", "w")
	g.want("without a reader", en, vfs.ENXIO)
	fd := g.mustOpen(3, "fifo", "r")
	_, c := reading(g, fd)
	w, err := os.OpenFile(filepath.Join(dir, "fifo"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "hi")
	if r := <-c; r.s != "hi" || r.en != success {
		t.Errorf("read %q, %v", r.s, r.en)
	}
	th, c := reading(g, fd)
	th.end()
	if r := <-c; r.en != vfs.EINTR {
		t.Errorf("stopped: %v", r.en)
	}
	w.Close()
}
