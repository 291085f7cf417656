package spindle_test

import (
	"testing"

	"github.com/spindle-wasm/spindle"
)

// BenchmarkOpenImage opens a file of a guest with 256 MiB of memory, all of it written, and runs its first function, in a new Runtime each time; the page cache is warm.
func BenchmarkOpenImage(b *testing.B) {
	ctx := b.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	inst, err := rt.Instantiate(ctx, compileText(b, rt, `(module (memory 4096)
		(func (export "fill") (local $i i32)
			(loop $l
				(i32.store (local.get $i) (i32.const 7))
				(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4096))) (i32.const 0x10000000)))))
		(func (export "get") (result i32) (i32.load (i32.const 0x800000))))`), spindle.Config{Name: "main", Forkable: true})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := inst.Call(ctx, "fill"); err != nil {
		b.Fatal(err)
	}
	img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		b.Fatal(err)
	}
	f := writeImage(b, img)
	img.Close()
	for b.Loop() {
		rt := spindle.NewRuntime()
		img, err := rt.OpenImage(ctx, f, spindle.OpenConfig{})
		if err != nil {
			b.Fatal(err)
		}
		p, err := img.Fork(ctx, spindle.ForkConfig{})
		if err != nil {
			b.Fatal(err)
		}
		if res, err := p.Instance("main").Call(ctx, "get"); err != nil || res[0] != 7 {
			b.Fatal(res, err)
		}
		b.StopTimer()
		img.Close()
		rt.Close()
		b.StartTimer()
	}
}

// BenchmarkOpenHeap is the same with a heap of 200 MiB of objects: mapped, or gone through as types have other numbers here, or for a check.
func BenchmarkOpenHeap(b *testing.B) {
	ctx := b.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	inst, err := rt.Instantiate(ctx, compileText(b, rt, `(module
		(type $n (struct (field (ref null $n)) (field i64 i64 i64)))
		(global $g (mut (ref null $n)) (ref.null $n))
		(func (export "fill") (param i32)
			(loop $l
				(global.set $g (struct.new $n (global.get $g) (i64.const 1) (i64.const 2) (i64.const 3)))
				(br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
		(func (export "get") (result i64) (struct.get $n 3 (global.get $g))))`), spindle.Config{Name: "main", Forkable: true, GC: spindle.GCConfig{HeapBytes: 1 << 30}})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := inst.Call(ctx, "fill", 200<<20/40); err != nil {
		b.Fatal(err)
	}
	img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{Warmup: true})
	if err != nil {
		b.Fatal(err)
	}
	f := writeImage(b, img)
	img.Close()
	for _, how := range []string{"mapped", "other types", "checked"} {
		b.Run(how, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				rt := spindle.NewRuntime()
				if how == "other types" {
					compileText(b, rt, `(module (type (array i8)))`)
				}
				b.StartTimer()
				img, err := rt.OpenImage(ctx, f, spindle.OpenConfig{Check: how == "checked"})
				if err != nil {
					b.Fatal(err)
				}
				p, err := img.Fork(ctx, spindle.ForkConfig{})
				if err != nil {
					b.Fatal(err)
				}
				if res, err := p.Instance("main").Call(ctx, "get"); err != nil || res[0] != 3 {
					b.Fatal(res, err)
				}
				b.StopTimer()
				img.Close()
				rt.Close()
				b.StartTimer()
			}
		})
	}
}
