package interp

import (
	"fmt"
	"testing"

	"github.com/spindle-wasm/spindle/internal/gcguests"
)

// gcLoops are what programs with objects spend their time on; each function does n rounds.
const gcLoops = `(module
	(type $pair (struct (field (mut i32)) (field (mut (ref null $pair)))))
	(type $base (sub (struct (field (mut i32)))))
	(type $left (sub $base (struct (field (mut i32)) (field (mut i64)))))
	(type $right (sub final $base (struct (field (mut i32)) (field (mut f64)))))
	(type $ints (array (mut i32)))
	(type $refs (array (mut (ref null $base))))
	(func (export "alloc") (param $n i32) (result i32) (local $p (ref null $pair))
		(loop $l
			(local.set $p (struct.new $pair (local.get $n) (ref.null $pair)))
			(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
		(struct.get $pair 0 (local.get $p)))
	(func (export "link") (param $n i32) (result i32) (local $p (ref null $pair))
		(loop $l
			(local.set $p (struct.new $pair (local.get $n) (if (result (ref null $pair)) (i32.and (local.get $n) (i32.const 255)) (then (local.get $p)) (else (ref.null $pair)))))
			(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
		(struct.get $pair 0 (local.get $p)))
	(func (export "walk") (param $n i32) (result i32) (local $p (ref null $pair)) (local $q (ref null $pair)) (local $sum i32) (local $i i32)
		(local.set $i (i32.const 100))
		(loop $m
			(local.set $p (struct.new $pair (local.get $i) (local.get $p)))
			(br_if $m (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
		(loop $l
			(local.set $q (local.get $p))
			(loop $w
				(local.set $sum (i32.add (local.get $sum) (struct.get $pair 0 (local.get $q))))
				(local.set $n (i32.sub (local.get $n) (i32.const 1)))
				(br_if $w (i32.eqz (ref.is_null (local.tee $q (struct.get $pair 1 (local.get $q)))))))
			(br_if $l (i32.gt_s (local.get $n) (i32.const 0))))
		(local.get $sum))
	(func (export "cast") (param $n i32) (result i32) (local $b (ref null $base)) (local $c (ref null $base)) (local $t (ref null $base)) (local $sum i32)
		(local.set $b (struct.new $left (i32.const 1) (i64.const 2)))
		(local.set $c (struct.new $right (i32.const 3) (f64.const 4)))
		(loop $l
			(local.set $sum (i32.add (local.get $sum) (i32.add (i32.wrap_i64 (struct.get $left 1 (ref.cast (ref $left) (local.get $b))))
				(struct.get $right 0 (ref.cast (ref $right) (local.get $c))))))
			(local.set $n (i32.sub (local.get $n) (i32.const 1)))
			(if (ref.test (ref $left) (local.get $c)) (then (local.set $sum (i32.const 0))))
			(br_if $l (local.get $n)))
		(local.get $sum))
	(func (export "array") (param $n i32) (result i32) (local $a (ref $ints)) (local $i i32) (local $sum i32)
		(local.set $a (array.new $ints (i32.const 3) (i32.const 256)))
		(loop $l
			(local.set $sum (i32.add (local.get $sum) (array.get $ints (local.get $a) (i32.and (local.get $n) (i32.const 255)))))
			(array.set $ints (local.get $a) (i32.and (local.get $n) (i32.const 255)) (local.get $sum))
			(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
		(local.get $sum))
	(func (export "store") (param $n i32) (result i32) (local $a (ref $refs)) (local $b (ref $base))
		(local.set $a (array.new_default $refs (i32.const 256)))
		(local.set $b (struct.new $left (i32.const 1) (i64.const 2)))
		(loop $l
			(array.set $refs (local.get $a) (i32.and (local.get $n) (i32.const 255)) (local.get $b))
			(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
		(array.len (local.get $a)))
)`

// BenchmarkGCLoops gives nanoseconds for a round.
func BenchmarkGCLoops(b *testing.B) {
	for _, name := range []string{"alloc", "link", "walk", "cast", "array", "store"} {
		b.Run(name, func(b *testing.B) {
			w := gcWorld(b, "stickyimmix", 0, false)
			inst := w.instance("m", gcLoops)
			b.ResetTimer()
			stop := cpuMetric(b)
			if _, err := w.call(inst, name, uint64(uint32(b.N))); err != nil {
				b.Fatal(err)
			}
			stop(b.N)
		})
	}
}

// cpuMetric reports the processor time of all threads besides the clock's, which says little on a busy machine.
func cpuMetric(b *testing.B) (stop func(n int)) {
	before, ok := cpuTime()
	return func(n int) {
		if after, _ := cpuTime(); ok {
			b.ReportMetric(float64(after-before)/float64(n), "cpu-ns/op")
		}
	}
}

// BenchmarkGCTrees is binary-trees.
func BenchmarkGCTrees(b *testing.B) {
	trees, err := gcguests.Loads()[0].Module()
	if err != nil {
		b.Fatal(err)
	}
	for _, depth := range []uint64{14, 16, 18} {
		b.Run(fmt.Sprint(depth), func(b *testing.B) {
			stop := cpuMetric(b)
			for b.Loop() {
				w := newWorld(b, 0)
				w.thread.GC.MaxBytes = 1 << 30
				inst := w.binary("m", trees)
				if _, err := w.call(inst, "trees", depth); err != nil {
					b.Fatal(err)
				}
				w.close()
			}
			stop(b.N)
		})
	}
}

// BenchmarkGCMoonBit runs MoonBit's programs.
func BenchmarkGCMoonBit(b *testing.B) {
	for _, p := range gcguests.MoonBitPrograms() {
		b.Run(p.Name, func(b *testing.B) {
			stop := cpuMetric(b)
			for b.Loop() {
				w := newWorld(b, 0)
				w.instance("spectest", `(module (func (export "print_char") (param i32)))`)
				if _, err := w.call(w.binary("m", p.Module), "_start"); err != nil {
					b.Fatal(err)
				}
				w.close()
			}
			stop(b.N)
		})
	}
}
