package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// cModule is a module as C compilers make them, by hand: a stack pointer, thread-local variables, an allocator that uses the stack and has a lock.
//
//	 0  the allocator's lock       4  blocks in use      8  end of the heap     12  free blocks, a list
//	16  malloc refuses from here on: set by the test     20  where "wait" waits      24  threads that are in "wait" or "spin"
//	28  threads whose hook has seen their end            1024  main's stack, growing down from 65536
const cModule = `
	(memory (export "memory") 2 %[1]s shared)
	(global $sp (export "__stack_pointer") (mut i32) (i32.const 65536))
	(global $tlsBase (mut i32) (i32.const 0))
	(global $__tls_size (export "__tls_size") i32 (i32.const 40))
	(global $__tls_align (export "__tls_align") i32 (i32.const 64))
	(data $tdata "\2a\00\00\00")
	(func $__wasm_init_tls (export "__wasm_init_tls") (param i32)
		(global.set $tlsBase (local.get 0))
		(memory.init $tdata (local.get 0) (i32.const 0) (i32.const 4))
		(memory.fill (i32.add (local.get 0) (i32.const 4)) (i32.const 0) (i32.const 36)))

	;; A frame of 256 bytes that nobody else may write to.
	(func $frame (local $p i32) (local $k i32) (local $mine i32)
		(global.set $sp (local.tee $p (i32.sub (global.get $sp) (i32.const 256))))
		(if (i32.and (local.get $p) (i32.const 15)) (then unreachable))
		(local.set $mine (i32.add (global.get $tlsBase) (local.get $p)))
		(loop $l
			(i32.store (i32.add (local.get $p) (local.get $k)) (i32.xor (local.get $mine) (local.get $k)))
			(br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 4))) (i32.const 256))))
		(loop $l
			(local.set $k (i32.sub (local.get $k) (i32.const 4)))
			(if (i32.ne (i32.load (i32.add (local.get $p) (local.get $k))) (i32.xor (local.get $mine) (local.get $k))) (then unreachable))
			(br_if $l (local.get $k)))
		(global.set $sp (i32.add (global.get $sp) (i32.const 256))))

	(func $lock
		(loop $l
			(if (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 0) (i32.const 1)) (then
				(drop (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const 100000)))
				(br $l)))))
	(func $unlock (i32.atomic.store (i32.const 0) (i32.const 0)) (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))

	;; A block is 8 bytes of size and link, and then the user's.
	(func $malloc (param $n i32) (result i32) (local $p i32) (local $prev i32)
		(call $frame)
		(if (i32.load (i32.const 16)) (then (return (i32.const 0))))
		(call $lock)
		(local.set $prev (i32.const 8))
		(block $found
			(loop $l
				(local.set $p (i32.load offset=4 (local.get $prev)))
				(if (local.get $p) (then
					(br_if $found (i32.eq (i32.load (local.get $p)) (local.get $n)))
					(local.set $prev (local.get $p))
					(br $l))))
			;; none: from the heap, which grows
			(if (i32.eqz (i32.load (i32.const 8))) (then (i32.store (i32.const 8) (i32.const 65544))))
			(local.set $p (i32.load (i32.const 8)))
			(i32.store (i32.const 8) (i32.add (local.get $p) (i32.and (i32.add (local.get $n) (i32.const 15)) (i32.const -8))))
			(loop $grow
				(if (i32.gt_u (i32.load (i32.const 8)) (i32.const 131072)) (then
					;; all further blocks are pages of their own
					(i32.store (i32.const 8) (local.get $p))
					(local.set $p (memory.grow (i32.shr_u (i32.add (local.get $n) (i32.const 65543)) (i32.const 16))))
					(if (i32.eq (local.get $p) (i32.const -1)) (then (call $unlock) (return (i32.const 0))))
					(local.set $p (i32.shl (local.get $p) (i32.const 16))))))
			(i32.store (local.get $p) (local.get $n))
			(i32.store offset=4 (local.get $p) (i32.const 0))
			(local.set $prev (i32.const 0)))
		(if (local.get $prev) (then (i32.store offset=4 (local.get $prev) (i32.load offset=4 (local.get $p)))))
		(call $frame)
		(call $unlock)
		(drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
		(i32.add (local.get $p) (i32.const 8)))
	(func $free (param $p i32)
		(call $frame)
		(memory.fill (local.get $p) (i32.const 0xEE) (i32.load (i32.sub (local.get $p) (i32.const 8))))
		(local.set $p (i32.sub (local.get $p) (i32.const 8)))
		(call $lock)
		(i32.store offset=4 (local.get $p) (i32.load (i32.const 12)))
		(i32.store (i32.const 12) (local.get $p))
		(call $frame)
		(call $unlock)
		(drop (i32.atomic.rmw.sub (i32.const 4) (i32.const 1))))

	;; work(n) is 42 + n, counted up in a thread-local variable and with frames.
	(func $work (export "work") (param $n i32) (result i32)
		(if (i32.ne (i32.and (global.get $tlsBase) (i32.const 63)) (i32.const 0)) (then unreachable))
		(loop $l
			(if (local.get $n) (then
				(i32.store (global.get $tlsBase) (i32.add (i32.load (global.get $tlsBase)) (i32.const 1)))
				(call $frame)
				(local.set $n (i32.sub (local.get $n) (i32.const 1)))
				(br $l))))
		(i32.load (global.get $tlsBase)))
	;; frames(n) is for the main thread, on its own stack.
	(func $frames (export "frames") (param $n i32)
		(loop $l (call $frame) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
	(func (export "stack") (result i32) (global.get $sp))
	(func (export "trap") (call $frame) unreachable)
	(func (export "wait")
		(drop (i32.atomic.rmw.add (i32.const 24) (i32.const 1)))
		(drop (memory.atomic.wait32 (i32.const 20) (i32.const 0) (i64.const -1))))
	(func (export "spin") (drop (i32.atomic.rmw.add (i32.const 24) (i32.const 1))) (loop $l (br $l)))
	(func (export "lockup") (call $lock) (drop (i32.atomic.rmw.add (i32.const 24) (i32.const 1))) (loop $l (br $l)))
	(func (export "wake") (result i32) (i32.atomic.store (i32.const 20) (i32.const 1)) (memory.atomic.notify (i32.const 20) (i32.const -1)))
	(func (export "locktrap") (call $lock) unreachable)`

const cAllocator = `(export "malloc" (func $malloc)) (export "free" (func $free))`

// cInstance makes an instance of cModule with further fields, whose memory has at most that many pages.
func cInstance(t testing.TB, rt *spindle.Runtime, pages, fields string, cfg spindle.Config) *spindle.Instance {
	t.Helper()
	return mustInstantiate(t, rt, "(module"+fields+strings.Replace(cModule, "%[1]s", pages, 1)+")", cfg) // fields first, as they may be imports
}

// untilWord waits for a condition on a word of an instance's memory.
func untilWord(t testing.TB, inst *spindle.Instance, addr uint64, ok func(uint32) bool) {
	t.Helper()
	mem, err := inst.Memory("memory")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; {
		if v := word(mem, addr); ok(v) {
			return
		} else if time.Now().After(end) {
			t.Fatalf("the word at %d is %d for a minute", addr, v)
		}
		runtime.Gosched()
	}
}

// word reads a word of a memory.
func word(mem *spindle.Memory, addr uint64) uint32 {
	v, _ := mem.Uint32(addr)
	return v
}

func is(want uint32) func(uint32) bool    { return func(v uint32) bool { return v == want } }
func from(least uint32) func(uint32) bool { return func(v uint32) bool { return v >= least } }

func mustSpawn(t testing.TB, p *spindle.Process, cfg spindle.SpawnConfig, export string, args ...uint64) *spindle.Thread {
	t.Helper()
	th, err := p.SpawnWith(context.Background(), cfg, export, args...)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// wait is Wait for at most a minute.
func wait(t testing.TB, th *spindle.Thread) ([]uint64, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	res, err := th.Wait(ctx)
	if ctx.Err() != nil {
		t.Fatalf("thread %d does not end", th.ID())
	}
	return res, err
}

func isTrap(err error, code spindle.TrapCode) bool {
	var trap *spindle.TrapError
	return errors.As(err, &trap) && trap.Code == code
}

// A module without a stack pointer needs nothing but its export. Arguments and results are those of a call.
func TestSpawnHandWritten(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, `(module (memory (export "memory") 1 1 shared) (global $g (mut i32) (i32.const 0))
		(func (export "mix") (param i32 i64 f64 v128) (result v128 f64 i64 i32)
			(if (i32.ne (i32.const 1) (global.get $g)) (then unreachable))
			(local.get 3) (local.get 2) (local.get 1) (local.get 0))
		(func $start (global.set $g (i32.const 1)))
		(func (export "set") (global.set $g (i32.const 2)))
		(func (export "nothing"))
		(func (export "refs") (param funcref externref i32) (result i32) (ref.is_null (local.get 0)))
		(func (export "giveref") (result funcref) (ref.null func))
		(global (export "notfunc") i32 (i32.const 0))
		(start $start))`, spindle.Config{})
	p := inst.Process()
	if _, err := inst.Call(context.Background(), "set"); err != nil {
		t.Fatal(err)
	}
	args := []uint64{spindle.I32(-7), spindle.I64(-1 << 60), spindle.F64(0.5), 11, 12}
	ids := map[uint32]bool{}
	for range 10 {
		th := mustSpawn(t, p, spindle.SpawnConfig{}, "mix", args...)
		res, err := wait(t, th)
		if err != nil || fmt.Sprint(res) != fmt.Sprint([]uint64{args[3], args[4], args[2], args[1], args[0]}) {
			t.Errorf("%v, %v", res, err)
		}
		if id := th.ID(); id == 0 || id > 0x1FFFFFFF || ids[id] {
			t.Errorf("tid %d", id)
		} else {
			ids[id] = true
		}
		select {
		case <-th.Done():
		default:
			t.Error("Wait has returned, Done is open")
		}
	}
	if res, err := wait(t, mustSpawn(t, p, spindle.SpawnConfig{}, "nothing")); err != nil || len(res) != 0 {
		t.Errorf("%v, %v", res, err)
	}
	if res, err := wait(t, mustSpawn(t, p, spindle.SpawnConfig{}, "refs", 0, 0, 5)); err != nil || res[0] != 1 {
		t.Errorf("%v, %v", res, err)
	}

	ctx := context.Background()
	for _, c := range []struct {
		export string
		args   []uint64
		ok     func(error) bool
	}{
		{"absent", nil, func(err error) bool { return strings.Contains(err.Error(), `"absent"`) }},
		{"notfunc", nil, func(err error) bool { return strings.Contains(err.Error(), `"notfunc"`) }},
		{"mix", []uint64{1}, func(err error) bool { return strings.Contains(err.Error(), "5 argument slots, not 1") }},
		{"refs", []uint64{0, p.ExternRef("x"), 0}, func(err error) bool { return errors.Is(err, spindle.ErrThreadReference) }},
		{"giveref", nil, func(err error) bool { return errors.Is(err, spindle.ErrThreadReference) }},
	} {
		if _, err := p.Spawn(ctx, c.export, c.args...); err == nil || !c.ok(err) {
			t.Errorf("%s: %v", c.export, err)
		}
	}
	cause := errors.New("enough")
	done, cancel := context.WithCancelCause(ctx)
	cancel(cause)
	if _, err := p.Spawn(done, "nothing"); !errors.Is(err, cause) {
		t.Errorf("with a context that is done: %v", err)
	}
	if _, err := inst.Call(ctx, "nothing"); err != nil {
		t.Errorf("none of that ended the Process, but: %v", err)
	}
}

// 1,000 threads from 8 goroutines, beside threads of the guest's own and calls in the main one: everyone has a stack and variables of its own,
// and all blocks go back.
func TestSpawnBesideEverything(t *testing.T) {
	rt := newRuntime(t)
	live := rt.LiveRegions()
	inst := cInstance(t, rt, "4000", `(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		;; The argument is a block: the stack is its upper end, its first word is told when the stack is left.
		(func $top (param i32) (result i32) (i32.and (i32.add (local.get 0) (i32.const 4096)) (i32.const -16)))
		(func (export "wasi_thread_start") (param i32 i32)
			(global.set $sp (call $top (local.get 1)))
			(call $frames (i32.const 20))
			(i32.atomic.store (local.get 1) (i32.const 1)) (drop (memory.atomic.notify (local.get 1) (i32.const 1))))
		;; churn(n) starts and joins n threads of the guest's own.
		(func (export "churn") (param $n i32) (local $p i32)
			(loop $l
				(local.set $p (call $malloc (i32.const 4096)))
				(i32.atomic.store (local.get $p) (i32.const 0))
				(loop $again (br_if $again (i32.lt_s (call $spawn (local.get $p)) (i32.const 0))))
				(call $frames (i32.const 5))
				;; a thread's notification may come after its block was given away, so it may be of one before
				(loop $wait (if (i32.eqz (i32.atomic.load (local.get $p))) (then
					(drop (memory.atomic.wait32 (local.get $p) (i32.const 0) (i64.const -1))) (br $wait))))
				(call $free (local.get $p))
				(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))`+cAllocator,
		spindle.Config{Imports: spindle.Imports{"wasi": wasi.Threads()}, MaxThreads: 300})
	p := inst.Process()
	ctx := context.Background()

	const goroutines, each = 8, 125
	var left atomic.Int32
	left.Store(goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			defer left.Add(-1)
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			var pending []func()
			for range each {
				n := rnd.Uint32N(30)
				cfg := spindle.SpawnConfig{StackSize: []int{0, 1000, 4096, 70_000}[rnd.IntN(4)]}
				th, err := p.SpawnWith(ctx, cfg, "work", uint64(n))
				if err != nil {
					t.Error(err)
					return
				}
				pending = append(pending, func() {
					if res, err := wait(t, th); err != nil || uint32(res[0]) != 42+n {
						t.Errorf("work(%d): %v, %v", n, res, err)
					}
				})
				if len(pending) == 8 {
					for _, f := range pending {
						f()
					}
					pending = pending[:0]
				}
			}
			for _, f := range pending {
				f()
			}
		})
	}
	for left.Load() > 0 {
		if _, err := inst.Call(ctx, "churn", 10); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	mem, _ := inst.Memory("memory")
	if n := word(mem, 4); n != 0 {
		t.Errorf("%d blocks are still in use", n)
	}
	if res, err := inst.Call(ctx, "stack"); err != nil || res[0] != 65536 {
		t.Errorf("the main thread's stack pointer is %v, %v", res, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n := rt.LiveRegions(); n != live {
		t.Errorf("%d regions left", n-live)
	}
}

// A stack that cannot be is an error that says so, and not the Process's end.
func TestSpawnWithoutStack(t *testing.T) {
	rt := newRuntime(t)
	isStackError := func(err error, part string) bool {
		var aux *spindle.AuxStackError
		return errors.As(err, &aux) && strings.Contains(err.Error(), part)
	}
	ctx := context.Background()
	t.Run("no malloc", func(t *testing.T) {
		for _, fields := range []string{``, `(export "malloc" (func $malloc))`, `(export "malloc" (func $frames)) (export "free" (func $free))`} {
			p := cInstance(t, rt, "100", fields, spindle.Config{Name: "lib"}).Process()
			if _, err := p.Spawn(ctx, "work", 1); !isStackError(err, `instance "lib": the module exports no `) {
				t.Error(err)
			}
			// An export that needs none can be told so.
			if res, err := wait(t, mustSpawn(t, p, spindle.SpawnConfig{NoStack: true}, "stack")); err != nil || res[0] != 65536 {
				t.Errorf("%v, %v", res, err)
			}
		}
	})
	t.Run("malloc gives nothing", func(t *testing.T) {
		inst := cInstance(t, rt, "100", cAllocator, spindle.Config{})
		mem, _ := inst.Memory("memory")
		mem.PutUint32(16, 1)
		if _, err := wait(t, mustSpawn(t, inst.Process(), spindle.SpawnConfig{}, "work", 1)); !isStackError(err, "malloc gave no") {
			t.Error(err)
		}
		mem.PutUint32(16, 0)
		if res, err := wait(t, mustSpawn(t, inst.Process(), spindle.SpawnConfig{}, "work", 1)); err != nil || res[0] != 43 {
			t.Errorf("%v, %v", res, err)
		}
		if _, err := wait(t, mustSpawn(t, inst.Process(), spindle.SpawnConfig{StackSize: 1 << 30}, "work", 1)); !isStackError(err, "malloc gave no") {
			t.Error(err)
		}
		if ^uint(0)>>32 != 0 {
			huge := uint64(5) << 30
			if _, err := wait(t, mustSpawn(t, inst.Process(), spindle.SpawnConfig{StackSize: int(huge)}, "work", 1)); !isStackError(err, "malloc gave no") {
				t.Error(err)
			}
		}
	})
	t.Run("malloc lies", func(t *testing.T) {
		for _, gives := range []string{"0x1fff0", "-16", "0x7fffffff"} {
			inst := cInstance(t, rt, "100", `(func (export "malloc") (param i32) (result i32) (i32.const `+gives+`)) (export "free" (func $free))`, spindle.Config{})
			if _, err := wait(t, mustSpawn(t, inst.Process(), spindle.SpawnConfig{}, "work", 1)); !isStackError(err, "malloc gave no") {
				t.Error(err)
			}
		}
	})
	t.Run("the memory is at its maximum", func(t *testing.T) {
		inst := cInstance(t, rt, "2", cAllocator, spindle.Config{})
		if _, err := wait(t, mustSpawn(t, inst.Process(), spindle.SpawnConfig{}, "work", 1)); !isStackError(err, "cannot grow by 1") {
			t.Error(err)
		}
		if _, err := inst.Call(ctx, "frames", 1); err != nil {
			t.Error(err)
		}
	})
	t.Run("absurd variables", func(t *testing.T) {
		for _, sizes := range [][2]string{{"-1", "1"}, {"8", "24"}, {"8", "0x80000000"}} {
			text := `(module (memory 1 10 shared) (global (export "__stack_pointer") (mut i32) (i32.const 65536))
				(global (export "__tls_size") i32 (i32.const ` + sizes[0] + `)) (global (export "__tls_align") i32 (i32.const ` + sizes[1] + `))
				(func (export "__wasm_init_tls") (param i32))
				(func (export "malloc") (param i32) (result i32) unreachable) (func (export "free") (param i32)) (func (export "f")))`
			if _, err := wait(t, mustSpawn(t, mustInstantiate(t, rt, text, spindle.Config{}).Process(), spindle.SpawnConfig{}, "f")); !isStackError(err, "") {
				t.Errorf("size %s, alignment %s: %v", sizes[0], sizes[1], err)
			}
		}
	})
	t.Run("not told", func(t *testing.T) {
		inst := mustInstantiate(t, rt, `(module (memory 1 2 shared) (func (export "__wasm_init_tls") (param i32)) (func (export "f")))`, spindle.Config{})
		if _, err := inst.Process().Spawn(ctx, "f"); !isStackError(err, "export __stack_pointer") {
			t.Error(err)
		}
		inst = mustInstantiate(t, rt, `(module (memory 1 2 shared) (func (export "__wasm_init_tls") (param i32)) (func (export "f")) (func (export "malloc") (param i32) (result i32) unreachable)
			(func (export "free") (param i32)) (global (export "__stack_pointer") (mut i32) (i32.const 65536)))`, spindle.Config{})
		if _, err := inst.Process().Spawn(ctx, "f"); !isStackError(err, "__tls_size") {
			t.Error(err)
		}
	})
	t.Run("a memory of its own", func(t *testing.T) {
		inst := mustInstantiate(t, rt, `(module (memory 1) (data (i32.const 8) "\07") (global $sp (export "__stack_pointer") (mut i32) (i32.const 65536))
			(func (export "f") (result i32) (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1))) (i32.load (i32.const 8))))`, spindle.Config{})
		for range 3 {
			if res, err := wait(t, mustSpawn(t, inst.Process(), spindle.SpawnConfig{}, "f")); err != nil || res[0] != 8 {
				t.Errorf("%v, %v", res, err)
			}
		}
	})
}

// How a thread ends is the Process's end, unless that is to stay in the thread.
func TestSpawnEnds(t *testing.T) {
	rt := newRuntime(t)
	cause := errors.New("enough")
	fields := `(import "env" "exit" (func $exit)) (import "env" "fail" (func $fail)) (import "env" "panic" (func $panic)) (tag $e)
		(func (export "exit") (call $frame) (call $exit)) (func (export "fail") (call $fail)) (func (export "panic") (call $panic)) (func (export "throw") (throw $e))` + cAllocator
	hosts := spindle.HostModule{
		"exit":  spindle.Proc0(func(c *spindle.Caller) { c.Fail(&spindle.ExitError{Code: 33}) }),
		"fail":  spindle.Proc0(func(c *spindle.Caller) { c.Fail(cause) }),
		"panic": spindle.Proc0(func(c *spindle.Caller) { panic(cause) }),
	}
	isExit := func(err error) bool {
		var e *spindle.ExitError
		return errors.As(err, &e) && e.Code == 33
	}
	isException := func(err error) bool {
		var e *spindle.ExceptionError
		return errors.As(err, &e)
	}
	stopped := func(err error) bool { return isTrap(err, spindle.TrapInterrupted) && errors.Is(err, cause) }
	for _, c := range []struct {
		export string
		cancel bool // once the thread is at it
		ok     func(error) bool
		always bool // ends the Process in any case
	}{
		{"trap", false, func(err error) bool { return isTrap(err, spindle.TrapUnreachable) }, false},
		{"fail", false, func(err error) bool { return isTrap(err, spindle.TrapHost) && errors.Is(err, cause) }, false},
		{"panic", false, func(err error) bool { return isTrap(err, spindle.TrapHost) && errors.Is(err, cause) }, false},
		{"throw", false, isException, false},
		{"wait", true, stopped, false},
		{"spin", true, stopped, false},
		{"exit", false, isExit, true},
	} {
		for _, contain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s contain=%v", c.export, contain), func(t *testing.T) {
				inst := cInstance(t, rt, "100", fields, spindle.Config{Imports: spindle.Imports{"env": hosts}})
				p := inst.Process()
				bystander := mustSpawn(t, p, spindle.SpawnConfig{}, "wait")
				untilWord(t, inst, 24, is(1))
				ctx, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				th, err := p.SpawnWith(ctx, spindle.SpawnConfig{Contain: contain}, c.export)
				if err != nil {
					t.Fatal(err)
				}
				if c.cancel {
					untilWord(t, inst, 24, is(2))
					cancel(cause)
				}
				if res, err := wait(t, th); !c.ok(err) || res != nil {
					t.Fatalf("the thread ended with %v, %v", res, err)
				} else if trap := (*spindle.TrapError)(nil); errors.As(err, &trap) && trap.Thread != th.ID() {
					t.Errorf("the trap is of thread %d, not %d", trap.Thread, th.ID())
				}
				if contain && !c.always {
					// Its stack goes back, and all others go on.
					untilWord(t, inst, 4, is(1))
					if res, err := wait(t, mustSpawn(t, p, spindle.SpawnConfig{}, "work", 5)); err != nil || res[0] != 47 {
						t.Errorf("afterwards: %v, %v", res, err)
					}
					if _, err := inst.Call(context.Background(), "wake"); err != nil {
						t.Errorf("afterwards: %v", err)
					}
					if _, err := wait(t, bystander); err != nil {
						t.Errorf("the other thread ended with %v", err)
					}
					untilWord(t, inst, 4, is(0))
					return
				}
				if _, err := wait(t, bystander); !c.ok(err) && !(isTrap(err, spindle.TrapInterrupted) && c.ok(errors.Unwrap(err))) {
					t.Errorf("the other thread ended with %v", err)
				}
				if _, err := inst.Call(context.Background(), "stack"); !c.ok(err) && !(isTrap(err, spindle.TrapInterrupted) && c.ok(errors.Unwrap(err))) {
					t.Errorf("a call afterwards: %v", err)
				}
				if _, err := p.Spawn(context.Background(), "work", 1); !errors.Is(err, spindle.ErrEnding) {
					t.Errorf("a spawn afterwards: %v", err)
				}
			})
		}
	}
}

// A thread that is stopped while it has the allocator's lock ends all the same, and so do those that wait for it, with the Process at the latest.
func TestSpawnStoppedInTheAllocator(t *testing.T) {
	rt := newRuntime(t)
	inst := cInstance(t, rt, "100", cAllocator, spindle.Config{})
	p := inst.Process()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	th, err := p.SpawnWith(ctx, spindle.SpawnConfig{Contain: true}, "lockup")
	if err != nil {
		t.Fatal(err)
	}
	untilWord(t, inst, 24, is(1))
	second, secondCancel := context.WithCancel(context.Background())
	defer secondCancel()
	blocked, err := p.SpawnWith(second, spindle.SpawnConfig{Contain: true}, "work", 1)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := wait(t, th); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	// Nobody gets the lock again.
	secondCancel()
	if _, err := wait(t, blocked); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	third := mustSpawn(t, p, spindle.SpawnConfig{}, "work", 1)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := wait(t, third); !errors.Is(err, spindle.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
}

// The end of a Process that Start made: a return of its entry ends the threads that the host has started, wherever they are.
func TestSpawnWhileMainReturns(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, "(module "+cAllocator+`(func (export "_start")
			(loop $l (call $frame) (br_if $l (i32.lt_u (i32.atomic.load (i32.const 24)) (i32.const 4)))))`+strings.Replace(cModule, "%[1]s", "100", 1)+")")
	for range 8 {
		p, err := rt.Start(context.Background(), mod, spindle.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var waiting []*spindle.Thread
		for k := range 4 {
			waiting = append(waiting, mustSpawn(t, p, spindle.SpawnConfig{}, []string{"wait", "spin"}[k%2]))
		}
		for _, th := range waiting {
			if _, err := wait(t, th); !isTrap(err, spindle.TrapInterrupted) || !errors.Is(err, spindle.ErrMainReturned) {
				t.Errorf("ended with %v", err)
			}
		}
		if err := p.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Spawns that race with the end of their Process either get a thread, which ends, or ErrEnding.
func TestSpawnWhileEnding(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, "(module "+cAllocator+strings.Replace(cModule, "%[1]s", "1000", 1)+")")
	live, before := rt.LiveRegions(), runtime.NumGoroutine()
	does := []struct {
		export string
		args   []uint64
	}{{"wait", nil}, {"work", []uint64{3}}, {"spin", nil}, {"trap", nil}}
	for round := range 50 {
		inst, err := rt.Instantiate(context.Background(), mod, spindle.Config{MaxThreads: 50})
		if err != nil {
			t.Fatal(err)
		}
		p := inst.Process()
		var wg sync.WaitGroup
		var spawned atomic.Int32
		for g := range 4 {
			wg.Go(func() {
				var all []*spindle.Thread
				for {
					what := does[(g+len(all))%len(does)]
					th, err := p.SpawnWith(context.Background(), spindle.SpawnConfig{Contain: g == 0}, what.export, what.args...)
					var limit *spindle.ThreadLimitError
					switch {
					case err == nil:
						all = append(all, th)
						spawned.Add(1)
					case errors.As(err, &limit):
					case errors.Is(err, spindle.ErrEnding):
						for _, th := range all {
							wait(t, th)
						}
						return
					default:
						t.Error(err)
						return
					}
				}
			})
		}
		if round%2 == 0 { // otherwise at once
			for spawned.Load() == 0 {
				runtime.Gosched()
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
	if n := rt.LiveRegions(); n != live {
		t.Errorf("%d regions left", n-live)
	}
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines left", runtime.NumGoroutine()-before)
		}
	}
}

// A module that wants to know is told of its stack, of each thread's begin and end, in this order.
func TestSpawnHooks(t *testing.T) {
	rt := newRuntime(t)
	var mu sync.Mutex
	var log []string
	note := func(what string) *spindle.HostFunc {
		return spindle.Proc3(func(c *spindle.Caller, a, b, tls uint32) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprint(what, " ", a, " ", b, " ", tls))
		})
	}
	inst := cInstance(t, rt, "100", `(import "env" "limits" (func $limits (param i32 i32 i32))) (import "env" "begin" (func $begin (param i32 i32 i32)))
		(import "env" "end" (func $end (param i32 i32 i32))) (import "env" "start" (func $started (param i32 i32 i32)))
		(import "env" "malloc" (func $mallocs (param i32 i32 i32))) (import "env" "free" (func $frees (param i32 i32 i32)))
		(func (export "__set_stack_limits") (param i32 i32) (call $limits (local.get 1) (local.get 0) (global.get $tlsBase)))
		(func (export "__host_thread_begin") (param i32 i32 i32)
			(if (i32.ne (local.get 2) (global.get $sp)) (then unreachable))
			(call $begin (local.get 0) (i32.sub (local.get 2) (local.get 1)) (global.get $tlsBase)))
		(func (export "__host_thread_end") (call $end (i32.const 0) (global.get $sp) (global.get $tlsBase)))
		(func $s (call $started (i32.const 0) (global.get $sp) (i32.const 0)))
		(func (export "malloc") (param i32) (result i32) (call $mallocs (local.get 0) (global.get $sp) (global.get $tlsBase)) (call $malloc (local.get 0)))
		(func (export "free") (param i32) (call $frees (local.get 0) (global.get $sp) (global.get $tlsBase)) (call $free (local.get 0)))
		(start $s)`, spindle.Config{Imports: spindle.Imports{"env": spindle.HostModule{
		"limits": note("limits"), "begin": note("begin"), "end": note("end"), "start": note("start"), "malloc": note("malloc"), "free": note("free")}}})
	log = nil // of the main thread
	const size = 20_000
	th := mustSpawn(t, inst.Process(), spindle.SpawnConfig{StackSize: size}, "work", 1)
	if res, err := wait(t, th); err != nil || res[0] != 43 {
		t.Fatalf("%v, %v", res, err)
	}
	// The bootstrap stack is the third page, with the 40 bytes of variables, aligned to 64, at its end.
	const low, bootTLS = 2 * spindle.PageSize, 3*spindle.PageSize - 64
	const need = 15 + size + 63 + 40
	var block, stackLow, tls uint32
	if len(log) < 7 {
		t.Fatalf("%q", log)
	}
	if _, err := fmt.Sscanf(log[4], "begin %d 20000 %d", new(uint32), &tls); err != nil {
		t.Errorf("%q: %v", log[4], err)
	}
	if _, err := fmt.Sscanf(log[6], "limits %d", new(uint32)); err != nil {
		t.Errorf("%q: %v", log[6], err)
	}
	if _, err := fmt.Sscanf(log[3], "limits %d", &stackLow); err != nil {
		t.Errorf("%q: %v", log[3], err)
	}
	if _, err := fmt.Sscanf(log[len(log)-1], "free %d", &block); err != nil {
		t.Errorf("%q: %v", log[len(log)-1], err)
	}
	want := []string{
		fmt.Sprint("limits ", low, " ", bootTLS, " ", 0),
		fmt.Sprint("start ", 0, " ", bootTLS, " ", 0),
		fmt.Sprint("malloc ", need, " ", bootTLS, " ", bootTLS),
		fmt.Sprint("limits ", stackLow, " ", stackLow+size, " ", bootTLS),
		fmt.Sprint("begin ", th.ID(), " ", size, " ", tls),
		fmt.Sprint("end ", 0, " ", stackLow+size, " ", tls),
		fmt.Sprint("limits ", low, " ", bootTLS, " ", tls),
		fmt.Sprint("free ", block, " ", bootTLS, " ", bootTLS),
	}
	if strings.Join(log, "\n") != strings.Join(want, "\n") {
		t.Errorf("it was told\n%s\nnot\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
	}
	if stackLow%16 != 0 || stackLow < block || tls < stackLow+size || tls%64 != 0 || tls+40 > block+need {
		t.Errorf("stack [%d, %d), variables at %d, in a block of %d bytes at %d", stackLow, stackLow+size, tls, need, block)
	}
}

// Host functions start threads too, wait for them, and may leave before them.
func TestSpawnFromHostFunction(t *testing.T) {
	rt := newRuntime(t)
	var outlives *spindle.Thread
	host := spindle.HostModule{
		"both": spindle.Func1(func(c *spindle.Caller, n uint32) uint32 {
			th, err := c.Process().Spawn(c.Context(), "work", uint64(n))
			if err != nil {
				c.Fail(err)
				return 0
			}
			var res []uint64
			if c.Block(func() { res, err = th.Wait(c.Context()) }) != nil {
				return 0
			}
			if err != nil {
				c.Fail(err)
				return 0
			}
			return uint32(res[0])
		}),
		"leave": spindle.Proc0(func(c *spindle.Caller) {
			var err error
			if outlives, err = c.Process().Spawn(c.Context(), "wait"); err != nil {
				c.Fail(err)
			}
		}),
	}
	inst := cInstance(t, rt, "100", `(import "env" "both" (func $both (param i32) (result i32))) (import "env" "leave" (func $leave))
		(func (export "both") (param i32) (result i32) (call $both (local.get 0))) (func (export "leave") (call $leave))`+cAllocator,
		spindle.Config{Imports: spindle.Imports{"env": host}})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if res, err := inst.Call(ctx, "both", 7); err != nil || res[0] != 49 {
		t.Errorf("from the main thread: %v, %v", res, err)
	}
	th, err := inst.Process().Spawn(ctx, "both", 8)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := wait(t, th); err != nil || res[0] != 50 {
		t.Errorf("from a thread: %v, %v", res, err)
	}
	if th, err = inst.Process().Spawn(ctx, "leave"); err != nil {
		t.Fatal(err)
	}
	if _, err := wait(t, th); err != nil {
		t.Fatal(err)
	}
	untilWord(t, inst, 24, is(1))
	if _, err := inst.Call(ctx, "wake"); err != nil {
		t.Error(err)
	}
	if _, err := wait(t, outlives); err != nil {
		t.Errorf("the thread that outlived the one that made it: %v", err)
	}
}

// A thread may call another instance's export, whose stack is in another memory; but not one that was made after the first thread.
func TestSpawnOnInstances(t *testing.T) {
	rt := newRuntime(t)
	ctx := context.Background()
	p, err := rt.NewProcess(spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Spawn(ctx, "f"); err == nil || !strings.Contains(err.Error(), "no such instance") {
		t.Errorf("without instances: %v", err)
	}
	add := func(name, text string) *spindle.Instance {
		inst, err := p.Instantiate(ctx, mustCompile(t, rt, text), name)
		if err != nil {
			t.Fatal(err)
		}
		return inst
	}
	lib := "(module " + cAllocator + strings.Replace(cModule, "%[1]s", "100", 1) + ")"
	a := add("a", lib)
	b := add("b", strings.Replace(lib, "(module ", `(module (import "a" "work" (func $awork (param i32) (result i32)))
		(func (export "both") (param i32 i32) (result i32) (i32.add (call $awork (local.get 0)) (call $work (local.get 1))))`, 1))
	c := add("c", `(module (import "b" "both" (func (param i32 i32) (result i32))) (export "through" (func 0)))`)
	for range 3 {
		if res, err := wait(t, mustSpawn(t, p, spindle.SpawnConfig{Instance: b}, "both", 3, 4)); err != nil || res[0] != 42+3+42+4 {
			t.Errorf("%v, %v", res, err)
		}
	}
	if res, err := wait(t, mustSpawn(t, p, spindle.SpawnConfig{Instance: c}, "through", 5, 6)); err != nil || res[0] != 42+5+42+6 {
		t.Errorf("%v, %v", res, err)
	}
	if res, err := wait(t, mustSpawn(t, p, spindle.SpawnConfig{}, "work", 1)); err != nil || res[0] != 43 {
		t.Errorf("%v, %v", res, err)
	}
	for _, inst := range []*spindle.Instance{a, b} {
		mem, _ := inst.Memory("memory")
		if n := word(mem, 4); n != 0 {
			t.Errorf("%s: %d blocks in use", inst.Name(), n)
		}
	}
	late := add("late", lib)
	if _, err := p.SpawnWith(ctx, spindle.SpawnConfig{Instance: late}, "work", 1); err == nil || !strings.Contains(err.Error(), "after the Process's first thread") {
		t.Errorf("on a late instance: %v", err)
	}
	other := mustInstantiate(t, rt, lib, spindle.Config{})
	if _, err := p.SpawnWith(ctx, spindle.SpawnConfig{Instance: other}, "work", 1); err == nil || !strings.Contains(err.Error(), "no such instance") {
		t.Errorf("on another Process's instance: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// With 64-bit addresses everything is 64 bits wide.
func TestSpawnMemory64(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, `(module (memory i64 4 10 shared) (global $sp (export "__stack_pointer") (mut i64) (i64.const 65536)) (global $tls (mut i64) (i64.const 0))
		(global (export "__tls_size") i64 (i64.const 8)) (global (export "__tls_align") i64 (i64.const 8))
		(func (export "__wasm_init_tls") (param i64) (global.set $tls (local.get 0)) (i64.store (local.get 0) (i64.const 5)))
		(func (export "malloc") (param i64) (result i64) (i64.const 70000))
		(func (export "free") (param i64) (if (i64.ne (local.get 0) (i64.const 70000)) (then unreachable)))
		(func (export "f") (result i64 i64) (drop (memory.grow (i64.const 1))) (global.get $sp) (i64.load (global.get $tls))))`, spindle.Config{})
	res, err := wait(t, mustSpawn(t, inst.Process(), spindle.SpawnConfig{StackSize: 4096}, "f"))
	if err != nil || res[0] != 70000+4096 || res[1] != 5 {
		t.Errorf("%v, %v", res, err)
	}
}

// Threads begin once the main thread's start function is over: the first to run it is the one that sets the memory up.
func TestSpawnBeforeStart(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, `(module (import "env" "hold" (func $hold)) (memory (export "memory") 1 1 shared) (global $first (mut i32) (i32.const 0))
		(func $start (if (i32.eqz (i32.atomic.rmw.add (i32.const 0) (i32.const 1))) (then (global.set $first (i32.const 1)) (call $hold))))
		(func (export "first") (result i32) (global.get $first))
		(func (export "_start") (if (i32.eqz (global.get $first)) (then unreachable)) (loop $l (br_if $l (i32.eqz (i32.atomic.load (i32.const 4))))))
		(func (export "end") (result i32) (i32.atomic.store (i32.const 4) (i32.const 1)) (global.get $first))
		(start $start))`)
	holding, release := make(chan struct{}), make(chan struct{})
	var inner *spindle.Thread
	cfg := hostModule(map[string]spindle.Extern{"hold": spindle.Proc0(func(c *spindle.Caller) {
		var err error
		if inner, err = c.Process().Spawn(c.Context(), "first"); err != nil {
			c.Fail(err)
		}
		close(holding)
		c.Block(func() {
			select {
			case <-release:
			case <-c.Stopped():
			}
		})
	})})
	p, err := rt.Start(context.Background(), mod, cfg)
	if err != nil {
		t.Fatal(err)
	}
	<-holding
	ctx, cancel := context.WithCancel(context.Background())
	impatient, err := p.SpawnWith(ctx, spindle.SpawnConfig{Contain: true}, "first")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := wait(t, impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("a thread that gave up waiting for the start function ended with %v", err)
	}
	early := mustSpawn(t, p, spindle.SpawnConfig{}, "first")
	close(release)
	for _, th := range []*spindle.Thread{inner, early} {
		if res, err := wait(t, th); err != nil || res[0] != 0 {
			t.Errorf("%v, %v", res, err)
		}
	}
	if _, err := wait(t, mustSpawn(t, p, spindle.SpawnConfig{}, "end")); err != nil && !errors.Is(err, spindle.ErrMainReturned) {
		t.Error(err)
	}
	if err := p.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A thread of the host is seen by dumps and held by pauses like all others, from its start.
func TestSpawnWhilePaused(t *testing.T) {
	rt := newRuntime(t)
	inst := cInstance(t, rt, "100", cAllocator, spindle.Config{})
	p := inst.Process()
	ctx := context.Background()
	waits := mustSpawn(t, p, spindle.SpawnConfig{}, "wait")
	untilWord(t, inst, 24, is(1))
	if err := p.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	th := mustSpawn(t, p, spindle.SpawnConfig{}, "work", 2)
	dump, err := p.ThreadDump(ctx)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]string{}
	for _, info := range dump.Threads {
		seen[info.ID] = ""
		for _, f := range info.Frames {
			seen[info.ID] += f.Name + ";"
		}
	}
	if len(seen) != 3 || !strings.Contains(seen[waits.ID()], "wait") {
		t.Errorf("threads %v", seen)
	}
	select {
	case <-th.Done():
		t.Error("a thread ended in a paused Process")
	default:
	}
	p.Resume()
	if res, err := wait(t, th); err != nil || res[0] != 44 {
		t.Errorf("%v, %v", res, err)
	}
	if _, err := inst.Call(ctx, "wake"); err != nil {
		t.Error(err)
	}
	if _, err := wait(t, waits); err != nil {
		t.Error(err)
	}
}

// An overrun of the stack that the host gave is a trap of that thread.
func TestSpawnOverrun(t *testing.T) {
	rt := newRuntime(t)
	inst := cInstance(t, rt, "100", `(func $deep (export "deep") (param $n i32) (local $p i32)
			(global.set $sp (local.tee $p (i32.sub (global.get $sp) (i32.const 64))))
			(i32.store (local.get $p) (local.get $n))
			(if (local.get $n) (then (call $deep (i32.sub (local.get $n) (i32.const 1)))))
			(global.set $sp (i32.add (local.get $p) (i32.const 64))))`+cAllocator, spindle.Config{})
	p := inst.Process()
	const size = 8192
	cfg := spindle.SpawnConfig{StackSize: size, Contain: true}
	if _, err := wait(t, mustSpawn(t, p, cfg, "deep", size/64-1)); err != nil {
		t.Errorf("a stack that is just full: %v", err)
	}
	th := mustSpawn(t, p, cfg, "deep", size/64)
	_, err := wait(t, th)
	var trap *spindle.TrapError
	if !errors.As(err, &trap) || trap.Code != spindle.TrapStackOverrun || trap.Thread != th.ID() || len(trap.Frames) == 0 || trap.Frames[0].Name != "deep" {
		t.Errorf("one frame more: %v", err)
	}
	untilWord(t, inst, 4, is(0))
	if res, err := wait(t, mustSpawn(t, p, spindle.SpawnConfig{}, "work", 1)); err != nil || res[0] != 43 {
		t.Errorf("%v, %v", res, err)
	}
}

func BenchmarkHostSpawnAndWait(b *testing.B) {
	for _, kind := range []string{"plain", "with stack"} {
		b.Run(kind, func(b *testing.B) {
			rt := newRuntime(b)
			inst := cInstance(b, rt, "100", cAllocator, spindle.Config{})
			cfg := spindle.SpawnConfig{NoStack: kind == "plain", StackSize: 16 << 10}
			b.ReportAllocs()
			for b.Loop() {
				th, err := inst.Process().SpawnWith(context.Background(), cfg, "wake")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := th.Wait(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
