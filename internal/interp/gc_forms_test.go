package interp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// gcFormTypes are for gcForms. A struct type is named by its fields: w i32, d i64, p f32, c i8, s i16, v v128, r a reference.
const gcFormTypes = `
	(type $w (struct (field (mut i32)))) (type $d (struct (field (mut i64)))) (type $ww (struct (field i32) (field (mut i32)))) (type $wd (struct (field i32) (field i64)))
	(type $dw (struct (field i64) (field i32))) (type $dd (struct (field i64) (field i64))) (type $www (struct (field i32) (field i32) (field i32)))
	(type $csvp (struct (field (mut i8)) (field (mut i16)) (field (mut v128)) (field (mut f32))))
	(type $dddd (struct (field i64) (field i64) (field i64) (field i64))) (type $w5 (struct (field i32) (field i32) (field i32) (field i32) (field i32)))
	(rec (type $r (sub (struct (field (mut (ref null $r))) (field (mut i32))))) (type $q (sub final $r (struct (field (mut (ref null $r))) (field (mut i32)) (field (mut i8)) (field (mut i16)) (field (mut i64))))))
	(type $a8 (array (mut i8))) (type $a16 (array (mut i16))) (type $a32 (array (mut i32))) (type $a64 (array (mut i64))) (type $av (array (mut v128))) (type $ar (array (mut (ref null $r))))
	(type $f (func (param i32) (result i64))) (type $g (func))
	(global $g (mut (ref null $q)) (struct.new_default $q))
	(elem declare func $run $other)
	(func $other)`

// gcForms has, for each instruction of the loop that works on objects, what is lowered to it: an expression of type i64.
func gcForms() map[string]string {
	forms := map[string]string{
		"StructNew":    "(i64.extend_i32_u (ref.is_null (struct.new_default $w)))",
		"StructNewW":   "(i64.extend_i32_u (struct.get $w 0 (struct.new $w (local.get $n))))",
		"StructNewD":   "(struct.get $d 0 (struct.new $d (local.get $l)))",
		"StructNewWW":  "(i64.extend_i32_u (struct.get $ww 1 (struct.new $ww (local.get $n) (local.get $m))))",
		"StructNewWD":  "(struct.get $wd 1 (struct.new $wd (local.get $n) (local.get $l)))",
		"StructNewDW":  "(i64.extend_i32_u (struct.get $dw 1 (struct.new $dw (local.get $l) (local.get $n))))",
		"StructNewDD":  "(struct.get $dd 1 (struct.new $dd (local.get $l) (i64.const 5)))",
		"StructNewWWW": "(i64.extend_i32_u (struct.get $www 2 (struct.new $www (local.get $n) (local.get $n) (i32.const 7))))",
		"StructNewK":   "(i64.extend_i32_u (struct.get $w 0 (struct.new $w (i32.const 65535))))",
		"StructNewKW":  "(i64.extend_i32_u (struct.get $ww 0 (struct.new $ww (i32.const 4) (local.get $m))))",
		"StructNewKD":  "(i64.extend_i32_u (struct.get $wd 0 (struct.new $wd (i32.const 4) (local.get $l))))",
		"StructNewKWW": "(i64.extend_i32_u (struct.get $www 0 (struct.new $www (i32.const 4) (local.get $n) (local.get $n))))",
		// what the allocation does not store, after operands of other kinds
		"StructInit8":    "(local.set $c (struct.new $csvp (local.get $n) (local.get $m) (v128.const i64x2 3 4) (f32.const 5))) (i64.extend_i32_s (struct.get_s $csvp 0 (local.get $c)))",
		"StructInit16":   "(local.set $c (struct.new $csvp (local.get $n) (local.get $m) (v128.const i64x2 3 4) (f32.const 5))) (i64.extend_i32_s (struct.get_s $csvp 1 (local.get $c)))",
		"StructInitV":    "(i64x2.extract_lane 1 (struct.get $csvp 2 (struct.new $csvp (local.get $n) (local.get $m) (i64x2.splat (local.get $l)) (f32.const 5))))",
		"StructInit32":   "(i64.extend_i32_u (i32.reinterpret_f32 (struct.get $csvp 3 (struct.new $csvp (i32.const 0) (local.get $m) (v128.const i64x2 3 4) (f32.const 5)))))",
		"StructInit64":   "(struct.get $dddd 2 (struct.new $dddd (local.get $l) (i64.const 2) (local.get $l) (i64.const 0)))",
		"StructInit64x2": "(struct.get $dddd 3 (struct.new $dddd (local.get $l) (i64.const 2) (local.get $l) (i64.const 4)))",
		"StructInit32x2": "(i64.extend_i32_u (struct.get $w5 4 (struct.new $w5 (local.get $n) (i32.const 2) (local.get $n) (i32.const 4) (local.get $m))))",

		"StructGet32BrZ":   "(block $b (br_if $b (i32.eqz (struct.get $r 1 (local.get $r)))) (return (i64.const 1))) (i64.const 2)",
		"StructGet32BrNZ":  "(block $b (br_if $b (struct.get $r 1 (local.get $r))) (return (i64.const 1))) (i64.const 2)",
		"StructGet32BrEqK": "(block $b (br_if $b (i32.eq (struct.get $r 1 (local.get $r)) (i32.const 2))) (return (i64.const 1))) (i64.const 2)",
		"StructGet32BrNeK": "(block $b (br_if $b (i32.ne (struct.get $r 1 (local.get $r)) (i32.const 2))) (return (i64.const 1))) (i64.const 2)",
		"StructGet32BrNZL": "(local.set $t (struct.new $r (struct.new $r (ref.null $r) (local.get $n)) (local.get $m))) (loop $x (br_if $x (i32.eqz (ref.is_null (local.tee $t (struct.get $r 0 (local.get $t))))))) (i64.const 3)",
		"StructGet32Get32": "(i64.extend_i32_u (struct.get $r 1 (struct.get $r 0 (local.get $r))))",
		"StructGet32x2":    "(i64.extend_i32_u (i32.sub (struct.get $r 1 (local.get $r)) (struct.get $ww 1 (local.get $ww))))",
		"StructGet32S64":   "(i64.extend_i32_s (struct.get $r 1 (local.get $r)))",
		"StructSetRef":     "(struct.set $r 0 (local.get $r) (local.get $r)) (i64.extend_i32_u (ref.eq (local.get $r) (struct.get $r 0 (local.get $r))))",
		"ArraySetRef":      "(array.set $ar (local.get $ar) (local.get $n) (local.get $r)) (i64.extend_i32_u (ref.eq (local.get $r) (array.get $ar (local.get $ar) (local.get $n))))",
		"ArrayLen":         "(i64.extend_i32_u (array.len (local.get $ar)))",
		"ArrayFixed":       "(i64.extend_i32_u (array.len (array.new_fixed $a8 2 (local.get $n) (local.get $m))))",
		"ArrayFixedW":      "(i64.extend_i32_u (array.get $a32 (array.new_fixed $a32 1 (local.get $m)) (local.get $n)))",
		"ArrayFixedWW":     "(i64.extend_i32_u (array.get $a32 (array.new_fixed $a32 3 (local.get $m) (local.get $n) (local.get $m)) (local.get $n)))",
		"ArrayFixedD":      "(array.get $a64 (array.new_fixed $a64 1 (local.get $l)) (local.get $n))",
		"ArrayFixedDD":     "(array.get $a64 (array.new_fixed $a64 3 (local.get $l) (i64.const 6) (local.get $l)) (local.get $n))",
		"ArrayNewDefault":  "(i64.extend_i32_u (array.len (array.new_default $a64 (i32.and (local.get $n) (i32.const 0xFFF)))))",

		"RefTestF":         "(i64.extend_i32_u (ref.test (ref $q) (local.get $any)))",
		"RefTestSub":       "(i64.extend_i32_u (ref.test (ref null $r) (local.get $any)))",
		"BrIsF":            "(block $b (br_if $b (ref.test (ref $q) (local.get $any))) (return (i64.const 1))) (i64.const 2)",
		"BrIsSub":          "(block $b (br_if $b (ref.test (ref $r) (local.get $any))) (return (i64.const 1))) (i64.const 2)",
		"BrIsNotF":         "(if (ref.test (ref null $q) (local.get $any)) (then (return (i64.const 1)))) (i64.const 2)",
		"BrIsNotSub":       "(if (ref.test (ref null $r) (local.get $any)) (then (return (i64.const 1)))) (i64.const 2)",
		"BrIsFL":           "(local.set $m (i32.const 3)) (loop $x (local.set $m (i32.sub (local.get $m) (i32.const 1))) (if (i32.eqz (local.get $m)) (then (local.set $any (ref.null any)))) (br_if $x (ref.test (ref $q) (local.get $any)))) (i64.extend_i32_s (local.get $m))",
		"BrIsSubL":         "(local.set $m (i32.const 3)) (loop $x (local.set $m (i32.sub (local.get $m) (i32.const 1))) (if (i32.eqz (local.get $m)) (then (local.set $any (ref.null any)))) (br_if $x (ref.test (ref $r) (local.get $any)))) (i64.extend_i32_s (local.get $m))",
		"BrIsNotFL":        "(local.set $m (i32.const 3)) (loop $x (local.set $m (i32.sub (local.get $m) (i32.const 1))) (if (i32.eqz (local.get $m)) (then (local.set $any (global.get $g)))) (br_if $x (i32.eqz (ref.test (ref $q) (local.get $any))))) (i64.extend_i32_s (local.get $m))",
		"BrIsNotSubL":      "(local.set $m (i32.const 3)) (loop $x (local.set $m (i32.sub (local.get $m) (i32.const 1))) (if (i32.eqz (local.get $m)) (then (local.set $any (global.get $g)))) (br_if $x (i32.eqz (ref.test (ref $r) (local.get $any))))) (i64.extend_i32_s (local.get $m))",
		"RefTestI31":       "(i64.extend_i32_u (ref.test i31ref (local.get $any)))",
		"RefTestEq":        "(i64.extend_i32_u (ref.test eqref (local.get $any)))",
		"RefTestKind":      "(i64.extend_i32_u (ref.test (ref array) (local.get $any)))",
		"RefTestFunc":      "(i64.extend_i32_u (ref.test (ref $f) (local.get $fn)))",
		"RefCastF":         "(i64.extend_i32_u (ref.is_null (ref.cast (ref null $q) (local.get $any))))",
		"RefCastSub":       "(i64.extend_i32_u (ref.is_null (ref.cast (ref null $r) (local.get $any))))",
		"RefCastI31":       "(i64.extend_i32_u (i31.get_u (ref.cast (ref i31) (local.get $any))))",
		"RefCastEq":        "(i64.extend_i32_u (ref.is_null (ref.cast eqref (local.get $any))))",
		"RefCastKind":      "(i64.extend_i32_u (array.len (ref.cast (ref array) (local.get $any))))",
		"RefCastFunc":      "(i64.extend_i32_u (ref.is_null (ref.cast (ref $g) (local.get $fn))))",
		"RefCastNonNull":   "(i64.extend_i32_u (ref.is_null (ref.cast (ref any) (local.get $any))))",
		"RefCastNull":      "(i64.extend_i32_u (ref.is_null (ref.cast nullref (local.get $any))))",
		"GlobalGetNonNull": "(i64.extend_i32_u (struct.get $q 1 (ref.as_non_null (global.get $g))))",
		"RefFuncDeclared":  "(i64.extend_i32_u (ref.is_null (ref.func $other)))",
	}
	for _, k := range []struct{ suffix, get, ext string }{{"8S", "_s $q 2", "_s"}, {"8U", "_u $q 2", "_u"}, {"16S", "_s $q 3", "_s"}, {"16U", "_u $q 3", "_u"}, {"32", " $q 1", "_u"}} {
		forms["StructGet"+k.suffix] = "(i64.extend_i32" + k.ext + " (i32.add (i32.const 1) (struct.get" + k.get + " (local.get $q))))"
		forms["CastFGet"+k.suffix] = "(i64.extend_i32" + k.ext + " (i32.add (i32.const 1) (struct.get" + k.get + " (ref.cast (ref null $q) (local.get $any)))))"
	}
	forms["StructGet64"] = "(struct.get $q 4 (local.get $q))"
	forms["CastFGet64"] = "(struct.get $q 4 (ref.cast (ref $q) (local.get $any)))"
	forms["StructGetV"] = "(i64x2.extract_lane 1 (struct.get $csvp 2 (local.get $c)))"
	forms["CastSubGet32"] = "(i64.extend_i32_u (struct.get $r 1 (ref.cast (ref $r) (local.get $any))))"
	for i, k := range []string{"8", "16", "32", "64"} {
		typ, field := []string{"$q 2", "$q 3", "$q 1", "$q 4"}[i], []string{"_s $q 2", "_u $q 3", " $q 1", " $q 4"}[i]
		v, c, wide := "(local.get $n)", "(i32.const 0x1234)", "i64.extend_i32_s"
		if k == "64" {
			v, c, wide = "(local.get $l)", "(i64.const -5)", "i64.rotl (i64.const 1)"
		}
		forms["StructSet"+k] = fmt.Sprintf("(struct.set %s (local.get $q) %s) (%s (struct.get%s (local.get $q)))", typ, v, wide, field)
		forms["StructSet"+k+"K"] = fmt.Sprintf("(struct.set %s (local.get $q) %s) (%s (struct.get%s (local.get $q)))", typ, c, wide, field)
		ext := map[string]string{"8": "_u", "16": "_s", "32": "", "64": ""}[k]
		get := fmt.Sprintf("(%s (array.get%s $a%[3]s (local.get $a%[3]s) (i32.const 1)))", wide, ext, k)
		forms["ArraySet"+k] = fmt.Sprintf("(array.set $a%[1]s (local.get $a%[1]s) (local.get $n) %[2]s) %[3]s", k, v, get)
		forms["ArraySet"+k+"K"] = fmt.Sprintf("(array.set $a%[1]s (local.get $a%[1]s) (i32.add (local.get $n) (i32.const 1)) %[2]s) %[3]s", k, c, get)
		forms["ArrayNew"+k] = fmt.Sprintf("(%s (array.get%s $a%s (array.new $a%[3]s %[4]s (i32.and (local.get $n) (i32.const 0xFFF))) (i32.const 1)))", wide, ext, k, v)
	}
	for _, k := range []struct{ suffix, typ, ext string }{{"8S", "$a8", "_s"}, {"8U", "$a8", "_u"}, {"16S", "$a16", "_s"}, {"16U", "$a16", "_u"}, {"32", "$a32", ""}} {
		forms["ArrayGet"+k.suffix] = fmt.Sprintf("(i64.extend_i32_u (array.get%s %s (local.get %[2]s) (i32.sub (local.get $n) (i32.const 1))))", k.ext, k.typ)
		forms["ArrayGet"+k.suffix+"K"] = fmt.Sprintf("(i64.extend_i32_u (array.get%s %s (local.get %[2]s) (i32.const 2)))", k.ext, k.typ)
	}
	forms["ArrayGet64"] = "(array.get $a64 (local.get $a64) (local.get $n))"
	forms["ArrayGet64K"] = "(array.get $a64 (local.get $a64) (i32.const 1))"
	forms["ArrayGetV"] = "(i64x2.extract_lane 0 (array.get $av (local.get $av) (local.get $n)))"
	forms["ArrayGetVK"] = "(i64x2.extract_lane 1 (array.get $av (local.get $av) (i32.const 2)))"
	forms["StructSetV"] = "(struct.set $csvp 2 (local.get $c) (i64x2.splat (local.get $l))) (i64x2.extract_lane 1 (struct.get $csvp 2 (local.get $c)))"
	forms["ArraySetV"] = "(array.set $av (local.get $av) (local.get $n) (i64x2.splat (local.get $l))) (i64x2.extract_lane 1 (array.get $av (local.get $av) (i32.const 1)))"
	return forms
}

// gcFormSource is a module whose function run evaluates an expression with locals of all types at hand. The argument chooses what $any is, and
// whether $q and $r are null.
func gcFormSource(body string) string {
	return `(module ` + gcFormTypes + `
	(func $any (param $n i32) (result anyref)
		(if (i32.eq (local.get $n) (i32.const 0)) (then (return (ref.i31 (i32.const 77)))))
		(if (i32.eq (local.get $n) (i32.const 1)) (then (return (struct.new $q (ref.null $r) (i32.const 5) (i32.const -6) (i32.const -7) (i64.const -8)))))
		(if (i32.eq (local.get $n) (i32.const 2)) (then (return (struct.new $r (ref.null $r) (i32.const 9)))))
		(if (i32.eq (local.get $n) (i32.const 3)) (then (return (array.new_default $a16 (i32.const 10)))))
		(if (i32.eq (local.get $n) (i32.const 4)) (then (return (any.convert_extern (extern.convert_any (struct.new_default $w))))))
		(ref.null any))
	(func $run (export "run") (type $f) (param $n i32) (result i64)
		(local $m i32) (local $l i64) (local $r (ref null $r)) (local $t (ref null $r)) (local $q (ref null $q)) (local $ww (ref null $ww)) (local $c (ref null $csvp)) (local $any anyref) (local $fn funcref)
		(local $a8 (ref null $a8)) (local $a16 (ref null $a16)) (local $a32 (ref null $a32)) (local $a64 (ref null $a64)) (local $av (ref null $av)) (local $ar (ref null $ar))
		(local.set $m (i32.mul (local.get $n) (i32.const 0x1234567)))
		(local.set $l (i64.mul (i64.extend_i32_s (local.get $n)) (i64.const 0x123456789abcdef)))
		(local.set $any (call $any (local.get $n)))
		(local.set $fn (ref.func $other))
		(if (i32.and (local.get $n) (i32.const 1)) (then (local.set $fn (ref.func $run))))
		(local.set $c (struct.new $csvp (i32.const 1) (i32.const 2) (v128.const i64x2 3 4) (f32.const 5)))
		(if (i32.ne (local.get $n) (i32.const 6)) (then
			(local.set $q (struct.new $q (ref.null $r) (local.get $n) (i32.const 0x80) (i32.const 0x8001) (local.get $l)))
			(local.set $r (struct.new $r (local.get $q) (local.get $n)))
			(local.set $ww (struct.new $ww (i32.const 1) (i32.const 2)))
			(local.set $a8 (array.new $a8 (i32.const 0xF1) (i32.const 3))) (local.set $a16 (array.new $a16 (i32.const 0xF001) (i32.const 3)))
			(local.set $a32 (array.new $a32 (local.get $m) (i32.const 3))) (local.set $a64 (array.new $a64 (local.get $l) (i32.const 3)))
			(local.set $av (array.new $av (v128.const i64x2 8 9) (i32.const 3))) (local.set $ar (array.new_default $ar (i32.const 3)))))
		` + body + `))`
}

// TestGCForms evaluates each expression with the plain lowering and with the real one, which must use the instruction; and both where no allocation is the loop's.
func TestGCForms(t *testing.T) {
	forms := gcForms()
	for name, body := range forms {
		t.Run(name, func(t *testing.T) {
			src := gcFormSource(body)
			code := lowered(t, src, 2)
			found := false
			for _, in := range code {
				found = found || in.op < numOps && in.op.String() == name
			}
			if !found {
				t.Fatalf("%s is not used:\n%s", name, dump(code))
			}
			outcome := func(plain bool, stress int, n uint64) string {
				w := gcWorld(t, "semispace", stress, plain)
				defer w.close()
				res, err := w.call(w.instance("m", src), "run", n)
				var trap *vm.TrapError
				if errors.As(err, &trap) {
					return "trap " + trap.Code.String()
				}
				return fmt.Sprint(res, err)
			}
			for _, n := range []uint64{0, 1, 2, 3, 4, 5, 6, 0xFFFFFFFF} {
				want := outcome(true, 0, n)
				for _, s := range []int{0, 1} {
					if got := outcome(false, s, n); got != want {
						t.Errorf("run(%d), stress %d: %s, plain lowering: %s\n%s", int32(n), s, got, want, dump(code))
					}
				}
			}
		})
	}
	// Nothing is left out.
	for o := opStructGet8S; o <= opRefCastNull; o++ {
		name := o.String()
		if _, ok := forms[name]; !ok && !strings.HasPrefix(name, "CastSubGet") && !strings.HasSuffix(name, "L") && name != "CastFGet32" {
			t.Errorf("no form for %s", name)
		}
	}
}
