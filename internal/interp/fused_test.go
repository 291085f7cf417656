package interp

import (
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// fusedForms are bodies of functions of parameters $a $b $c (i32), $d $e $f (i64), $p $q $r (f32), $x $y $z (f64) that make lowering use the
// instruction named. Loops count down $n, which ends them after at most 20 rounds.
var fusedForms = map[string]string{
	"I32AddShl":     "(i32.add (local.get $a) (i32.shl (local.get $b) (i32.const 3)))",
	"I32OrShl":      "(i32.or (i32.shl (local.get $b) (i32.const 35)) (local.get $a))",
	"I32XorShl":     "(i32.xor (local.get $a) (i32.shl (local.get $b) (i32.const 31)))",
	"I32OrShrU":     "(i32.or (local.get $a) (i32.shr_u (local.get $b) (i32.const 9)))",
	"I32XorShrU":    "(i32.xor (local.get $a) (i32.shr_u (local.get $a) (i32.const 1)))",
	"I32XorRotl":    "(i32.xor (local.get $a) (i32.rotr (local.get $b) (i32.const 7)))",
	"I64AddShl":     "(i64.add (local.get $d) (i64.shl (local.get $e) (i64.const 63)))",
	"I64OrShl":      "(i64.or (local.get $d) (i64.shl (local.get $e) (i64.const 0)))",
	"I64XorShl":     "(i64.xor (i64.shl (local.get $e) (i64.const 13)) (local.get $d))",
	"I64OrShrU":     "(i64.or (local.get $d) (i64.shr_u (local.get $e) (i64.const 33)))",
	"I64XorShrU":    "(i64.xor (local.get $d) (i64.shr_u (local.get $d) (i64.const 32)))",
	"I64XorRotl":    "(i64.xor (local.get $d) (i64.rotl (local.get $e) (i64.const 65)))",
	"I32ShrUAndK":   "(i32.and (i32.shr_u (local.get $a) (i32.const 5)) (i32.const 0x8000001f))",
	"I64ShrUAndK":   "(i64.and (i64.shr_u (local.get $d) (i64.const 60)) (i64.const 0xff))",
	"I32Add3":       "(i32.add (i32.add (local.get $a) (local.get $b)) (local.get $c))",
	"I64Add3":       "(i64.add (local.get $d) (i64.add (local.get $e) (local.get $f)))",
	"I32AddAddK":    "(i32.add (i32.add (local.get $a) (i32.const -7)) (local.get $b))",
	"I64AddAddK":    "(i64.add (i64.add (local.get $d) (local.get $e)) (i64.const 0x123456789abc))",
	"I32MulAdd":     "(i32.add (i32.mul (local.get $a) (local.get $b)) (local.get $c))",
	"I64MulAdd":     "(i64.add (local.get $d) (i64.mul (local.get $e) (local.get $f)))",
	"F32MulAdd":     "(f32.add (local.get $p) (f32.mul (local.get $q) (local.get $r)))",
	"F64MulAdd":     "(f64.add (f64.mul (local.get $x) (local.get $y)) (local.get $z))",
	"F32MulSub":     "(f32.sub (f32.mul (local.get $q) (local.get $r)) (local.get $p))",
	"F64MulSub":     "(f64.sub (f64.mul (local.get $x) (local.get $y)) (local.get $z))",
	"F32MulRsub":    "(f32.sub (local.get $p) (f32.mul (local.get $q) (local.get $r)))",
	"F64MulRsub":    "(f64.sub (local.get $z) (f64.mul (local.get $x) (local.get $y)))",
	"F64MulLoad":    "(f64.mul (local.get $x) (f64.load offset=1 (i32.add (local.get $s) (i32.const -9))))",
	"F64AddLoad":    "(f64.add (f64.load (local.get $s)) (local.get $x))",
	"F64SubLoad":    "(f64.sub (local.get $x) (f64.load (local.get $s)))",
	"F32MulLoad":    "(f32.mul (f32.load (local.get $s)) (local.get $p))",
	"F32AddLoad":    "(f32.add (f32.load (local.get $s)) (f32.load offset=2 (local.get $s)))",
	"F32SubLoad":    "(f32.sub (f32.load (local.get $s)) (f32.load offset=2 (local.get $s)))",
	"I32AddLoad":    "(i32.add (local.get $a) (i32.load offset=2 (local.get $s)))",
	"I32SubLoad":    "(i32.sub (local.get $a) (i32.load offset=2 (local.get $s)))",
	"I32Sub":        "(i32.sub (i32.load offset=2 (local.get $s)) (local.get $a))",
	"I32MulLoad":    "(i32.mul (i32.load offset=2 (local.get $s)) (local.get $a))",
	"I32AndLoad":    "(i32.and (i32.load offset=2 (local.get $s)) (local.get $a))",
	"I32XorLoad":    "(i32.xor (i32.load offset=2 (local.get $s)) (local.get $a))",
	"I64AddLoad":    "(i64.add (local.get $d) (i64.load offset=2 (local.get $s)))",
	"I64SubLoad":    "(i64.sub (local.get $d) (i64.load offset=2 (local.get $s)))",
	"I64Sub":        "(i64.sub (i64.load32_u offset=2 (local.get $s)) (local.get $d))",
	"I64MulLoad":    "(i64.mul (local.get $d) (i64.load offset=2 (local.get $s)))",
	"I64XorLoad":    "(i64.xor (i64.load offset=2 (local.get $s)) (local.get $d))",
	"SelectK":       "(select (local.get $a) (i32.const -7) (local.get $b))",
	"SelectKZ":      "(select (i32.const -7) (i32.wrap_i64 (local.get $d)) (i32.lt_u (local.get $a) (local.get $b)))",
	"SelectI32Eq":   "(select (local.get $a) (local.get $b) (i32.ne (local.get $a) (local.get $c)))",
	"SelectI32LtS":  "(select (local.get $a) (local.get $b) (i32.ge_s (local.get $a) (local.get $b)))",
	"SelectI32LtU":  "(select (local.get $a) (local.get $b) (i32.gt_u (local.get $a) (local.get $c)))",
	"SelectI64LtS":  "(select (local.get $a) (local.get $b) (i64.le_s (local.get $d) (local.get $e)))",
	"SelectI64LtU":  "(select (local.get $a) (local.get $b) (i64.lt_u (local.get $d) (local.get $e)))",
	"SelectF64Lt":   "(select (local.get $a) (local.get $b) (i32.eqz (f64.gt (local.get $x) (local.get $y))))",
	"SelectI32EqK":  "(select (local.get $a) (local.get $b) (i32.eqz (local.get $c)))",
	"SelectI32LtSK": "(select (local.get $a) (local.get $b) (i32.ge_s (local.get $c) (i32.const -3)))",
	"SelectI32LtUK": "(select (local.get $a) (local.get $b) (i32.lt_u (local.get $c) (i32.const -3)))",
	"SelectI32GtSK": "(select (local.get $a) (local.get $b) (i32.gt_s (local.get $c) (i32.const -3)))",
	"SelectI32GtUK": "(select (local.get $a) (local.get $b) (i32.le_u (local.get $c) (i32.const 3)))",
	"SelectI64EqK":  "(select (local.get $a) (local.get $b) (i64.ne (local.get $d) (i64.const -3)))",
	"SelectTest":    "(select (local.get $a) (local.get $b) (i32.and (local.get $c) (i32.const 6)))",
	// Jumps through a table, as Go's compiler makes them.
	"ConstBrL":          "(loop $l LOOP (block $c (block $b (block $a (br_table $a $b $c (local.get $i))) (local.set $b (i32.add (local.get $b) (local.get $a))) (local.set $i (i32.const 1)) (br $l)) (local.set $b (i32.mul (local.get $b) (i32.const 3))) (if (i32.and (local.get $b) (i32.const 1)) (then (local.set $i (i32.const 7)) (br $l))) (local.set $i (i32.const 0)) (br $l))) (i32.add (local.get $b) (local.get $i))",
	"I64Load32S":        "(i64.extend32_s (i64.load32_s (local.get $s)))",
	"BrTestZ":           "(if (result i32) (i32.and (local.get $a) (i32.const 6)) (then (i32.const 1)) (else (i32.const 2)))",
	"BrTestNZ":          "(if (result i32) (i64.eqz (i64.and (local.get $d) (i64.const 0x80000000))) (then (i32.const 1)) (else (i32.const 2)))",
	"BrTestZL":          "(loop $l LOOP (br_if $l (i32.eqz (i32.and (local.get $n) (i32.const 4))))) (local.get $n)",
	"BrTestNZL":         "(loop $l LOOP (br_if $l (i32.wrap_i64 (i64.and (i64.extend_i32_u (local.get $n)) (i64.const 3))))) (local.get $n)",
	"Const2":            "(i32.add (call $two (i32.const 1) (i32.const -2)) (local.get $a))",
	"I32AddK2":          "(local.set $a (i32.add (local.get $a) (i32.const 1))) (local.set $b (i32.sub (local.get $a) (i32.const 3))) (nop) (i32.xor (local.get $a) (local.get $b))",
	"MovI32AddK":        "(local.set $c (i32.mul (local.get $c) (local.get $c))) (local.set $a (local.get $b)) (local.set $b (i32.add (local.get $b) (i32.const 70000))) (i32.mul (local.get $a) (local.get $b))",
	"MovBr":             "(block $o (block $i (br_if $i (local.get $a)) (local.set $b (local.get $c)) (br $o)) (local.set $b (i32.const 4))) (i32.mul (local.get $b) (i32.const 5))",
	"ConstBr":           "(block $o (block $i (br_if $i (local.get $a)) (local.set $b (i32.const 9)) (br $o)) (local.set $b (i32.const 4))) (i32.mul (local.get $b) (i32.const 5))",
	"MovBrL":            "(block $o (loop $l LOOP (br_if $o (i32.eqz (local.get $n))) (local.set $b (local.get $n)) (br $l))) (local.get $b)",
	"ConstBrL ":         "(block $o (loop $l LOOP (br_if $o (i32.eqz (local.get $n))) (local.set $b (i32.const 77)) (br $l))) (local.get $b)",
	"I32LoadX":          "(i32.load offset=4 (i32.add (i32.and (local.get $a) (i32.const 0xff)) (i32.shl (i32.and (local.get $b) (i32.const 0xf)) (i32.const 2))))",
	"I64LoadX":          "(i64.load (i32.add (local.get $a) (local.get $b)))",
	"I32Load8SX":        "(i32.load8_s (i32.add (local.get $s) (i32.shl (local.get $s) (i32.const 1))))",
	"I32Load8UX":        "(i32.load8_u (i32.wrap_i64 (i64.add (local.get $d) (local.get $e))))",
	"I32Load16SX":       "(i32.load16_s offset=1 (i32.add (local.get $s) (local.get $s)))",
	"I32Load16UX":       "(i32.load16_u offset=1 (i32.add (local.get $s) (local.get $s)))",
	"I64Load8SX":        "(i64.load8_s (i32.wrap_i64 (i64.add (local.get $d) (i64.shl (local.get $e) (i64.const 31)))))",
	"I64Load16SX":       "(i64.load16_s (i32.add (local.get $s) (i32.shl (local.get $s) (i32.const 3))))",
	"I64Load32SX":       "(i64.load32_s (i32.add (local.get $s) (i32.shl (local.get $s) (i32.const 2))))",
	"Store8X":           "(i32.store8 (i32.add (local.get $s) (local.get $s)) (local.get $a)) (i32.const 0)",
	"Store16X":          "(i32.store16 offset=3 (i32.add (local.get $s) (i32.shl (local.get $s) (i32.const 1))) (local.get $a)) (i32.const 0)",
	"Store32X":          "(f32.store (i32.add (local.get $s) (i32.shl (local.get $s) (i32.const 2))) (local.get $p)) (i32.const 0)",
	"Store64X":          "(i64.store (i32.add (local.get $a) (local.get $b)) (local.get $d)) (i32.const 0)",
	"I32LoadAbs":        "(i32.load offset=12 (i32.const 8))",
	"I64LoadAbs":        "(i64.load offset=65520 (i32.const 9))",
	"I32Load8UAbs":      "(i32.load8_u offset=1 (i32.const -1))",
	"Store32Abs":        "(i32.store offset=4 (i32.const 8) (local.get $a)) (i32.const 0)",
	"Store64Abs":        "(f64.store offset=4 (i32.const 65527) (local.get $x)) (i32.const 0)",
	"Copy32":            "(i32.store offset=100 (local.get $s) (i32.load offset=3 (local.get $s))) (i32.const 0)",
	"Copy64":            "(i64.store offset=65400 (local.get $s) (i64.load offset=3 (local.get $a))) (i32.const 0)",
	"I32Load":           "(i32.load offset=8 (i32.add (local.get $a) (i32.const 16)))", // the sum wraps before the offset is added
	"Store16K":          "(i32.store16 offset=8 (i32.sub (local.get $s) (i32.const 4)) (i32.const 0x1ffff)) (i32.const 0)",
	"Store64K":          "(i64.store (i32.add (local.get $a) (i32.const 0x7fffffff)) (i64.const -5)) (i32.const 0)",
	"I64Load2":          "(local.set $d (i64.load offset=8 (local.get $s))) (local.set $e (i64.load offset=65000 (local.get $s))) (nop) (i64.xor (local.get $d) (local.get $e))",
	"Store64x2":         "(i64.store offset=8 (local.get $s) (local.get $d)) (i64.store offset=65300 (local.get $s) (local.get $e)) (i32.const 0)",
	"PushK":             "(global.set $g (local.tee $s (i32.sub (local.get $s) (i32.const 8)))) (i64.store (local.get $s) (i64.const -77)) (local.get $s)",
	"I32AddKGlobalSet":  "(global.set $g (local.tee $a (i32.add (local.get $a) (i32.const -5)))) (local.get $a)",
	"GlobalGetBrNZ":     "(local.set $b (i32.and (local.get $a) (i32.const 1))) (block $l (local.set $c (global.get $g)) (br_if $l (local.get $b)) (local.set $c (i32.const 1))) (local.get $c)",
	"GlobalGetBrNZL":    "(loop $l LOOP (local.set $b (global.get $g)) (br_if $l (local.get $n))) (local.get $b)",
	"I32LoadBrZ":        "(block $l (br_if $l (i32.eqz (local.tee $b (i32.load (local.get $s))))) (local.set $c (i32.const 1))) (i32.add (local.get $b) (local.get $c))",
	"I32LoadBrNZ":       "(block $l (br_if $l (local.tee $b (i32.load (local.get $s)))) (local.set $c (i32.const 1))) (i32.add (local.get $b) (local.get $c))",
	"I32LoadBrZL":       "(loop $l LOOP (br_if $l (i32.eqz (local.tee $b (i32.load (local.get $n)))))) (i32.add (local.get $b) (local.get $n))",
	"I32LoadBrNZL":      "(loop $l LOOP (br_if $l (local.tee $b (i32.load offset=64 (local.get $n))))) (i32.add (local.get $b) (local.get $n))",
	"I32Load8UBrEqK":    "(block $l (br_if $l (i32.eq (local.tee $b (i32.load8_u (local.get $s))) (i32.const 7))) (local.set $c (i32.const 1))) (i32.add (local.get $b) (local.get $c))",
	"I32Load8UBrNeK":    "(block $l (br_if $l (i32.ne (local.tee $b (i32.load8_u (local.get $s))) (i32.const 0x107))) (local.set $c (i32.const 1))) (i32.add (local.get $b) (local.get $c))",
	"I32Load8UBrEqKL":   "(loop $l LOOP (br_if $l (i32.eq (local.tee $b (i32.load8_u (local.get $n))) (i32.const 3)))) (i32.add (local.get $b) (local.get $n))",
	"I32Load8UBrNeKL":   "(loop $l LOOP (br_if $l (local.tee $b (i32.load8_u offset=6 (local.get $n))))) (i32.add (local.get $b) (local.get $n))",
	"I32Load8UBrTable":  "(block $z (block $y (block $x (br_table $x $y $x $z (i32.load8_u (local.get $s)))) (return (i64.const 1))) (return (i64.const 2))) (i32.const 3)",
	"I32AddKBrNZ32L":    "(loop $l LOOP (br_if $l (local.tee $n (i32.add (local.get $n) (i32.const -1))))) (local.get $n)",
	"I32AddKBrI32NeL":   "(local.set $b (i32.const 7)) (loop $l (br_if $l (i32.ne (local.tee $n (i32.add (local.get $n) (i32.const -1))) (local.get $b)))) (local.get $n)",
	"I32AddKBrI32LtSL":  "(loop $l LOOP (br_if $l (i32.lt_s (local.tee $c (i32.add (local.get $c) (i32.const 3))) (local.get $a)))) (local.get $c)",
	"I32AddKBrI32LtUL":  "(loop $l LOOP (br_if $l (i32.gt_u (local.get $a) (local.tee $c (i32.add (local.get $c) (i32.const 3)))))) (local.get $c)",
	"I32AddKBrI32NeKL":  "(loop $l (br_if $l (i32.ne (local.tee $n (i32.add (local.get $n) (i32.const -1))) (i32.const -30)))) (local.get $n)",
	"I32AddKBrI32LtSKL": "(loop $l LOOP (br_if $l (i32.lt_s (local.tee $c (i32.add (local.get $c) (i32.const 3))) (i32.const -3)))) (local.get $c)",
	"I32AddKBrI32LtUKL": "(loop $l LOOP (br_if $l (i32.lt_u (local.tee $c (i32.add (local.get $c) (i32.const 3))) (i32.const -3)))) (local.get $c)",
	"I32AddKBrI32GtSKL": "(loop $l LOOP (br_if $l (i32.gt_s (local.tee $c (i32.add (local.get $c) (i32.const -3))) (i32.const -9)))) (local.get $c)",
	"I32AddKBrI32GtUKL": "(loop $l LOOP (br_if $l (i32.gt_u (local.tee $c (i32.add (local.get $c) (i32.const -3))) (i32.const 9)))) (local.get $c)",
	"I32AddBrI32LtSKL":  "(loop $l LOOP (br_if $l (i32.lt_s (local.tee $c (i32.add (local.get $c) (local.get $b))) (i32.const 70000)))) (local.get $c)",
	"I32AddBrI32LtUKL":  "(loop $l LOOP (br_if $l (i32.lt_u (local.tee $c (i32.add (local.get $c) (local.get $b))) (i32.const 70000)))) (local.get $c)",
	"CallM":             "(call $two (i32.mul (local.get $a) (local.get $b)) (local.get $c))",
	"CallK":             "(call $two (local.get $a) (i32.const 65535))",
	"I32Wrap":           "(call $two (i32.wrap_i64 (local.get $d)) (i32.wrap_i64 (i64.mul (local.get $e) (local.get $f))))",
}

// branchForms adds the backward forms of every comparison.
func branchForms() map[string]string {
	forms := map[string]string{}
	for k, v := range fusedForms {
		forms[k] = v
	}
	for _, t := range []struct{ name, text, x, y string }{{"I32", "i32", "$a", "$b"}, {"I64", "i64", "$d", "$e"}, {"F32", "f32", "$p", "$q"}, {"F64", "f64", "$x", "$y"}} {
		for _, c := range []string{"Eq", "Ne", "LtS", "LtU", "LeS", "LeU", "GtS", "GtU", "GeS", "GeU", "Lt", "Le"} {
			float := t.name[0] == 'F'
			if float && len(c) == 3 || !float && (c == "Lt" || c == "Le") {
				continue
			}
			text := strings.ToLower(c[:2])
			if len(c) == 3 {
				text += "_" + strings.ToLower(c[2:])
			}
			loop := "(loop $l LOOP (br_if $l (" + t.text + "." + text + " (local.get " + t.x + ") Y))) (local.get $n)"
			if c[0] != 'G' {
				forms["Br"+t.name+c+"L"] = strings.Replace(loop, "Y", "(local.get "+t.y+")", 1)
			}
			if !float {
				forms["Br"+t.name+c+"KL"] = strings.Replace(loop, "Y", "("+t.text+".const -4)", 1)
			} else if c[0] == 'L' {
				forms["Br"+t.name+"N"+c+"L"] = "(loop $l LOOP (br_if $l (i32.eqz (" + t.text + "." + text + " (local.get " + t.x + ") (local.get " + t.y + "))))) (local.get $n)"
			}
		}
	}
	return forms
}

// TestFusedForms runs each form on many operands, with the plain lowering and with the real one, which must use the instruction.
func TestFusedForms(t *testing.T) {
	forms := branchForms()
	for name, body := range forms {
		t.Run(name, func(t *testing.T) {
			src := formSource(name, body)
			found := false
			for _, in := range lowered(t, src, 1) {
				found = found || in.op < numOps && in.op.String() == strings.TrimSpace(name)
			}
			if !found {
				t.Fatalf("%s is not used:\n%s", name, dump(lowered(t, src, 1)))
			}
			compareLowerings(t, src)
		})
	}
}

// TestThreadedJumps: a loop that begins with a br_table, which the ends of its arms lead to with a constant: they go where the table leads, for every
// constant, those beyond the table too.
func TestThreadedJumps(t *testing.T) {
	arm := func(k, digit int) string {
		return fmt.Sprintf(`(local.set $b (i32.add (i32.mul (local.get $b) (i32.const 5)) (i32.const %d)))
			(br_if $end (i32.eqz (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
			(local.set $i (i32.const %d)) (br $l)`, digit, k)
	}
	for _, next := range [][4]int{{1, 2, 3, 0}, {3, 0, 1, 2}, {7, 2, -1, 1}, {2, 8, 0, 0x7fffffff}, {0, 0, 0, 0}, {-2147483648, 3, 4, 5}} {
		body := `(block $end (loop $l (block $d (block $c (block $b (block $a
			(br_table $a $b $c $d (local.get $i))) ` + arm(next[0], 1) + ") " + arm(next[1], 2) + ") " + arm(next[2], 3) + ") " + arm(next[3], 4) + ")) (local.get $b)"
		src := formSource("", body)
		code := lowered(t, src, 1)
		threaded := 0
		for i, in := range code {
			if in.op == opConstBrL {
				if to := code[i+int(in.lane(3))/instrSize]; to.op == opBrTable {
					t.Errorf("%v: the jump at %d leads to the table:\n%s", next, i, dump(code))
				}
				threaded++
			}
		}
		if threaded != 4 {
			t.Errorf("%v: %d jumps to look at:\n%s", next, threaded, dump(code))
		}
		compareLowerings(t, src)
	}
}

// formSource is a module whose export f has a form as its body.
func formSource(name, body string) string {
	tail := map[wasm.ValType]string{wasm.I32: "(i64.extend_i32_u)", wasm.F32: "(i64.extend_i32_u (i32.reinterpret_f32))",
		wasm.F64: "(i64.reinterpret_f64)"}[formResult(name, body)]
	loop := "(if (i32.eqz (local.tee $n (i32.sub (local.get $n) (i32.const 1)))) (then (return (i64.const -1))))"
	return `(module (memory (export "m") 1) (global $g (export "g") (mut i32) (i32.const 12345))
		(data (i32.const 0) "\00\00\00\00\01\02\03\04\05\06\07\07\08\00\ff\fe\00\00\00\00\07\03\03")
		(func $two (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
		(func (export "f") (param $a i32) (param $b i32) (param $c i32) (param $d i64) (param $e i64) (param $f i64)
			(param $p f32) (param $q f32) (param $r f32) (param $x f64) (param $y f64) (param $z f64) (param $s i32) (result i64) (local $n i32) (local $i i32)
			(local.set $n (i32.const 20))` + strings.ReplaceAll(body, "LOOP", loop) + tail + `))`
}

// compareLowerings runs f of a module on many operands, with the plain lowering and with the real one.
func compareLowerings(t *testing.T, src string) {
	t.Helper()
	var traces [2][]string
	for i, plain := range []bool{true, false} {
		w := newWorld(t, 0)
		w.engine.plain = plain
		inst := w.instance("m", src)
		r := rand.New(rand.NewPCG(1, 2))
		for range 120 {
			var args []uint64
			for k := range 13 {
				args = append(args, operandValue(r, k))
			}
			res, err := w.call(inst, "f", args...)
			x, _ := inst.Export("g")
			g, _ := x.Global.Get()
			if err != nil {
				res = nil
			}
			traces[i] = append(traces[i], fmt.Sprintf("%x = %x %v, memory %x, global %x", args, res, err, crc32.ChecksumIEEE(inst.Memories[0].Bytes()), g))
		}
	}
	for i := range traces[0] {
		if traces[0][i] != traces[1][i] {
			t.Fatalf("plain: %s\nreal:  %s\n%s", traces[0][i], traces[1][i], dump(lowered(t, src, 1)))
		}
	}
}

// TestNotFused: operations that differ in type from what computed their operand do not take it in, though nothing is emitted between them.
func TestNotFused(t *testing.T) {
	for name, body := range map[string]string{
		"f64 less f32 product": "(f64.sub (local.get $x) (f64.reinterpret_i64 (i64.extend_i32_u (i32.reinterpret_f32 (f32.mul (local.get $p) (local.get $q))))))",
		"f32 product less f64": "(f64.sub (f64.reinterpret_i64 (i64.extend_i32_u (i32.reinterpret_f32 (f32.mul (local.get $p) (local.get $q))))) (local.get $x))",
		"f64 and f32 product":  "(f64.add (local.get $x) (f64.reinterpret_i64 (i64.extend_i32_u (i32.reinterpret_f32 (f32.mul (local.get $p) (local.get $q))))))",
		"f32 less f64 product": "(f32.sub (local.get $p) (f32.reinterpret_i32 (i32.wrap_i64 (i64.reinterpret_f64 (f64.mul (local.get $x) (local.get $y))))))",
		"i64 and i32 sum":      "(i64.add (local.get $d) (i64.extend_i32_u (i32.add (local.get $a) (local.get $b))))",
		"i64 and i32 constant": "(i64.add (local.get $d) (i64.extend_i32_u (i32.add (i32.mul (local.get $a) (local.get $b)) (i32.const 7))))",
		"i64 or i32 shift":     "(i64.or (local.get $d) (i64.extend_i32_u (i32.shr_u (local.get $a) (i32.const 7))))",
		"i64 and i32 load":     "(i64.add (local.get $d) (i64.extend_i32_u (i32.load (local.get $s))))",
		"i32 and i64 load":     "(i32.add (local.get $a) (i32.wrap_i64 (i64.load (local.get $s))))",
		"i32 and i64 product":  "(i32.add (local.get $a) (i32.wrap_i64 (i64.mul (local.get $d) (local.get $e))))",
		"i32 bits of i64":      "(i32.and (i32.wrap_i64 (i64.shr_u (local.get $d) (i64.const 33))) (i32.const 0xff))",
		"i64 bits of i32":      "(i64.and (i64.extend_i32_u (i32.shr_u (local.get $a) (i32.const 3))) (i64.const 0xff))",
	} {
		t.Run(name, func(t *testing.T) { compareLowerings(t, formSource(name, body)) })
	}
}

// formResult is the type of what a form leaves on the stack.
func formResult(name, body string) wasm.ValType {
	switch {
	case strings.HasPrefix(body, "(f32.") && !strings.HasPrefix(body, "(f32.store"):
		return wasm.F32
	case strings.HasPrefix(body, "(f64.") && !strings.HasPrefix(body, "(f64.store"):
		return wasm.F64
	case strings.HasPrefix(body, "(i64.") && !strings.HasPrefix(body, "(i64.store"), name == "I64Load2":
		return wasm.I64
	}
	return wasm.I32
}

// operandValue makes parameter k of a fused form: mostly small or special, so that comparisons go either way.
func operandValue(r *rand.Rand, k int) uint64 {
	small := uint64(int64(r.IntN(12) - 6))
	wide := r.Uint64() >> r.IntN(64)
	switch {
	case k == 12: // an address near the memory's ends
		return uint64(uint32([]uint64{uint64(r.IntN(40)), 65536 - uint64(r.IntN(40))}[r.IntN(2)]))
	case k >= 9:
		return math.Float64bits([]float64{0, math.Copysign(0, -1), 1.5, math.Inf(1), math.NaN(), float64(int64(wide)), 1e-310}[r.IntN(7)])
	case k >= 6:
		return uint64(math.Float32bits([]float32{0, 1.25, -3, float32(math.Inf(-1)), float32(math.NaN()), float32(int64(wide)), 1e-40}[r.IntN(7)]))
	case k >= 3:
		return []uint64{small, wide, uint64(r.IntN(70000))}[r.IntN(3)]
	}
	return uint64(uint32([]uint64{small, wide, uint64(r.IntN(70000)), 1 << 31}[r.IntN(4)]))
}
