package interp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

var i32 = []wasm.ValType{wasm.I32}

func TestCallsBetweenInstances(t *testing.T) {
	w := newWorld(t, 0)
	a := w.instance("a", `(module
		(memory 1) (data (i32.const 0) "A")
		(global $g (mut i32) (i32.const 100))
		(func (export "two") (param i32 i64 v128) (result v128 i32 i64)
			(local.get 2) (i32.add (local.get 0) (global.get $g)) (i64.add (local.get 1) (i64.const 1)))
		(func (export "byte") (result i32) (i32.load8_u (i32.const 0)))
		(func (export "bump") (global.set $g (i32.add (global.get $g) (i32.const 1))))
		(func (export "trap") (unreachable)))`)
	b := w.instance("b", `(module
		(import "a" "two" (func $two (param i32 i64 v128) (result v128 i32 i64)))
		(import "a" "byte" (func $byte (result i32)))
		(import "a" "bump" (func $bump))
		(import "a" "trap" (func $trap))
		(memory 1) (data (i32.const 0) "B")
		(table funcref (elem $byte $own $bump))
		(func $own (result i32) (i32.load8_u (i32.const 0)))
		(func (export "sum") (param i32) (result i64) (local $v v128) (local $i i32) (local $j i64)
			(call $bump)
			(i64.const 1000)
			(call $two (local.get 0) (i64.const 7) (v128.const i64x2 3 4))
			(local.set $j) (local.set $i) (local.set $v)
			(global.set 0 (local.get $v))
			(i64.add (i64.add (i64.extend_i32_u (local.get $i)) (local.get $j)))
			(i64.add (i64.extend_i32_u (i32.mul (i32.const 10000) (i32.load8_u (i32.const 0))))))
		(global (export "v") (mut v128) (v128.const i64x2 0 0))
		(func (export "through") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
		(func (export "fail") (call $trap)))`)
	w.want(b, 1000+5+101+8+10000*'B', "sum", 5)
	w.want(b, 1000+5+102+8+10000*'B', "sum", 5)
	if x, _ := b.Export("v"); true {
		if lo, hi := x.Global.Get(); lo != 3 || hi != 4 {
			t.Errorf("v128 through two instances: %d %d", lo, hi)
		}
	}
	w.want(b, 'A', "through", 0)
	w.want(b, 'B', "through", 1)
	w.wantTrap(b, vm.TrapIndirectCallType, "through", 2)
	w.wantTrap(b, vm.TrapUndefinedElement, "through", 3)
	trap := w.wantTrap(b, vm.TrapUnreachable, "fail")
	if len(trap.Frames) != 2 || trap.Frames[0].Func != 3 || trap.Frames[1].Func != 6+1 {
		t.Errorf("frames %v", trap.Frames)
	}
	w.want(a, 'A', "byte")
}

// TestImportedGlobals: each of several imported globals is the exporter's own, of numbers and of vectors.
func TestImportedGlobals(t *testing.T) {
	w := newWorld(t, 0)
	a := w.instance("a", `(module
		(global (export "a") (mut i32) (i32.const 1)) (global (export "b") (mut i32) (i32.const 20))
		(global (export "v") (mut v128) (v128.const i64x2 300 4000)) (global (export "c") (mut i64) (i64.const 50000)))`)
	m := w.instance("m", `(module
		(import "a" "a" (global $a (mut i32))) (import "a" "b" (global $b (mut i32)))
		(import "a" "v" (global $v (mut v128))) (import "a" "c" (global $c (mut i64)))
		(global $own (mut i64) (i64.const 600000))
		(func (export "sum") (result i64)
			(i64.add (i64.add (i64.extend_i32_u (i32.add (global.get $a) (global.get $b))) (i64.add (global.get $c) (global.get $own)))
				(i64.add (i64x2.extract_lane 0 (global.get $v)) (i64x2.extract_lane 1 (global.get $v)))))
		(func (export "set") (global.set $b (i32.const 30)) (global.set $v (v128.const i64x2 500 6000)) (global.set $c (i64.const 70000))
			(global.set $own (i64.const 800000))))`)
	w.want(m, 654321, "sum")
	if _, err := w.call(m, "set"); err != nil {
		t.Fatal(err)
	}
	w.want(m, 876531, "sum")
	for name, want := range map[string][2]uint64{"a": {1, 0}, "b": {30, 0}, "v": {500, 6000}, "c": {70000, 0}} {
		x, _ := a.Export(name)
		if lo, hi := x.Global.Get(); lo != want[0] || hi != want[1] {
			t.Errorf("global %s is %d %d, want %d", name, lo, hi, want)
		}
	}
}

// TestTailCallsUseConstantStack runs chains of a million tail calls, of each kind, with differing parameter counts, between
// functions, instances and the host, on a small stack.
func TestTailCallsUseConstantStack(t *testing.T) {
	w := newWorld(t, 8<<10)
	hosted := 0
	w.host("note", i32, i32, func(_ *vm.Thread, s []uint64) error {
		hosted++
		s[0]++
		return nil
	})
	w.instance("a", `(module
		(import "host" "note" (func $note (param i32) (result i32)))
		(type $f (func (param i32) (result i32)))
		(table (export "t") 4 funcref)
		(func $even (export "even") (type $f)
			(if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
			(return_call $odd (i64.const 9) (i32.sub (local.get 0) (i32.const 1)) (f32.const 1)))
		(func $odd (param i64 i32 f32) (result i32) (local i64 i64)
			(if (i32.eqz (local.get 1)) (then (return (i32.const 0))))
			(return_call $even (i32.sub (local.get 1) (i32.const 1))))
		(func $ping (export "ping") (type $f)
			(if (i32.eqz (local.get 0)) (then (return_call $note (i32.const 41))))
			(return_call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))
		(func $other (type $f) (return_call_ref $f (i32.sub (local.get 0) (i32.const 1)) (ref.func $even)))
		(func (export "byref") (type $f) (return_call_indirect (type $f) (local.get 0) (i32.const 2)))
		(elem (i32.const 0) $ping) (elem (i32.const 2) $other)
		(elem declare func $even))`)
	b := w.instance("b", `(module
		(type $f (func (param i32) (result i32)))
		(import "a" "t" (table 4 funcref))
		(import "a" "ping" (func $ping (type $f)))
		(import "a" "even" (func $even (type $f)))
		(import "a" "byref" (func $byref (type $f)))
		(memory 1) (data (i32.const 7) "\2a")
		(func $pong (type $f)
			(if (i32.eqz (local.get 0)) (then (return (i32.load8_u (i32.const 7)))))
			(return_call $ping (i32.sub (local.get 0) (i32.const 1))))
		(elem (i32.const 1) $pong)
		(func (export "pong") (type $f) (i32.add (i32.const 1000) (i32.add (call $pong (local.get 0)) (i32.load8_u (i32.const 7)))))
		(func (export "even") (type $f) (return_call $even (local.get 0)))
		(func (export "byref") (type $f) (call $byref (local.get 0))))`)
	w.want(b, 1, "even", 1_000_000)
	w.want(b, 0, "even", 999_999)
	w.want(b, 1, "byref", 1_000_001)
	w.want(b, 1000+42+42, "pong", 1_000_000)
	w.want(b, 1000+42+42, "pong", 999_999)
	if hosted != 1 {
		t.Errorf("%d calls of the host", hosted)
	}
}

func TestStackExhaustion(t *testing.T) {
	w := newWorld(t, 0)
	m := w.instance("m", `(module
		(func $simple (export "simple") (param i32) (result i32)
			(if (result i32) (local.get 0) (then (i32.add (i32.const 1) (call $simple (i32.sub (local.get 0) (i32.const 1)))))
			(else (i32.const 0))))
		(func $wide (export "wide") (local v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128 v128) (call $wide))
		(func $many (export "many") (result i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (call $many)))`)
	w.want(m, 100_000, "simple", 100_000)
	trap := w.wantTrap(m, vm.TrapStackExhausted, "simple", 10_000_000)
	if len(trap.Frames) != 100 {
		t.Errorf("%d frames in the backtrace", len(trap.Frames))
	}
	w.wantTrap(m, vm.TrapStackExhausted, "wide")
	w.wantTrap(m, vm.TrapStackExhausted, "many")
	w.want(m, 3, "simple", 3)
}

// TestFirstCallExhaustsTheStack: how much stack a function needs is known when it has been lowered, which its first call has done, by all ways
// to get there.
func TestFirstCallExhaustsTheStack(t *testing.T) {
	for _, call := range []string{"(call $big)", "(return_call $big)", "(call_indirect (type $t) (i32.const 0))", "(call_ref $t (ref.func $big))", "(return_call_ref $t (ref.func $big))",
		"(call $other)", "(return_call $other)"} {
		w := newWorld(t, 16<<10)
		big := "(type $t (func)) (func $big (export \"big\") (type $t) (local $x i64) (local" + strings.Repeat(" v128", 3000) + ") (local $y externref) (drop (local.get $x)))"
		w.instance("a", "(module "+big+")")
		m := w.instance("m", `(module (import "a" "big" (func $other)) `+big+`
			(table funcref (elem $big))
			(func (export "run") `+call+`))`)
		for range 2 {
			trap := w.wantTrap(m, vm.TrapStackExhausted, "run")
			if len(trap.Frames) == 0 {
				t.Errorf("%s: no backtrace", call)
			}
		}
		w.wantTrap(m, vm.TrapStackExhausted, "big")
	}
}

// TestLocalsBeginAsZero reads locals that were set on some ways to there only, or on none.
func TestLocalsBeginAsZero(t *testing.T) {
	w := newWorld(t, 0)
	set := "(local.set $x (i64.const 5))"
	for i, body := range []string{
		"",
		"(if (local.get 0) (then " + set + "))",
		"(if (local.get 0) (then " + set + ") (else (nop)))",
		"(if (i32.eqz (local.get 0)) (then (nop)) (else " + set + "))",
		"(block (br_if 0 (i32.eqz (local.get 0))) " + set + ")",
		"(block (block (br_table 0 1 (local.get 0))) (br 0) " + set + ")",
		"(block (br_if 0 (i32.eqz (local.get 0))) (loop " + set + "))",
		"(block $o (block (br_if 0 (local.get 0)) (br $o)) " + set + ")",
		"(block (try_table (catch_all 0) (if (i32.eqz (local.get 0)) (then (throw $e))) " + set + "))",
		"(block (br_on_null 0 (ref.null func)) (drop) " + set + ")",
		"(block (block (br_table 0 1 (i32.eqz (local.get 0)))) " + set + ")",
	} {
		inst := w.instance(fmt.Sprint("z", i), `(module (tag $e) (func (export "f") (param i32) (result i64) (local $w v128) (local $x i64) (local $y externref) (local $z v128)
			`+body+` (i64.or (local.get $x) (i64.or (i64x2.extract_lane 1 (local.get $z)) (i64.extend_i32_u (i32.eqz (ref.is_null (local.get $y))))))))`)
		w.want(inst, 0, "f", 0)
	}
}

// TestHostNesting has host and guest call each other, with errors on the way.
func TestHostNesting(t *testing.T) {
	w := newWorld(t, 64<<10)
	var m *vm.Instance
	failure := errors.New("no more")
	w.host("down", i32, i32, func(th *vm.Thread, s []uint64) error {
		n := s[0]
		if n == 0 {
			return failure
		}
		if th.Current() != m {
			t.Error("the running instance is wrong in a host function")
		}
		x, _ := m.Export("sum")
		var slots [1]uint64
		slots[0] = n - 1
		if err := th.Engine.Call(th, x.Func.Inst, x.Func.Index, slots[:]); err != nil {
			return err
		}
		s[0] = slots[0] + n
		return nil
	})
	m = w.instance("m", `(module
		(import "host" "down" (func $down (param i32) (result i32)))
		(func (export "sum") (param i32) (result i32) (local i32)
			(local.set 1 (i32.const 5))
			(if (i32.lt_u (local.get 0) (i32.const 1)) (then (return (i32.const 0))))
			(i32.add (call $down (local.get 0)) (i32.sub (local.get 1) (i32.const 5))))
		(func $f (export "fail") (param i32) (result i32) (call $down (i32.const 0))))`)
	w.want(m, 50*51/2, "sum", 50)
	trap := w.wantTrap(m, vm.TrapHost, "fail", 0)
	if !errors.Is(trap, failure) || len(trap.Frames) != 1 || trap.Frames[0].Func != 2 || trap.Frames[0].Offset == 0 {
		t.Errorf("trap %v with frames %v", trap, trap.Frames)
	}
	trap = w.wantTrap(m, vm.TrapStackExhausted, "sum", 1_000_000)
	if len(trap.Frames) == 0 {
		t.Error("no backtrace through nested calls")
	}
	w.want(m, 3, "sum", 2)
}

func TestExceptions(t *testing.T) {
	w := newWorld(t, 0)
	var m *vm.Instance
	w.host("reenter", i32, nil, func(th *vm.Thread, s []uint64) error {
		x, _ := m.Export("throw")
		slots := []uint64{s[0]}
		return th.Engine.Call(th, x.Func.Inst, x.Func.Index, slots)
	})
	w.instance("a", `(module
		(tag $e (export "e") (param i32 v128 i64))
		(func (export "throw") (param i32) (throw $e (local.get 0) (v128.const i64x2 5 6) (i64.const 7)))
		(func (export "pass") (param i32) (param $f funcref) (block (try_table (catch_all 0) (return)) (unreachable))))`)
	m = w.instance("m", `(module
		(import "a" "e" (tag $e (param i32 v128 i64)))
		(import "a" "throw" (func $athrow (param i32)))
		(import "host" "reenter" (func $reenter (param i32)))
		(tag $other)
		(func $mythrow (export "throw") (param i32) (throw $e (local.get 0) (v128.const i64x2 15 16) (i64.const 17)))
		(func $deep (param i32) (param $via i32)
			(if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)) (local.get $via)) (return)))
			(if (i32.eq (local.get $via) (i32.const 0)) (then (call $athrow (i32.const 3))))
			(if (i32.eq (local.get $via) (i32.const 1)) (then (call $reenter (i32.const 4))))
			(call $mythrow (i32.const 5)))
		(func (export "catch") (param $via i32) (result i64) (local i32 v128 i64)
			(i64.const 1000) ;; below the block
			(block $h (result i32 v128 i64)
				(block (try_table (catch $other 0)
					(try_table (catch $other 1) (catch $e $h)
						(call $deep (i32.const 50) (local.get $via)))))
				(unreachable))
			(local.set 3) (local.set 2) (local.set 1)
			(i64.add (i64.extend_i32_u (local.get 1)))
			(i64.add (local.get 3))
			(i64.add (i64x2.extract_lane 1 (local.get 2))))
		(func (export "again") (param $via i32) (result i64) (local $x exnref) (local $v v128)
			(block $outer (result i32 v128 i64)
				(block $h (result i32 v128 i64 exnref)
					(try_table (catch_ref $e $h) (call $deep (i32.const 2) (local.get $via)))
					(unreachable))
				(local.set $x) (drop) (drop) (drop)
				(block (try_table (catch $other 0) (catch $e $outer) (throw_ref (local.get $x))))
				(unreachable))
			(local.set 0 (i32.const 0))
			(drop) (drop) (i64.extend_i32_u))
		(func (export "loop") (param $n i32) (result i32) (local $i i32)
			(loop $top
				(local.set $i (i32.add (local.get $i) (i32.const 1)))
				(if (i32.lt_u (local.get $i) (local.get $n)) (then
					(try_table (catch_all $top) (throw $other)))))
			(local.get $i))
		(func (export "uncaught") (param $via i32) (try_table (catch $other 0) (call $deep (i32.const 2) (local.get $via))))
		(func (export "null") (throw_ref (ref.null exn))))`)
	for via, want := range []uint64{1000 + 3 + 7 + 6, 1000 + 4 + 17 + 16, 1000 + 5 + 17 + 16} {
		w.want(m, want, "catch", uint64(via))
		w.want(m, []uint64{3, 4, 5}[via], "again", uint64(via))
		_, err := w.call(m, "uncaught", uint64(via))
		var ex *vm.Exception
		if !errors.As(err, &ex) {
			t.Fatalf("uncaught through %d: error %v", via, err)
		}
		if f := ex.Slots(); len(f) != 4 || f[0] != []uint64{3, 4, 5}[via] {
			t.Errorf("uncaught through %d: fields %v", via, f)
		}
		if len(ex.Trace) < 5 {
			t.Errorf("uncaught through %d: trace %v", via, ex.Trace)
		}
	}
	w.want(m, 100_000, "loop", 100_000)
	if n := w.thread.Store.LiveExceptions(); n > 2000 {
		t.Errorf("%d exceptions left over", n)
	}
	w.wantTrap(m, vm.TrapNullException, "null")
}

// TestTypesAreCanonical has every instruction that compares types in a module that numbers its types otherwise than the space does.
func TestTypesAreCanonical(t *testing.T) {
	const types = `
		(type $p (sub (func (param i32) (result i32))))
		(type $q (sub $p (func (param i32) (result i32))))
		(type $r (func (result i64)))`
	const source = `(module ` + types + `
		(func $f (type $p) (i32.const 10)) (func $g (type $q) (i32.const 20)) (func $h (type $r) (i64.const 30))
		(table $t (export "t") funcref (elem $f $g $h))
		(tag $e (export "e") (type $tag)) (type $tag (func (param f32)))
		(func (export "throw") (throw $e (f32.const 1)))
		(func (export "test") (param i32) (result i32) (ref.test (ref $p) (table.get (local.get 0))))
		(func (export "exact") (param i32) (result i32) (ref.test (ref null $q) (table.get (local.get 0))))
		(func (export "cast") (param i32) (result i32) (ref.is_null (ref.cast (ref $p) (table.get (local.get 0)))))
		(func (export "branch") (param i32) (result i32)
			(block $b (result (ref $p)) (drop (br_on_cast $b funcref (ref $p) (table.get (local.get 0)))) (return (i32.const 0)))
			(drop) (i32.const 1))
		(func (export "fail") (param i32) (result i32)
			(block $b (result funcref) (drop (br_on_cast_fail $b funcref (ref $q) (table.get (local.get 0)))) (return (i32.const 1)))
			(drop) (i32.const 0))
		(func (export "call") (param i32) (result i32) (call_indirect (type $p) (i32.const 0) (local.get 0)))
		(func (export "tail") (param i32) (result i32) (return_call_indirect (type $p) (i32.const 0) (local.get 0)))
		(func (export "exactcall") (param i32) (result i32) (call_indirect (type $q) (i32.const 0) (local.get 0))))`
	w := newWorld(t, 0)
	w.instance("first", `(module (type (func (param i64))) (type (func (param f64))) (type (sub (func (param f32 f32)))) (type (func (result f64))) (type (func (result f32))))`)
	m := w.instance("m", source)
	// The same types under other numbers, and what they are imported as.
	n := w.instance("n", `(module (type (func (param f32 f64))) (type (func (param f32))) `+types+`
		(import "m" "t" (table 3 funcref)) (import "m" "e" (tag $e (param f32))) (import "m" "throw" (func $throw)) (import "m" "call" (func (param i32) (result i32)))
		(func (export "test") (param i32) (result i32) (ref.test (ref $p) (table.get (local.get 0))))
		(func (export "exact") (param i32) (result i32) (ref.test (ref null $q) (table.get (local.get 0))))
		(func (export "call") (param i32) (result i32) (call_indirect (type $p) (i32.const 0) (local.get 0)))
		(func (export "catch") (param i32) (result i32)
			(block $h (result f32) (try_table (catch $e $h) (call $throw)) (f32.const 0))
			(f32.eq (f32.const 1))))`)
	for _, inst := range []*vm.Instance{m, n} {
		for i, want := range [][2]uint64{{1, 0}, {1, 1}, {0, 0}} {
			w.want(inst, want[0], "test", uint64(i))
			w.want(inst, want[1], "exact", uint64(i))
		}
		w.want(inst, 10, "call", 0)
		w.want(inst, 20, "call", 1)
		w.wantTrap(inst, vm.TrapIndirectCallType, "call", 2)
	}
	for i, want := range [][2]uint64{{1, 0}, {1, 1}, {0, 0}} {
		w.want(m, want[0], "branch", uint64(i))
		w.want(m, want[1], "fail", uint64(i))
	}
	w.want(m, 0, "cast", 0)
	w.want(m, 0, "cast", 1)
	w.wantTrap(m, vm.TrapCastFailure, "cast", 2)
	w.want(m, 20, "tail", 1)
	w.wantTrap(m, vm.TrapIndirectCallType, "tail", 2)
	w.wantTrap(m, vm.TrapIndirectCallType, "exactcall", 0)
	w.want(m, 20, "exactcall", 1)
	w.want(n, 1, "catch", 0)
}

// TestTailCallLeavesHandlers: what a function throws that was called by a tail call is not caught by the caller's clauses, whether it is a
// guest's function, one of another instance or a host's, and however it is called.
func TestTailCallLeavesHandlers(t *testing.T) {
	w := newWorld(t, 0)
	var m *vm.Instance
	w.host("throw", nil, nil, func(th *vm.Thread, _ []uint64) error {
		x, _ := m.Export("throw")
		return th.Engine.Call(th, x.Func.Inst, x.Func.Index, nil)
	})
	w.instance("a", `(module (tag $e) (func (export "throw") (throw $e)))`)
	m = w.instance("m", `(module
		(import "host" "throw" (func $host)) (import "a" "throw" (func $other))
		(type $t (func)) (tag $e)
		(table funcref (elem $own $other $host))
		(func $own (export "throw") (throw $e))
		(func $direct0 (try_table (catch_all 0) (return_call $own)))
		(func $direct1 (try_table (catch_all 0) (return_call $other)))
		(func $direct2 (try_table (catch_all 0) (return_call $host)))
		(func $indirect (param i32) (block (try_table (catch_all 0) (return_call_indirect (type $t) (local.get 0)))))
		(func $ref (param i32) (block (try_table (catch_all 0) (return_call_ref $t (ref.cast (ref $t) (table.get (local.get 0)))))))
		(func $direct (param i32)
			(block $c (block $b (block $a (br_table $a $b $c (local.get 0))) (call $direct0) (return)) (call $direct1) (return)) (call $direct2))
		(table $how funcref (elem $direct $indirect $ref))
		(type $p (func (param i32)))
		;; 1 if the exception gets to a clause out here
		(func (export "outside") (param $how i32) (param $whom i32) (result i32)
			(block $caught
				(try_table (catch_all $caught) (call_indirect $how (type $p) (local.get $whom) (local.get $how)))
				(return (i32.const 0)))
			(i32.const 1)))`)
	for how := range uint64(3) {
		for whom := range uint64(3) {
			w.want(m, 1, "outside", how, whom)
		}
	}
	if n := w.thread.Store.LiveExceptions(); n != 0 {
		t.Errorf("%d exceptions left over", n)
	}
}

func TestBacktraceOffsets(t *testing.T) {
	w := newWorld(t, 0)
	src := `(module
		(func $div (param i32 i32) (result i32) (i32.add (i32.const 4) (i32.div_u (local.get 0) (local.get 1))))
		(func $mid (param i32) (result i32) (local i32)
			(block (br_if 0 (i32.lt_u (local.get 0) (i32.const 1)))
				(local.set 1 (call $div (local.get 0) (i32.sub (local.get 0) (i32.const 7)))))
			(local.get 1))
		(func (export "f") (param i32) (result i32) (i32.add (i32.const 1) (call $mid (local.get 0)))))`
	m := w.instance("m", src)
	trap := w.wantTrap(m, vm.TrapIntegerDivideByZero, "f", 7)
	var ops []string
	for _, f := range trap.Frames {
		var r wasm.InstrReader
		var in wasm.Instr
		r.Reset(m.Module.Bytes[f.Offset:], f.Offset)
		if err := r.Next(&in); err != nil {
			t.Fatal(err)
		}
		ops = append(ops, in.Op.String())
	}
	if got := strings.Join(ops, " "); got != "i32.div_u call call" {
		t.Errorf("the backtrace's offsets are those of: %s", got)
	}
}
