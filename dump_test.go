package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func mustDump(t *testing.T, p *spindle.Process) *spindle.ThreadDump {
	t.Helper()
	d, err := p.ThreadDump(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// dumpProgram has a function for each thing that a thread may be at: the argument of wasi_thread_start says which.
const dumpProgram = `(module $prog
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(import "env" "block" (func $block)) (import "env" "pollite" (func $pollite)) (import "env" "nest" (func $nest))
	(import "env" "quick" (func $quick))
	(memory 1) (memory $m (export "shared") 1 1 shared)
	(func $busy (loop $l (br $l)))
	(func $wait32 (drop (memory.atomic.wait32 $m (i32.const 64) (i32.const 0) (i64.const -1))))
	(func $wait64 (drop (memory.atomic.wait64 $m offset=8 (i32.const 64) (i64.const 0) (i64.const 3600000000000))))
	(func $inhost (call $block))
	(func $inblock (call $pollite))
	(func $nested (call $nest))
	(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (call $busy))))
	(func $deeper (call $deep (i32.const 500)))
	(table funcref (elem $busy $wait32 $wait64 $inhost $inblock $nested $deeper))
	(func (export "back") (call $block))
	(func (export "wasi_thread_start") (param $tid i32) (param $arg i32) (call_indirect (local.get $arg)))
	(func (export "_start") (local i32)
		(loop $l
			(if (i32.ne (call $spawn (local.get 0)) (i32.add (local.get 0) (i32.const 1))) (then unreachable))
			(br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 7))))
		(loop $l (call $quick) (br $l))))`

func TestThreadDump(t *testing.T) {
	rt := newRuntime(t)
	release := make(chan struct{})
	p, err := rt.Start(context.Background(), mustCompile(t, rt, dumpProgram), spindle.Config{Name: "app", Imports: spindle.Imports{
		"wasi": wasi.Threads(),
		"env": spindle.HostModule{
			"block":   spindle.Proc0(func(*spindle.Caller) { <-release }).Named("env.block"),
			"pollite": spindle.Proc0(func(c *spindle.Caller) { _ = c.Block(func() { <-c.Stopped() }) }).Named("env.pollite"),
			"quick":   spindle.Proc0(func(*spindle.Caller) {}),
			"nest": spindle.Proc0(func(c *spindle.Caller) {
				if _, err := c.Instance().Call(c.Context(), "back"); err != nil {
					c.Fail(err)
				}
			}),
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		close(release)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if d := mustDump(t, p); len(d.Threads) != 0 {
			t.Errorf("after Close:\n%v", d)
		}
	}()
	// Once all are where they stay, the first of them must be told right in every dump.
	want := []string{
		"",
		"running $busy wasi_thread_start",
		"waiting 0x40 32 forever $wait32 wasi_thread_start",
		"waiting 0x48 64 limited $wait64 wasi_thread_start",
		"in env.block $inhost wasi_thread_start",
		"in env.pollite $inblock wasi_thread_start",
		"in env.block back $nested wasi_thread_start",
		"running $busy" + strings.Repeat(" $deep", 99) + " …",
	}
	tell := func(th *spindle.ThreadInfo) string {
		s := th.State.String()
		switch th.State {
		case spindle.ThreadInHost:
			s = "in " + th.Host
		case spindle.ThreadWaiting:
			left := "forever"
			if th.Wait.Left > 50*time.Minute && th.Wait.Left < time.Hour {
				left = "limited"
			}
			s = fmt.Sprintf("waiting %#x %d %s", th.Wait.Addr, th.Wait.Bits, left)
			if th.Wait.Memory != 1 {
				t.Errorf("waiting on memory %d", th.Wait.Memory)
			}
		}
		for _, f := range th.Frames {
			if f.Module != "prog" || f.Offset == 0 {
				t.Errorf("frame %v", f)
			}
			s += " " + f.Name
		}
		if th.More {
			s += " …"
		}
		return strings.NewReplacer(" busy", " $busy", " wait32", " $wait32", " wait64", " $wait64", " inhost", " $inhost", " inblock", " $inblock", " nested", " $nested", " deep", " $deep").Replace(s)
	}
	var d *spindle.ThreadDump
	there := func() bool {
		d = mustDump(t, p)
		if len(d.Threads) != len(want) {
			return false
		}
		for i := 1; i < len(want); i++ {
			if tell(&d.Threads[i]) != want[i] {
				return false
			}
		}
		return true
	}
	deadline := time.Now().Add(time.Minute)
	for !there() {
		if time.Now().After(deadline) {
			t.Fatalf("%v", d)
		}
	}
	for range 100 {
		if !there() {
			t.Fatalf("%v", d)
		}
		// The main thread goes in and out of a host function.
		if m := &d.Threads[0]; m.ID != 0 || len(m.Frames) != 1 || m.Frames[0].Name != "_start" || m.State != spindle.ThreadRunning && m.State != spindle.ThreadInHost {
			t.Fatalf("main thread: %+v", m)
		}
	}
	// Whoever was in guest code when the Process was paused is told as paused; the others as ever.
	ctx, cancel := context.WithCancel(context.Background())
	paused := make(chan error)
	go func() { paused <- p.Pause(ctx) }() // cannot succeed before the host function returns
	eventually(t, "paused threads", func() bool { d = mustDump(t, p); return d.Threads[1].State == spindle.ThreadPaused })
	if s := d.Threads[4]; s.State != spindle.ThreadInHost {
		t.Errorf("%+v", s)
	}
	cancel()
	if err := <-paused; !errors.Is(err, context.Canceled) {
		t.Errorf("Pause: %v", err)
	}
	eventually(t, "running threads", there)

	text := d.String()
	for _, s := range []string{
		`guest threads of "app": 8`, "\nthread 1: running\n   0: prog!busy (func 5, at 0x", "thread 2: waiting at 0x40 of memory 1 (wait32, no timeout)\n",
		"thread 3: waiting at 0x48 of memory 1 (wait64, 59m", "thread 4: in host function env.block\n",
		"      and 97 more like it\n      and further frames\n",
	} {
		if !strings.Contains(text, s) {
			t.Errorf("the text lacks %q:\n%s", s, text)
		}
	}
	var b strings.Builder
	if n, err := d.WriteTo(&b); err != nil || int(n) != len(text) || b.String() != text {
		t.Errorf("WriteTo: %d, %v", n, err)
	}
}

func TestDumpShowsEqualThreadsTogether(t *testing.T) {
	at := []spindle.FrameInfo{{Module: "m", Func: 1, Name: "f", Offset: 9}}
	d := &spindle.ThreadDump{}
	for id := range uint32(30) {
		th := spindle.ThreadInfo{ID: id, State: spindle.ThreadWaiting, Wait: &spindle.WaitInfo{Addr: 4, Bits: 32, Left: time.Duration(id)}, Frames: at}
		if id == 0 || id > 20 && id%2 == 1 {
			th.State, th.Wait = spindle.ThreadRunning, nil
		}
		d.Threads = append(d.Threads, th)
	}
	const want = `guest threads: 30

6 threads 0 (main), 21, 23, 25, 27, 29: running
   0: f@9

24 threads 1-20, 22, 24, 26, 28: waiting at 0x4 of memory 0 (wait32, with timeouts)
   0: f@9
`
	if got := d.Text(func(f spindle.FrameInfo) string { return fmt.Sprintf("%s@%d", f.Name, f.Offset) }); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A dump is one picture: of threads that exclude each other from a section, it never shows two in it. The section is a host function, which calls back into
// the guest; between its return and the next thread's entry there is no safepoint at which a pause alone would stop them.
func TestDumpIsOnePicture(t *testing.T) {
	rt := newRuntime(t)
	var sections atomic.Int64
	p, err := rt.Start(context.Background(), mustCompile(t, rt, `(module
		(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		(import "env" "outside" (func $outside)) (import "env" "inside" (func $inside))
		(memory 1 1 shared)
		(func (export "back") (local i32) (loop $l (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 20)))))
		(func $work
			(loop $l
				(call $outside)
				(if (i32.eqz (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 0) (i32.const 1))) (then
					(call $inside)
					(i32.atomic.store (i32.const 0) (i32.const 0))))
				(br $l)))
		(func (export "wasi_thread_start") (param i32 i32) (call $work))
		(func (export "_start") (drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0))) (call $work)))`),
		spindle.Config{Imports: spindle.Imports{"wasi": wasi.Threads(), "env": spindle.HostModule{
			"outside": spindle.Proc0(func(*spindle.Caller) { runtime.Gosched() }).Named("outside"),
			"inside": spindle.Proc0(func(c *spindle.Caller) {
				sections.Add(1)
				runtime.Gosched()
				if _, err := c.Instance().Call(c.Context(), "back"); err != nil {
					c.Fail(err)
				}
				runtime.Gosched()
			}).Named("inside"),
		}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	isBack := func(f spindle.FrameInfo) bool { return f.Name == "back" }
	var shown atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for shown.Load() < 1000 || sections.Load() < 20_000 {
				d, err := p.ThreadDump(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				in := 0
				for _, th := range d.Threads {
					if th.Host == "inside" || slices.ContainsFunc(th.Frames, isBack) {
						in++
					}
				}
				if in > 1 {
					t.Errorf("%d threads in the section:\n%v", in, d)
					return
				}
				shown.Add(int64(in))
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
}

// churn is a program whose threads spawn others, call host functions that call back, wait, and leave.
const churn = `(module
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(import "env" "quick" (func $quick)) (import "env" "nest" (func $nest))
	(memory 1 1 shared)
	(func (export "back") (call $quick))
	(func (export "fail") (call $nest) (unreachable))
	(func $work
		(call $quick) (call $nest)
		(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 10000)))
		(drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
		(drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0))))
	(func (export "wasi_thread_start") (param i32 i32) (call $work))
	(func (export "_start") (loop $l (call $work) (br $l))))`

// Dumps and pauses by several goroutines at once, while threads come and go and at last the Process ends: nothing hangs, and every frame is one of the program's.
func TestDumpsDuringChurn(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, churn)
	names := map[string]bool{"back": true, "work": true, "fail": true, "wasi_thread_start": true, "_start": true}
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		p, err := rt.Start(context.Background(), mod, spindle.Config{MaxThreads: 30, Imports: spindle.Imports{
			"wasi": wasi.Threads(),
			"env": spindle.HostModule{
				"quick": spindle.Proc0(func(*spindle.Caller) {}),
				"nest": spindle.Proc0(func(c *spindle.Caller) {
					if _, err := c.Process().ThreadDump(c.Context()); err != nil && c.Context().Err() == nil { // from within, too
						t.Error(err)
					}
					if _, err := c.Instance().Call(c.Context(), "back"); err != nil {
						c.Fail(err)
					}
				}),
			},
		}})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var dumps atomic.Int64
		stop := make(chan struct{})
		for k := range 5 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						runtime.Gosched() // or, on one processor, each keeps the others from the Process's lock for a time slice
					}
					if k == 4 { // threads of the host, which trap
						th, err := p.SpawnWith(context.Background(), spindle.SpawnConfig{Contain: true}, "fail")
						var limit *spindle.ThreadLimitError
						if err == nil {
							_, err = th.Wait(context.Background())
						}
						if trap := (*spindle.TrapError)(nil); !errors.As(err, &trap) && !errors.As(err, &limit) && !errors.Is(err, spindle.ErrEnding) {
							t.Errorf("a thread of the host: %v", err)
						}
						continue
					}
					if k == 3 {
						if err := p.Pause(context.Background()); err != nil {
							t.Error(err)
						}
						p.Resume()
						continue
					}
					d, err := p.ThreadDump(context.Background())
					if err != nil {
						t.Error(err)
					}
					for _, th := range d.Threads {
						for i, f := range th.Frames {
							if !names[f.Name] {
								t.Errorf("frame %v", f)
							}
							if first := i == len(th.Frames)-1; first && f.Name != "_start" && f.Name != "wasi_thread_start" && f.Name != "fail" {
								t.Errorf("thread %d begins in %v", th.ID, f)
							}
						}
					}
					dumps.Add(1)
				}
			})
		}
		eventually(t, "some dumps", func() bool { return dumps.Load() > int64(10+round) })
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		close(stop)
		wg.Wait()
		if d := mustDump(t, p); len(d.Threads) != 0 || !d.Ending || !errors.Is(d.Cause, spindle.ErrClosed) {
			t.Errorf("after Close: %v", d)
		}
	}
}

// A pause stops every thread, and those that are spawned while it lasts start stopped.
func TestPauseStopsAllThreads(t *testing.T) {
	rt := newRuntime(t)
	entered, proceed, spawned := make(chan struct{}), make(chan struct{}), make(chan struct{})
	inst := mustInstantiate(t, rt, `(module
		(import "env" "spawn" (func $spawn))
		(memory (export "memory") 1 1 shared)
		(func (export "wasi_thread_start") (param i32) (param $arg i32)
			(loop $l (drop (i32.atomic.rmw.add (local.get $arg) (i32.const 1))) (br $l)))
		(func (export "run") (call $spawn) (loop $l (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))) (br $l))))`,
		hostModule(map[string]spindle.Extern{"spawn": spindle.Proc0(func(c *spindle.Caller) {
			for _, arg := range []uint32{4, 8, 12} {
				if arg == 12 {
					close(entered)
					<-proceed
				}
				if _, err := c.SpawnThread(arg); err != nil {
					t.Error(err)
				}
			}
			close(spawned)
		})}))
	p := inst.Process()
	mem, err := inst.Memory("memory")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	over := make(chan error)
	go func() {
		_, err := inst.Call(ctx, "run")
		over <- err
	}()
	<-entered
	paused := make(chan error)
	go func() { paused <- p.Pause(context.Background()) }()
	eventually(t, "the pause to reach the first threads", func() bool {
		d := mustDump(t, p)
		return d.Threads[1].State == spindle.ThreadPaused && d.Threads[2].State == spindle.ThreadPaused
	})
	close(proceed) // the third thread is spawned into the pause
	<-spawned
	if err := <-paused; err != nil {
		t.Fatal(err)
	}
	counters := func() (c [4]uint32) {
		for i := range c {
			c[i], _ = mem.Uint32(uint64(4 * i))
		}
		return
	}
	before := counters()
	if before[3] != 0 {
		t.Errorf("a thread that was spawned into a pause ran: %v", before)
	}
	for range 1000 {
		runtime.Gosched()
	}
	mustDump(t, p) // neither does a dump let them run
	if after := counters(); after != before {
		t.Errorf("counters %v, then %v in a pause", before, after)
	}
	p.Resume()
	p.Resume() // has no effect
	eventually(t, "all to go on", func() bool {
		c := counters()
		return c[0] > before[0] && c[1] > before[1] && c[2] > before[2] && c[3] > 0
	})
	if err := p.Pause(context.Background()); err != nil { // the Resume too much did not make it void
		t.Fatal(err)
	}
	before = counters()
	cancel() // a paused Process ends all the same
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A call into a paused Process waits for Resume, or for the end of its context.
func TestCallIntoPausedProcess(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, `(module (func (export "f") (result i32) (i32.const 7)))`, spindle.Config{})
	p := inst.Process()
	if err := p.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Millisecond, errors.New("tired of waiting"))
	defer cancel()
	if _, err := inst.Call(ctx, "f"); err == nil || !strings.Contains(err.Error(), "tired of waiting") {
		t.Errorf("a call whose context ends during the pause: %v", err)
	}
	p.Resume()
	if r, err := inst.Call(context.Background(), "f"); err != nil || r[0] != 7 {
		t.Errorf("a call after the pause: %v, %v", r, err)
	}
}
