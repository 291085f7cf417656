package interp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// eachGC runs a test with both lowerings and a few plans under stress.
func eachGC(t *testing.T, f func(t *testing.T, w *world)) {
	for _, s := range gcSetups {
		t.Run(fmt.Sprintf("%s/%d/%v", s.plan, s.stress, s.plain), func(t *testing.T) {
			w := gcWorld(t, s.plan, s.stress, s.plain)
			newHost(w)
			f(t, w)
		})
	}
}

// TestGCDeepRecursion: every frame of a deep recursion holds references, in locals and as operands, while objects move.
func TestGCDeepRecursion(t *testing.T) {
	eachGC(t, func(t *testing.T, w *world) {
		inst := w.instance("m", `(module
			(type $n (struct (field $v (mut i32)) (field $next (mut (ref null $n)))))
			(func $down (export "down") (param $d i32) (param $from (ref null $n)) (result i32) (local $mine (ref null $n))
				(local.set $mine (struct.new $n (local.get $d) (local.get $from)))
				(i32.add
					(struct.get $n $v (struct.new $n (local.get $d) (local.get $mine)))
					(if (result i32) (local.get $d)
						(then (i32.add (call $down (i32.sub (local.get $d) (i32.const 1)) (local.get $mine)) (struct.get $n $v (local.get $mine))))
						(else (call $length (local.get $mine))))))
			(func $length (param $l (ref null $n)) (result i32) (local $k i32)
				(block $end (loop $again
					(local.set $l (struct.get $n $next (br_on_null $end (local.get $l))))
					(local.set $k (i32.add (local.get $k) (i32.const 1)))
					(br $again)))
				(local.get $k)))`)
		for _, d := range []uint64{0, 1, 120} {
			w.want(inst, d*(d+1)+d+1, "down", d, 0) // twice the sum, and the length
		}
	})
	// No stress: as deep as the stack goes, and an end by a trap that leaves the heap usable.
	w := gcWorld(t, "stickyimmix", 0, false)
	inst := w.instance("m", `(module
		(type $n (struct (field i32) (field (ref null $n))))
		(func $f (export "f") (param $d i32) (param $p (ref null $n)) (result i32)
			(if (i32.eqz (local.get $d)) (then (return (i32.const 0))))
			(i32.add (call $f (i32.sub (local.get $d) (i32.const 1)) (struct.new $n (local.get $d) (local.get $p)))
				(struct.get $n 0 (struct.new $n (i32.const 1) (local.get $p))))))`)
	w.want(inst, 50_000, "f", 50_000, 0)
	w.wantTrap(inst, vm.TrapStackExhausted, "f", 100_000_000, 0)
	w.want(inst, 50_000, "f", 50_000, 0)
}

// TestGCAcrossInstances: objects go through calls and tail calls between instances, and through their globals and tables.
func TestGCAcrossInstances(t *testing.T) {
	const types = `(rec (type $p (sub (struct (field (mut i32)) (field (mut (ref null $p)))))) (type $q (sub final $p (struct (field (mut i32)) (field (mut (ref null $p))) (field (mut anyref))))))`
	eachGC(t, func(t *testing.T, w *world) {
		w.instance("a", `(module `+types+`
			(table (export "t") 4 anyref)
			(global (export "g") (mut (ref null $p)) (struct.new_default $q))
			(func (export "wrap") (param $x (ref null $p)) (param $k i32) (result (ref $p))
				(global.set 0 (struct.new $p (local.get $k) (local.get $x)))
				(struct.new $q (local.get $k) (local.get $x) (struct.new_default $p)))
			(func (export "sum") (param $x (ref null $p)) (param $k i32) (result i32)
				(loop $l
					(drop (struct.new_default $q))
					(if (ref.is_null (local.get $x)) (then (return (local.get $k))))
					(local.set $k (i32.add (local.get $k) (struct.get $p 0 (local.get $x))))
					(local.set $x (struct.get $p 1 (local.get $x)))
					(br $l))
				(unreachable)))`)
		inst := w.instance("m", `(module `+types+`
			(import "a" "wrap" (func $wrap (param (ref null $p) i32) (result (ref $p))))
			(import "a" "sum" (func $sum (param (ref null $p) i32) (result i32)))
			(import "a" "t" (table $t 4 anyref))
			(import "a" "g" (global $g (mut (ref null $p))))
			(func (export "run") (param $n i32) (result i32) (local $l (ref null $p)) (local $i i32)
				(local.set $i (local.get $n))
				(loop $again
					(local.set $l (call $wrap (local.get $l) (local.get $i)))
					(table.set $t (i32.const 2) (local.get $l))
					(br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
				(if (i32.ne (struct.get $p 0 (global.get $g)) (i32.const 1)) (then (unreachable)))
				(if (i32.eqz (ref.eq (ref.cast (ref $q) (table.get $t (i32.const 2))) (local.get $l))) (then (unreachable)))
				(return_call $sum (struct.get $q 1 (ref.cast (ref $q) (local.get $l))) (i32.const 0))))`)
		w.want(inst, 30*31/2-1, "run", 30)
	})
}

// TestGCCastTable asks all four questions about all kinds of values and all types to cast to.
func TestGCCastTable(t *testing.T) {
	types := []gtype{{super: -1}, {super: 0}, {super: 1}, {super: 0}, {super: -1}, {super: 4}}
	for i := range types {
		types[i].Kind = wasm.CompStruct
		if i >= 4 {
			types[i].Kind = wasm.CompArray
		}
	}
	values := []struct {
		text string
		val  gval
	}{
		{"(ref.null any)", zero}, {"(ref.i31 (i32.const 0))", gval{i31: true}}, {"(ref.i31 (i32.const -1))", gval{i31: true, lo: 0x7FFFFFFF}},
		{"(any.convert_extern (call $value (i32.const 3)))", gval{host: 4}},
		{"(struct.new_default 0)", gval{obj: &gobj{typ: 0}}}, {"(struct.new_default 1)", gval{obj: &gobj{typ: 1}}}, {"(struct.new_default 2)", gval{obj: &gobj{typ: 2}}},
		{"(struct.new_default 3)", gval{obj: &gobj{typ: 3}}}, {"(array.new_default 4 (i32.const 1))", gval{obj: &gobj{typ: 4}}}, {"(array.new_fixed 5 0)", gval{obj: &gobj{typ: 5}}},
	}
	heaps := []wasm.HeapType{wasm.HeapAny, wasm.HeapEq, wasm.HeapI31, wasm.HeapStruct, wasm.HeapArray, wasm.HeapNone, 0, 1, 2, 3, 4, 5}
	var b strings.Builder
	b.WriteString(`(module (rec (type (sub (struct))) (type (sub 0 (struct (field i32)))) (type (sub final 1 (struct (field i32) (field i64)))) (type (sub 0 (struct (field f32))))
		(type (sub (array (mut i8)))) (type (sub final 4 (array (mut i8)))))
		(import "host" "value" (func $value (param i32) (result externref)))`)
	type question struct {
		name string
		hit  bool
	}
	var asked []question
	for i, v := range values {
		for _, h := range heaps {
			for _, null := range []bool{false, true} {
				to := wasm.RefTo(h, null)
				miss := "anyref"
				if null {
					miss = "(ref any)"
				}
				n := fmt.Sprintf("%d-%v", i, to)
				for k, form := range []string{
					"(ref.test TO X)",
					"(if (result i32) (ref.test TO X) (then (i32.const 1)) (else (i32.const 0)))",
					"(if (result i32) (i32.eqz (ref.test TO X)) (then (i32.const 0)) (else (i32.const 1)))",
					"(block $l (result TO) (br_on_cast $l anyref TO X) (return (i32.const 0))) (drop) (i32.const 1)",
					"(block $l (result MISS) (br_on_cast_fail $l anyref TO X) (return (i32.const 1))) (drop) (i32.const 0)",
					"(i32.const 5) (block $l (param i32) (result i32 TO) (br_on_cast $l anyref TO X) (drop) (drop) (return (i32.const 0))) (drop) (i32.const 4) (i32.sub)",
					"(loop $l (result i32) (ref.test TO X) (br_if 1 (i32.const 1)) (br_if $l (ref.test TO (local.get $x))))",
				} {
					body := strings.NewReplacer("TO", to.String(), "MISS", miss, "X", "(local.tee $x "+v.text+")").Replace(form)
					name := fmt.Sprintf("%s-%d", n, k)
					fmt.Fprintf(&b, "\n(func (export %q) (result i32) (local $x anyref) %s)", name, body)
					asked = append(asked, question{name, v.val.is(types, to)})
				}
				fmt.Fprintf(&b, "\n(func (export \"%s-cast\") (result i32) (local $x anyref) (local.set $x %s) (ref.is_null (ref.cast %s (local.get $x))))", n, v.text, to)
			}
		}
	}
	b.WriteString(")")
	eachGC(t, func(t *testing.T, w *world) {
		inst := w.instance("m", b.String())
		bit := map[bool]uint64{true: 1}
		for _, q := range asked {
			w.want(inst, bit[q.hit], q.name)
		}
		for i, v := range values {
			for _, h := range heaps {
				for _, null := range []bool{false, true} {
					to := wasm.RefTo(h, null)
					name := fmt.Sprintf("%d-%v-cast", i, to)
					if v.val.is(types, to) {
						w.want(inst, bit[v.val.null()], name)
					} else {
						w.wantTrap(inst, vm.TrapCastFailure, name)
					}
				}
			}
		}
	})
}

// TestGCDeepTypes: a chain of subtypes as deep as there may be, of which the display shows the beginning only.
func TestGCDeepTypes(t *testing.T) {
	const depth = 63
	var b strings.Builder
	b.WriteString("(module (type (sub (struct (field i32))))")
	for i := range depth {
		fmt.Fprintf(&b, "(type (sub %d (struct (field i32))))", i)
	}
	b.WriteString("(func $make (param $k i32) (result anyref)")
	for i := range depth + 1 {
		fmt.Fprintf(&b, "(if (i32.eq (local.get $k) (i32.const %d)) (then (return (struct.new %d (local.get $k)))))", i, i)
	}
	b.WriteString("(ref.null any))")
	for i := range depth + 1 {
		fmt.Fprintf(&b, `(func (export "test%d") (param i32) (result i32) (ref.test (ref %[1]d) (call $make (local.get 0))))
			(func (export "cast%[1]d") (param i32) (result i32) (struct.get %[1]d 0 (ref.cast (ref null %[1]d) (call $make (local.get 0)))))
			(func (export "br%[1]d") (param i32) (result i32) (block $l (result (ref null %[1]d)) (br_on_cast $l anyref (ref null %[1]d) (call $make (local.get 0))) (drop) (return (i32.const 0))) (drop) (i32.const 1))`, i)
	}
	b.WriteString(")")
	for _, plain := range []bool{false, true} {
		w := gcWorld(t, "semispace", 1, plain)
		inst := w.instance("m", b.String())
		for _, i := range []int{0, 1, 13, 14, 15, 16, 17, 62, 63} {
			for _, k := range []int{0, 1, 13, 14, 15, 16, 17, 62, 63} {
				hit := uint64(0)
				if k >= i {
					hit = 1
				}
				w.want(inst, hit, fmt.Sprintf("test%d", i), uint64(k))
				w.want(inst, hit, fmt.Sprintf("br%d", i), uint64(k))
				if hit == 1 {
					w.want(inst, uint64(k), fmt.Sprintf("cast%d", i), uint64(k))
				} else {
					w.wantTrap(inst, vm.TrapCastFailure, fmt.Sprintf("cast%d", i), uint64(k))
				}
			}
			w.want(inst, 0, fmt.Sprintf("test%d", i), depth+1)
			w.wantTrap(inst, vm.TrapNullStructure, fmt.Sprintf("cast%d", i), depth+1)
		}
	}
}

// TestGCLargeStructs: thousands of fields, with offsets beyond what fits an instruction's short fields.
func TestGCLargeStructs(t *testing.T) {
	for _, n := range []int{300, 3000, 9990} {
		var b strings.Builder
		b.WriteString("(module (type $s (struct")
		for i := range n {
			b.WriteString([]string{"(field (mut i64))", "(field (mut (ref null $s)))", "(field (mut i8))", "(field (mut v128))"}[i%4])
		}
		b.WriteString(`)) (func (export "new") (result i64) (local $s (ref $s)) (local.set $s (struct.new $s`)
		for i := range n {
			b.WriteString([]string{fmt.Sprintf("(i64.const %d)", i+1), "(struct.new_default $s)", fmt.Sprintf("(i32.const %d)", i&0x7F), fmt.Sprintf("(v128.const i64x2 1 %d)", i)}[i%4])
			if i%4 == 1 && i > 16 { // a few of such objects will do
				s := b.String()
				b.Reset()
				b.WriteString(strings.TrimSuffix(s, "(struct.new_default $s)") + "(ref.null $s)")
			}
		}
		b.WriteString("))")
		last := n - 2 - (n-2)%4 // of type i64
		fmt.Fprintf(&b, `(if (ref.is_null (struct.get $s 13 (local.get $s))) (then (unreachable)))
			(if (i32.ne (struct.get_s $s %[1]d (local.get $s)) (i32.const %[2]d)) (then (unreachable)))
			(if (i64.ne (i64x2.extract_lane 1 (struct.get $s %[3]d (local.get $s))) (i64.const %[3]d)) (then (unreachable)))
			(struct.set $s %[4]d (local.get $s) (local.get $s))
			(if (i32.eqz (ref.eq (local.get $s) (struct.get $s %[4]d (struct.get $s %[4]d (local.get $s))))) (then (unreachable)))
			(struct.set $s %[5]d (local.get $s) (i64.mul (i64.const 3) (struct.get $s %[5]d (local.get $s))))
			(struct.get $s %[5]d (struct.get $s %[4]d (local.get $s)))))`, last-2, (last-2)&0x7F, last-1, last-3, last)
		for _, plain := range []bool{false, true} {
			for _, plan := range []string{"semispace", "stickyimmix", "markcompact"} {
				w := gcWorld(t, plan, 1, plain)
				w.want(w.instance("m", b.String()), uint64(3*(last+1)), "new")
			}
		}
	}
}

// TestGCHostileSizes: lengths and indices near the ends of their types.
func TestGCHostileSizes(t *testing.T) {
	w := gcWorld(t, "stickyimmix", 0, false)
	elems := map[string]uint64{"i8": 1, "i16": 2, "i32": 4, "i64": 8, "v128": 16, "anyref": 4}
	inits := map[string]string{"i8": "(i32.const 7)", "i16": "(i32.const 7)", "i32": "(i32.const 7)", "i64": "(i64.const 7)", "v128": "(v128.const i64x2 7 7)", "anyref": "(ref.i31 (i32.const 7))"}
	for elem, size := range elems {
		inst := w.instance(elem, fmt.Sprintf(`(module
			(type $a (array (mut %s)))
			(data $d "0123456789") (elem $e anyref (item (ref.i31 (i32.const 1))))
			(global $g (mut (ref null $a)) (array.new_default $a (i32.const 100)))
			(func (export "default") (param i32) (result i32) (array.len (array.new_default $a (local.get 0))))
			(func (export "new") (param i32) (result i32) (array.len (array.new $a %[2]s (local.get 0))))
			(func (export "fill") (param i32 i32) (array.fill $a (global.get $g) (local.get 0) %[2]s (local.get 1)))
			(func (export "copy") (param i32 i32 i32) (array.copy $a $a (global.get $g) (local.get 0) (global.get $g) (local.get 1) (local.get 2)))
			(func (export "set") (param i32) (array.set $a (global.get $g) (local.get 0) %[2]s))
			(func (export "above") (param i32) (array.set $a (global.get $g) (i32.add (local.get 0) (i32.const 1)) %[2]s))
			(func (export "below") (param i32) (array.set $a (global.get $g) (i32.sub (local.get 0) (i32.const 1)) %[2]s))
			(func (export "make") (param i32 i32) (result i32) (array.len (array.new_%[3]s $a %[4]s (local.get 0) (local.get 1))))
			(func (export "init") (param i32 i32 i32) (array.init_%[3]s $a %[4]s (global.get $g) (local.get 0) (local.get 1) (local.get 2))))`,
			elem, inits[elem], map[bool]string{true: "elem", false: "data"}[elem == "anyref"], map[bool]string{true: "$e", false: "$d"}[elem == "anyref"]))
		for _, n := range []uint64{0, 1, 1000, 100_000} {
			w.want(inst, n, "default", n)
			w.want(inst, n, "new", n)
		}
		// Sizes that wrap round at 32 bits, the largest ones, and those just above what an object may have.
		for _, n := range []uint64{1<<32/size - 1, 1 << 32 / size, 1<<32/size + 1, 1<<31/size - 1, 1 << 31 / size, 0xFFFFFFFF, 0xFFFFFFF0, 0x80000000} {
			if n &= 0xFFFFFFFF; n*size < 64<<20 {
				continue // it wraps to a length that is right
			}
			w.wantTrap(inst, vm.TrapAllocation, "default", n)
			w.wantTrap(inst, vm.TrapAllocation, "new", n)
		}
		seg, oob := 10/size, vm.TrapMemoryOutOfBounds
		if elem == "anyref" {
			seg, oob = 1, vm.TrapTableOutOfBounds
		}
		for _, at := range []uint64{0, 1, 99, 100, 101, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF} {
			for _, n := range []uint64{0, 1, 99, 100, 101, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF} {
				check := func(ok bool, code vm.TrapCode, export string, args ...uint64) {
					t.Helper()
					_, err := w.call(inst, export, args...)
					var trap *vm.TrapError
					if ok && err != nil || !ok && (!errors.As(err, &trap) || trap.Code != code) {
						t.Errorf("%s: %s%v: %v, want success %v", elem, export, args, err, ok)
					}
				}
				check(at+n <= 100, vm.TrapArrayOutOfBounds, "fill", at, n)
				check(at+n <= 100, vm.TrapArrayOutOfBounds, "copy", at, 0, n)
				check(at+n <= 100, vm.TrapArrayOutOfBounds, "copy", 0, at, n)
				if at+n > 100 {
					check(false, vm.TrapArrayOutOfBounds, "init", at, 0, n)
				} else {
					check(n <= seg, oob, "init", at, 0, n)
				}
				if at*min(size, 1) >= 1 {
					check(elem == "anyref" && at+n <= 1 || elem != "anyref" && at+n*size <= 10, oob, "make", at, n)
				}
			}
			set := func(export string, index uint64) {
				if _, err := w.call(inst, export, at); (err == nil) != (index&0xFFFFFFFF < 100) {
					t.Errorf("%s: %s(%d): %v", elem, export, at, err)
				}
			}
			set("set", at)
			set("above", at+1)
			set("below", at-1)
		}
	}
}

// TestGCFullHeap: a program that keeps too much ends by a trap; what comes after it has the heap for itself.
func TestGCFullHeap(t *testing.T) {
	for _, plan := range []string{"stickyimmix", "semispace", "markcompact", "marksweep", "immix", "genimmix"} {
		w := gcWorld(t, plan, 0, false)
		w.thread.GC.MaxBytes = 8 << 20
		inst := w.instance("m", `(module
			(type $l (struct (field (ref null $l)) (field i64)))
			(type $b (array (mut i64)))
			(func (export "list") (param $n i32) (result i32) (local $l (ref null $l))
				(loop $again
					(local.set $l (struct.new $l (local.get $l) (i64.const 1)))
					(br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
				(ref.is_null (local.get $l)))
			(func (export "arrays") (param $n i32) (result i32) (local $b (ref null $b))
				(loop $again
					(local.set $b (array.new $b (i64.const 3) (i32.const 10000)))
					(br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
				(array.len (local.get $b))))`)
		for range 3 {
			w.want(inst, 0, "list", 10_000)
			w.wantTrap(inst, vm.TrapAllocation, "list", 0)
			w.want(inst, 10_000, "arrays", 1000)
		}
	}
}

// TestGCStops: a program that does nothing but allocate, and one in the middle of a large array, end when they are told to.
func TestGCStops(t *testing.T) {
	for _, name := range []string{"allocate", "fill", "copy"} {
		w := gcWorld(t, "stickyimmix", 0, false)
		stop := errors.New("enough")
		rounds := 0
		w.host("tick", nil, nil, func(th *vm.Thread, _ []uint64) error {
			if rounds++; rounds == 3 {
				th.Stop(stop)
			}
			return nil
		})
		inst := w.instance("m", `(module
			(import "host" "tick" (func $tick))
			(type $l (struct (field i64)))
			(type $b (array (mut i64)))
			(func (export "allocate") (call $tick) (call $tick) (call $tick) (loop $again (drop (struct.new_default $l)) (br $again)))
			(func (export "fill") (local $b (ref $b)) (local.set $b (array.new_default $b (i32.const 1000000)))
				(call $tick) (call $tick) (call $tick)
				(array.fill $b (local.get $b) (i32.const 0) (i64.const 1) (i32.const 1000000)) (unreachable))
			(func (export "copy") (local $b (ref $b)) (local.set $b (array.new_default $b (i32.const 1000000)))
				(call $tick) (call $tick) (call $tick)
				(array.copy $b $b (local.get $b) (i32.const 1) (local.get $b) (i32.const 0) (i32.const 999999)) (unreachable)))`)
		if _, err := w.call(inst, name); !errors.Is(err, stop) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
