package wat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// TestSourceMap lists where each instruction of the text's functions comes from: its keyword must stand there. The final end is
// the function's closing parenthesis.
func TestSourceMap(t *testing.T) {
	text := `(module
  (type $t (func (result i32)))
  (func $f (param i32) (result i32) (local i64 i64 f32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 1)) (else (call $f (i32.sub (local.get 0) (i32.const 1)))))
    block $b
      br $b
    end)
  (global $g i32 (i32.const 1))
  (func (loop (br 0)) unreachable))`
	var sm SourceMap
	bin, err := Assemble([]byte(text), Options{Map: &sm})
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	at := func(offset uint32) string {
		p, ok := sm.Pos(offset)
		if !ok {
			t.Fatalf("nothing at %#x", offset)
		}
		return lines[p.Line-1][p.Col-1:]
	}
	for _, b := range m.Bodies {
		list, offsets := instrs(t, b.Code, b.Offset)
		for i, in := range list {
			want := in.Op.String()
			if in.Op == wasm.OpEnd && !strings.HasPrefix(at(offsets[i]), "end") {
				want = ")"
			}
			if got := at(offsets[i]); !strings.HasPrefix(got, want) {
				t.Errorf("%s at %#x: got %q", in.Op, offsets[i], got)
			}
		}
	}
	if got, want := at(m.Globals[0].Init.Offset), "(global $g"; !strings.HasPrefix(got, want) {
		t.Errorf("global: got %q, want %q", got, want)
	}
	if _, ok := sm.Pos(3); ok {
		t.Error("the header has a position")
	}
}

// TestErrorPlaces: what decoding and validation refuse in a text is found there. A ¶ stands where the error must point to.
func TestErrorPlaces(t *testing.T) {
	for _, c := range []struct {
		off  wasm.Features
		text string
	}{
		{0, `(module (type (func)) ¶(type (func (param (ref 7)))) (type (func)))`},
		{0, `(module (rec (type (func)) ¶(type (func (param (ref 7)))) (type (func))))`},
		{0, `(module (rec (type (sub (func))) (type (sub final 0 (func))) ¶(type (sub 1 (func)))))`},
		{0, `(module (type (sub (func)))` + chain(64) + `)`},
		{0, `(module (import "" "a" (func)) ¶(import "" "b" (func (type 9))))`},
		{0, `(module (import "" "a" (memory 1)) ¶(import "" "b" (memory 2 1)))`},
		{0, `(module (type (struct)) (func) ¶(func (type 0)) (func))`},
		{0, `(module (table 1 funcref) ¶(table 1 (ref func)) (table 1 funcref))`},
		{0, `(module (table 1 funcref) ¶(table 2 1 funcref))`},
		{0, `(module (memory 1) ¶(memory 65537) (memory 2))`},
		{0, `(module (tag) ¶(tag (result i32)) (tag))`},
		{0, `(module (global i32 (i32.const 0)) ¶(global (ref null 9) (ref.null 9)))`},
		{0, `(module (global i32 (i32.const 0)) ¶(global i64 (i32.const 0)))`},
		{0, `(module (func) (export "a" (func 0)) ¶(export "a" (func 0)) (export "b" (func 0)))`},
		{0, `(module (export "c" (memory 0)) (memory 1) ¶(export "b" (func 0)) (export "d" (memory 0)))`},
		{0, `(module (func) ¶(start 7) (func))`},
		{0, `(module (table 1 funcref) (func (param i32)) ¶(start 0) (elem func 0))`},
		{0, `(module (elem (ref null func)) ¶(elem (ref null 5)) (elem func))`},
		{0, `(module (func) (elem func 0) ¶(elem func 9) (elem func 0))`},
		{0, `(module (memory 1) (data "") ¶(data (memory 1) (i32.const 0) "") (data ""))`},
		{0, `(module (func) (func (result i32) nop ¶) (func))`},
		{wasm.FeatureSimd, `(module (type (func)) ¶(type (func (param v128))) (type (func)))`},
		{wasm.FeatureSimd, `(module (type (func)) (func ¶(param v128)) (func))`},
		{wasm.FeatureSimd, `(module (func) ¶(func (local v128)) (func))`},
		{wasm.FeatureSimd, `(module (global i32 (i32.const 0)) ¶(global v128 (v128.const i64x2 0 0)))`},
		{wasm.FeatureReferenceTypes, `(module (table 1 funcref) ¶(table 1 funcref) (table 1 funcref))`},
		{wasm.FeatureReferenceTypes, `(module (import "" "" (table 1 funcref)) (func) ¶(table 1 funcref))`},
		{wasm.FeatureMultiMemory, `(module (import "" "" (memory 1)) ¶(import "" "" (memory 1)) (memory 1))`},
		{wasm.FeatureMutableGlobals, `(module ¶(import "" "" (global (mut i32))) (func))`},
		{wasm.FeatureMutableGlobals, `(module (global (mut i32) (i32.const 0)) (func (export "f")) ¶(export "a" (global 0)) (export "b" (func 0)))`},
		{wasm.FeatureExceptionHandling, `(module (memory 1) ¶(tag) (tag))`},
		{wasm.FeatureThreads, `(module (func) ¶(memory 1 1 shared))`},
		{wasm.FeatureMemory64, `(module (func) ¶(memory i64 1) (export "a" (func 0)))`},
		{wasm.FeatureMultiValue, `(module (type (func)) ¶(type (func (result i32 i32))) (type (func)))`},
		{wasm.FeatureBulkMemory, `(module (func) ¶(elem func 0))`},
		{wasm.FeatureGc, `(module (type (func)) ¶(rec (type (func)) (type (func))))`},
		{wasm.FeatureGc, `(module (type (func)) ¶(type (struct)) (type (func)))`},
	} {
		before, after, ok := strings.Cut(c.text, "¶")
		if !ok {
			t.Fatalf("%s: no place", c.text)
		}
		text := before + after
		var sm SourceMap
		bin, err := Assemble([]byte(text), Options{Map: &sm})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures &^ c.off})
		if err == nil {
			err = wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{})
		}
		var offset uint32
		switch e := err.(type) {
		case *wasm.ValidationError:
			offset = e.Offset
		case *wasm.FeatureError:
			offset = e.Offset
		case *wasm.LimitError:
			offset = e.Offset
		default:
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got, ok := sm.Pos(offset); !ok || got != posOf([]byte(text), len(before)) {
			t.Errorf("%s: %v is at %v, want %v", c.text, err, got, posOf([]byte(text), len(before)))
		}
	}
}

// chain is n types, each below the one before; the last one is marked.
func chain(n int) string {
	var b strings.Builder
	for i := range n {
		if i == n-1 {
			b.WriteString("¶")
		}
		fmt.Fprintf(&b, "(type (sub %d (func)))", i)
	}
	return b.String()
}
