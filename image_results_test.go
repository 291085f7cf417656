package spindle_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// A child may be frozen when the call that it went on with is over and the child itself is not: who has the image still gets the results, and objects among
// them live on, through children, collections and files.
func TestFreezeBetweenTheEndOfACallAndTheChilds(t *testing.T) {
	const src = `(module
		(type $s (struct (field i32)))
		(tag $e (param i32))
		(func $throw (throw $e (i32.const 78)))
		(func (export "make") (result i32 (ref $s) externref exnref i64) (local $x exnref)
			(block $h (result i32 exnref) (try_table (catch_ref $e $h) (call $throw)) (unreachable))
			(local.set $x) (drop)
			(i32.const 76) (struct.new $s (i32.const 77)) (extern.convert_any (struct.new $s (i32.const 79))) (local.get $x) (i64.const 80))
		(func (export "read") (param i32 (ref $s) externref exnref i64) (result i32 i32 i32 i32 i64)
			(local.get 0)
			(struct.get $s 0 (local.get 1))
			(block $h (result i32) (try_table (catch $e $h) (throw_ref (local.get 3))) (unreachable))
			(struct.get $s 0 (ref.cast (ref $s) (any.convert_extern (local.get 2))))
			(local.get 4))
		(func (export "litter") (local i32)
			(loop $l (drop (struct.new $s (i32.const 5))) (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000))))))`
	ctx := context.Background()
	for _, plan := range []string{"genimmix", "semispace", "markcompact"} {
		t.Run(plan, func(t *testing.T) {
			rt := spindle.NewRuntime()
			defer rt.Close()
			cfg := spindle.Config{Forkable: true, Name: "g"}
			cfg.GC.Plan, cfg.GC.Sanity = plan, true
			inst, err := rt.Instantiate(ctx, compileText(t, rt, src), cfg)
			if err != nil {
				t.Fatal(err)
			}
			f, err := inst.Func("make")
			if err != nil {
				t.Fatal(err)
			}
			res, err := f.Call(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := spindle.HasFinished(ctx, f, res); err != nil {
				t.Fatal(err)
			}
			check := func(p *spindle.Process) {
				t.Helper()
				if err := p.Wait(ctx); err != nil {
					t.Fatal(err)
				}
				if err := p.CollectGarbage(); err != nil {
					t.Fatal(err)
				}
				got, err := p.Instance("g").Call(ctx, "read", p.Results()...)
				if want := []uint64{76, 77, 78, 79, 80}; err != nil || !slices.Equal(got, want) {
					t.Errorf("%v, %v; want %v", got, err, want)
				}
			}
			img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{Warmup: true})
			if err != nil {
				t.Fatal(err)
			}
			child, err := img.Fork(ctx, spindle.ForkConfig{})
			if err != nil {
				t.Fatal(err)
			}
			check(child)
			var b bytes.Buffer
			if _, err := img.WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			to := spindle.NewRuntime()
			defer to.Close()
			compileText(t, to, `(module (type (struct (field f32))) (type (array i8)))`) // types have other numbers there
			opened, err := openBytes(t, to, filepath.Join(t.TempDir(), "f"), b.Bytes(), spindle.OpenConfig{Check: true})
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			for range 2 {
				child, err := opened.Fork(ctx, spindle.ForkConfig{})
				if err != nil {
					t.Fatal(err)
				}
				check(child)
			}
		})
	}
}

// A host value that a finished call gave is in no file, and that is said.
func TestFileOfAFinishedCallThatGaveAHostValue(t *testing.T) {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	inst, err := rt.Instantiate(ctx, compileText(t, rt, `(module (type (struct)) (func (drop (struct.new 0))) (func (export "f") (param externref) (result externref) (local.get 0)))`), spindle.Config{Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	f, err := inst.Func("f")
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.Call(ctx, inst.Process().ExternRef("held"))
	if err != nil {
		t.Fatal(err)
	}
	for _, finished := range []bool{false, true} {
		if finished {
			if err := spindle.HasFinished(ctx, f, res); err != nil {
				t.Fatal(err)
			}
		}
		img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		var b bytes.Buffer
		var se *spindle.SnapshotError
		if _, err := img.WriteTo(&b); errors.As(err, &se) != finished || (err != nil) != finished {
			t.Errorf("finished %v: %v", finished, err)
		}
	}
}
