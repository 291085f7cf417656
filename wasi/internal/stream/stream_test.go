package stream

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// wait waits for an event.
func wait(s vfs.Stream, e vfs.Events) {
	ch := make(chan struct{}, 1)
	defer s.Notify(e, ch)()
	<-ch
}

type step struct {
	s   string
	err error
}

// scripted is a reader that does what it is told.
type scripted chan step

func (r scripted) Read(p []byte) (int, error) {
	x := <-r
	return copy(p, x.s), x.err
}

func TestReader(t *testing.T) {
	src := make(scripted, 10)
	s := NewReader(src)
	p := make([]byte, 4)
	if _, err := s.Read(p); err != vfs.EAGAIN {
		t.Errorf("nothing there: %v", err)
	}
	src <- step{"hello", io.EOF}
	wait(s, vfs.Readable)
	if r := s.Ready(vfs.Readable); r.Bytes != 5 {
		t.Errorf("ready %+v", r)
	}
	for _, want := range []string{"hell", "o", ""} {
		if n, err := s.Peek(p); string(p[:n]) != want || err != nil {
			t.Errorf("peek %q, %v", p[:n], err)
		}
		if n, err := s.Read(p); string(p[:n]) != want || err != nil {
			t.Errorf("read %q, %v", p[:n], err)
		}
	}
	// An end is not for ever, errors come through, and a reader that does nothing is one.
	for _, c := range []struct {
		step
		want errno
	}{{step{"more", nil}, vfs.Success}, {step{"", errors.New("x")}, vfs.EIO}, {step{"", nil}, vfs.EIO}, {step{"", vfs.ECONNRESET}, vfs.ECONNRESET}} {
		if _, err := s.Read(p); err != vfs.EAGAIN {
			t.Errorf("nothing there: %v", err)
		}
		src <- c.step
		wait(s, vfs.Readable)
		if n, err := s.Read(p); string(p[:n]) != c.s || vfs.ErrnoOf(err) != c.want {
			t.Errorf("read %q, %v, want %v", p[:n], err, c)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestReaderCounts: a reader that says that it has read what cannot be is an error of the guest's read, no crash of everything.
func TestReaderCounts(t *testing.T) {
	for _, n := range []int{-1, readSize + 1, math.MaxInt} {
		s := NewReader(readerFunc(func([]byte) (int, error) { return n, nil }))
		wait(s, vfs.Readable)
		if got, err := s.Read(make([]byte, 4)); got != 0 || vfs.ErrnoOf(err) != vfs.EIO {
			t.Errorf("%d bytes: read %d, %v", n, got, err)
		}
	}
}

// TestReaderAsked: asking is enough to have it read.
func TestReaderAsked(t *testing.T) {
	src := make(scripted)
	s := NewReader(src)
	if r := s.Ready(vfs.Readable | vfs.Writable); r.Events != 0 {
		t.Errorf("ready %+v", r)
	}
	src <- step{"x", nil} // somebody reads
	wait(s, vfs.Readable)
	if r := s.Ready(vfs.Readable); r.Bytes != 1 {
		t.Errorf("ready %+v", r)
	}
}

type errno = vfs.Errno

func TestWriter(t *testing.T) {
	gate := make(chan struct{})
	var out bytes.Buffer
	s := NewWriter(writerFunc(func(p []byte) (int, error) {
		<-gate
		return out.Write(p)
	}))
	p := []byte("one")
	op := s.Start(p)
	p[0] = 'X' // it has a copy
	if s.Start([]byte("two")) != nil || s.Ready(vfs.Writable).Events != 0 {
		t.Error("two writes at once")
	}
	gate <- struct{}{}
	<-op.Done
	wait(s, vfs.Writable)
	if op = s.Start([]byte("two")); op == nil {
		t.Fatal("busy without a write")
	}
	close(gate)
	<-op.Done
	if out.String() != "onetwo" || op.N != 3 || op.Err != nil {
		t.Errorf("%q, %d, %v", out.String(), op.N, op.Err)
	}
	wait(s, vfs.Writable)
	if op = s.Start(make([]byte, 2*maxWrite)); op == nil {
		t.Fatal("busy without a write")
	}
	<-op.Done
	if op.N != maxWrite {
		t.Errorf("%d bytes in one write", op.N)
	}
	short := NewWriter(writerFunc(func(p []byte) (int, error) { return 0, nil }))
	op = short.Start(p)
	if <-op.Done; op.Err == nil {
		t.Error("a short write without an error passes")
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
