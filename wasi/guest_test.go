package wasi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// imports declares the functions that the guests below use.
const imports = `
	(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
	(memory (export "memory") 1)
`

func compile(t testing.TB, text string) (*spindle.Runtime, *spindle.Module) {
	t.Helper()
	rt := spindle.NewRuntime()
	t.Cleanup(func() { rt.Close() })
	m, err := rt.CompileText(context.Background(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return rt, m
}

// cat copies standard input to standard output and exits with the number of the read that ended it.
const cat = `(module ` + imports + `
	(data (i32.const 0) "\40\00\00\00\10\00\00\00")
	(func (export "_start") (local $n i32)
		(loop $again
			(i32.store (i32.const 4) (i32.const 16))
			(if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 99))))
			(if (i32.load (i32.const 8)) (then
				(i32.store (i32.const 4) (i32.load (i32.const 8)))
				(if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)) (then (call $exit (i32.const 98))))
				(local.set $n (i32.add (local.get $n) (i32.const 1)))
				(br $again))))
		(call $exit (local.get $n))))`

func TestGuestCat(t *testing.T) {
	rt, m := compile(t, cat)
	var out bytes.Buffer
	p, err := wasi.Start(t.Context(), rt, m, wasi.Config{Stdin: strings.NewReader("a guest reads this in several pieces"), Stdout: &out}, spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var exit *spindle.ExitError
	if err := p.Wait(t.Context()); !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("ended with %v", err)
	}
	if out.String() != "a guest reads this in several pieces" {
		t.Errorf("output %q", out.String())
	}
}

// TestGuestStopped stops guests that read from what never comes, and that sleep for ever.
func TestGuestStopped(t *testing.T) {
	sleep := `(module ` + imports + `
		(func (export "_start")
			(i64.store (i32.const 24) (i64.const -1))
			(drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
			(call $exit (i32.const 99))))`

	pr, pw := io.Pipe()
	defer pw.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	before := runtime.NumGoroutine()
	for name, c := range map[string]struct {
		text string
		in   io.Reader
	}{"sleep": {sleep, nil}, "reader": {cat, pr}, "pipe": {cat, r}} {
		t.Run(name, func(t *testing.T) {
			rt, m := compile(t, c.text)
			why := errors.New("enough")
			for _, how := range []string{"cancel", "close", "deadline"} {
				ctx, cancel := context.WithCancelCause(t.Context())
				if how == "deadline" {
					var c2 context.CancelFunc
					ctx, c2 = context.WithTimeoutCause(ctx, 2*time.Millisecond, why)
					defer c2()
				}
				p, err := wasi.Start(ctx, rt, m, wasi.Config{Stdin: c.in}, spindle.Config{})
				if err != nil {
					t.Fatal(err)
				}
				switch how {
				case "cancel":
					cancel(why)
				case "close":
					if err := p.Close(); err != nil {
						t.Error(err)
					}
				}
				err = p.Wait(context.Background())
				var trap *spindle.TrapError
				if !errors.As(err, &trap) || trap.Code != spindle.TrapInterrupted || how != "close" && !errors.Is(err, why) {
					t.Errorf("%s: ended with %v", how, err)
				}
				cancel(nil)
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	pw.Close() // the reader's goroutine is the io.Pipe's until then
	wasi.Settled(t, before)
}

// TestGuestLink: a System belongs to one Process; what is no function of it is not found; a guest without memory gets EFAULT.
func TestGuestLink(t *testing.T) {
	rt, m := compile(t, cat)
	sys, err := wasi.New(wasi.Config{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := spindle.Config{Imports: spindle.Imports{wasi.ModuleName: sys}}
	one, err := rt.Instantiate(t.Context(), m, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	var link *spindle.LinkError
	if _, err := rt.Instantiate(t.Context(), m, cfg); !errors.As(err, &link) {
		t.Errorf("a second Process: %v", err)
	}
	rt2, m2 := compile(t, `(module (import "wasi_snapshot_preview1" "no_such_call" (func)))`)
	if _, err := wasi.Instantiate(t.Context(), rt2, m2, wasi.Config{}, spindle.Config{}); !errors.As(err, &link) {
		t.Errorf("an unknown function: %v", err)
	}
	rt3, m3 := compile(t, `(module (import "wasi_snapshot_preview1" "random_get" (func $r (param i32 i32) (result i32)))
		(func (export "f") (result i32) (call $r (i32.const 0) (i32.const 1))))`)
	inst, err := wasi.Instantiate(t.Context(), rt3, m3, wasi.Config{}, spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Close()
	if res, err := inst.Call(t.Context(), "f"); err != nil || res[0] != 21 {
		t.Errorf("without a memory: %v, %v, want EFAULT", res, err)
	}
}

// dynamic finds what it has when it is asked.
type dynamic func(name string) (spindle.Extern, bool)

func (d dynamic) Lookup(_ *spindle.Process, name string) (spindle.Extern, bool) { return d(name) }

// TestGuestSharedMemory: a shared memory that is imported is the one that is there, and is made only if none is.
func TestGuestSharedMemory(t *testing.T) {
	rt, m := compile(t, `(module (import "env" "memory" (memory 1 2 shared)) (import "env" "f" (func $f (result i32)))
		(func (export "run") (result i32) (i32.add (call $f) (i32.load (i32.const 0)))))`)
	mem, err := rt.NewSharedMemory(spindle.MemoryType{Limits: spindle.Limits{Min: 1, Max: 2, HasMax: true}, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	mem.PutUint32(0, 7)
	f := spindle.Func0(func(*spindle.Caller) int32 { return 100 })
	for name, c := range map[string]struct {
		env  spindle.ImportModule
		want uint64
	}{
		"dynamic with it": {dynamic(func(name string) (spindle.Extern, bool) {
			x, ok := spindle.HostModule{"memory": mem, "f": f}[name]
			return x, ok
		}), 107},
		"dynamic without": {dynamic(func(name string) (spindle.Extern, bool) { return f, name == "f" }), 100},
		"host with it":    {spindle.HostModule{"memory": mem, "f": f}, 107},
		"host without":    {spindle.HostModule{"f": f}, 100},
	} {
		inst, err := wasi.Instantiate(t.Context(), rt, m, wasi.Config{}, spindle.Config{Imports: spindle.Imports{"env": c.env}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if res, err := inst.Call(t.Context(), "run"); err != nil || res[0] != c.want {
			t.Errorf("%s: %v, %v, want %d", name, res, err, c.want)
		}
		inst.Close()
	}
}

// TestGuestStopKeepsInput: a call whose context ends gives up its read; the next call of the same instance gets the bytes.
func TestGuestStopKeepsInput(t *testing.T) {
	rt, m := compile(t, `(module `+imports+`
		(data (i32.const 0) "\40\00\00\00\10\00\00\00")
		(func (export "read") (result i32)
			(if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return (i32.const -1))))
			(i32.load8_u (i32.const 0x40))))`)
	pr, pw := io.Pipe()
	defer pw.Close()
	inst, err := wasi.Instantiate(t.Context(), rt, m, wasi.Config{Stdin: pr}, spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := inst.Call(ctx, "read"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("ended with %v", err)
	}
	go io.WriteString(pw, "A")
	if res, err := inst.Call(t.Context(), "read"); err != nil || res[0] != 'A' {
		t.Errorf("read %v, %v", res, err)
	}
}

func BenchmarkGuestWrite(b *testing.B) {
	rt, m := compile(b, `(module `+imports+`
		(data (i32.const 0) "\40\00\00\00\10\00\00\00")
		(func (export "run") (param $n i32)
			(loop $again
				(if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)) (then unreachable))
				(br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))`)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(b.TempDir() + "/f")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		name string
		w    io.Writer
	}{{"discard", nil}, {"file", file}, {"devnull", null}, {"writer", writerFunc(func(p []byte) (int, error) { return len(p), nil })}} {
		b.Run(c.name, func(b *testing.B) {
			inst, err := wasi.Instantiate(b.Context(), rt, m, wasi.Config{Stdout: c.w}, spindle.Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer inst.Close()
			b.ReportAllocs()
			b.ResetTimer()
			if _, err := inst.Call(context.Background(), "run", uint64(b.N)); err != nil {
				b.Fatal(err)
			}
		})
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func BenchmarkStartHello(b *testing.B) {
	rt, m := compile(b, `(module `+imports+`
		(data (i32.const 0) "\40\00\00\00\06\00\00\00") (data (i32.const 0x40) "hello\0a")
		(func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))))`)
	b.ReportAllocs()
	for b.Loop() {
		p, err := wasi.Start(context.Background(), rt, m, wasi.Config{}, spindle.Config{})
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(p.Wait(context.Background()), p.Close()); err != nil {
			b.Fatal(err)
		}
	}
}
