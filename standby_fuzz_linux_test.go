package spindle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"syscall"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/standby"
)

// script takes numbers and bytes out of what a fuzzer made.
type script struct{ b []byte }

func (s *script) byte() byte {
	if len(s.b) == 0 {
		return 0
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c
}

func (s *script) bytes(n int) []byte {
	n = min(n, len(s.b))
	b := s.b[:n]
	s.b = s.b[n:]
	return b
}

// change flips bits at a place.
func (s *script) change(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) > 0 {
		b[(int(s.byte())<<8|int(s.byte()))%len(b)] ^= s.byte()
	}
	return b
}

// standbyImage is an image of a guest within calls, as a message whose files are bytes, to be changed.
func standbyImage(t testing.TB) (body []byte, files [][]byte) {
	t.Helper()
	l, w := listenTo(t)
	img := frozenGuest(t, l, w, leakFree(t), `(module
		(import "wire" "tell" (func $tell (param i64)))
		(import "wire" "wait" (func $wait))
		(memory 1)
		(table $t 2 funcref)
		(elem (table $t) (i32.const 0) func $wait $g)
		(global $n (mut i64) (i64.const 7))
		(func $g (param i64) (call $wait) (global.set $n (local.get 0)))
		(func (export "_start") (call $tell (i64.const 1)) (call $g (i64.const 3))))`, spindle.Config{}, spindle.FreezeOptions{})
	m, err := img.StandbyMessage()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Files {
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		var b []byte
		if info.Mode().IsRegular() {
			b = make([]byte, min(info.Size(), 1<<20))
			if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		files = append(files, b)
	}
	return m.Body, files
}

// serveScript has a standby, in this process, served with messages.
func serveScript(t testing.TB, body []byte, files [][]byte, s *script) {
	t.Helper()
	near, far, err := standby.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	host := spindle.StandbyHost{Imports: func(string, []*spindle.Module) (spindle.Imports, error) {
		w := newWire(null)
		return spindle.Imports{"wire": w, "host": w, "wasi": threadSpawn()}, nil
	}}
	type end struct {
		regions int
		err     error
	}
	ended, read := make(chan end, 1), make(chan struct{})
	go func() {
		_, n, err := spindle.ServeStandbyOn(far, host)
		ended <- end{n, err}
	}()
	go func() {
		defer close(read)
		for {
			m, err := near.Recv()
			if err != nil {
				return
			}
			m.Close()
		}
	}()
	send := func(kind byte, body []byte, files [][]byte) bool {
		m := standby.Message{Kind: kind, Body: body}
		defer m.Close()
		for _, b := range files {
			f, err := standby.NewFile("fuzz", b)
			if err != nil {
				t.Fatal(err)
			}
			m.Files = append(m.Files, f)
		}
		return near.Send(m) == nil
	}
	for ok := true; ok && len(s.b) > 0; {
		switch s.byte() % 7 {
		case 0:
			var fs [][]byte
			for range s.byte() % 4 {
				fs = append(fs, s.bytes(int(s.byte())))
			}
			ok = send(s.byte(), s.bytes(int(s.byte())), fs)
		case 1: // the image as it is
			ok = send(1, body, files)
		case 2: // a file of it changed
			fs := append([][]byte(nil), files...)
			k := int(s.byte()) % len(fs)
			fs[k] = s.change(fs[k])
			ok = send(1, body, fs)
		case 3: // what goes before it changed
			ok = send(1, s.change(body), files)
		case 4: // some files too few
			ok = send(1, body, files[:int(s.byte())%len(files)])
		case 5:
			fork := spindle.StandbyFork("child", s.byte()%2 == 0)
			if s.byte()%2 == 0 {
				fork = s.change(fork)
			}
			ok = send(2, fork, nil)
		case 6: // a rehearsal
			ok = send(5, nil, nil)
		}
	}
	near.Close()
	e := <-ended
	<-read
	var bad *standby.ProtocolError
	if e.err != nil && !errors.As(e.err, &bad) {
		t.Errorf("an error of no type: %T %v", e.err, e.err)
	}
	if e.regions != 0 {
		t.Errorf("%d regions left", e.regions)
	}
}

// Whatever a standby process is told, it answers or ends.
func FuzzStandby(f *testing.F) {
	body, files := standbyImage(f)
	f.Add([]byte{1, 5, 1, 1})
	f.Add([]byte{1, 5, 0, 1})
	f.Add([]byte{0, 2, 3, 'a', 'b', 'c', 0, 1, 2, '{', '}'})
	f.Add([]byte{2, 0, 0, 40, 1, 5, 0, 1})
	f.Add([]byte{2, 2, 0, 10, 255, 5, 0, 1})
	f.Add([]byte{3, 0, 10, 4, 4, 3, 1, 1, 5, 0, 0, 0, 4, 9})
	f.Add([]byte{5, 0, 1, 0, 0, 3, 0})
	f.Add([]byte{6, 1, 6, 6, 5, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) { serveScript(t, body, files, &script{b}) })
}

// Each byte of an image that goes to another process is changed, in turn: it is refused, or makes no difference that would harm.
func TestStandbyImageChanged(t *testing.T) {
	body, files := standbyImage(t)
	step := 7
	if testing.Short() {
		step = 61
	}
	for k := 0; k < len(files[0]); k += step {
		serveScript(t, body, files, &script{[]byte{2, 0, byte(k >> 8), byte(k), 0x5a, 5, 0, 1}})
	}
	for k := 0; k < len(body); k += step {
		serveScript(t, body, files, &script{[]byte{3, byte(k >> 8), byte(k), 0x11, 5, 0, 1}})
	}
}

// A parent that dies is no fault to tell people of, whatever the standby was at: it has read so many answers.
func TestStandbyParentGone(t *testing.T) {
	body, files := standbyImage(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	host := spindle.StandbyHost{Imports: func(string, []*spindle.Module) (spindle.Imports, error) {
		return spindle.Imports{"wire": newWire(null)}, nil
	}}
	for answers := range 4 { // hello, the image, the child
		near, far, err := standby.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		m := standby.Message{Kind: 1, Body: body}
		for _, b := range files {
			f, err := standby.NewFile("image", b)
			if err != nil {
				t.Fatal(err)
			}
			m.Files = append(m.Files, f)
		}
		if err := errors.Join(near.Send(m), near.Send(standby.Message{Kind: 2, Body: spindle.StandbyFork("child", false)}), m.Close()); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		serve := func() {
			_, _, err := spindle.ServeStandbyOn(far, host)
			ended <- err
		}
		if answers == 0 {
			near.Close() // before it has said a word
			serve()
		} else {
			go serve()
			for range answers {
				m, err := near.Recv()
				if err != nil {
					t.Fatal(err)
				}
				m.Close() //nolint:errcheck // it has no files
			}
			near.Close()
		}
		if err := <-ended; err != nil {
			t.Errorf("gone after %d answers: %v", answers, err)
		}
	}
}

// Errors come back from another process as what they were.
func TestErrorsOfAnotherProcess(t *testing.T) {
	deep := error(&spindle.ForkError{Reason: "end"})
	for range 40 {
		deep = &spindle.ForkError{Reason: "r", Cause: deep}
	}
	trap := &spindle.TrapError{Code: spindle.TrapHost, Detail: "d", Thread: 7, Frames: []spindle.FrameInfo{{Module: "m", Func: 3, Name: "f", Offset: 99}}, Cause: syscall.ENOENT}
	for _, err := range []error{
		nil, &spindle.ExitError{Code: 1 << 31}, trap, &spindle.TrapError{Code: spindle.TrapInterrupted, Cause: context.DeadlineExceeded},
		&spindle.ForkError{Reason: "r", Thread: 1, Func: "f", Cause: spindle.ErrClosed}, &spindle.LinkError{Module: "m", Name: "n", Msg: "x", Cause: trap},
		&spindle.LimitError{Limit: "l", Max: 1, Got: 2}, &spindle.TreeLimitError{Limit: "l", Max: -3}, &spindle.SnapshotFormatError{Offset: -1, Msg: "m"},
		&spindle.SnapshotError{Reason: "r", Cause: context.Canceled},
	} {
		if got, bad := spindle.WireError(err); bad != nil || !reflect.DeepEqual(got, err) {
			t.Errorf("%v comes back as %v (%v)", err, got, bad)
		}
	}
	for _, err := range []error{
		fmt.Errorf("wrapped: %w", trap), errors.Join(trap, io.EOF), io.EOF, deep, &spindle.HostPanicError{Func: "f", Value: 3},
	} {
		got, bad := spindle.WireError(err)
		if bad != nil || got.Error() != err.Error() {
			t.Errorf("%v comes back as %v (%v)", err, got, bad)
		}
		var was, is *spindle.TrapError
		if errors.As(err, &was) != errors.As(got, &is) || !reflect.DeepEqual(was, is) {
			t.Errorf("%v: the trap in it comes back as %v", err, is)
		}
	}
}

// Bytes that are no error are told so.
func FuzzReadWireError(f *testing.F) {
	f.Add([]byte{1, 5})
	f.Add([]byte{2, 19, 1, 'd', 7, 1, 1, 'm', 3, 1, 'f', 9, 0})
	f.Add(append(bytes.Repeat([]byte{3, 0, 0, 0}, 30), 0))
	f.Add(append(bytes.Repeat([]byte{11, 0, 0, 0, 9}, 30), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err, bad := spindle.ReadWireError(b); bad == nil && err != nil {
			_ = err.Error()
		}
	})
}
