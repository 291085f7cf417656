package spindle_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

func compileText(t testing.TB, rt *spindle.Runtime, src string) *spindle.Module {
	t.Helper()
	m, err := rt.CompileText(context.Background(), []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A plugin that was warmed up is cloned: each child has what was made once, and its own memory from then on.
func TestForkOfAnIdleInstance(t *testing.T) {
	ctx := t.Context()
	for _, forkable := range []bool{true, false} {
		rt := spindle.NewRuntime()
		mod := compileText(t, rt, `(module (memory (export "m") 2)
			(global $n (mut i32) (i32.const 0))
			(func (export "add") (param i32) (result i32)
				(global.set $n (i32.add (global.get $n) (local.get 0)))
				(i32.store (i32.const 70000) (global.get $n))
				(i32.load (i32.const 70000))))`)
		inst, err := rt.Instantiate(ctx, mod, spindle.Config{Name: "plugin", Forkable: forkable})
		if err != nil {
			t.Fatal(err)
		}
		add := func(i *spindle.Instance, n, want uint64) {
			t.Helper()
			res, err := i.Call(ctx, "add", n)
			if err != nil || res[0] != want {
				t.Fatalf("add(%d) = %v, %v; want %d", n, res, err, want)
			}
		}
		add(inst, 5, 5)
		img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		add(inst, 100, 105)
		var children []*spindle.Process
		for i := range uint64(5) {
			p, err := img.Fork(ctx, spindle.ForkConfig{})
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, p)
			add(p.Instance("plugin"), i, 5+i)
		}
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := img.Fork(ctx, spindle.ForkConfig{}); err == nil {
			t.Error("a closed image was forked")
		}
		// A child of a child, and the original is gone.
		grand, _, err := children[4].Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(children[4].Close(), inst.Close()); err != nil {
			t.Fatal(err)
		}
		add(grand.Instance("plugin"), 1, 10)
		add(children[3].Instance("plugin"), 1, 9)
		if err := rt.Close(); err != nil {
			t.Fatal(err)
		}
		if n := rt.LiveRegions(); n != 0 {
			t.Errorf("forkable %v: %d regions left", forkable, n)
		}
	}
}

// Every thread of a threaded guest goes on in a child: one that waits, one that waits with a timeout, one in a loop, the main thread in a blocking host
// function. All of them together make the same sum in the original and in each child.
func TestForkOfAllThreads(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compileText(t, rt, threadsGuest(`
		(import "env" "memory" (memory 1 1 shared))
		(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		(import "host" "go" (func $go))
		(import "host" "tell" (func $tell (param i64)))`, `(call $go)`))
	for round := range 6 {
		mem, err := rt.NewSharedMemory(spindle.MemoryType{Limits: spindle.Limits{Min: 1, Max: 1, HasMax: true}, Shared: true})
		if err != nil {
			t.Fatal(err)
		}
		var d told
		host := d.host()
		release, entered := make(chan struct{}), make(chan struct{}, 1)
		host["go"] = standUntil(entered, release)
		p, err := rt.Start(ctx, mod, spindle.Config{Forkable: round%2 == 0, Imports: spindle.Imports{
			"env": spindle.HostModule{"memory": mem}, "host": host, "wasi": threadSpawn(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		<-entered
		children := []*spindle.Process{p}
		for range 3 {
			img, stats, err := p.Freeze(ctx, spindle.FreezeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if len(stats.Gone) > 0 {
				t.Errorf("%v are gone", stats.Gone)
			}
			for range 2 {
				c, err := img.Fork(ctx, spindle.ForkConfig{})
				if err != nil {
					t.Fatal(err)
				}
				children = append(children, c)
			}
			img.Close()
		}
		close(release)
		for i, c := range children {
			if err := c.Wait(ctx); err != nil {
				t.Fatalf("Process %d: %v", i, err)
			}
			if got, want := d.of(c), threadsSum; got != want {
				t.Errorf("Process %d tells %d, want %d", i, got, want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		mem.Close()
	}
	if n := rt.LiveRegions(); n != 0 {
		t.Errorf("%d regions left", n)
	}
}

func threadSpawn() spindle.HostModule {
	return spindle.HostModule{"thread-spawn": spindle.Func1(func(c *spindle.Caller, arg uint32) int32 {
		tid, err := c.SpawnThread(arg)
		if err != nil {
			return -1
		}
		return int32(tid)
	})}
}

// A guest forks itself, from any thread and from deep within calls, handlers and indirect calls: the call returns twice.
func TestForkByTheGuest(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compileText(t, rt, `(module
		(import "host" "fork" (func $fork (result i32)))
		(import "host" "tell" (func $tell (param i32)))
		(type $f (func (result i32)))
		(memory 1)
		(table funcref (elem $fork))
		(tag $e (param i32))
		(func $deep (param i32) (result i32) (local $r i32)
			(if (i32.eqz (local.get 0)) (then
				(block $h (result i32)
					(try_table (result i32) (catch $e $h) (throw $e (call_indirect (type $f) (i32.const 0)))))
				(return)))
			(i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 0)))
		(func (export "_start") (local $i i32) (local $me i32)
			(loop $l
				(i32.store (i32.const 8) (i32.mul (i32.load (i32.const 8)) (i32.const 2)))
				(if (i32.eqz (call $deep (i32.const 100))) (then
					(i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))))
				(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
			(call $tell (i32.load (i32.const 8)))))`)
	var mu sync.Mutex
	var told []int
	var all sync.WaitGroup
	var pids atomic.Int32
	fork := spindle.Func0(func(c *spindle.Caller) int32 {
		img, _, err := c.Freeze(ctx, spindle.FreezeOptions{CallerOnly: true}, spindle.Answer{Results: []uint64{0}})
		if err != nil {
			c.Fail(err)
			return 0
		}
		defer img.Close()
		child, err := img.Fork(ctx, spindle.ForkConfig{})
		if err != nil {
			c.Fail(err)
			return 0
		}
		all.Go(func() {
			if err := errors.Join(child.Wait(ctx), child.Close()); err != nil {
				t.Error(err)
			}
		})
		return pids.Add(1)
	})
	tell := spindle.Proc1(func(_ *spindle.Caller, n int32) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, int(n))
	})
	p, err := rt.Start(ctx, mod, spindle.Config{Forkable: true, Imports: spindle.Imports{"host": spindle.HostModule{"fork": fork, "tell": tell}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Wait(ctx), p.Close()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	slices.Sort(told)
	var want []int
	for i := range 16 {
		want = append(want, i)
	}
	if !slices.Equal(told, want) {
		t.Errorf("the leaves of the tree of forks are %v, want %v", told, want)
	}
	if n := rt.LiveRegions(); n != 0 {
		t.Errorf("%d regions left", n)
	}
}

// What cannot be forked is named, and nothing has changed.
func TestForkErrors(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compileText(t, rt, `(module
		(import "host" "block" (func $block))
		(import "host" "back" (func $back))
		(func (export "a") (call $block))
		(func (export "b") (call $back))
		(func (export "c") (result i32) (i32.const 7)))`)
	entered, leave := make(chan struct{}), make(chan struct{})
	wait := func(c *spindle.Caller) {
		c.Block(func() {
			entered <- struct{}{}
			<-leave
		})
	}
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: spindle.Imports{"host": spindle.HostModule{
		"block": spindle.Proc0(wait).Named("host.block"),
		"back": spindle.Proc0(func(c *spindle.Caller) {
			if _, err := c.Instance().Call(c.Context(), "a"); err != nil {
				c.Fail(err)
			}
		}).Named("host.back"),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, export := range []string{"a", "b"} {
		done := make(chan error)
		go func() {
			_, err := inst.Call(ctx, export)
			done <- err
		}()
		<-entered
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		_, _, err := inst.Process().Freeze(short, spindle.FreezeOptions{})
		cancel()
		var fe *spindle.ForkError
		if !errors.As(err, &fe) || fe.Func != "host.block" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", export, err)
		}
		// With more time the function may return.
		frozen := make(chan error)
		go func() {
			img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
			if err == nil {
				var child *spindle.Process
				if child, err = img.Fork(ctx, spindle.ForkConfig{}); err == nil {
					err = child.Close()
				}
				err = errors.Join(err, img.Close())
			}
			frozen <- err
		}()
		leave <- struct{}{}
		if err := errors.Join(<-done, <-frozen); err != nil {
			t.Error(err)
		}
	}
	if res, err := inst.Call(ctx, "c"); err != nil || res[0] != 7 {
		t.Error(res, err)
	}
	if err := inst.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{}); err == nil {
		t.Error("a closed Process was frozen")
	}
}

// The tree of a guest's forks: identifiers, waiting, statuses, orphans, limits, and the end of all with the first.
func TestTreeOfForks(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	var refusals atomic.Int64
	full := make(chan struct{}) // closed when a limit has refused a thousand forks
	fork := spindle.Func1(func(c *spindle.Caller, all int32) int32 {
		pid, err := c.Fork(all != 0, spindle.Answer{Results: []uint64{0}})
		var limit *spindle.TreeLimitError
		if errors.As(err, &limit) && refusals.Add(1) == 1000 {
			close(full)
		}
		if err != nil {
			return -1
		}
		return int32(pid)
	})
	wait := spindle.Func2(func(c *spindle.Caller, pid, block int32) int64 {
		s, ok, err := c.WaitChild(uint32(pid), block != 0)
		switch {
		case errors.Is(err, spindle.ErrNoChild):
			return -10
		case err != nil:
			return -20
		case !ok:
			return -30
		}
		var exit *spindle.ExitError
		var trap *spindle.TrapError
		switch {
		case errors.As(s.Err, &exit):
			return int64(s.PID)<<32 | int64(exit.Code)
		case errors.As(s.Err, &trap):
			return int64(s.PID)<<32 | 1000
		}
		return int64(s.PID) << 32
	})
	host := spindle.HostModule{
		"fork": fork, "wait": wait,
		"exit":   spindle.Proc1(func(c *spindle.Caller, code uint32) { c.Fail(&spindle.ExitError{Code: code}) }),
		"pid":    spindle.Func0(func(c *spindle.Caller) uint32 { return c.Process().PID() }),
		"parent": spindle.Func0(func(c *spindle.Caller) uint32 { return c.Process().ParentPID() }),
	}
	const imports = `(module
		(import "host" "fork" (func $fork (param i32) (result i32)))
		(import "host" "wait" (func $wait (param i32 i32) (result i64)))
		(import "host" "exit" (func $exit (param i32)))
		(import "host" "pid" (func $pid (result i32)))
		(import "host" "parent" (func $parent (result i32)))
		(memory 1)
		(func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
		(func $child (param i32) (result i32) (i32.wrap_i64 (i64.shr_u (call $wait (local.get 0) (i32.const 1)) (i64.const 32))))
	`
	run := func(body string, limits spindle.TreeLimits) error {
		t.Helper()
		p, err := rt.Start(ctx, compileText(t, rt, imports+body+")"), spindle.Config{Forkable: true, Imports: spindle.Imports{"host": host}, Tree: limits})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Wait(ctx)
		if e := p.Close(); e != nil {
			t.Error(e)
		}
		if n := rt.LiveRegions(); n != 0 {
			t.Errorf("%d regions left", n)
		}
		return err
	}
	for name, body := range map[string]string{
		"status": `(func (export "_start") (local $p i32) (local $q i32)
			(call $check (i32.eq (call $pid) (i32.const 1)))
			(call $check (i32.eqz (call $parent)))
			(call $check (i64.eq (call $wait (i32.const 0) (i32.const 1)) (i64.const -10)))
			(if (i32.eqz (local.tee $p (call $fork (i32.const 0)))) (then
				(call $check (i32.eq (call $parent) (i32.const 1)))
				(call $exit (i32.const 42))))
			(if (i32.eqz (local.tee $q (call $fork (i32.const 1)))) (then unreachable))
			(call $check (i32.ne (local.get $p) (local.get $q)))
			(call $check (i64.eq (call $wait (local.get $q) (i32.const 1)) (i64.or (i64.shl (i64.extend_i32_u (local.get $q)) (i64.const 32)) (i64.const 1000))))
			(call $check (i64.eq (call $wait (i32.const 0) (i32.const 1)) (i64.or (i64.shl (i64.extend_i32_u (local.get $p)) (i64.const 32)) (i64.const 42))))
			(call $check (i64.eq (call $wait (local.get $p) (i32.const 1)) (i64.const -10))))`,
		"orphan": `(func (export "_start") (local $p i32)
			(if (i32.eqz (local.tee $p (call $fork (i32.const 0)))) (then
				(if (i32.eqz (call $fork (i32.const 0))) (then ;; the grandchild outlives its parent
					(loop $l (br_if $l (i32.ne (call $parent) (i32.const 1))))
					(call $exit (i32.const 9))))
				(return)))
			(call $check (i32.eq (call $child (local.get $p)) (local.get $p)))
			(call $check (i32.eq (i32.wrap_i64 (call $wait (i32.const 0) (i32.const 1))) (i32.const 9)))
			(call $check (i64.eq (call $wait (i32.const 0) (i32.const 0)) (i64.const -10))))`,
		"all end": `(func (export "_start")
			(if (i32.eqz (call $fork (i32.const 0))) (then
				(drop (call $fork (i32.const 0)))
				(loop $l (br $l)))))`,
	} {
		if err := run(body, spindle.TreeLimits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A fork bomb ends at the limits, and nothing is lost.
	const bomb = `(func (export "_start") (local $n i32)
		(loop $l
			(if (i32.gt_s (call $fork (i32.const 0)) (i32.const 0)) (then (local.set $n (i32.add (local.get $n) (i32.const 1)))))
			(br_if $l (i32.lt_u (local.get $n) (i32.const 5))))
		(loop $w (br_if $w (i64.ge_s (call $wait (i32.const 0) (i32.const 1)) (i64.const 0)))))`
	for _, limits := range []spindle.TreeLimits{{Processes: 20, Depth: 3}} {
		p, err := rt.Start(ctx, compileText(t, rt, imports+bomb+")"), spindle.Config{Imports: spindle.Imports{"host": host}, Tree: limits})
		if err != nil {
			t.Fatal(err)
		}
		select { // it never ends: those who have not had their five children try for ever
		case <-full:
		case <-p.Done():
			t.Errorf("the bomb has ended: %v", p.Wait(ctx))
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if n := rt.LiveRegions(); n != 0 {
			t.Errorf("%d regions left", n)
		}
	}
}
