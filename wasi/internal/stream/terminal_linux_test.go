package stream

import (
	"bytes"
	"os"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/ttytest"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("nothing tells open files: ", err)
	}
	return len(names)
}

// TestTerminal: a terminal that nobody looks at takes what it has room for, and the mode that others see of it stays.
func TestTerminal(t *testing.T) {
	h := NewHub()
	defer h.Close()
	tty, user := ttytest.Open(t)
	files := openFiles(t)
	s, err := OfFile(h, tty, false)
	if err != nil {
		t.Fatal(err)
	}
	if !s.(*FD).IsTerminal() || s.Type() != vfs.TypeCharDevice {
		t.Errorf("a terminal is of type %v", s.Type())
	}
	lines := bytes.Repeat([]byte("\n"), 1000) // each becomes two bytes, which makes room hard to foresee
	total := 0
	for {
		n, err := s.Write(lines)
		total += n
		if vfs.ErrnoOf(err) == vfs.EAGAIN {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if total == 0 {
		t.Error("nothing was written")
	}
	for left := 2 * total; left > 0; {
		n, err := user.Read(make([]byte, 4096))
		if err != nil {
			t.Fatal(err)
		}
		left -= n
	}
	if _, err := s.Read(make([]byte, 10)); vfs.ErrnoOf(err) != vfs.EAGAIN {
		t.Errorf("read of what was not typed: %v", err)
	}
	ch := make(chan struct{}, 1)
	cancel := s.Notify(vfs.Readable, ch)
	if _, err := user.Write([]byte("typed\n")); err != nil {
		t.Fatal(err)
	}
	<-ch
	cancel()
	p := make([]byte, 10)
	if n, err := s.Read(p); string(p[:n]) != "typed\n" || err != nil {
		t.Errorf("read %q, %v", p[:n], err)
	}
	if isNonblock(int(tty.Fd())) {
		t.Error("the mode of the file that was handed over has changed")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	h.Close()
	if n := openFiles(t); n != files {
		t.Errorf("%d open files, %d before", n, files)
	}
	if _, err := tty.Stat(); err != nil {
		t.Errorf("the embedder's file: %v", err)
	}
}
