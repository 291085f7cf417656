package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/spindle-wasm/spindle"
)

func newStandbys(t testing.TB, size int) *spindle.Standbys {
	t.Helper()
	s, err := spindle.NewStandbys(spindle.StandbysConfig{Size: size, Failed: func(err error) { t.Errorf("a standby: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A guest that is frozen at safepoints of all kinds goes on in OS processes to the end that it has itself, and that a child in this process has.
func TestForkProcessAtAnySafepoint(t *testing.T) {
	ctx := t.Context()
	src := strings.Replace(busyGuest, "2500", "30", 1)
	// run runs the guest with at called at each safepoint, and returns what it tells.
	run := func(t *testing.T, pooled bool, at func(p *spindle.Process, img func() *spindle.Image, pool *spindle.Standbys)) (l *listener, tells uint64) {
		l, w := listenTo(t)
		rt := leakFree(t)
		pool := newStandbys(t, 2)
		p, err := rt.NewProcess(spindle.Config{Imports: spindle.Imports{"host": w}, Forkable: pooled, AtSafepoint: func(p *spindle.Process) {
			if p.Generation() == 0 {
				at(p, func() *spindle.Image {
					img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
					if err != nil {
						t.Fatal(err)
					}
					return img
				}, pool)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Instantiate(ctx, compileText(t, rt, busyLib), "lib"); err != nil {
			t.Fatal(err)
		}
		inst, err := p.Instantiate(ctx, compileText(t, rt, src), "main")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inst.Call(ctx, "_start"); err != nil {
			t.Fatal(err)
		}
		return l, l.next(t)
	}
	all := 0
	_, want := run(t, false, func(*spindle.Process, func() *spindle.Image, *spindle.Standbys) { all++ })
	if all < 1000 {
		t.Fatalf("%d safepoints", all)
	}
	for _, pooled := range []bool{false, true} {
		var children []interface{ Wait(context.Context) error }
		n, every := 0, all/7-1
		l, tells := run(t, pooled, func(_ *spindle.Process, freeze func() *spindle.Image, pool *spindle.Standbys) {
			if n++; n%every != 0 {
				return
			}
			img := freeze()
			here, err := img.Fork(ctx, spindle.ForkConfig{})
			if err != nil {
				t.Fatal(err)
			}
			cfg := spindle.ProcessForkConfig{}
			if pooled {
				cfg.Standbys = pool
			}
			there, err := img.ForkProcess(ctx, cfg)
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, here, there)
			if err := img.Close(); err != nil {
				t.Error(err)
			}
		})
		if len(children) < 14 {
			t.Errorf("%d children", len(children))
		}
		told := map[uint64]int{tells: 1}
		for k, c := range children {
			if err := c.Wait(ctx); err != nil {
				t.Fatalf("child %d: %v", k, err)
			}
			told[l.next(t)]++
		}
		if told[want] != 1+len(children) {
			t.Errorf("the guest and %d children tell %v, want %d", len(children), told, want)
		}
	}
}

// Every thread of a guest goes on in another process, or only the main one: as in this process.
func TestForkProcessThreads(t *testing.T) {
	ctx := t.Context()
	const imports = `
		(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		(import "wire" "wait" (func $wait))
		(import "wire" "tell" (func $tell (param i64)))
		(memory 1 1 shared)`
	for _, callerOnly := range []bool{false, true} {
		stand, want := `(call $tell (i64.const 1)) (call $wait)`, threadsSum
		if callerOnly { // alone, the main thread does not wait for the others
			stand += ` (call $tell (i64.const 7)) (return)`
			want = 7
		}
		l, w := listenTo(t)
		img := frozenGuest(t, l, w, leakFree(t), threadsGuest(imports, stand), spindle.Config{}, spindle.FreezeOptions{CallerOnly: callerOnly})
		pool := newStandbys(t, 1) // closed before what may be in use there
		here, err := img.Fork(ctx, spindle.ForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		cold, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		warm, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Standbys: pool})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []interface{ Wait(context.Context) error }{here, cold, warm} {
			if err := c.Wait(ctx); err != nil {
				t.Errorf("caller only: %v: %v", callerOnly, err)
			}
			if got := l.next(t); got != want {
				t.Errorf("caller only: %v: a child tells %d, want %d", callerOnly, got, want)
			}
		}
	}
}

// A process of the pool that somebody kills is replaced, and a fork does not notice.
func TestStandbysKilled(t *testing.T) {
	ctx := t.Context()
	l, w := listenTo(t)
	img := frozenGuest(t, l, w, leakFree(t), fmt.Sprintf(endsGuest, `(call $tell (i64.const 2))`), spindle.Config{}, spindle.FreezeOptions{})
	pool := newStandbys(t, 3)
	for round := range 4 {
		if err := pool.Warm(ctx, img); err != nil {
			t.Fatal(err)
		}
		if n := pool.Ready(); n != 3 {
			t.Errorf("%d are ready", n)
		}
		pids := pool.PIDs()
		for _, pid := range pids[:round] {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
		if round == 3 {
			syscall.Kill(pids[2], syscall.SIGSTOP) //nolint:errcheck // it may be dead
			syscall.Kill(pids[2], syscall.SIGKILL) //nolint:errcheck // likewise
		}
		for range 4 {
			c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Standbys: pool})
			if err != nil {
				t.Fatal(err)
			}
			if n := l.next(t); n != 2 {
				t.Fatal(n)
			}
			if err := c.Wait(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	if err := pool.Warm(ctx, img); !errors.Is(err, spindle.ErrClosed) {
		t.Errorf("a closed pool is warmed: %v", err)
	}
	if _, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Standbys: pool}); !errors.Is(err, spindle.ErrClosed) {
		t.Errorf("a fork from a closed pool: %v", err)
	}
	noChildren(t)
}

// One pool serves images in turn, of Runtimes with other options too; what it had open of a closed one is no harm.
func TestStandbysOfSeveralImages(t *testing.T) {
	ctx := t.Context()
	pool := newStandbys(t, 2)
	for round := range uint64(3) {
		var images []*spindle.Image
		for k := range uint64(2) {
			rt := spindle.NewRuntime(spindle.WithMaxMemory((round+k+1)<<20), spindle.WithStackSize(1<<20))
			t.Cleanup(func() { rt.Close() })
			inst, err := rt.Instantiate(ctx, compileText(t, rt, warmPlugin), spindle.Config{Forkable: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := inst.Call(ctx, "add", 100*(k+1)); err != nil {
				t.Fatal(err)
			}
			img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			images = append(images, img)
		}
		for n := range uint64(4) {
			k := n % 2
			c, err := images[k].ForkProcess(ctx, spindle.ProcessForkConfig{Standbys: pool, Call: "add", Args: []uint64{n}})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(ctx); err != nil || c.Results()[0] != 100*(k+1)+n {
				t.Errorf("image %d: %v, %v", k, c.Results(), err)
			}
		}
		for _, img := range images {
			if err := img.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// openFiles counts this process's descriptors.
func openFiles(t testing.TB) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// Hundreds of forks, many at the same time, some of which fail or are ended, leave no process, descriptor or goroutine.
func TestForkProcessLeavesNothing(t *testing.T) {
	ctx := t.Context()
	l, w := listenTo(t)
	src := fmt.Sprintf(endsGuest, `(call $exit (i32.const 5))`)
	run := func(n int) {
		rt := spindle.NewRuntime()
		defer rt.Close()
		p, err := rt.Start(ctx, compileText(t, rt, src), spindle.Config{Forkable: true, Imports: spindle.Imports{"wire": w}})
		if err != nil {
			t.Fatal(err)
		}
		if l.next(t) != 1 {
			t.Fatal("the guest tells something else")
		}
		img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		pool, err := spindle.NewStandbys(spindle.StandbysConfig{Size: 4})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		var wg sync.WaitGroup
		for k := range 4 {
			wg.Go(func() {
				for i := k; i < n; i += 4 {
					cfg := spindle.ProcessForkConfig{Standbys: pool}
					switch i % 16 {
					case 1:
						cfg.Standbys = nil
					case 2:
						cfg.Options = map[string]any{"wire": 1}
						if _, err := img.ForkProcess(ctx, cfg); err == nil {
							t.Error("options that cannot go")
						}
						continue
					case 3:
						cfg.Detach = true
					}
					c, err := img.ForkProcess(ctx, cfg)
					if err != nil {
						t.Error(err)
						return
					}
					if i%16 == 4 {
						if err := c.Close(); err != nil {
							t.Error(err)
						}
						continue
					}
					var exit *spindle.ExitError
					if err := c.Wait(ctx); !errors.As(err, &exit) || exit.Code != 5 {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	// The first ones make what Go keeps.
	run(16)
	settle := func() (files, goroutines int) {
		for range 3 {
			runtime.GC() // families have counters
		}
		return openFiles(t), runtime.NumGoroutine()
	}
	files, goroutines := settle()
	n := 400
	if testing.Short() {
		n = 64
	}
	run(n)
	noChildren(t)
	for {
		f, g := settle()
		if f <= files && g <= goroutines {
			return
		}
		if ctx.Err() != nil || t.Failed() {
			t.Fatalf("%d files, %d goroutines; before %d, %d", f, g, files, goroutines)
		}
	}
}

// A child in another process forks into further ones from within a host function, four generations deep: identifiers are unique, generations count.
func TestForkProcessNested(t *testing.T) {
	ctx := t.Context()
	l, w := listenTo(t)
	img := frozenGuest(t, l, w, leakFree(t), `(module
		(import "wire" "tell" (func $tell (param i64)))
		(import "wire" "wait" (func $wait))
		(import "wire" "nest" (func $nest (result i64)))
		(import "wire" "pid" (func $pid (result i64)))
		(memory 1)
		(func $down (param $n i64) (local $child i64)
			(if (i64.eqz (local.get $n)) (then (return)))
			(i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
			(local.set $child (call $nest))
			(if (i64.eqz (local.get $child))
				(then
					(call $tell (call $pid))
					(call $tell (i64.load (i32.const 8)))
					(call $down (i64.sub (local.get $n) (i64.const 1))))
				(else (call $tell (local.get $child)))))
		(func (export "_start")
			(call $tell (i64.const 1))
			(call $wait)
			(call $down (i64.const 4))))`, spindle.Config{}, spindle.FreezeOptions{})
	for round := range 2 {
		c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		var pids []uint64
		for depth := range uint64(4) {
			pid, n := l.next(t), l.next(t)
			if n != depth+1 || pid <= uint64(c.GuestPID()) || len(pids) > 0 && pid <= pids[len(pids)-1] {
				t.Errorf("round %d, depth %d: identifier %d after %v, count %d", round, depth, pid, pids, n)
			}
			pids = append(pids, pid)
		}
		for k := range pids {
			if got := l.next(t); got != pids[len(pids)-1-k] {
				t.Errorf("round %d: the parent was told %d, of %v", round, got, pids)
			}
		}
		if err := c.Wait(ctx); err != nil {
			t.Error(err)
		}
	}
}

// Where no descriptor is left a fork fails, names the error, and leaves nothing; afterwards it works.
func TestForkProcessWithoutDescriptors(t *testing.T) {
	ctx := t.Context()
	l, w := listenTo(t)
	img := frozenGuest(t, l, w, leakFree(t), fmt.Sprintf(endsGuest, `(call $tell (i64.const 2))`), spindle.Config{}, spindle.FreezeOptions{})
	fork := func() error {
		c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{})
		if err != nil {
			return err
		}
		if n := l.next(t); n != 2 {
			t.Fatal(n)
		}
		return c.Wait(ctx)
	}
	openFiles(t)
	var fill []*os.File
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = uint64(openFiles(t) + 40)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) //nolint:errcheck // it was allowed before
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		fill = append(fill, f)
	}
	failed, err := 0, error(nil)
	for len(fill) > 0 {
		if err = fork(); err == nil {
			break
		}
		if !errors.Is(err, syscall.EMFILE) {
			t.Errorf("%d descriptors: %v", failed, err)
		}
		failed++
		fill[len(fill)-1].Close()
		fill = fill[:len(fill)-1]
	}
	if failed < 3 || err != nil {
		t.Errorf("%d forks failed, the last one with %v", failed, err)
	}
	for _, f := range fill {
		f.Close()
	}
	if err := fork(); err != nil {
		t.Error(err)
	}
	noChildren(t)
}
