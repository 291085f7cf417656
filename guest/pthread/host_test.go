package pthread_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// program is a running program whose exports the host starts threads on.
type program struct {
	t   *testing.T
	ctx context.Context
	p   *spindle.Process
	out strings.Builder // written by one call at a time
}

// startProgram starts tests/host.wasm.
func startProgram(t *testing.T, cfg spindle.Config, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	rt, mod := compile(t, ctx, nil, "host")
	pr := &program{t: t, ctx: ctx}
	var err error
	pr.p, err = wasi.Start(ctx, rt, mod, wasi.Config{Args: append([]string{"host"}, args...), Env: []string{"HOST_TEST=yes"}, Stdout: &pr.out, Stderr: &pr.out},
		cfg)
	if err != nil {
		t.Fatal(err)
	}
	return pr
}

// compile reads and compiles one of the tests' modules.
func compile(t *testing.T, ctx context.Context, opts []spindle.Option, name string) (*spindle.Runtime, *spindle.Module) {
	t.Helper()
	rt := spindle.NewRuntime(opts...)
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	bytes, err := os.ReadFile(filepath.Join("tests", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := rt.Compile(ctx, bytes)
	if err != nil {
		t.Fatal(err)
	}
	return rt, mod
}

func (pr *program) spawn(cfg spindle.SpawnConfig, export string, args ...uint64) *spindle.Thread {
	pr.t.Helper()
	th, err := pr.p.SpawnWith(pr.ctx, cfg, export, args...)
	if err != nil {
		pr.t.Fatalf("%s: %v", export, err)
	}
	return th
}

// result waits for a thread and returns its only result.
func (pr *program) result(th *spindle.Thread) int32 {
	pr.t.Helper()
	res, err := th.Wait(pr.ctx)
	if err != nil || len(res) != 1 {
		out := pr.tail()
		pr.t.Fatalf("thread %d ended with %v, %v; printed …%q", th.ID(), res, err, out)
	}
	return int32(res[0])
}

func (pr *program) tail() string {
	if pr.p.Close() != nil {
		return ""
	}
	return tail(pr.out.String())
}

func tail(out string) string { return out[max(0, len(out)-500):] }

// call runs an export on a thread of its own.
func (pr *program) call(export string, args ...uint64) int32 {
	pr.t.Helper()
	return pr.result(pr.spawn(spindle.SpawnConfig{}, export, args...))
}

// end lets main return and returns what was printed before its "ok".
func (pr *program) end() string {
	pr.t.Helper()
	th := pr.spawn(spindle.SpawnConfig{}, "end")
	if _, err := th.Wait(pr.ctx); err != nil && !errors.Is(err, spindle.ErrMainReturned) { // main may be faster
		pr.t.Error(err)
	}
	if err := pr.p.Wait(pr.ctx); err != nil {
		pr.t.Error(err)
	}
	if err := pr.p.Close(); err != nil {
		pr.t.Error(err)
	}
	out, ok := strings.CutSuffix(pr.out.String(), "ok\n")
	if !ok {
		pr.t.Errorf("printed …%q", tail(out))
	}
	return out
}

// In a thread that the host has started everything is as in one of the program's own: identity, errno, variables, mutexes, the allocator, streams, threads
// that it creates itself. Main and threads of its own are at work meanwhile, and the first threads start before main does.
func TestHostThreads(t *testing.T) {
	for _, mode := range []string{"idle", "busy"} {
		t.Run(mode, func(t *testing.T) {
			pr := startProgram(t, spindle.Config{MaxThreads: 200}, mode)
			const goroutines, rounds, lines, counts = 8, 12, 20, 30
			var wg sync.WaitGroup
			for g := range uint64(goroutines) {
				wg.Go(func() {
					for r := range uint64(rounds) {
						var ths []*spindle.Thread
						add := func(export string, args ...uint64) {
							th, err := pr.p.SpawnWith(pr.ctx, spindle.SpawnConfig{StackSize: 16<<10 + int(1000*g)}, export, args...)
							if err != nil {
								t.Errorf("%s: %v", export, err)
								return
							}
							ths = append(ths, th)
						}
						add("whoami", g*100+r)
						add("mutexes", counts)
						add("allocate", 100+g)
						add("print", g*rounds+r, lines)
						add("create", r)
						add("with_key")
						for k, th := range ths {
							if res, err := th.Wait(pr.ctx); err != nil || res[0] != 0 {
								t.Errorf("thread %d of round %d: %v, %v", k, r, res, err)
							}
						}
					}
				})
			}
			wg.Wait()
			if n := pr.call("destructors"); n != goroutines*rounds {
				t.Errorf("%d destructors of keys ran, of %d", n, goroutines*rounds)
			}
			for again := range uint64(2) {
				total := pr.call("total", again)
				if want := int32(goroutines * rounds * (counts + 4*10)); mode == "idle" && total != want || total < want {
					t.Errorf("%d counted with locks, of %d", total, want)
				}
			}
			checkLines(t, pr.end(), goroutines*rounds, lines)
		})
	}
}

// Threads that have waited for a lock for long get it, although whoever has it wants it back as soon as it has given it up. They have when their wait has no end: one that may
// still become impatient looks after a while.
func TestLockGoesToWhoHasWaited(t *testing.T) {
	pr := startProgram(t, spindle.Config{}, "idle")
	at, size := uint64(pr.call("wanted_at")), uint64(pr.call("wanted_size"))
	waits := func(th *spindle.Thread) bool { // for that lock, not for one that the kit has for itself
		t.Helper()
		dump, err := pr.p.ThreadDump(pr.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dump.Threads {
			if d.ID == th.ID() {
				return d.State == spindle.ThreadWaiting && d.Wait.Left < 0 && d.Wait.Addr-at < size
			}
		}
		return false
	}
	holder := pr.spawn(spindle.SpawnConfig{}, "hold")
	for pr.call("is_held") == 0 {
	}
	one := pr.spawn(spindle.SpawnConfig{}, "want")
	for !waits(one) {
	}
	two := pr.spawn(spindle.SpawnConfig{}, "want")
	for !waits(two) {
	}
	pr.call("release")
	places := []int32{pr.result(one), pr.result(two), pr.result(holder)}
	if places[2] == 1 || places[0]+places[1]+places[2] != 1+2+3 {
		t.Errorf("two threads that waited and the one that had the lock have it as numbers %d", places)
	}
	pr.end()
}

// checkLines checks that lines are whole and each printer's are in order, and that hosts printed so many.
func checkLines(t *testing.T, out string, hosts, lines int) {
	t.Helper()
	next := map[string]int{}
	for line := range strings.Lines(out) {
		var kind string
		var who, which int
		if _, err := fmt.Sscanf(line, "%s %d line %d", &kind, &who, &which); err != nil {
			t.Fatalf("line %q", line)
		}
		id := fmt.Sprint(kind, " ", who)
		dots := 0
		if kind == "host" {
			dots = next[id] % 40
		}
		if want := fmt.Sprintf("%s line %d%s;\n", id, next[id], strings.Repeat(".", dots)); line != want {
			t.Fatalf("line %q, want %q", line, want)
		}
		next[id]++
	}
	for who := range hosts {
		if n := next[fmt.Sprint("host ", who)]; n != lines {
			t.Errorf("thread %d printed %d lines", who, n)
		}
	}
}

// Threads of the host wait for each other, with and without a deadline; nobody can join one.
func TestHostThreadsWait(t *testing.T) {
	pr := startProgram(t, spindle.Config{})
	var takers []*spindle.Thread
	for range 20 {
		takers = append(takers, pr.spawn(spindle.SpawnConfig{}, "take"))
	}
	if e := pr.call("timed", 20); e != 0 {
		t.Errorf("a wait with a deadline gave %d", e)
	}
	if e := pr.call("give", 5); e != 0 {
		t.Error(e)
	}
	if e := pr.call("give", 15); e != 0 {
		t.Error(e)
	}
	for _, th := range takers {
		pr.result(th)
	}
	last := pr.spawn(spindle.SpawnConfig{}, "take")
	const einval = 28 // of wasi-libc
	for pr.call("join_last") != einval {
	}
	pr.call("give", 1)
	pr.result(last)
	if out := pr.end(); out != "" {
		t.Errorf("printed %q", out)
	}
}

// What a thread of the host cannot do ends the program with a word about it; and a trap that is contained leaves the rest at work.
func TestHostThreadEnds(t *testing.T) {
	isTrap := func(err error) bool {
		var trap *spindle.TrapError
		return errors.As(err, &trap) && trap.Code != spindle.TrapInterrupted
	}
	for _, c := range []struct {
		export string
		args   []uint64
	}{{"trap", nil}, {"leave", nil}, {"overrun", []uint64{100}}} {
		for _, contain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s contain=%v", c.export, contain), func(t *testing.T) {
				pr := startProgram(t, spindle.Config{})
				if e := pr.call("whoami", 1); e != 0 { // main has begun
					t.Error(e)
				}
				th := pr.spawn(spindle.SpawnConfig{Contain: contain, StackSize: 32 << 10}, c.export, c.args...)
				if res, err := th.Wait(pr.ctx); !isTrap(err) {
					t.Fatalf("ended with %v, %v", res, err)
				}
				if contain && c.export != "overrun" { // which has damaged the heap if nobody looked in time
					if e := pr.call("allocate", 50); e != 0 {
						t.Error(e)
					}
					out := pr.end()
					if (c.export == "leave") != strings.Contains(out, "pthread_exit") {
						t.Errorf("printed %q", out)
					}
					return
				}
				if !contain {
					if err := pr.p.Wait(pr.ctx); !isTrap(err) {
						t.Errorf("the Process ended with %v", err)
					}
				}
				if err := pr.p.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Where nobody watches the stack pointer, an overrun of a host's thread is noticed at its end.
func TestHostThreadGuard(t *testing.T) {
	pr := startProgram(t, spindle.Config{NoStackCheck: true})
	if e := pr.call("whoami", 1); e != 0 {
		t.Error(e)
	}
	const size, frame = 32 << 10, 1000
	th := pr.spawn(spindle.SpawnConfig{StackSize: size}, "overrun", size/frame)
	var trap *spindle.TrapError
	if res, err := th.Wait(pr.ctx); !errors.As(err, &trap) || trap.Code != spindle.TrapUnreachable {
		t.Fatalf("ended with %v, %v", res, err)
	}
	if err := pr.p.Close(); err != nil {
		t.Error(err)
	}
	if out := pr.out.String(); !strings.Contains(out, "overrun its stack") {
		t.Errorf("printed %q", out)
	}
}

// A library in C++, whose static objects are made by _initialize, with destructors of thread_local objects at each thread's end.
func TestHostThreadsInLibrary(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	rt, mod := compile(t, ctx, nil, "hostlib")
	sys, err := wasi.New(wasi.Config{})
	if err != nil {
		t.Fatal(err)
	}
	imports := spindle.Imports{wasi.ModuleName: sys, wasi.ThreadModule: wasi.Threads()}
	release, err := wasi.SharedMemories(rt, mod, imports)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: imports})
	if err != nil {
		t.Fatal(err)
	}
	p := inst.Process()
	const threads = 24
	var ths []*spindle.Thread
	for who := range uint64(threads) {
		export, first := "fill", who+1
		if who%4 == 3 {
			export, first = "parallel", 100+who
		}
		th, err := p.Spawn(ctx, export, first, 50)
		if err != nil {
			t.Fatal(err)
		}
		ths = append(ths, th)
	}
	for _, th := range ths {
		if res, err := th.Wait(ctx); err != nil || res[0] != 0 {
			t.Errorf("%v, %v", res, err)
		}
	}
	for who := range uint64(threads) {
		if who%4 == 3 {
			continue
		}
		if res, err := inst.Call(ctx, "check", who+1, 50); err != nil || res[0] != 0 {
			t.Errorf("%d: %v, %v", who, res, err)
		}
	}
	births, err := inst.Call(ctx, "births")
	if err != nil || births[0] != threads/4*3+threads/4*4 {
		t.Errorf("%d objects were made, %v", births, err)
	}
	if living, err := inst.Call(ctx, "living"); err != nil || living[0] != 0 {
		t.Errorf("%d objects have not been destroyed, %v", living, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
