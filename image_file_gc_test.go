package spindle_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// heapGuest has two threads, each with a tree of objects in a local, a global, a table, an exception and a struct; in them i31s, functions, exceptions and arrays. When it is let go on,
// each makes garbage for some collections and tells a sum of its tree.
const heapGuest = `(module
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(import "host" "go" (func $go))
	(import "host" "tell" (func $tell (param i64)))
	(memory 1 1 shared)
	(type $fn (func (param i64) (result i64)))
	(rec (type $node (sub (struct (field $next (mut (ref null $node))) (field $n i64)))))
	(type $leaf (sub $node (struct (field (mut (ref null $node))) (field i64) (field i31ref) (field (ref $fn)) (field anyref) (field exnref))))
	(type $bytes (array (mut i8)))
	(type $list (array (mut (ref null $node))))
	(tag $e (param i64 (ref $node)))
	(table $t 3 100 (ref null $node))
	(table $small 1 anyref)
	(global $g (mut anyref) (ref.null any))
	(elem declare func $twice)
	(func $twice (type $fn) (i64.mul (local.get 0) (i64.const 2)))
	(func $thrown (param $k i64) (param $n (ref $node)) (result exnref)
		(block $h (result i64 (ref $node) exnref)
			(try_table (catch_ref $e $h) (throw $e (local.get $k) (local.get $n)))
			(unreachable))
		(return))
	(func $make (param $k i64) (result (ref $node)) (local $n (ref null $node)) (local $i i64)
		(loop $l
			(local.set $n (struct.new $node (local.get $n) (i64.add (local.get $k) (local.get $i))))
			(local.set $i (i64.add (local.get $i) (i64.const 1)))
			(br_if $l (i64.lt_u (local.get $i) (i64.const 3000))))
		(struct.new $leaf (local.get $n) (local.get $k) (ref.i31 (i32.wrap_i64 (local.get $k))) (ref.func $twice)
			(array.new $bytes (i32.const 5) (i32.const 70000))
			(call $thrown (local.get $k) (ref.as_non_null (local.get $n)))))
	(func $sum (param $n (ref null $node)) (result i64) (local $s i64)
		(block $end (loop $l
			(local.set $s (i64.add (i64.mul (local.get $s) (i64.const 31)) (struct.get $node $n (br_on_null $end (local.get $n)))))
			(local.set $n (struct.get $node $next (local.get $n)))
			(br $l)))
		(local.get $s))
	(func $leafSum (param $r (ref $node)) (result i64) (local $f (ref null $leaf)) (local $a i64) (local $x (ref null $node))
		(local.set $f (ref.cast (ref $leaf) (local.get $r)))
		(block $h (result i64 (ref $node))
			(try_table (catch $e $h) (throw_ref (struct.get $leaf 5 (local.get $f))))
			(unreachable))
		(local.set $x)
		(local.set $a)
		(i64.xor (call $sum (local.get $x))
			(i64.add (local.get $a)
				(i64.add (call_ref $fn (i64.extend_i32_u (i31.get_u (struct.get $leaf 2 (local.get $f)))) (struct.get $leaf 3 (local.get $f)))
					(i64.extend_i32_u (array.get_u $bytes (ref.cast (ref $bytes) (struct.get $leaf 4 (local.get $f))) (i32.const 69999)))))))
	(func $garbage (local $i i32)
		(loop $l
			(drop (array.new $bytes (i32.const 1) (i32.const 5000)))
			(drop (struct.new $node (ref.null $node) (i64.const 1)))
			(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4000)))))
	(func $work (param $k i64) (result i64) (local $mine (ref null $node)) (local $list (ref null $list)) (local $s i64)
		(local.set $mine (call $make (local.get $k)))
		(global.set $g (call $make (i64.add (local.get $k) (i64.const 1))))
		(table.set $t (i32.const 1) (call $make (i64.add (local.get $k) (i64.const 2))))
		(table.set $small (i32.const 0) (call $make (i64.add (local.get $k) (i64.const 3))))
		(local.set $list (array.new $list (call $make (i64.add (local.get $k) (i64.const 4))) (i32.const 40)))
		(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
		(drop (memory.atomic.notify (i32.const 0) (i32.const 9)))
		(if (i64.eq (local.get $k) (i64.const 100))
			(then (call $go))
			(else (loop $l
				(drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1)))
				(br_if $l (i32.eqz (i32.atomic.load (i32.const 8)))))))
		(call $garbage)
		;; Objects of the image are written to, and then refer to young ones.
		(struct.set $node $next (ref.cast (ref $node) (global.get $g)) (call $make (i64.add (local.get $k) (i64.const 5))))
		(array.set $list (local.get $list) (i32.const 17) (call $make (i64.const 3)))
		(call $garbage)
		(local.set $s (call $leafSum (ref.as_non_null (local.get $mine))))
		(local.set $s (i64.add (local.get $s) (call $leafSum (ref.cast (ref $node) (global.get $g)))))
		(local.set $s (i64.add (local.get $s) (call $sum (ref.cast (ref $node) (global.get $g)))))
		(local.set $s (i64.add (local.get $s) (call $leafSum (ref.as_non_null (table.get $t (i32.const 1))))))
		(local.set $s (i64.add (local.get $s) (call $leafSum (ref.as_non_null (array.get $list (local.get $list) (i32.const 17))))))
		(i64.add (local.get $s) (call $leafSum (ref.cast (ref $node) (table.get $small (i32.const 0))))))
	(func (export "wasi_thread_start") (param i32 i32)
		(drop (i64.atomic.rmw.add (i32.const 16) (call $work (i64.const 900))))
		(i32.atomic.store (i32.const 12) (i32.const 1))
		(drop (memory.atomic.notify (i32.const 12) (i32.const 1))))
	(func (export "_start") (local $s i64)
		(drop (call $spawn (i32.const 0)))
		(loop $l (if (i32.eqz (i32.atomic.load (i32.const 0))) (then (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))) (br $l))))
		(local.set $s (call $work (i64.const 100)))
		(i32.atomic.store (i32.const 8) (i32.const 1))
		(drop (memory.atomic.notify (i32.const 8) (i32.const 1)))
		(loop $l (if (i32.eqz (i32.atomic.load (i32.const 12))) (then (drop (memory.atomic.wait32 (i32.const 12) (i32.const 0) (i64.const -1))) (br $l))))
		(call $tell (i64.add (local.get $s) (i64.atomic.load (i32.const 16))))))`

// heapImport has what the guest imports; each call of go waits until release is closed, and says so once in entered.
func heapImports(d *told, entered chan<- struct{}, release <-chan struct{}) spindle.Imports {
	host := d.host()
	host["go"] = standUntil(entered, release)
	return spindle.Imports{"host": host, "wasi": threadSpawn()}
}

// The heap of a guest goes on out of a file, under each plan: the threads' objects are the same ones, and are collected as ever. So does that of a guest that comes
// out of a file itself, in a Runtime whose types have other numbers.
func TestSnapshotOfAHeap(t *testing.T) {
	ctx := t.Context()
	for _, plan := range spindle.GCPlans() {
		t.Run(plan, func(t *testing.T) {
			var d told
			entered, release := make(chan struct{}, 1), make(chan struct{})
			imports := heapImports(&d, entered, release)
			cfg := spindle.Config{Forkable: true, Imports: imports, GC: spindle.GCConfig{Plan: plan, Workers: 2, HeapBytes: 32 << 20, NurseryBytes: 4 << 20}}
			src := heapGuest
			switch plan {
			case "nogc":
				cfg.GC.HeapBytes = 1 << 30
			case "pageprotect": // a page and a system call for each object
				src = strings.NewReplacer("4000", "1000", "3000", "30").Replace(src)
			}
			rt := spindle.NewRuntime()
			defer rt.Close()
			p, err := rt.Start(ctx, compileText(t, rt, src), cfg)
			if err != nil {
				t.Fatal(err)
			}
			<-entered
			all := []*spindle.Process{p}
			for k := range 4 {
				img, _, err := p.Freeze(ctx, spindle.FreezeOptions{Warmup: k == 1})
				if err != nil {
					t.Fatal(err)
				}
				to := spindle.NewRuntime()
				defer func() {
					if err := to.Close(); err != nil {
						t.Error(err)
					}
					if n := to.LiveRegions(); n != 0 {
						t.Errorf("%d regions left", n)
					}
				}()
				if k >= 2 {
					compileText(t, to, `(module (type (struct (field f32 i8 i64))) (rec (type $a (array (ref null $a))) (type (func))))`)
				}
				var a, b bytes.Buffer
				if _, err := img.WriteTo(&a); err != nil {
					t.Fatal(err)
				}
				if _, err := img.WriteTo(&b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
					t.Errorf("two files of one image differ (%v)", err)
				}
				cfg := spindle.OpenConfig{Config: spindle.Config{Imports: imports}, Check: k%2 == 1}
				cfg.GC.Workers, cfg.GC.Sanity = 1+k%2, true
				opened, err := openBytes(t, to, filepath.Join(t.TempDir(), "f"), a.Bytes(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				if err := img.Close(); err != nil {
					t.Error(err)
				}
				if p, err = opened.Fork(context.Background(), spindle.ForkConfig{}); err != nil {
					t.Fatal(err)
				}
				if err := opened.Close(); err != nil {
					t.Error(err)
				}
				<-entered // its own call, made again
				all = append(all, p)
			}
			close(release)
			for i, p := range all {
				if err := p.Wait(ctx); err != nil {
					t.Fatalf("Process %d: %v", i, err)
				}
				if got, want := d.of(p), d.of(all[0]); got != want || got == 0 {
					t.Errorf("Process %d tells %#x, want %#x", i, got, want)
				}
				s, ok := p.GCStats()
				if !ok || !strings.EqualFold(s.Plan, plan) || s.Collections == 0 && plan != "nogc" {
					t.Errorf("Process %d: %+v", i, s)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// What sizes a heap is the file's; its bound may be another one, within the address space that it has.
func TestSnapshotOfAHeapWithOtherOptions(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	src := `(module (type $l (struct (field (ref null $l)) (field i64 i64 i64))) (global $g (mut (ref null $l)) (ref.null $l))
		(func (export "grow") (param i32) (loop $l
			(global.set $g (struct.new $l (global.get $g) (i64.const 1) (i64.const 2) (i64.const 3)))
			(br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`
	inst, err := rt.Instantiate(ctx, compileText(t, rt, src), spindle.Config{Name: "main", Forkable: true, GC: spindle.GCConfig{Plan: "marksweep", HeapBytes: 16 << 20, NurseryBytes: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inst.Call(ctx, "grow", 100_000); err != nil {
		t.Fatal(err)
	}
	img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := writeImage(t, img)
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	for name, test := range map[string]struct {
		gc    spindle.GCConfig
		want  string // of the error
		most  int64
		grows bool
	}{
		"the file's":     {spindle.GCConfig{}, "", 16 << 20, false},
		"the same":       {spindle.GCConfig{Plan: "MarkSweep", NurseryBytes: 1 << 20}, "", 16 << 20, false},
		"more":           {spindle.GCConfig{HeapBytes: 32 << 20}, "", 32 << 20, true},
		"less":           {spindle.GCConfig{HeapBytes: 6 << 20}, "", 6 << 20, false},
		"too little":     {spindle.GCConfig{HeapBytes: 1 << 20}, "in use", 0, false},
		"too much":       {spindle.GCConfig{HeapBytes: 1 << 30}, "has room for", 0, false},
		"another plan":   {spindle.GCConfig{Plan: "immix"}, "the plan is MarkSweep in the file", 0, false},
		"no plan":        {spindle.GCConfig{Plan: "nonsense"}, "no plan", 0, false},
		"other nursery":  {spindle.GCConfig{NurseryBytes: 2 << 20}, "nursery", 0, false},
		"other least":    {spindle.GCConfig{MinHeapBytes: 1 << 20}, "least", 0, false},
		"stress, sanity": {spindle.GCConfig{Stress: 20_000, Sanity: true}, "", 16 << 20, false},
	} {
		rt := spindle.NewRuntime()
		img, err := rt.OpenImage(ctx, f, spindle.OpenConfig{Config: spindle.Config{GC: test.gc}})
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			p, err := img.Fork(ctx, spindle.ForkConfig{})
			if err != nil {
				t.Fatal(err)
			}
			if s, _ := p.GCStats(); s.MaxBytes != test.most {
				t.Errorf("%s: a heap of at most %d bytes, want %d", name, s.MaxBytes, test.most)
			}
			_, err = p.Instance("main").Call(ctx, "grow", 400_000) // 16 MiB
			var trap *spindle.TrapError
			if full := errors.As(err, &trap) && trap.Code == spindle.TrapAllocation; full == test.grows || err != nil && !full {
				t.Errorf("%s: %v", name, err)
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
		if n := rt.LiveRegions(); n != 0 {
			t.Errorf("%s: %d regions left", name, n)
		}
	}
	if _, err := os.Stat(f.Name()); err != nil {
		t.Error(err)
	}
}
