package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

// journal collects what hooks and guests say, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// take returns what was said, and forgets it.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := strings.Join(j.lines, " ")
	j.lines = nil
	return s
}

// checkedRuntime makes a Runtime that is looked at when the test is over.
func checkedRuntime(t testing.TB) *spindle.Runtime {
	t.Helper()
	rt := spindle.NewRuntime()
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
		if n := rt.LiveRegions(); n != 0 {
			t.Errorf("%d regions left", n)
		}
	})
	return rt
}

// hookedInstance is one instance of several that say when their hooks are called.
const hookedInstance = `(module
	(import "host" "say" (func $say (param i32 i64)))
	(func (export "spindle_fork_prepare") (result i32) (call $say (i32.const 0) (i64.const %[1]d)) (i32.const 0))
	(func (export "spindle_fork_parent") (result i32) (call $say (i32.const 1) (i64.const %[1]d)) (i32.const 0))
	(func (export "spindle_fork_child") (param i64 i32) (result i32)
		(call $say (i32.const 2) (i64.add (i64.mul (local.get 0) (i64.const 100)) (i64.const %[1]d))) (i32.const 0)))`

// Hooks are called in POSIX's order, the guest's inside of the host's, in a Process and in the children of its children.
func TestOrderOfForkHooks(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	var j journal
	say := spindle.Proc2(func(_ *spindle.Caller, what uint32, n uint64) {
		j.add("%s(%d)", [...]string{"prepare", "parent", "child"}[what], n)
	})
	p, err := rt.NewProcess(spindle.Config{Imports: spindle.Imports{"host": spindle.HostModule{"say": say}}})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 3 {
		if _, err := p.Instantiate(ctx, compileText(t, rt, fmt.Sprintf(hookedInstance, k)), ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"A", "B"} {
		p.OnFork(spindle.ForkHooks{
			Prepare: func(*spindle.Process) error { j.add("prepare %s", name); return nil },
			Parent:  func(_ *spindle.Process, err error) error { j.add("parent %s", name); return err },
			Child:   func(c *spindle.Process) error { j.add("child %s", name); return nil },
		})
	}
	for gen := 1; gen <= 3; gen++ {
		child, _, err := p.Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{Before: func(*spindle.Process) error { j.add("before"); return nil }})
		if err != nil {
			t.Fatal(err)
		}
		want := "prepare(2) prepare(1) prepare(0) prepare B prepare A parent A parent B parent(0) parent(1) parent(2) " +
			fmt.Sprintf("child A child B before child(%d00) child(%d01) child(%d02)", gen, gen, gen)
		if got := j.take(); got != want {
			t.Errorf("generation %d: %s\nwant %s", gen, got, want)
		}
		p = child
	}
	// What is not wanted is left out; the child's are not.
	if _, _, err := p.Fork(ctx, spindle.FreezeOptions{NoGuestHooks: true}, spindle.ForkConfig{}); err != nil {
		t.Fatal(err)
	}
	if got, want := j.take(), "prepare B prepare A parent A parent B child A child B child(400) child(401) child(402)"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	// Who has agreed to a fork that another one refuses is told.
	no := errors.New("no")
	p.OnFork(spindle.ForkHooks{Prepare: func(*spindle.Process) error { return no }})
	p.OnFork(spindle.ForkHooks{Prepare: func(*spindle.Process) error { j.add("prepare C"); return nil }, Parent: func(_ *spindle.Process, err error) error {
		if !errors.Is(err, no) {
			t.Errorf("the hook is told %v", err)
		}
		j.add("parent C")
		return nil
	}})
	_, _, err = p.Freeze(ctx, spindle.FreezeOptions{})
	var fe *spindle.ForkError
	if !errors.As(err, &fe) || fe.Hook != "ForkHooks.Prepare" || !errors.Is(err, no) {
		t.Error(err)
	}
	if got, want := j.take(), "prepare(2) prepare(1) prepare(0) prepare C parent C parent(0) parent(1) parent(2)"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// badHooks are bodies of a hook that does not acknowledge, and what its error says.
var badHooks = map[string]struct{ body, says string }{
	"refuses":        {`(i32.const 7)`, "it returned 7"},
	"traps":          {`unreachable`, "unreachable"},
	"runs for ever":  {`(loop $l (br $l)) (i32.const 0)`, "limit reached: time of a fork's hook: at most 50ms"},
	"waits for ever": {`(memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))`, "limit reached: time of a fork's hook"},
	"exits":          {`(call $exit) (i32.const 0)`, "exit"},
	"throws":         {`(throw $e)`, "exception"},
	"forks":          {`(call $fork)`, "it returned -5"},
	"overflows":      {`(call $over) (i32.const 0)`, "stack"},
	"is mistyped":    {`(i32.const 0)`, "not of the type"},
}

// A hook that does not acknowledge makes the fork fail, by an error that names it; nothing of the child has run, the parent goes on, and nothing is left.
func TestForkHooksRefuse(t *testing.T) {
	ctx := t.Context()
	for _, hook := range []string{spindle.HookPrepare, spindle.HookParent, spindle.HookChild} {
		for name, bad := range badHooks {
			t.Run(hook+" "+name, func(t *testing.T) {
				rt := checkedRuntime(t)
				param := ""
				if (hook == spindle.HookChild) != (name == "is mistyped") {
					param = "(param i64 i32)"
				}
				mod := compileText(t, rt, `(module
					(import "host" "exit" (func $exit))
					(import "host" "fork" (func $fork (result i32)))
					(import "host" "ran" (func $ran))
					(memory 1 1 shared)
					(tag $e)
					(func $over (call $over))
					(func (export "`+hook+`") `+param+` (result i32) `+bad.body+`)
					(func (export "self") (result i32) (local $pid i32)
						(local.set $pid (call $fork))
						(if (i32.eqz (local.get $pid)) (then (call $ran)))
						(local.get $pid))
					(func (export "seven") (result i32) (i32.const 7)))`)
				timeout := time.Minute
				if strings.Contains(name, "for ever") {
					timeout = 50 * time.Millisecond
				}
				var ran atomic.Int32
				var said error
				inst, err := rt.Instantiate(ctx, mod, spindle.Config{ForkHookTimeout: timeout, StackSize: 64 << 10, Imports: spindle.Imports{"host": spindle.HostModule{
					"exit": spindle.Proc0(func(c *spindle.Caller) { c.Fail(&spindle.ExitError{Code: 3}) }),
					"ran":  spindle.Proc0(func(*spindle.Caller) { ran.Add(1) }),
					"fork": spindle.Func0(func(c *spindle.Caller) int32 {
						pid, err := c.Fork(false, spindle.Answer{Results: []uint64{0}})
						if err != nil {
							said = err
							return -5
						}
						return int32(pid)
					}),
				}}})
				if err != nil {
					t.Fatal(err)
				}
				p := inst.Process()
				check := func(err error) {
					t.Helper()
					var fe *spindle.ForkError
					if !errors.As(err, &fe) || fe.Hook != hook || !strings.Contains(err.Error(), bad.says) {
						t.Errorf("the error is %v", err)
					}
				}
				// By the host.
				img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
				if hook == spindle.HookChild && err == nil {
					for range 3 {
						child, err := img.Fork(ctx, spindle.ForkConfig{})
						if child != nil {
							t.Error("there is a child")
						}
						check(err)
					}
					err = img.Close()
				} else {
					check(err)
					err = nil
				}
				if err != nil {
					t.Error(err)
				}
				// By the guest itself.
				said = nil
				res, err := inst.Call(ctx, "self")
				var exit *spindle.ExitError
				switch {
				case name == "exits" && hook != spindle.HookChild: // then the guest has ended itself
					if !errors.As(err, &exit) || exit.Code != 3 {
						t.Errorf("the guest ended with %v", err)
					}
				case err != nil || int32(res[0]) != -5:
					t.Errorf("%v, %v", res, err)
				}
				check(said)
				if res, err := inst.Call(ctx, "seven"); err != nil || res[0] != 7 {
					t.Errorf("%v, %v", res, err)
				}
				if n := ran.Load(); n != 0 {
					t.Errorf("%d children have run", n)
				}
				if _, _, err := inst.Process().Fork(ctx, spindle.FreezeOptions{NoGuestHooks: true}, spindle.ForkConfig{}); hook != spindle.HookChild && err != nil {
					t.Errorf("without the guest's hooks: %v", err)
				}
			})
		}
	}
}

// stackGuest is as a C compiler makes it: functions that call no other one use 128 bytes below the stack pointer without moving it, and look whether what they put there is
// still theirs. Its hook uses its stack for all that it is worth.
const stackGuest = `(module
	(import "host" "tell" (func $tell (param i64)))
	(import "host" "mix" (func $mix (param i64) (result i64)))
	(memory (export "memory") 2)
	(global $sp (export "__stack_pointer") (mut i32) (i32.const 65536))
	(global $hooks (mut i64) (i64.const 0))
	(func $leaf (param $x i64) (result i64) (local $i i32) (local $at i32)
		(loop $w
			(local.set $at (i32.sub (i32.sub (global.get $sp) (i32.const 8)) (i32.mul (local.get $i) (i32.const 8))))
			(i64.store (local.get $at) (i64.add (local.get $x) (i64.extend_i32_u (local.get $i))))
			(br_if $w (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
		(local.set $i (i32.const 0))
		(loop $r
			(local.set $at (i32.sub (i32.sub (global.get $sp) (i32.const 8)) (i32.mul (local.get $i) (i32.const 8))))
			(if (i64.ne (i64.load (local.get $at)) (i64.add (local.get $x) (i64.extend_i32_u (local.get $i)))) (then unreachable))
			(br_if $r (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
		(i64.mul (local.get $x) (i64.const 0x9E3779B97F4A7C15)))
	(func $deep (param $n i32) (param $x i64) (result i64)
		(global.set $sp (i32.sub (global.get $sp) (i32.const 48)))
		(i64.store (i32.add (global.get $sp) (i32.const 40)) (local.get $x))
		(local.set $x (call $leaf (local.get $x)))
		(if (local.get $n) (then (local.set $x (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $x)))))
		(local.set $x (i64.add (local.get $x) (i64.load (i32.add (global.get $sp) (i32.const 40)))))
		(global.set $sp (i32.add (global.get $sp) (i32.const 48)))
		(local.get $x))
	(func $scribble (param $n i32)
		(global.set $sp (i32.sub (global.get $sp) (i32.const 256)))
		(if (i32.and (global.get $sp) (i32.const 15)) (then unreachable))
		(memory.fill (global.get $sp) (i32.const 0x55) (i32.const 256))
		(if (local.get $n) (then (call $scribble (i32.sub (local.get $n) (i32.const 1)))))
		(drop (call $mix (i64.const 1)))
		(global.set $sp (i32.add (global.get $sp) (i32.const 256))))
	(func (export "spindle_fork_child") (param i64 i32) (result i32)
		(call $scribble (i32.const 20))
		(memory.fill (i32.sub (global.get $sp) (i32.const 128)) (i32.const 0x77) (i32.const 128))
		(i64.store (i32.const 70000) (local.get 0))
		(i32.const 0))
	(func (export "_start") (local $i i32) (local $x i64)
		(loop $l
			(local.set $x (i64.xor (call $mix (call $deep (i32.rem_u (local.get $i) (i32.const 37)) (local.get $x))) (i64.extend_i32_u (local.get $i))))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1500))))
		(if (i32.ne (global.get $sp) (i32.const 65536)) (then unreachable))
		(call $tell (local.get $x))
		(call $tell (i64.load (i32.const 70000)))))`

// A child's hook runs above whatever the guest was at, and the child goes on as if it had not.
func TestForkHookAboveFrames(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	mod := compileText(t, rt, stackGuest)
	type answer struct{ sum, generation uint64 }
	var mu sync.Mutex
	answers := map[*spindle.Process]*answer{}
	host := spindle.HostModule{
		"tell": spindle.Proc1(func(c *spindle.Caller, n uint64) {
			mu.Lock()
			defer mu.Unlock()
			if a := answers[c.Process()]; a != nil {
				a.generation = n
			} else {
				answers[c.Process()] = &answer{sum: n}
			}
		}),
		"mix": spindle.Func1(func(_ *spindle.Caller, n uint64) uint64 { return n*31 + 7 }),
	}
	of := func(p *spindle.Process) answer {
		mu.Lock()
		defer mu.Unlock()
		if answers[p] == nil {
			return answer{}
		}
		return *answers[p]
	}
	forks := 0
	for round := 0; forks < 40 && round < 400; round++ {
		p, err := rt.Start(ctx, mod, spindle.Config{Forkable: true, Imports: spindle.Imports{"host": host}})
		if err != nil {
			t.Fatal(err)
		}
		all := []*spindle.Process{p}
		for k := range 4 {
			from := all[(round+k)%len(all)]
			c, _, err := from.Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
			if err != nil {
				var fe *spindle.ForkError
				if errors.As(err, &fe) && fe.Hook == "" {
					break // it has ended
				}
				t.Fatal(err)
			}
			forks++
			all = append(all, c)
		}
		for i, c := range all {
			if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
				t.Fatalf("Process %d: %v", i, err)
			}
			if got, want := of(c), (answer{of(p).sum, c.Generation()}); got != want {
				t.Errorf("Process %d: %v, want %v", i, got, want)
			}
		}
	}
	if forks < 40 {
		t.Errorf("only %d forks", forks)
	}
}

// A hook without room on the C stack does not run: it would write over other data.
func TestForkHookWithoutRoom(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	inst, err := rt.Instantiate(ctx, compileText(t, rt, `(module (memory 1)
		(global $sp (export "__stack_pointer") (mut i32) (i32.const 4096))
		(func (export "set") (param i32) (global.set $sp (local.get 0)))
		(func (export "spindle_fork_child") (param i64 i32) (result i32) (i32.const 0)))`), spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for sp, ok := range map[uint64]bool{4096: true, 128: true, 127: false, 100: false} {
		if _, err := inst.Call(ctx, "set", sp); err != nil {
			t.Fatal(err)
		}
		_, _, err := inst.Process().Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
		var trap *spindle.TrapError
		if ok != (err == nil) || !ok && (!errors.As(err, &trap) || trap.Code != spindle.TrapStackOverrun) {
			t.Errorf("stack pointer %d: %v", sp, err)
		}
	}
}

// A hook waits and calls the host itself, above a thread that waits, or that is in a host call to be made again. The thread goes on with what it was at.
func TestForkHookAboveAWait(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	mod := compileText(t, rt, `(module
		(import "host" "nap" (func $nap (param i32) (result i32)))
		(memory (export "m") 1 1 shared)
		(func (export "spindle_fork_child") (param i64 i32) (result i32)
			(if (i32.ne (call $nap (i32.const 1)) (i32.const 2)) (then unreachable))
			;; at the address where the thread itself waits
			(if (i32.ne (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const 1000000)) (i32.const 2)) (then unreachable))
			(if (memory.atomic.notify (i32.const 12) (i32.const 5)) (then unreachable))
			(i32.const 0))
		(func (export "wait") (result i32) (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1)))
		(func (export "notify") (result i32) (memory.atomic.notify (i32.const 8) (i32.const 10)))
		(func (export "nap") (result i32) (call $nap (i32.const 20))))`)
	type nap struct {
		of *spindle.Process
		n  int32
	}
	naps := make(chan nap, 100)
	wake := make(chan struct{})
	host := spindle.HostModule{"nap": spindle.Func1(func(c *spindle.Caller, n int32) int32 {
		naps <- nap{c.Process(), n}
		if n > 1 {
			c.Block(func() { //nolint:errcheck // the guest ends
				select {
				case <-wake:
				case <-c.Stopped():
				}
			})
		}
		return 2 * n
	}).Restartable()}
	for _, export := range []string{"wait", "nap"} {
		inst, err := rt.Instantiate(ctx, mod, spindle.Config{Name: "a", Forkable: true, Imports: spindle.Imports{"host": host}})
		if err != nil {
			t.Fatal(err)
		}
		p := inst.Process()
		called := make(chan []uint64, 1)
		go func() {
			res, err := inst.Call(ctx, export)
			if err != nil {
				t.Error(err)
			}
			called <- res
		}()
		if export == "nap" {
			<-naps
		} else {
			awaitWaiter(t, p)
		}
		child, _, err := p.Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{Before: func(c *spindle.Process) error {
			if _, err := c.Instance("a").Call(ctx, "notify"); !errors.Is(err, spindle.ErrBusy) {
				t.Errorf("a call above frozen frames: %v", err)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if n := <-naps; n != (nap{child, 1}) {
			t.Errorf("the hook's call is %v", n)
		}
		want := uint64(0)
		if export == "nap" {
			if n := <-naps; n != (nap{child, 20}) {
				t.Errorf("the call that is made again is %v", n)
			}
			wake <- struct{}{}
			wake <- struct{}{}
			want = 40
		} else {
			for _, of := range []*spindle.Process{p, child} {
				awaitWaiter(t, of)
				th, err := of.SpawnWith(ctx, spindle.SpawnConfig{NoStack: true}, "notify")
				if err != nil {
					t.Fatal(err)
				}
				if res, err := th.Wait(ctx); err != nil || res[0] != 1 {
					t.Errorf("%v threads were woken, %v", res, err)
				}
			}
		}
		if err := child.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if res := <-called; res[0] != want || child.Results()[0] != want {
			t.Errorf("%v in the parent and %v in the child, want %d", res, child.Results(), want)
		}
		if err := errors.Join(child.Close(), p.Close()); err != nil {
			t.Error(err)
		}
	}
}

// awaitWaiter waits until one thread waits on the memory of a Process's instance.
func awaitWaiter(t *testing.T, p *spindle.Process) {
	t.Helper()
	m, err := p.Instance("a").Memory("m")
	if err != nil {
		t.Fatal(err)
	}
	for m.Waiters() != 1 {
		if t.Context().Err() != nil {
			t.Fatal("nobody waits")
		}
		runtime.Gosched()
	}
}

// lockGuest has threads that take a lock time and again, hooks that take it around a fork, and a child's hook that gives it back.
const lockGuest = `(module
	(import "env" "memory" (memory 1 1 shared))
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(import "host" "fork" (func $fork (param i32) (result i32)))
	(import "host" "note" (func $note (param i32)))
	(func $lock
		(loop $l
			(if (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 0) (i32.const 1)) (then
				(drop (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const -1)))
				(br $l)))))
	(func $unlock (i32.atomic.store (i32.const 0) (i32.const 0)) (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))
	(func (export "spindle_fork_prepare") (result i32) (call $lock) (call $note (i32.const 1)) (i32.const 0))
	(func (export "spindle_fork_parent") (result i32) (call $note (i32.const 2)) (call $unlock) (i32.const 0))
	(func (export "spindle_fork_child") (param i64 i32) (result i32) (call $note (i32.const 3)) (call $unlock) (i32.const 0))
	;; Within the lock the two numbers differ.
	(func $work
		(call $lock)
		(i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
		(i32.store (i32.const 12) (i32.add (i32.load (i32.const 12)) (i32.const 1)))
		(call $unlock))
	(func (export "wasi_thread_start") (param i32 i32)
		(loop $l (call $work) (br_if $l (i32.eqz (i32.atomic.load (i32.const 4))))))
	(func (export "check") (result i32)
		(call $lock)
		(if (i32.ne (i32.load (i32.const 8)) (i32.load (i32.const 12))) (then unreachable))
		(call $unlock)
		(i32.load (i32.const 8)))
	(func (export "spawn") (drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0))))
	(func (export "busy") (loop $l (call $work) (br_if $l (i32.eqz (i32.atomic.load (i32.const 4))))))
	(func (export "stop") (i32.atomic.store (i32.const 4) (i32.const 1)))
	(func (export "self") (param i32) (result i32) (local $pid i32)
		(local.set $pid (call $fork (local.get 0)))
		(if (i32.eqz (local.get $pid)) (then (call $work) (i32.atomic.store (i32.const 4) (i32.const 1))))
		(local.get $pid)))`

// What hooks lock before a fork is whole in a child that has one thread, whoever asks for the fork, and wherever the guest is.
func TestForkHooksHoldLocks(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	mod := compileText(t, rt, lockGuest)
	var j journal
	host := spindle.HostModule{
		"note": spindle.Proc1(func(c *spindle.Caller, n int32) { j.add("%d", n) }),
		"fork": spindle.Func1(func(c *spindle.Caller, all int32) int32 {
			pid, err := c.Fork(all != 0, spindle.Answer{Results: []uint64{0}})
			if err != nil {
				c.Fail(err)
			}
			if pid != 0 {
				s, _, err := c.WaitChild(pid, true)
				if err != nil || s.Err != nil {
					c.Fail(fmt.Errorf("the child: %w, %w", err, s.Err))
				}
			}
			return int32(pid)
		}),
	}
	for _, busy := range []bool{false, true} {
		mem, err := rt.NewSharedMemory(spindle.MemoryType{Limits: spindle.Limits{Min: 1, Max: 1, HasMax: true}, Shared: true})
		if err != nil {
			t.Fatal(err)
		}
		inst, err := rt.Instantiate(ctx, mod, spindle.Config{Name: "a", Forkable: true, Imports: spindle.Imports{
			"env": spindle.HostModule{"memory": mem}, "wasi": threadSpawn(), "host": host,
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inst.Call(ctx, "spawn"); err != nil {
			t.Fatal(err)
		}
		if !busy {
			for all := range uint64(2) {
				if _, err := inst.Call(ctx, "self", all); err != nil {
					t.Fatal(err)
				}
				if got := j.take(); got != "1 2 3" {
					t.Errorf("by the guest: %s", got)
				}
			}
		}
		ended := make(chan error, 1)
		if busy {
			go func() {
				_, err := inst.Call(ctx, "busy")
				for errors.Is(err, spindle.ErrBusy) { // a hook runs on the main thread
					_, err = inst.Call(ctx, "busy")
				}
				ended <- err
			}()
		} else {
			ended <- nil
		}
		for range 10 {
			child, stats, err := inst.Process().Fork(ctx, spindle.FreezeOptions{CallerOnly: true}, spindle.ForkConfig{})
			if err != nil {
				t.Fatal(err)
			}
			if len(stats.Gone) < 2 {
				t.Errorf("%d threads are gone", len(stats.Gone))
			}
			for _, gone := range stats.Gone {
				if len(gone.Frames) == 0 && gone.Host == "" && !busy {
					t.Errorf("nobody knows where thread %d stood: %+v", gone.ID, gone)
				}
			}
			if got := j.take(); got != "1 2 3" {
				t.Errorf("busy %v: %s", busy, got)
			}
			c := child.Instance("a")
			if child.Done() != nil { // it goes on with the call
				th, err := child.SpawnWith(ctx, spindle.SpawnConfig{NoStack: true}, "check")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := th.Wait(ctx); err != nil {
					t.Error(err)
				}
			} else if _, err := c.Call(ctx, "check"); err != nil {
				t.Error(err)
			}
			if err := child.Close(); err != nil {
				t.Error(err)
			}
		}
		th, err := inst.Process().SpawnWith(ctx, spindle.SpawnConfig{NoStack: true}, "stop")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := th.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(<-ended, inst.Close()); err != nil {
			t.Error(err)
		}
		mem.Close()
	}
}

// A guest whose only thread is busy cannot be asked: that is told, and can be waived.
func TestForkHooksOfABusyGuest(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	in := make(chan struct{})
	inst, err := rt.Instantiate(ctx, compileText(t, rt, `(module
		(import "host" "in" (func $in))
		(memory 1)
		(func (export "spindle_fork_prepare") (result i32) (i32.const 0))
		(func (export "run") (call $in) (loop $l (br $l))))`), spindle.Config{Imports: spindle.Imports{"host": spindle.HostModule{
		"in": spindle.Proc0(func(*spindle.Caller) { close(in) }),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := inst.Call(running, "run")
		ended <- err
	}()
	<-in
	_, _, err = inst.Process().Freeze(ctx, spindle.FreezeOptions{})
	var fe *spindle.ForkError
	if !errors.As(err, &fe) || fe.Hook != spindle.HookPrepare || !strings.Contains(err.Error(), "only thread is busy") {
		t.Error(err)
	}
	if _, _, err := inst.Process().Fork(ctx, spindle.FreezeOptions{NoGuestHooks: true}, spindle.ForkConfig{}); err != nil {
		t.Error(err)
	}
	cancel()
	<-ended
}

// Threads that fork at the same time wait for each other, in children too, where their forks are made again.
func TestForksAtTheSameTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	rt := checkedRuntime(t)
	for k := range 40 {
		all := k%2 == 1
		mem, err := rt.NewSharedMemory(spindle.MemoryType{Limits: spindle.Limits{Min: 1, Max: 1, HasMax: true}, Shared: true})
		if err != nil {
			t.Fatal(err)
		}
		var forks atomic.Int32
		p, err := rt.Start(ctx, compileText(t, rt, `(module
			(import "env" "memory" (memory 1 1 shared))
			(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
			(import "host" "fork" (func $fork (result i32)))
			(func $twice (local $n i32)
				(loop $l
					(if (i32.eqz (call $fork)) (then (return)))
					(br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 2)))))
			(func (export "wasi_thread_start") (param i32 i32)
				(call $twice)
				(drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
				(drop (memory.atomic.notify (i32.const 4) (i32.const 1))))
			(func (export "_start") (local $n i32)
				(drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0)))
				(call $twice)
				(loop $join
					(local.set $n (i32.atomic.load (i32.const 4)))
					(if (i32.ne (local.get $n) (i32.const 2)) (then
						;; in a child of one thread nobody else will come
						(drop (memory.atomic.wait32 (i32.const 4) (local.get $n) (i64.const 10000000)))
						(br_if $join (i32.const `+map[bool]string{false: "0", true: "1"}[all]+`)))))))`),
			spindle.Config{Forkable: true, Tree: spindle.TreeLimits{Processes: 60, Depth: 6}, Imports: spindle.Imports{
				"env": spindle.HostModule{"memory": mem}, "wasi": threadSpawn(), "host": spindle.HostModule{"fork": spindle.Func0(func(c *spindle.Caller) int32 {
					pid, err := c.Fork(all, spindle.Answer{Results: []uint64{0}})
					var limit *spindle.TreeLimitError
					if err != nil && !errors.As(err, &limit) && !errors.Is(err, spindle.ErrEnding) && c.Context().Err() == nil {
						t.Error(err)
					}
					if err != nil {
						return -1
					}
					forks.Add(1)
					return int32(pid)
				})},
			}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.Wait(ctx), p.Close()); err != nil {
			t.Error(err)
		}
		if forks.Load() == 0 {
			t.Error("no fork")
		}
		mem.Close()
	}
}

// A snapshot's children have their hook called too, and it may use the heap.
func TestForkHookOfASnapshot(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	inst, err := rt.Instantiate(ctx, compileText(t, rt, `(module (memory 1)
		(func (export "spindle_fork_child") (param i64 i32) (result i32) (i64.store (i32.const 0) (local.get 0)) (i32.const 0))
		(func (export "generation") (result i64) (i64.load (i32.const 0))))`), spindle.Config{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := throughFile(t, img, nil)
	if res, err := p.Instance("a").Call(ctx, "generation"); err != nil || res[0] != 1 {
		t.Errorf("%v, %v", res, err)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
}

// A hook makes garbage, and collections go on, above frames that hold objects.
func TestForkHookCollects(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	mod := compileText(t, rt, `(module
		(import "host" "tell" (func $tell (param i64)))
		(type $n (struct (field i64) (field (ref null $n))))
		(func $list (param $n i32) (result (ref null $n)) (local $l (ref null $n))
			(loop $m
				(local.set $l (struct.new $n (i64.extend_i32_u (local.get $n)) (local.get $l)))
				(br_if $m (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
			(local.get $l))
		(func $sum (param $l (ref null $n)) (result i64) (local $s i64)
			(loop $m
				(if (i32.eqz (ref.is_null (local.get $l))) (then
					(local.set $s (i64.add (local.get $s) (struct.get $n 0 (local.get $l))))
					(local.set $l (struct.get $n 1 (local.get $l)))
					(br $m))))
			(local.get $s))
		(func $deep (param $d i32) (result i64) (local $l (ref null $n))
			(local.set $l (call $list (i32.const 20)))
			(if (local.get $d) (then
				(if (i64.eqz (call $deep (i32.sub (local.get $d) (i32.const 1)))) (then unreachable))))
			(call $sum (local.get $l)))
		(func (export "spindle_fork_child") (param i64 i32) (result i32)
			(i64.ne (call $sum (call $list (i32.const 300))) (i64.const 45150)))
		(func (export "_start") (local $i i32) (local $s i64)
			(loop $l
				(local.set $s (i64.add (local.get $s) (call $deep (i32.const 30))))
				(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 25))))
			(call $tell (local.get $s))))`)
	for _, plan := range []string{"StickyImmix", "SemiSpace"} {
		var d told
		p, err := rt.Start(ctx, mod, spindle.Config{Forkable: true, GC: spindle.GCConfig{Plan: plan, Stress: 37, Sanity: true}, Imports: spindle.Imports{"host": d.host()}})
		if err != nil {
			t.Fatal(err)
		}
		all := []*spindle.Process{p}
		for range 6 {
			c, _, err := all[len(all)-1].Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
			if err != nil {
				var fe *spindle.ForkError
				if errors.As(err, &fe) && fe.Hook == "" {
					break
				}
				t.Fatal(err)
			}
			all = append(all, c)
		}
		for i, c := range all {
			if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
				t.Fatalf("%s: Process %d of %d: %v", plan, i, len(all), err)
			}
			if got := d.of(c); got != 25*210 {
				t.Errorf("%s: Process %d tells %d", plan, i, got)
			}
		}
		if len(all) < 2 {
			t.Errorf("%s: no fork of a running guest", plan)
		}
	}
}

// A Process is frozen while its threads begin and end, and while it is closed: there is an image or an error that says why not.
func TestFreezeWhileThreadsEnd(t *testing.T) {
	ctx := t.Context()
	rt := checkedRuntime(t)
	mod := compileText(t, rt, `(module
		(import "env" "memory" (memory 1 1 shared))
		(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		(func (export "wasi_thread_start") (param i32 i32))
		(func (export "_start") (loop $l (drop (call $spawn (i32.const 0))) (br $l))))`)
	images := 0
	for round := 0; round < 30 || images < 60 && round < 300; round++ {
		mem, err := rt.NewSharedMemory(spindle.MemoryType{Limits: spindle.Limits{Min: 1, Max: 1, HasMax: true}, Shared: true})
		if err != nil {
			t.Fatal(err)
		}
		p, err := rt.Start(ctx, mod, spindle.Config{Forkable: true, MaxThreads: 8, Imports: spindle.Imports{"env": spindle.HostModule{"memory": mem}, "wasi": threadSpawn()}})
		if err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		for k := range 6 {
			if k == 3 {
				go func() { closed <- p.Close() }()
			}
			img, _, err := p.Freeze(ctx, spindle.FreezeOptions{CallerOnly: k%2 == 1})
			if err != nil {
				var fe *spindle.ForkError
				if !errors.As(err, &fe) || k < 3 {
					t.Fatal(err)
				}
				break
			}
			images++
			child, err := img.Fork(ctx, spindle.ForkConfig{})
			if err == nil {
				err = child.Close()
			}
			if err := errors.Join(err, img.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		mem.Close()
	}
}
