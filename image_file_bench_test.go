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
