package wasi

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

// spy is a System that tells when a thread of its guest begins to wait in a call, and can keep those that have waited from returning.
type spy struct {
	*System
	begun   atomic.Bool // what waits before does not count
	mu      sync.Mutex
	waits   int           // guarded by mu: how many waits have begun
	changed chan struct{} // guarded by mu: closed when waits grows
	hold    chan struct{} // open: who has waited does not return
}

type spiedCaller struct {
	*spindle.Caller
	s *spy
}

func newSpy(t *testing.T, cfg Config) *spy {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &spy{System: s, changed: make(chan struct{}), hold: make(chan struct{})}
}

func (c spiedCaller) BlockSince(_ time.Time, f func()) error { return c.Block(f) }

func (c spiedCaller) Block(f func()) error {
	if !c.s.begun.Load() {
		return c.Caller.Block(f)
	}
	return c.Caller.Block(func() {
		c.s.mu.Lock()
		c.s.waits++
		close(c.s.changed)
		c.s.changed = make(chan struct{})
		c.s.mu.Unlock()
		f()
		select {
		case <-c.s.hold:
		case <-c.Stopped():
		}
	})
}

// waitFor waits until n waits have begun.
func (s *spy) waitFor(n int, stopped <-chan struct{}) {
	for {
		s.mu.Lock()
		have, changed := s.waits, s.changed
		s.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-changed:
		case <-stopped:
			return
		}
	}
}

// Lookup implements spindle.ImportModule.
func (s *spy) Lookup(p *spindle.Process, name string) (spindle.Extern, bool) {
	c, ok := calls[name]
	if !ok || !s.bind(p) {
		return nil, false
	}
	sig := signatures()[name]
	return spindle.RawFunc(sig.typ, func(caller *spindle.Caller, slots []uint64) {
		en := c.do(env{s: s.System, c: spiedCaller{caller, s}, m: caller.Memory()}, slots)
		if len(sig.typ.Results) > 0 {
			slots[0] = uint64(en)
		}
	}).Named(sig.name), true
}

// threadGuest is the beginning of guests with several threads: what they import, and functions that they are made of. $waits, which each
// adds, is what a thread does with the descriptor that it is spawned for; its result goes to the main thread, which gets it by $join.
const threadGuest = `(module
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "sock_recv" (func $recv (param i32 i32 i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
	(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
	(import "test" "begin" (func $begin))                  ;; has waits counted, and those that have waited held
	(import "test" "blocked" (func $blocked (param i32)))  ;; returns when so many waits have begun
	(import "test" "release" (func $release))              ;; lets those return that have waited
	(import "test" "feed" (func $feed))                    ;; makes happen what is waited for
	(memory (export "memory") 2 2 shared)
	(data (i32.const 0x20) "f" "fifo")
	(data (i32.const 0x100) "\00\04\00\00\10\00\00\00")     ;; an iovec of 16 bytes at 0x400
	(data (i32.const 0x108) "\00\10\00\00\00\f0\00\00")     ;; one of 0xf000 at 0x1000
	;; $check ends the guest with 200 and the number of an error.
	(func $check (param $errno i32) (if (local.get $errno) (then (call $exit (i32.add (i32.const 200) (local.get $errno))))))
	(func $must (param $ok i32) (param $code i32) (if (i32.eqz (local.get $ok)) (then (call $exit (local.get $code)))))
	(func $open_path (param $path i32) (param $n i32) (result i32)
		(call $check (call $path_open (i32.const 3) (i32.const 0) (local.get $path) (local.get $n) (i32.const 1)
			(i64.const 0x3fffffff) (i64.const 0) (i32.const 0) (i32.const 0x90)))
		(i32.load (i32.const 0x90)))
	(func $open (result i32) (call $open_path (i32.const 0x20) (i32.const 1)))
	;; a poll of one descriptor; an error of its event is an error
	(func $poll_read (param $fd i32) (result i32) (local $en i32)
		(i32.store8 (i32.const 0x208) (i32.const 1))
		(i32.store (i32.const 0x210) (local.get $fd))
		(local.set $en (call $poll (i32.const 0x200) (i32.const 0x300) (i32.const 1) (i32.const 0x84)))
		(select (local.get $en) (i32.load16_u (i32.const 0x308)) (local.get $en)))
	(func (export "wasi_thread_start") (param $tid i32) (param $fd i32)
		(i32.store (i32.const 0x44) (call $waits (local.get $fd)))
		(i32.atomic.store (i32.const 0x40) (i32.const 1))
		(drop (memory.atomic.notify (i32.const 0x40) (i32.const 1))))
	(func $join (result i32)
		(loop $l (if (i32.eqz (i32.atomic.load (i32.const 0x40))) (then
			(drop (memory.atomic.wait32 (i32.const 0x40) (i32.const 0) (i64.const -1))) (br $l))))
		(i32.load (i32.const 0x44)))
`

// runThreads runs a guest made of threadGuest, and returns its exit code.
func runThreads(t *testing.T, s *spy, text string, feed func()) uint32 {
	t.Helper()
	rt := spindle.NewRuntime()
	defer rt.Close()
	p := startThreads(t.Context(), t, rt, s, text, feed)
	err := p.Wait(t.Context())
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	var exit *spindle.ExitError
	if err == nil {
		return 0
	}
	if !errors.As(err, &exit) {
		t.Fatalf("ended with %v", err)
	}
	return exit.Code
}

func startThreads(ctx context.Context, t *testing.T, rt *spindle.Runtime, s *spy, text string, feed func()) *spindle.Process {
	t.Helper()
	m, err := rt.CompileText(t.Context(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := rt.Start(ctx, m, spindle.Config{Imports: spindle.Imports{ModuleName: s, ThreadModule: Threads(), "test": spindle.HostModule{
		"blocked": spindle.Proc1(func(c *spindle.Caller, n uint32) {
			_ = c.Block(func() { s.waitFor(int(n), c.Stopped()) })
		}),
		"begin":   spindle.Proc0(func(*spindle.Caller) { s.begun.Store(true) }),
		"release": spindle.Proc0(func(*spindle.Caller) { close(s.hold) }),
		"feed":    spindle.Proc0(func(*spindle.Caller) { feed() }),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// waitKind is a way for a guest to wait on a descriptor.
type waitKind struct {
	cfg   Config
	setup string // an expression: the descriptor
	waits string // what waits on it, the descriptor being local 0
	feed  func() // ends the wait
	some  bool   // some of it may be done before the wait: then that is the result, not an error
}

// waitKinds are all of them, by name; each can be used once.
func waitKinds(t *testing.T) map[string]func(t *testing.T) waitKind {
	const read, poll = `(call $read (local.get 0) (i32.const 0x100) (i32.const 1) (i32.const 0x80))`, `(call $poll_read (local.get 0))`
	mem := []Mount{{Guest: "/", Mem: NewMemFS(0)}}
	kinds := map[string]func(t *testing.T) waitKind{
		"write to a writer": func(t *testing.T) waitKind {
			free := make(chan struct{})
			end := sync.OnceFunc(func() { close(free) })
			t.Cleanup(end)
			return waitKind{
				cfg:   Config{Stdout: funcWriter(func(p []byte) (int, error) { <-free; return len(p), nil })},
				setup: `(i32.const 1)`, waits: `(call $write (local.get 0) (i32.const 0x100) (i32.const 1) (i32.const 0x80))`, feed: end,
			}
		},
	}
	stdin := map[string]func(t *testing.T) (io.Reader, io.WriteCloser){"reader": readerKind, "pipe": pipeKind}
	for name, k := range moreStdin {
		stdin[name] = k
	}
	for name, k := range stdin {
		for call, waits := range map[string]string{"read of ": read, "poll of ": poll} {
			kinds[call+name] = func(t *testing.T) waitKind {
				r, w := k(t)
				return waitKind{cfg: Config{Stdin: r}, setup: `(i32.const 0)`, waits: waits, feed: func() { go io.WriteString(w, "x") }}
			}
		}
	}
	for name, k := range morePipes {
		kinds["write to a full "+name] = func(t *testing.T) waitKind {
			r, w := k(t)
			fill(t, w)
			return waitKind{
				cfg:   Config{Stdout: w},
				setup: `(i32.const 1)`, waits: `(call $write (local.get 0) (i32.const 0x108) (i32.const 1) (i32.const 0x80))`,
				feed: func() { go io.Copy(io.Discard, r) },
			}
		}
	}
	for _, name := range []string{"host", "generic"} {
		for call, waits := range map[string]string{"accept": `(call $accept (local.get 0) (i32.const 0) (i32.const 0x80))`, "poll": poll} {
			kinds[call+" of a listener: "+name] = func(t *testing.T) waitKind {
				l := listen(t, name)
				return waitKind{cfg: Config{Listeners: []net.Listener{l}}, setup: `(i32.const 4)`, waits: waits, feed: func() { dial(t, l) }}
			}
		}
		for call, waits := range map[string]string{
			"recv": `(call $recv (local.get 0) (i32.const 0x100) (i32.const 1) (i32.const 0) (i32.const 0x80) (i32.const 0x84))`, "read": read, "poll": poll,
		} {
			kinds[call+" of a socket: "+name] = func(t *testing.T) waitKind {
				l := listen(t, name)
				c := dial(t, l)
				return waitKind{
					cfg:   Config{Listeners: []net.Listener{l}},
					setup: `(call $check (call $accept (i32.const 4) (i32.const 0) (i32.const 0x80))) (i32.load (i32.const 0x80))`, waits: waits,
					feed: func() { io.WriteString(c, "x") },
				}
			}
		}
	}
	for name, k := range kinds {
		kinds[name] = func(t *testing.T) waitKind {
			w := k(t)
			w.cfg.Mounts = mem
			return w
		}
	}
	for name, k := range hostWaits {
		kinds[name] = k
	}
	return kinds
}

// What some systems have besides: pipes, of which the second end is written to, and things to wait on in a directory of the host, which has to be
// mounted as descriptor 3.
var (
	morePipes = map[string]func(t *testing.T) (r, w *os.File){}
	hostWaits = map[string]func(t *testing.T) waitKind{}
)

// TestWaitsUnderThreads has one thread wait on a descriptor and the main thread close it, replace it, move it away, or feed what is waited for.
func TestWaitsUnderThreads(t *testing.T) {
	const (
		ebadf = 8
		start = `
		(func $waits (param i32) (result i32) %WAITS)
		(func (export "_start") (local $fd i32) (local $x i32)
			(local.set $fd (block (result i32) %SETUP))
			(call $begin)
			(call $must (i32.gt_s (call $spawn (local.get $fd)) (i32.const 0)) (i32.const 100))
			(call $blocked (i32.const 1))
			%ACTION
			(call $exit (i32.add (i32.const 1) (call $join)))))`
	)
	for what, a := range map[string]struct {
		action string
		want   uint32
	}{
		"feed": {`(call $release) (call $feed)`, 0},
		"close": {`
			(call $check (call $close (local.get $fd)))
			;; the thread has been woken but not returned: its number is not free yet
			(call $must (i32.ne (local.tee $x (call $open)) (local.get $fd)) (i32.const 101))
			(call $check (call $close (local.get $x)))
			(call $release)
			(drop (call $join))
			(call $must (i32.eq (call $open) (local.get $fd)) (i32.const 102))`, ebadf},
		"replace": {`
			(call $check (call $renumber (local.tee $x (call $open)) (local.get $fd)))
			;; the number is the file's already, of which nobody waits
			(call $check (call $read (local.get $fd) (i32.const 0x100) (i32.const 1) (i32.const 0x88)))
			(call $must (i32.eq (call $open) (local.get $x)) (i32.const 103))
			(call $release)`, ebadf},
		"move": {`
			(call $check (call $renumber (local.get $fd) (local.tee $x (call $open))))
			(call $must (i32.eq (call $close (local.get $fd)) (i32.const 8)) (i32.const 104))
			(call $must (i32.ne (call $open) (local.get $fd)) (i32.const 105))
			(call $release)
			(call $feed)
			(call $must (i32.eqz (call $join)) (i32.const 106))
			(call $must (i32.eq (call $open) (local.get $fd)) (i32.const 107))`, 0},
	} {
		t.Run(what, func(t *testing.T) {
			for name, kind := range waitKinds(t) {
				t.Run(name, func(t *testing.T) {
					k := kind(t)
					text := threadGuest + strings.NewReplacer("%WAITS", k.waits, "%SETUP", k.setup, "%ACTION", a.action).Replace(start)
					if got := runThreads(t, newSpy(t, k.cfg), text, k.feed); got != 1+a.want && !(k.some && got == 1) {
						t.Errorf("exit code %d, want 1+%d", got, a.want)
					}
				})
			}
		})
	}
}

// TestCPUTimeUnderThreads: the CPU clock of a thread that computes goes on while others sleep most of the time.
func TestCPUTimeUnderThreads(t *testing.T) {
	const guest = `
		(func $waits (param i32) (result i32)
			(i64.store (i32.const 0x218) (i64.const 1000000))
			(loop $l (call $check (call $poll (i32.const 0x200) (i32.const 0x300) (i32.const 1) (i32.const 0x84))) (br $l))
			unreachable)
		(func $cpu (result i64)
			(call $check (call $clock (i32.const 2) (i64.const 0) (i32.const 0x90)))
			(i64.load (i32.const 0x90)))
		(func (export "_start") (local $end i64)
			(call $must (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0)) (i32.const 100))
			(call $must (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0)) (i32.const 100))
			(local.set $end (i64.add (call $cpu) (i64.const 30000000)))
			(loop $l (br_if $l (i64.lt_u (call $cpu) (local.get $end))))))`
	if got := runThreads(t, newSpy(t, Config{}), threadGuest+guest, nil); got != 0 {
		t.Errorf("exit code %d", got)
	}
}
