package spindle_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

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
