package interp

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// outcome is what can be told of a thread's store from outside.
type outcome struct {
	results []uint64
	err     string
	memory  [][]byte
	globals []uint64
	tables  [][]vm.Ref
	called  []uint64 // what the host function got
}

func (w *world) outcome(t *vm.Thread, results []uint64, err error, called []uint64) outcome {
	s := outcome{results: results, called: called}
	if err != nil {
		s.err = err.Error()
	}
	for _, inst := range t.Store.Instances {
		for _, m := range inst.Memories {
			s.memory = append(s.memory, bytes.Clone(m.Bytes()))
		}
		for k := range inst.Module.Globals {
			lo, hi := inst.Global(uint32(k)).Get()
			if inst.Module.Globals[k].Type.Type.IsRef() {
				lo = min(lo, 1) // which number an exception has depends on when others were collected
			}
			s.globals = append(s.globals, lo, hi)
		}
		for _, tb := range inst.Tables {
			s.tables = append(s.tables, slices.Clone(tb.Refs()))
		}
	}
	return s
}

func (s outcome) equal(o outcome) bool {
	return slices.Equal(s.results, o.results) && s.err == o.err && slices.EqualFunc(s.memory, o.memory, bytes.Equal) && slices.Equal(s.globals, o.globals) &&
		slices.EqualFunc(s.tables, o.tables, slices.Equal) && slices.Equal(s.called, o.called)
}

// busy is a program with what a fork must carry over: deep frames, two instances that call each other directly and by reference, tail calls,
// exceptions with references to them on the stack, memories that grow, tables that change, dropped segments, host calls.
const busyLib = `(module
	(import "host" "tell" (func $tell (param i64)))
	(memory (export "mem") 1 20)
	(global $n (export "n") (mut i64) (i64.const 1))
	(table (export "tab") 2 2000 funcref)
	(data $d "\01\02\03\04\05\06\07\08")
	(elem $e func $step $twice)
	(tag $odd (export "odd") (param i64 i32))
	(func $twice (export "twice") (param i64) (result i64) (i64.mul (local.get 0) (i64.const 2)))
	(func $step (export "step") (param i64) (result i64)
		(if (i64.eqz (i64.rem_u (local.get 0) (i64.const 7))) (then (throw $odd (local.get 0) (i32.const 5))))
		(global.set $n (i64.add (i64.mul (global.get $n) (i64.const 31)) (local.get 0)))
		(i64.store (i32.and (i32.wrap_i64 (global.get $n)) (i32.const 0xfff8)) (global.get $n))
		(if (i64.eqz (i64.rem_u (local.get 0) (i64.const 50))) (then
			(drop (memory.grow (i32.const 1)))
			(drop (table.grow (ref.func $twice) (i32.const 100)))
			(call $tell (global.get $n))))
		(i64.add (local.get 0) (i64.const 1)))
	(func (export "arm") (memory.init $d (i32.const 64) (i32.const 0) (i32.const 8)) (data.drop $d)
		(table.init $e (i32.const 0) (i32.const 0) (i32.const 2)) (elem.drop $e)))`

const busyMain = `(module
	(type $f (func (param i64) (result i64)))
	(import "lib" "mem" (memory 1 20))
	(import "lib" "tab" (table $t 2 2000 funcref))
	(import "lib" "n" (global $n (mut i64)))
	(import "lib" "odd" (tag $odd (param i64 i32)))
	(import "lib" "step" (func $step (type $f)))
	(import "lib" "arm" (func $arm))
	(global $sum (mut i64) (i64.const 0))
	(global $last (mut exnref) (ref.null exn))
	(elem declare func $up)
	(func $up (type $f) (return_call $step (local.get 0)))
	(func $deep (param $k i32) (param $x i64) (result i64) (local $e exnref)
		(if (i32.eqz (local.get $k)) (then (return (call_indirect $t (type $f) (local.get $x) (i32.const 0)))))
		(block $caught (result i64 i32 exnref)
			(try_table (result i64) (catch_ref $odd $caught)
				(call $deep (i32.sub (local.get $k) (i32.const 1)) (local.get $x)))
			(return (i64.xor (i64.const 3))))
		(local.set $e)
		(drop)
		(global.set $sum (i64.add (global.get $sum)))
		(global.set $last (local.get $e))
		(if (i32.lt_u (local.get $k) (i32.const 3)) (then (throw_ref (local.get $e))))
		(call_ref $f (i64.add (local.get $x) (i64.const 1)) (ref.func $up)))
	(func (export "run") (param $n i32) (result i64 i64)
		(call $arm)
		(loop $l
			(block $thrown
				(try_table (catch_all $thrown)
					(global.set $sum (i64.add (global.get $sum) (call $deep (i32.rem_u (local.get $n) (i32.const 11)) (i64.extend_i32_u (local.get $n)))))))
			(br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
		(global.get $sum) (global.get $n)))`

// A clone of a thread, made at any safepoint, goes on as the thread itself does, and so does a clone of the clone. What one of them
// writes, none of the others sees.
func TestClonesGoOnAsTheOriginal(t *testing.T) {
	const n = 2000
	var called map[*vm.Thread][]uint64
	build := func() (*world, *vm.Instance) {
		w := newWorld(t, 1<<20)
		w.host("tell", []wasm.ValType{wasm.I64}, nil, func(t *vm.Thread, s []uint64) error {
			called[t] = append(called[t], s[0])
			return nil
		})
		w.instance("lib", busyLib)
		return w, w.instance("main", busyMain)
	}
	called = map[*vm.Thread][]uint64{}
	w, inst := build()
	res, err := w.call(inst, "run", n)
	want := w.outcome(w.thread, res, err, called[w.thread])
	if err != nil || len(want.called) == 0 {
		t.Fatalf("%v, %d host calls", err, len(want.called))
	}
	total := 0
	for seed := uint64(0); seed < 20 || total < 20 && seed < 500; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 1))
		called = map[*vm.Thread][]uint64{}
		w, inst := build()
		var images []*vm.Image
		type child struct {
			t      *vm.Thread
			of     *vm.Image
			called []uint64
		}
		var children []child
		freeze := func(th *vm.Thread) *vm.Image {
			img, err := vm.Freeze(w.pools, []*vm.Thread{th}, th.Store, false)
			if err != nil {
				t.Fatal(err)
			}
			images = append(images, img)
			return img
		}
		fork := func(img *vm.Image, of *vm.Thread) {
			ts, err := img.Fork(vm.ForkConfig{})
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child{ts[0], img, slices.Clone(called[of])})
		}
		polls := 0
		w.engine.onPoll = func(th *vm.Thread) {
			if polls++; rnd.IntN(20) == 0 && len(images) < 40 {
				img := freeze(th)
				for range 1 + rnd.IntN(2) {
					fork(img, th)
				}
			}
		}
		stop := nagging(w.thread)
		res, err := w.call(inst, "run", n)
		stop()
		if got := w.outcome(w.thread, res, err, called[w.thread]); !got.equal(want) {
			t.Fatalf("seed %d: the original differs after being frozen: %v", seed, got.err)
		}
		total += len(images)
		for len(children) > 0 {
			c := children[0]
			children = children[1:]
			called[c.t] = c.called
			if err := c.t.EnterBackground(context.Background()); err != nil {
				t.Fatal(err)
			}
			results := make([]uint64, 2)
			stop := nagging(c.t)
			err := w.engine.Resume(c.t, results)
			stop()
			if got := w.outcome(c.t, results, err, called[c.t]); !got.equal(want) {
				t.Fatalf("seed %d: a clone differs: %v %v, error %q", seed, got.results, want.results, got.err)
			}
			c.t.Leave()
			c.t.Shutdown(errors.New("test over"))
			c.of.Done()
		}
		for _, img := range images {
			img.Close()
		}
		w.close()
		if n := w.pools.Live(); n != 0 {
			t.Fatalf("%d regions still in use", n)
		}
	}
	if total < 20 {
		t.Errorf("only %d images", total)
	}
}

// nagging has a thread meet a flag at as many safepoints as it can.
func nagging(t *vm.Thread) (stop func()) {
	var wg sync.WaitGroup
	var over atomic.Bool
	wg.Go(func() {
		for !over.Load() {
			t.Yield()
			runtime.Gosched()
		}
	})
	return func() {
		over.Store(true)
		wg.Wait()
	}
}
