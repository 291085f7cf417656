package wasi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

func TestMain(m *testing.M) {
	spindle.ServeStandby(spindle.StandbyHost{Imports: func(string, []*spindle.Module) (spindle.Imports, error) {
		mem := wasi.NewMemFS(0)
		return wasi.ForkImports(wasi.Config{Mounts: []wasi.Mount{{Guest: "/mem", Mem: mem}}})
	}})
	os.Exit(m.Run())
}

const passImports = `(import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_tell" (func $tell (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
`

// warmed starts a guest whose body comes to its first read of standard input, and freezes it there.
func warmed(t testing.TB, body string, cfg wasi.Config) *spindle.Image {
	t.Helper()
	rt := spindle.NewRuntime()
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	src := strings.Replace(forkImports, "(module\n", "(module\n"+passImports, 1) + body + ")"
	mod, err := rt.CompileText(t.Context(), []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	asked, closed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	cfg.Stdin = readerFunc(func([]byte) (int, error) {
		once.Do(func() { close(asked) })
		<-closed
		return 0, io.EOF
	})
	p, err := wasi.Start(context.Background(), rt, mod, cfg, spindle.Config{Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(closed) })
	select {
	case <-asked:
	case <-p.Done():
		t.Fatal(p.Wait(t.Context()))
	}
	img, _, err := p.Freeze(t.Context(), spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// child is a child of either kind.
type child interface {
	Wait(ctx context.Context) error
}

// forkBoth makes a child in this process, or in another one, and returns what it writes to its standard output and how it ends.
func forkBoth(t testing.TB, img *spindle.Image, elsewhere bool, stdin string, opts wasi.ForkOptions) (string, error) {
	t.Helper()
	ir, iw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	or, ow, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	opts.Stdin, opts.Stdout, opts.Stderr = ir, ow, ow
	o := map[string]any{wasi.ModuleName: &opts}
	var c child
	if elsewhere {
		c, err = img.ForkProcess(t.Context(), spindle.ProcessForkConfig{Options: o})
	} else {
		var p *spindle.Process
		p, err = img.Fork(t.Context(), spindle.ForkConfig{Options: o})
		c = p
		if err == nil {
			defer p.Close()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(iw, stdin); err != nil {
		t.Fatal(err)
	}
	iw.Close()
	var out bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(&out, or) //nolint:errcheck // what is missing is seen
	}()
	err = c.Wait(t.Context())
	ow.Close()
	<-read
	ir.Close()
	or.Close()
	return out.String(), err
}

// A child in another process has the parent's open files, with their offsets, its directories, in which it opens and renames, and the streams that it is given; it ends with its own
// exit code. All that is as for a child in this process.
func TestForkProcessFiles(t *testing.T) {
	dir := t.TempDir()
	img := warmed(t, `
		(data (i32.const 100) "log" "warm\n" "made" "sub/moved")
		(func (export "_start") (local $fd i32)
			;; 3 is the directory. The log is opened for reading and writing.
			(call $ok (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 3) (i32.const 1) (i64.const 0x66) (i64.const 0) (i32.const 0) (i32.const 64)))
			(local.set $fd (i32.load (i32.const 64)))
			(call $out (local.get $fd) (i32.const 103) (i32.const 5))
			(drop (call $in (i32.const 0) (i32.const 200) (i32.const 3)))
			(call $out (i32.const 1) (i32.const 200) (i32.const 3))
			(call $out (local.get $fd) (i32.const 200) (i32.const 3))
			;; The offset, as 8 bytes.
			(call $ok (call $tell (local.get $fd) (i32.const 72)))
			(call $out (i32.const 2) (i32.const 72) (i32.const 8))
			(call $ok (call $path_open (i32.const 3) (i32.const 0) (i32.const 108) (i32.const 4) (i32.const 1) (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 64)))
			(call $out (i32.load (i32.const 64)) (i32.const 200) (i32.const 3))
			(call $ok (call $rename (i32.const 3) (i32.const 108) (i32.const 4) (i32.const 3) (i32.const 112) (i32.const 9)))
			(call $exit (i32.sub (i32.load8_u (i32.const 200)) (i32.const 48))))`,
		wasi.Config{Mounts: []wasi.Mount{{Guest: "/", Host: dir}}})
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	want := "warm\n"
	for round, elsewhere := range []bool{false, true, true, false, true} {
		in := fmt.Sprint(round+3, "ab")
		out, err := forkBoth(t, img, elsewhere, in, wasi.ForkOptions{})
		want += in
		if got := in + string([]byte{byte(len(want)), 0, 0, 0, 0, 0, 0, 0}); out != got {
			t.Errorf("child %d writes %q, want %q", round, out, got)
		}
		var exit *spindle.ExitError
		if !errors.As(err, &exit) || exit.Code != uint32(round+3) {
			t.Errorf("child %d: %v", round, err)
		}
		for name, want := range map[string]string{"log": want, "sub/moved": in} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
				t.Errorf("child %d: %s has %q, want %q (%v)", round, name, b, want, err)
			}
		}
		if err := os.Remove(filepath.Join(dir, "sub/moved")); err != nil {
			t.Error(err)
		}
	}
}

// Nothing that must differ is the same in two children, wherever they are: random bytes, process identifiers, also those of what they fork themselves. Clocks do not go back.
func TestForkProcessUnique(t *testing.T) {
	img := warmed(t, `
		(func (export "_start") (local $pid i32)
			(call $ok (call $clock (i32.const 1) (i64.const 1) (i32.const 256)))
			(drop (call $in (i32.const 0) (i32.const 200) (i32.const 1)))
			(call $ok (call $clock (i32.const 1) (i64.const 1) (i32.const 264)))
			(call $check (i64.le_u (i64.load (i32.const 256)) (i64.load (i32.const 264))))
			(call $check (i64.eq (call $generation) (i64.const 1)))
			(local.set $pid (call $fork (i32.const 0)))
			(if (i32.eqz (local.get $pid)) (then
				(call $check (i64.eq (call $generation) (i64.const 2)))
				(call $ok (call $random (i32.const 300) (i32.const 16)))
				(call $ok (call $proc_id (i32.const 316)))
				(call $out (i32.const 1) (i32.const 300) (i32.const 20))
				(return)))
			(call $check (i32.eq (call $wait (local.get $pid) (i32.const 0) (i32.const 0)) (local.get $pid)))
			(call $ok (call $random (i32.const 300) (i32.const 16)))
			(call $ok (call $proc_id (i32.const 316)))
			(call $out (i32.const 1) (i32.const 300) (i32.const 20)))`, wasi.Config{})
	type one struct {
		out string
		err error
	}
	all := make(chan one)
	const n = 24
	for k := range n {
		go func() {
			out, err := forkBoth(t, img, k%4 != 0, "x", wasi.ForkOptions{})
			all <- one{out, err}
		}()
	}
	random, pids := map[string]bool{}, map[string]bool{}
	for range n {
		o := <-all
		if o.err != nil || len(o.out) != 40 {
			t.Fatalf("%q, %v", o.out, o.err)
		}
		for k := 0; k < 40; k += 20 {
			random[o.out[k:k+16]] = true
			pids[o.out[k+16:k+20]] = true
		}
	}
	if len(random) != 2*n || len(pids) != 2*n {
		t.Errorf("%d different random values and %d identifiers, want %d", len(random), len(pids), 2*n)
	}
}

// A child in another process accepts on the listener that it is given, and has pipes that were made before, arguments and file systems in memory.
func TestForkProcessListenerPipeAndMem(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	img := warmed(t, `
		(data (i32.const 100) "hello" "/mem")
		(func (export "_start")
			(call $ok (call $fd_pipe (i32.const 64) (i32.const 68)))
			(call $out (i32.load (i32.const 68)) (i32.const 100) (i32.const 5))
			(drop (call $in (i32.const 0) (i32.const 200) (i32.const 1)))
			;; What was written to the pipe before the fork.
			(call $check (i32.eq (call $in (i32.load (i32.const 64)) (i32.const 300) (i32.const 9)) (i32.const 5)))
			(call $ok (call $args_sizes (i32.const 76) (i32.const 80)))
			(call $check (i32.eq (i32.load (i32.const 76)) (i32.const 2)))
			;; 3 is the file system in memory, 4 the listener.
			(call $ok (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 5) (i32.const 1) (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 84)))
			(call $ok (call $accept (i32.const 4) (i32.const 0) (i32.const 72)))
			(call $out (i32.load (i32.const 72)) (i32.const 300) (i32.const 5)))`,
		wasi.Config{Listeners: []net.Listener{first}, Mounts: []wasi.Mount{{Guest: "/mem", Mem: wasi.NewMemFS(0)}}})
	second, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	answer := make(chan string)
	go func() {
		c, err := net.Dial("tcp", second.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		b, err := io.ReadAll(c)
		answer <- fmt.Sprintf("%s %v", b, err)
	}()
	if _, err := forkBoth(t, img, true, "x", wasi.ForkOptions{Listeners: []net.Listener{second}, Args: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != "hello <nil>" {
		t.Error(got)
	}
}

// What cannot go to another process is named.
func TestForkProcessRefusals(t *testing.T) {
	img := warmed(t, `(func (export "_start") (drop (call $in (i32.const 0) (i32.const 200) (i32.const 1))))`, wasi.Config{})
	var file *wasi.OpenFileError
	_, err := img.ForkProcess(t.Context(), spindle.ProcessForkConfig{})
	var remote *spindle.RemoteError
	if !errors.As(err, &remote) || !strings.Contains(err.Error(), "wasi: descriptor 0 is") {
		t.Errorf("standard input is a reader: %v", err)
	}
	_, err = img.ForkProcess(t.Context(), spindle.ProcessForkConfig{Options: map[string]any{wasi.ModuleName: &wasi.ForkOptions{Stdin: strings.NewReader("x")}}})
	if !errors.As(err, &file) || file.Descriptor != 0 {
		t.Errorf("the child's standard input is a reader: %v", err)
	}
	img = warmed(t, `
		(data (i32.const 100) "f")
		(func (export "_start")
			(call $ok (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 1) (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 64)))
			(drop (call $in (i32.const 0) (i32.const 200) (i32.const 1))))`, wasi.Config{Mounts: []wasi.Mount{{Guest: "/mem", Mem: wasi.NewMemFS(0)}}})
	if _, err = img.ForkProcess(t.Context(), spindle.ProcessForkConfig{}); !errors.As(err, &file) || file.Descriptor != 4 {
		t.Errorf("a file in memory is open: %v", err)
	}
	// A directory that the other process does not have, and that is not the host's.
	img = warmed(t, `(func (export "_start") (drop (call $in (i32.const 0) (i32.const 200) (i32.const 1))))`,
		wasi.Config{Mounts: []wasi.Mount{{Guest: "/other", Mem: wasi.NewMemFS(0)}}})
	if _, err = img.ForkProcess(t.Context(), spindle.ProcessForkConfig{}); err == nil || !strings.Contains(err.Error(), "descriptor 3 is") {
		t.Errorf("a directory is missing: %v", err)
	}
}

// A wait that lasts when the guest is frozen lasts as long as was left, in another process as in this one.
func TestForkProcessWaitGoesOn(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	rt := spindle.NewRuntime()
	defer rt.Close()
	// A subscription to the monotonic clock at 0: kind 0 at 8, id 1 at 16, the timeout at 24.
	mod, err := rt.CompileText(t.Context(), []byte(forkImports+`
		(func (export "_start")
			(i32.store (i32.const 16) (i32.const 1))
			(i64.store (i32.const 24) (i64.const 300000000))
			(call $out (i32.const 1) (i32.const 8) (i32.const 1))
			(call $ok (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
			(call $out (i32.const 1) (i32.const 8) (i32.const 1))))`))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	p, err := wasi.Start(t.Context(), rt, mod, wasi.Config{Stdout: w}, spindle.Config{Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	if _, err := io.ReadFull(r, one); err != nil {
		t.Fatal(err)
	}
	img, _, err := p.Freeze(t.Context(), spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	c, err := img.ForkProcess(t.Context(), spindle.ProcessForkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // of both
		if _, err := io.ReadFull(r, one); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(begin); d < 300*time.Millisecond {
		t.Errorf("both waited %v", d)
	}
	if err := errors.Join(c.Wait(t.Context()), p.Wait(t.Context())); err != nil {
		t.Error(err)
	}
}
