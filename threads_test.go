package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// whileBusy are the things that a thread may be doing when another one ends the Process. Each notes that it is there by adding
// to the counter at address 4 before it goes on for ever.
var whileBusy = map[string]string{
	"busy":     `(loop $l (br $l))`,
	"calls":    `(loop $l (call $tree (i32.const 40)) (br $l))`,
	"waiting":  `(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))`,
	"polling":  `(drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 192)))`,
	"reading":  `(drop (call $read (i32.const 0) (i32.const 32) (i32.const 1) (i32.const 48)))`,
	"spawning": `(loop $l (drop (call $spawn (i32.const 3))) (br $l))`,
}

// ends are the ways in which a thread can end the Process, with what Wait must return.
var ends = map[string]struct {
	body string
	ok   func(error) bool
}{
	"exit": {`(call $exit (i32.const 99))`, func(err error) bool {
		var e *spindle.ExitError
		return errors.As(err, &e) && e.Code == 99
	}},
	"trap": {`(unreachable)`, func(err error) bool {
		var e *spindle.TrapError
		return errors.As(err, &e) && e.Code == spindle.TrapUnreachable && len(e.Frames) > 0
	}},
	"return": {`(return)`, func(err error) bool { return err == nil }},
}

// threadProgram is a program whose thread number 1 does other, for ever, and whose thread number 2 (or the main thread) does end once the other is at it.
const threadProgram = `(module
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
	(import "foo" "bar" (memory 1 1 shared))
	(export "memory" (memory 0))
	(func $tree (param i32) (if (local.get 0) (then
		(call $tree (i32.sub (local.get 0) (i32.const 1))) (call $tree (i32.sub (local.get 0) (i32.const 1))))))
	(func $note (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1))))
	(func $there (loop $l (br_if $l (i32.eqz (i32.atomic.load (i32.const 4))))))
	(func $other (call $note) %[1]s)
	(func $end (call $there) %[2]s)
	(func (export "wasi_thread_start") (param $tid i32) (param $arg i32)
		(if (i32.eq (local.get $arg) (i32.const 1)) (then (call $other)))
		(if (i32.eq (local.get $arg) (i32.const 2)) (then (call $end))))
	(func $check (param i32) (if (i32.le_s (local.get 0) (i32.const 0)) (then (call $exit (i32.const 50)))))
	(func (export "_start") (local $n i32) (local $tid i32) (local $last i32)
		;; an iovec of one byte, and a subscription to a clock in the far future
		(i32.store (i32.const 32) (i32.const 40)) (i32.store (i32.const 36) (i32.const 1))
		(i64.store (i32.const 88) (i64.const 1000000000000000))
		%[3]s))`

func threadTest(t *testing.T, rt *spindle.Runtime, text string, check func(error) bool) {
	t.Helper()
	ctx := context.Background()
	mem, err := rt.NewSharedMemory(spindle.MemoryType{Limits: spindle.Limits{Min: 1, Max: 1, HasMax: true}, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	stdin, w := io.Pipe()
	defer w.Close()
	p, err := wasi.Start(ctx, rt, mustCompile(t, rt, text), wasi.Config{Stdin: stdin},
		spindle.Config{Imports: spindle.Imports{"foo": spindle.HostModule{"bar": mem}}, MaxThreads: 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(ctx); !check(err) {
		t.Errorf("ended with %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnyThreadEndsAll(t *testing.T) {
	rt := newRuntime(t)
	for who, start := range map[string]string{
		"main":    `(call $check (call $spawn (i32.const 1))) (call $end)`,
		"nonmain": `(call $check (call $spawn (i32.const 2))) (call $check (call $spawn (i32.const 1))) (call $other)`,
	} {
		for how, end := range ends {
			if who == "nonmain" && how == "return" {
				continue // ends only that thread: see TestReturnEndsOneThread
			}
			for what, other := range whileBusy {
				t.Run(fmt.Sprintf("%s %s while others %s", who, how, what), func(t *testing.T) {
					threadTest(t, rt, fmt.Sprintf(threadProgram, other, end.body, start), end.ok)
				})
			}
		}
	}
}

// A return from wasi_thread_start ends that thread only; 2,000 of them one after the other stay within a limit of 20, and their identifiers differ.
func TestReturnEndsOneThread(t *testing.T) {
	rt := newRuntime(t)
	text := strings.NewReplacer("%[1]s", "", "%[2]s", `(i32.store (i32.const 8) (local.get $tid))`, "(func $end (call $there)", "(func $end (param $tid i32)",
		"(call $end)", "(call $end (local.get $tid)) (i32.atomic.store (i32.const 12) (i32.const 1)) (drop (memory.atomic.notify (i32.const 12) (i32.const 1)))").Replace(threadProgram)
	text = strings.Replace(text, "%[3]s", `(loop $l
			(i32.atomic.store (i32.const 12) (i32.const 0))
			(block $ok
				(loop $again
					(local.set $tid (call $spawn (i32.const 2)))
					;; the one before may not have left yet
					(br_if $ok (i32.gt_s (local.get $tid) (i32.const 0)))
					(br $again)))
			(drop (memory.atomic.wait32 (i32.const 12) (i32.const 0) (i64.const -1)))
			(if (i32.or (i32.ne (i32.load (i32.const 8)) (local.get $tid)) (i32.eq (local.get $tid) (local.get $last))) (then unreachable))
			(local.set $last (local.get $tid))
			(br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 2000))))
		(call $exit (i32.const 7))`, 1)
	threadTest(t, rt, text, func(err error) bool {
		var e *spindle.ExitError
		return errors.As(err, &e) && e.Code == 7
	})
}

// spawnLoop spawns n threads one after the other, each of which stores its identifier to address 8 and sets and notifies address 12.
const spawnLoop = `(module
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(memory 1 1 shared)
	(table %d funcref) (elem (i32.const 0) $f) (func $f)
	(func (export "wasi_thread_start") (param i32 i32)
		(i32.atomic.store (i32.const 12) (i32.const 1)) (drop (memory.atomic.notify (i32.const 12) (i32.const 1))))
	(func (export "run") (param $n i32)
		(loop $l
			(i32.atomic.store (i32.const 12) (i32.const 0))
			(loop $again (br_if $again (i32.lt_s (call $spawn (i32.const 0)) (i32.const 0))))
			(drop (memory.atomic.wait32 (i32.const 12) (i32.const 0) (i64.const -1)))
			(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))`

func BenchmarkSpawnAndJoin(b *testing.B) {
	for _, size := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("table %d", size), func(b *testing.B) {
			rt := newRuntime(b)
			inst := mustInstantiate(b, rt, fmt.Sprintf(spawnLoop, size), spindle.Config{Imports: spindle.Imports{"wasi": wasi.Threads()}})
			f, err := inst.Func("run")
			if err != nil {
				b.Fatal(err)
			}
			const n = 1000
			b.ReportAllocs()
			for b.Loop() {
				if err := f.CallSlots(context.Background(), []uint64{n}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/thread")
		})
	}
}

func BenchmarkWaitNotifyPingPong(b *testing.B) {
	rt := newRuntime(b)
	inst := mustInstantiate(b, rt, `(module
		(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		(memory 1 1 shared)
		(func $turn (param $me i32) (param $n i32)
			(loop $l
				(loop $w (if (i32.ne (i32.atomic.load (i32.const 0)) (local.get $me)) (then
					(drop (memory.atomic.wait32 (i32.const 0) (i32.xor (local.get $me) (i32.const 1)) (i64.const -1))) (br $w))))
				(i32.atomic.store (i32.const 0) (i32.xor (local.get $me) (i32.const 1)))
				(drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
				(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
		(func (export "wasi_thread_start") (param i32 i32) (call $turn (i32.const 1) (local.get 1)))
		(func (export "run") (param $n i32)
			(drop (call $spawn (local.get $n))) (call $turn (i32.const 0) (local.get $n))
			(drop (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const -1)))))`, spindle.Config{Imports: spindle.Imports{"wasi": wasi.Threads()}})
	f, err := inst.Func("run")
	if err != nil {
		b.Fatal(err)
	}
	const n = 10_000
	for b.Loop() {
		if err := f.CallSlots(context.Background(), []uint64{n}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/roundtrip")
}
