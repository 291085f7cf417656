package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

func newRuntime(t testing.TB, opts ...spindle.Option) *spindle.Runtime {
	t.Helper()
	rt := spindle.NewRuntime(opts...)
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	return rt
}

func mustCompile(t testing.TB, rt *spindle.Runtime, text string) *spindle.Module {
	t.Helper()
	m, err := rt.CompileText(context.Background(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustInstantiate(t testing.TB, rt *spindle.Runtime, text string, cfg spindle.Config) *spindle.Instance {
	t.Helper()
	inst, err := rt.Instantiate(context.Background(), mustCompile(t, rt, text), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return inst
}

func hostModule(fs map[string]spindle.Extern) spindle.Config {
	return spindle.Config{Imports: spindle.Imports{"env": spindle.HostModule(fs)}}
}

// resources counts what a guest might leave behind: goroutines, memory mappings, file descriptors.
func resources(t *testing.T) (goroutines, mappings, fds int) {
	t.Helper()
	runtime.GC()
	goroutines = runtime.NumGoroutine()
	if b, err := os.ReadFile("/proc/self/maps"); err == nil {
		mappings = strings.Count(string(b), "\n")
	}
	if l, err := os.ReadDir("/proc/self/fd"); err == nil {
		fds = len(l)
	}
	return
}

func TestCyclesLeaveNothingBehind(t *testing.T) {
	cycles := 10_000
	if testing.Short() {
		cycles = 1000
	}
	rt := newRuntime(t)
	ctx := context.Background()
	ends := mustCompile(t, rt, `(module (memory (export "m") 2) (table 2000 funcref) (global (mut i64) (i64.const 1))
		(func (export "_start") (i32.store (i32.const 70000) (i32.const -1))))`)
	spins := mustCompile(t, rt, `(module (memory 1 1 shared) (func (export "_start") (loop $l (br $l))))`)
	waits := mustCompile(t, rt, `(module (memory 1 1 shared)
		(func (export "_start") (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))`)
	cycle := func(i int) {
		mod := []*spindle.Module{ends, ends, spins, waits}[i%4]
		p, err := rt.Start(ctx, mod, spindle.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			if err := p.Wait(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		cycle(i) // fills the pools
	}
	g0, m0, f0 := resources(t)
	for i := range cycles {
		cycle(i)
	}
	g1, m1, f1 := resources(t)
	if g1 > g0 || f1 > f0 {
		t.Errorf("%d goroutines and %d fds before, %d and %d after %d cycles", g0, f0, g1, f1, cycles)
	}
	// Go's own heap may have grown by a few mappings.
	if m1 > m0+20 {
		t.Errorf("%d mappings before, %d after %d cycles", m0, m1, cycles)
	}
}

// Everything that a guest may be doing ends when its context does, with the context's cause as the reason.
func TestContextEndsEverything(t *testing.T) {
	cause := errors.New("enough")
	var entered chan struct{}
	block := spindle.Proc0(func(c *spindle.Caller) {
		entered <- struct{}{}
		<-c.Context().Done()
	})
	blockStopped := spindle.Proc0(func(c *spindle.Caller) {
		entered <- struct{}{}
		if err := c.Block(func() { <-c.Stopped() }); err == nil {
			t.Error("Block returned no error though the guest is to stop")
		}
	})
	note := spindle.Proc0(func(*spindle.Caller) { entered <- struct{}{} })
	for _, c := range []struct{ name, body string }{
		{"loop", `(call $note) (loop $l (br $l))`},
		{"loop with a condition", `(local i64) (call $note) (loop $l (local.set 0 (i64.add (local.get 0) (i64.const 1))) (br_if $l (i64.ne (local.get 0) (i64.const -1))))`},
		{"br_table loop", `(call $note) (loop $l (br_table $l $l (i32.const 1)))`},
		{"calls", `(call $note) (call $tree (i32.const 60))`},
		{"tail calls", `(call $note) (call $tail)`},
		{"indirect calls", `(call $note) (call $itree (i32.const 60))`},
		{"exceptions", `(call $note) (loop $l (block $h (try_table (catch_all $h) (throw $e))) (br $l))`},
		{"bulk memory", `(call $note) (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 6400000)) (br $l))`},
		{"wait", `(call $note) (drop (memory.atomic.wait32 $s (i32.const 0) (i32.const 0) (i64.const -1)))`},
		{"host function", `(call $block)`},
		{"host function in Block", `(call $blockstopped)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt := newRuntime(t)
			entered = make(chan struct{}, 1)
			text := fmt.Sprintf(`(module
				(import "env" "note" (func $note)) (import "env" "block" (func $block)) (import "env" "blockstopped" (func $blockstopped))
				(memory 100) (memory $s 1 1 shared) (tag $e) (table funcref (elem $itree)) (type $t (func (param i32)))
				(func $tree (param i32) (if (local.get 0) (then
					(call $tree (i32.sub (local.get 0) (i32.const 1))) (call $tree (i32.sub (local.get 0) (i32.const 1))))))
				(func $tail (return_call $tail))
				(func $itree (type $t) (if (local.get 0) (then
					(call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))
					(call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
				(func (export "run") %s)
				(func (export "one") (result i32) (i32.const 1)))`, c.body)
			inst := mustInstantiate(t, rt, text, hostModule(map[string]spindle.Extern{"note": note, "block": block, "blockstopped": blockStopped}))
			ctx, cancel := context.WithCancelCause(context.Background())
			go func() {
				<-entered
				cancel(cause)
			}()
			_, err := inst.Call(ctx, "run")
			var trap *spindle.TrapError
			if !errors.As(err, &trap) || trap.Code != spindle.TrapInterrupted || !errors.Is(err, cause) {
				t.Fatalf("ended with %v", err)
			}
			if len(trap.Frames) == 0 {
				t.Error("no backtrace")
			}
			// The next call is not affected.
			if res, err := inst.Call(context.Background(), "one"); err != nil || res[0] != 1 {
				t.Errorf("next call: %v, %v", res, err)
			}
		})
	}
}

func TestStartFunctionIsInterruptible(t *testing.T) {
	rt := newRuntime(t)
	entered := make(chan struct{})
	mod := mustCompile(t, rt, `(module (import "env" "note" (func $note))
		(func $s (call $note) (loop $l (br $l))) (start $s) (func (export "_start")))`)
	p, err := rt.Start(context.Background(), mod, hostModule(map[string]spindle.Extern{
		"note": spindle.Proc0(func(*spindle.Caller) { close(entered) }),
	}))
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(context.Background()); !errors.Is(err, spindle.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
}

func TestConcurrentCallIsRefused(t *testing.T) {
	rt := newRuntime(t)
	entered, release := make(chan struct{}), make(chan struct{})
	inst := mustInstantiate(t, rt, `(module (import "env" "wait" (func $w)) (func (export "run") (call $w)) (func (export "nop")))`,
		hostModule(map[string]spindle.Extern{"wait": spindle.Proc0(func(*spindle.Caller) { close(entered); <-release })}))
	done := make(chan error)
	go func() {
		_, err := inst.Call(context.Background(), "run")
		done <- err
	}()
	<-entered
	if _, err := inst.Call(context.Background(), "nop"); !errors.Is(err, spindle.ErrBusy) {
		t.Errorf("second call: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := inst.Call(context.Background(), "nop"); err != nil {
		t.Error(err)
	}
}

// Host functions call back into the guest, which calls them again; a deadline of an inner call ends only that.
func TestNestedCalls(t *testing.T) {
	rt := newRuntime(t)
	var inst *spindle.Instance
	f := spindle.Func1(func(c *spindle.Caller, n int32) int32 {
		if n == 0 {
			return 1
		}
		res, err := inst.Call(c.Context(), "fac", spindle.I32(n-1))
		if err != nil {
			c.Fail(err)
			return 0
		}
		return spindle.FromSlot[int32](res[0])
	})
	inner := spindle.Func0(func(c *spindle.Caller) int32 {
		ctx, cancel := context.WithTimeout(c.Context(), time.Millisecond)
		defer cancel()
		_, err := inst.Call(ctx, "spin")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("inner call ended with %v", err)
		}
		return 5
	})
	inst = mustInstantiate(t, rt, `(module (import "env" "f" (func $f (param i32) (result i32))) (import "env" "inner" (func $inner (result i32)))
		(func (export "fac") (param i32) (result i32) (local i32)
			(local.set 1 (call $f (local.get 0)))
			(if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1)) (else (i32.mul (local.get 0) (local.get 1)))))
		(func (export "spin") (loop $l (br $l)))
		(func (export "outer") (result i32) (i32.add (call $inner) (i32.const 1))))`,
		hostModule(map[string]spindle.Extern{"f": f, "inner": inner}))
	res, err := inst.Call(context.Background(), "fac", 10)
	if err != nil || res[0] != 3628800 {
		t.Errorf("fac: %v, %v", res, err)
	}
	res, err = inst.Call(context.Background(), "outer")
	if err != nil || res[0] != 6 {
		t.Errorf("outer: %v, %v", res, err)
	}
	// A chain of nested calls that ends in a trap unwinds all of them.
	trapping := mustInstantiate(t, rt, `(module (func (export "t") unreachable))`, spindle.Config{})
	if _, err := trapping.Call(context.Background(), "t"); err == nil {
		t.Error("no trap")
	}
}

// A wrong way to call gives an error that says what is wrong.
func TestCallErrors(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, `(module (func (export "f") (param i32)) (memory (export "m") 1))`, spindle.Config{})
	ctx := context.Background()
	for _, c := range []struct {
		what string
		err  error
		want string
	}{
		{"no such export", second(inst.Call(ctx, "nope")), `no export "nope"`},
		{"not a function", second(inst.Call(ctx, "m")), `export "m" is no func`},
		{"too few arguments", second(inst.Call(ctx, "f")), "takes 1 argument slots, not 0"},
		{"too many arguments", second(inst.Call(ctx, "f", 1, 2)), "takes 1 argument slots, not 2"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, c.err, c.want)
		}
	}
	other := newRuntime(t)
	p, err := other.NewProcess(spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Instantiate(ctx, inst.Module(), ""); err == nil {
		t.Error("a module of another Runtime was instantiated")
	}
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Instantiate(ctx, inst.Module(), spindle.Config{}); !errors.Is(err, spindle.ErrClosed) {
		t.Errorf("closed runtime: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestLinkErrorsNameTheImport(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, `(module (import "env" "f" (func (param i32))))`)
	for name, x := range map[string]spindle.Extern{
		"incompatible import type": spindle.Proc1(func(*spindle.Caller, int64) {}),
		"unknown import":           nil,
	} {
		cfg := spindle.Config{}
		if x != nil {
			cfg = hostModule(map[string]spindle.Extern{"f": x})
		}
		_, err := rt.Instantiate(context.Background(), mod, cfg)
		var link *spindle.LinkError
		if !errors.As(err, &link) || link.Module != "env" || link.Name != "f" || !strings.HasPrefix(link.Msg, name) {
			t.Errorf("%v, want %s", err, name)
		}
	}
}

func TestLimits(t *testing.T) {
	rt := newRuntime(t, spindle.WithMaxMemory(4*spindle.PageSize), spindle.WithStackSize(64<<10))
	ctx := context.Background()
	inst := mustInstantiate(t, rt, `(module (memory 1)
		(func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
		(func $r (export "recurse") (call $r)))`, spindle.Config{})
	for _, c := range []struct{ pages, want uint64 }{{3, 1}, {1, 0xFFFFFFFF}} {
		if res, err := inst.Call(ctx, "grow", c.pages); err != nil || res[0] != c.want {
			t.Errorf("grow %d: %v, %v", c.pages, res, err)
		}
	}
	var trap *spindle.TrapError
	if _, err := inst.Call(ctx, "recurse"); !errors.As(err, &trap) || trap.Code != spindle.TrapStackExhausted {
		t.Errorf("recursion: %v", err)
	}
	_, err := rt.Instantiate(ctx, mustCompile(t, rt, `(module (memory 5))`), spindle.Config{})
	var limit *spindle.LimitError
	if !errors.As(err, &limit) || limit.Max != 4 || limit.Got != 5 {
		t.Errorf("a large memory: %v", err)
	}
}

func TestDefaultStackHoldsManyFrames(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, `(module (func $f (export "f") (param i32) (result i32)
		(if (result i32) (local.get 0) (then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0)))))`, spindle.Config{})
	res, err := inst.Call(context.Background(), "f", 100_000)
	if err != nil || res[0] != 100_000 {
		t.Errorf("%v, %v", res, err)
	}
}

func TestHostPanicIsATrap(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, `(module (import "env" "f" (func $f)) (func $run (export "run") (call $f)))`,
		hostModule(map[string]spindle.Extern{"f": spindle.Proc0(func(*spindle.Caller) { panic("boom") }).Named("f")}))
	_, err := inst.Call(context.Background(), "run")
	var p *spindle.HostPanicError
	var trap *spindle.TrapError
	if !errors.As(err, &p) || p.Value != "boom" || !errors.As(err, &trap) || trap.Code != spindle.TrapHost || len(trap.Frames) != 1 {
		t.Errorf("%v", err)
	}
}

// Many Processes of one module run, trap and end at the same time without touching each other.
func TestManyProcessesAtOnce(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, `(module (memory 1) (global $g (mut i32) (i32.const 0))
		(func (export "run") (param i32) (result i32) (local i32)
			(loop $l
				(global.set $g (i32.add (global.get $g) (local.get 0)))
				(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get 0)))
				(br_if $l (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 1000))))
			(if (i32.ne (global.get $g) (i32.load (i32.const 0))) (then unreachable))
			(global.get $g)))`)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				inst, err := rt.Instantiate(context.Background(), mod, spindle.Config{})
				if err != nil {
					t.Error(err)
					return
				}
				n := uint64(g*100 + i)
				if res, err := inst.Call(context.Background(), "run", n); err != nil || res[0] != n*1000 {
					t.Errorf("%v, %v, want %d", res, err, n*1000)
				}
				inst.Close()
			}
		})
	}
	wg.Wait()
}

// Calls in both directions do not allocate.
func TestCallsDoNotAllocate(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, `(module (import "env" "f" (func $f (param i32 i64) (result i32)))
		(func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
		(func (export "host") (param i32) (result i32) (call $f (local.get 0) (i64.const 2))))`,
		hostModule(map[string]spindle.Extern{"f": spindle.Func2(func(_ *spindle.Caller, a int32, b int64) int32 { return a + int32(b) })}))
	ctx := context.Background()
	for _, name := range []string{"add", "host"} {
		f, err := inst.Func(name)
		if err != nil {
			t.Fatal(err)
		}
		slots := []uint64{1, 2}
		if n := testing.AllocsPerRun(100, func() {
			if err := f.CallSlots(ctx, slots); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// The guest may hold Go values by reference while Go's collector runs in every host call.
func TestGoCollectorInHostCalls(t *testing.T) {
	rt := newRuntime(t)
	type box struct{ n int }
	inst := mustInstantiate(t, rt, `(module (import "env" "gc" (func $gc (param externref)))
		(table $t 10 externref)
		(func (export "run") (param externref) (local i32)
			(loop $l
				(table.set $t (local.get 1) (local.get 0))
				(call $gc (table.get $t (local.get 1)))
				(br_if $l (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 10))))))`,
		hostModule(map[string]spindle.Extern{"gc": spindle.RawFunc(spindle.FuncType{Params: []spindle.ValueType{spindle.TypeExternRef}},
			func(c *spindle.Caller, s []uint64) {
				runtime.GC()
				if v, ok := c.Process().ExternValue(s[0]); !ok || v.(*box).n != 7 {
					t.Errorf("got %v, %v", v, ok)
				}
			})}))
	if _, err := inst.Call(context.Background(), "run", inst.Process().ExternRef(&box{7})); err != nil {
		t.Fatal(err)
	}
}

// Hooks run when no host function is in flight any more, last registered first.
func TestOnCloseRunsAfterTheGuestHasLeft(t *testing.T) {
	rt := newRuntime(t)
	entered := make(chan struct{})
	var left bool
	inst := mustInstantiate(t, rt, `(module (import "env" "f" (func $f)) (func (export "run") (call $f)))`,
		hostModule(map[string]spindle.Extern{"f": spindle.Proc0(func(c *spindle.Caller) {
			close(entered)
			<-c.Stopped()
			runtime.Gosched()
			left = true
		})}))
	var order []int
	for i := range 3 {
		inst.Process().OnClose(func() {
			if !left {
				t.Error("a hook runs while the guest is still there")
			}
			order = append(order, i)
		})
	}
	done := make(chan error)
	go func() { done <- second(inst.Call(context.Background(), "run")) }()
	<-entered
	if err := inst.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, spindle.ErrClosed) {
		t.Errorf("the call ended with %v", err)
	}
	if fmt.Sprint(order) != "[2 1 0]" {
		t.Errorf("hooks ran in the order %v", order)
	}
}
