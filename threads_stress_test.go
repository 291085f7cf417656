package spindle_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

func stressModule(t testing.TB, rt *spindle.Runtime, name string) *spindle.Module {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/threads/stress", name+".wat"))
	if err != nil {
		t.Fatal(err)
	}
	return mustCompile(t, rt, string(text))
}

func newSharedMemory(t testing.TB, rt *spindle.Runtime, pages uint64) *spindle.Memory {
	t.Helper()
	mem, err := rt.NewSharedMemory(spindle.MemoryType{Limits: spindle.Limits{Min: pages, Max: pages, HasMax: true}, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	return mem
}

// settled waits until no more goroutines are there than before: those of ended Processes may have their last instructions before them.
func settled(t *testing.T, goroutines int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > goroutines {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines before, %d after\n%s", goroutines, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}

// TestThreadedProcessesLeaveNothing runs Processes of sixteen threads that do all sorts of things. Half of them end by themselves, the others are
// ended at random moments. Nothing is left of them: no goroutine, mapping, descriptor or waiter.
func TestThreadedProcessesLeaveNothing(t *testing.T) {
	processes, atOnce := 1000, 3
	if testing.Short() {
		processes = 60
	}
	rt := newRuntime(t)
	mod := stressModule(t, rt, "mix")
	host := spindle.HostModule{"host": spindle.Proc0(func(c *spindle.Caller) { <-c.Context().Done() })}
	one := func(r *rand.Rand, i int) {
		mem := newSharedMemory(t, rt, 2)
		defer mem.Close()
		stdin, w := io.Pipe()
		defer w.Close()
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		imports := spindle.Imports{"test": host, "env": spindle.HostModule{"memory": mem}}
		args := []string{"mix", "wait"}[:1+i%2]
		p, err := wasi.Start(ctx, rt, mod, wasi.Config{Args: args, Stdin: stdin}, spindle.Config{Imports: imports, MaxThreads: 24})
		if err != nil {
			t.Error(err)
			return
		}
		cause := spindle.ErrClosed
		if i%2 == 0 {
			if err := p.Wait(ctx); !exited(err, 22) {
				t.Errorf("ended with %v", err)
			}
		} else {
			moment := time.NewTimer(time.Duration(r.IntN(3000)) * time.Microsecond)
			<-moment.C
			if i%4 == 1 {
				cause = errors.New("enough")
				cancel(cause)
				if err := p.Wait(context.Background()); !errors.Is(err, cause) {
					t.Errorf("ended with %v, want %v", err, cause)
				}
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Wait(context.Background()); i%2 == 1 && !errors.Is(err, cause) {
			t.Errorf("closed, it ended with %v, want %v", err, cause)
		}
		if n := mem.Waiters(); n != 0 {
			t.Errorf("%d waiters left", n)
		}
	}
	run := func(processes int) {
		next := make(chan int)
		var wg sync.WaitGroup
		for k := range atOnce {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(k), 7))
				for i := range next {
					one(r, i)
				}
			})
		}
		for i := range processes {
			next <- i
		}
		close(next)
		wg.Wait()
	}
	base := runtime.NumGoroutine()
	run(16) // fills the pools
	settled(t, base)
	g0, m0, f0 := resources(t)
	run(processes)
	settled(t, g0)
	_, m1, f1 := resources(t)
	if f1 > f0 {
		t.Errorf("%d descriptors before, %d after", f0, f1)
	}
	// Those idle in the pools: as many as were ever in use at the same time, which may differ. Go's own heap may have grown by a few.
	if limit := m0 + 2*24*atOnce; m1 > limit {
		t.Errorf("%d mappings before, %d after", m0, m1)
	}
	if n := rt.LiveRegions(); n != 0 {
		t.Errorf("%d regions in use", n)
	}
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
}

// TestOneCauseOfManyThreads has threads and the embedder end a Process at the same time. One of them is told to be the cause, to everybody and for good.
func TestOneCauseOfManyThreads(t *testing.T) {
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	rt := newRuntime(t)
	mod := stressModule(t, rt, "race")
	enough := errors.New("enough")
	var exits, traps, stops int
	for i := range rounds {
		ctx, cancel := context.WithCancelCause(t.Context())
		p, err := wasi.Start(ctx, rt, mod, wasi.Config{}, spindle.Config{})
		if err != nil {
			t.Fatal(err)
		}
		moment := time.AfterFunc(time.Duration(rand.IntN(300))*time.Microsecond, func() {
			if i%2 == 0 {
				cancel(enough)
			} else if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		var told [3]error
		var wg sync.WaitGroup
		for k := range told {
			wg.Go(func() { told[k] = p.Wait(t.Context()) })
		}
		wg.Wait()
		err = p.Wait(t.Context())
		moment.Stop()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		cancel(nil)
		for _, e := range append(told[:], p.Wait(t.Context())) {
			if e != err { //nolint:errorlint // identity
				t.Errorf("somebody was told %v, others %v", err, e)
			}
		}
		var exit *spindle.ExitError
		var trap *spindle.TrapError
		switch {
		case errors.As(err, &exit) && 101 <= exit.Code && exit.Code <= 104:
			exits++
		case errors.As(err, &trap) && trap.Code == spindle.TrapUnreachable && 1 <= trap.Thread && trap.Thread <= 8 && len(trap.Frames) == 1:
			traps++
		case errors.As(err, &trap) && trap.Code == spindle.TrapInterrupted && i%2 == 0 && errors.Is(err, enough):
			stops++
		case errors.As(err, &trap) && trap.Code == spindle.TrapInterrupted && i%2 == 1 && errors.Is(err, spindle.ErrClosed):
			stops++
		default:
			t.Errorf("ended with %v", err)
		}
	}
	t.Logf("%d exits, %d traps, %d ends from outside", exits, traps, stops)
}

// TestManyBlockedThreads has very many threads wait at the same time, and wakes them all.
func TestManyBlockedThreads(t *testing.T) {
	threads := 100_000
	if testing.Short() {
		threads = 5000
	}
	if math.MaxInt == math.MaxInt32 {
		threads = 500 // address space is what bounds them
	}
	rt := newRuntime(t)
	base := runtime.NumGoroutine()
	var before, made, woken time.Time
	rss := residentBytes()
	var grown int64
	env := spindle.HostModule{
		"made": spindle.Proc0(func(*spindle.Caller) {
			grown = residentBytes() - rss
			made = time.Now()
		}),
		"woken": spindle.Proc0(func(*spindle.Caller) { woken = time.Now() }),
	}
	inst, err := rt.Instantiate(t.Context(), stressModule(t, rt, "crowd"), spindle.Config{
		Imports: spindle.Imports{"wasi": wasi.Threads(), "test": env}, MaxThreads: threads,
	})
	if err != nil {
		t.Fatal(err)
	}
	before = time.Now()
	_, err = inst.Call(t.Context(), "run", uint64(threads))
	mem, merr := inst.Memory("memory")
	if err != nil || merr != nil {
		t.Fatal(err, merr)
	}
	if n := mem.Waiters(); n != 0 {
		t.Errorf("%d waiters left", n)
	}
	if err := inst.Close(); err != nil {
		t.Error(err)
	}
	settled(t, base)
	if n := rt.LiveRegions(); n != 0 {
		t.Errorf("%d regions in use", n)
	}
	t.Logf("%d threads: made in %v, %d bytes of memory each; woken in %v, gone after %v more", threads, made.Sub(before),
		grown/int64(threads), woken.Sub(made), time.Since(woken))
}

// residentBytes is what the process has of physical memory, as far as the system tells; otherwise what Go's runtime has mapped.
func residentBytes() int64 {
	if b, err := os.ReadFile("/proc/self/smaps_rollup"); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "Rss:" {
				var kb int64
				for _, c := range f[1] {
					kb = kb*10 + int64(c-'0')
				}
				return kb << 10
			}
		}
	}
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

var garbage []byte

// TestGoCollectsBesideSpinningThreads has Go's collector stop the world while guests spin, which must stop for it, and go on. (Not by runtime.GC,
// which gives way to every other goroutine after each span that it sweeps.)
func TestGoCollectsBesideSpinningThreads(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	for _, procs := range []int{1, 2} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			rt := newRuntime(t)
			mem := newSharedMemory(t, rt, 3)
			defer mem.Close()
			p, err := wasi.Start(t.Context(), rt, stressModule(t, rt, "spin"), wasi.Config{}, spindle.Config{
				Imports: spindle.Imports{"env": spindle.HostModule{"memory": mem}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			rounds := func() (n [8]uint64) {
				for i := range n {
					b, ok := mem.View(uint64(i+1)*64, 8)
					if !ok {
						t.Fatal("no counters")
					}
					n[i] = binary.LittleEndian.Uint64(b)
				}
				return n
			}
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			first, before := stats.NumGC, rounds()
			for stats.NumGC < first+5 {
				garbage = make([]byte, 1<<20)
				runtime.ReadMemStats(&stats) // stops the world, too
				select {
				case <-p.Done():
					t.Fatalf("ended with %v", p.Wait(t.Context()))
				default:
				}
			}
			for i := 0; i < len(before); {
				if rounds()[i] != before[i] {
					i++
				} else {
					runtime.Gosched()
				}
			}
		}()
	}
}

// BenchmarkTrapToExit measures from a trap to the report of the Process's end, while 132 other threads compute, wait and read.
func BenchmarkTrapToExit(b *testing.B) {
	rt := newRuntime(b)
	mod := stressModule(b, rt, "end")
	var times []time.Duration
	for b.Loop() {
		mem := newSharedMemory(b, rt, 1)
		stdin, w := io.Pipe()
		var from time.Time
		imports := spindle.Imports{
			"env": spindle.HostModule{"memory": mem}, "test": spindle.HostModule{"now": spindle.Proc0(func(*spindle.Caller) { from = time.Now() })},
		}
		p, err := wasi.Start(b.Context(), rt, mod, wasi.Config{Stdin: stdin}, spindle.Config{Imports: imports})
		if err != nil {
			b.Fatal(err)
		}
		err = p.Wait(b.Context())
		times = append(times, time.Since(from))
		if !trapped(err, spindle.TrapUnreachable, 0) {
			b.Fatalf("ended with %v", err)
		}
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
		w.Close()
		mem.Close()
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "µs-median")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "µs-p99")
}
