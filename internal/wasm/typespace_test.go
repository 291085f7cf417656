package wasm_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

func TestCanonicalAcrossModules(t *testing.T) {
	ts := wasm.NewTypeSpace()
	a := validated(t, ts, `(module
		(type $pad (func (param f64)))
		(rec (type $list (struct (field i32) (field (ref null $list)))) (type (array (ref $list))))
		(type $f (func (param (ref $list)))))`)
	b := validated(t, ts, `(module
		(rec (type $l (struct (field i32) (field (ref null $l)))) (type (array (ref $l))))
		(type $g (func (param (ref $l))))
		(type $alone (struct (field i32) (field (ref null $alone)))))`)
	for i := range 3 {
		if a.TypeIDs[i+1] != b.TypeIDs[i] {
			t.Errorf("type %d of the first module is %d, type %d of the second %d", i+1, a.TypeIDs[i+1], i, b.TypeIDs[i])
		}
	}
	if b.TypeIDs[3] == b.TypeIDs[0] {
		t.Error("a type in a group of two equals one in a group of its own")
	}
	la, lb := wasm.RefTo(1, false), wasm.RefTo(0, true)
	if ca, cb := a.Canon(la), b.Canon(lb); !ts.Matches(ca, cb) || ts.Matches(cb, ca) {
		t.Errorf("%v and %v do not match as (ref list) and (ref null list)", ca, cb)
	}
	if d := ts.Def(a.TypeIDs[3]); d.Func.Params[0] != a.Canon(la) {
		t.Errorf("canonical definition has %v", d.Func.Params)
	}
}

func TestSubtypes(t *testing.T) {
	ts := wasm.NewTypeSpace()
	m := validated(t, ts, `(module
		(type $a (sub (struct)))
		(type $b (sub $a (struct (field i32))))
		(type $c (sub $b (struct (field i32) (field i64))))
		(type $d (sub $a (struct (field f32))))
		(type $e (sub (struct)))
		(type $f (sub final $b (struct (field i32)))))`)
	ids := m.TypeIDs
	// $e has the same structure and no supertype: it is $a itself.
	if ids[0] != ids[4] {
		t.Error("equal types differ")
	}
	below := map[[2]int]bool{
		{1, 0}: true, {2, 0}: true, {2, 1}: true, {3, 0}: true, {5, 0}: true, {5, 1}: true, {0, 4}: true, {4, 0}: true,
		{1, 4}: true, {2, 4}: true, {3, 4}: true, {5, 4}: true,
	}
	for i := range ids {
		for j := range ids {
			if got, want := ts.IsSubtype(ids[i], ids[j]), i == j || below[[2]int{i, j}]; got != want {
				t.Errorf("IsSubtype(%d, %d) = %v", i, j, got)
			}
		}
	}
	for i, depth := range []int{0, 1, 2, 1, 0, 2} {
		if got := ts.Depth(ids[i]); got != depth || ts.Supers(ids[i])[depth] != ids[i] {
			t.Errorf("type %d has depth %d and supertypes %v", i, got, ts.Supers(ids[i]))
		}
	}
	if d := ts.Def(ids[2]); wasm.TypeID(d.Super) != ids[1] || len(d.Fields) != 2 {
		t.Errorf("definition %+v", d)
	}
}

// TestAbstractOrder compares the order of abstract heap types to the lines that the specification gives (Validation, Matching, Heap Types).
func TestAbstractOrder(t *testing.T) {
	ts := wasm.NewTypeSpace()
	m := validated(t, ts, `(module (type (func)) (type (struct)) (type (array i8)))`)
	fn, st, ar := wasm.HeapType(m.TypeIDs[0]), wasm.HeapType(m.TypeIDs[1]), wasm.HeapType(m.TypeIDs[2])
	above := map[wasm.HeapType][]wasm.HeapType{
		wasm.HeapNone:   {wasm.HeapI31, wasm.HeapStruct, wasm.HeapArray, wasm.HeapEq, wasm.HeapAny, st, ar},
		wasm.HeapI31:    {wasm.HeapEq, wasm.HeapAny},
		wasm.HeapStruct: {wasm.HeapEq, wasm.HeapAny}, wasm.HeapArray: {wasm.HeapEq, wasm.HeapAny}, wasm.HeapEq: {wasm.HeapAny},
		wasm.HeapAny: {}, wasm.HeapNoFunc: {wasm.HeapFunc, fn}, wasm.HeapFunc: {}, wasm.HeapNoExtern: {wasm.HeapExtern},
		wasm.HeapExtern: {}, wasm.HeapNoExn: {wasm.HeapExn}, wasm.HeapExn: {}, fn: {wasm.HeapFunc},
		st: {wasm.HeapStruct, wasm.HeapEq, wasm.HeapAny}, ar: {wasm.HeapArray, wasm.HeapEq, wasm.HeapAny},
	}
	for sub, list := range above {
		for super := range above {
			want := sub == super
			for _, h := range list {
				want = want || h == super
			}
			for _, null := range []bool{false, true} {
				if got := ts.Matches(wasm.RefTo(sub, null), wasm.RefTo(super, true)); got != want {
					t.Errorf("%v below %v: %v", sub, super, got)
				}
			}
			if ts.Matches(wasm.RefTo(sub, true), wasm.RefTo(super, false)) {
				t.Errorf("nullable %v is below non-null %v", sub, super)
			}
		}
		if ts.Matches(wasm.RefTo(sub, false), wasm.I32) || ts.Matches(wasm.I32, wasm.RefTo(sub, true)) {
			t.Errorf("%v and i32 match", sub)
		}
	}
}

// TestSpaceDoesNotGrow: modules that were seen add nothing; neither do invalid ones.
func TestSpaceDoesNotGrow(t *testing.T) {
	ts := wasm.NewTypeSpace()
	src := `(module (type $a (sub (struct))) (rec (type $b (sub $a (struct (field (ref $c))))) (type $c (array (ref $b)))))`
	validated(t, ts, src)
	n := ts.Len()
	for range 1000 {
		validated(t, ts, src)
	}
	if ts.Len() != n {
		t.Errorf("%d types grew to %d", n, ts.Len())
	}
	for range 10 {
		m := assemble(t, `(module (type $x (sub (struct (field f64)))) (type (sub $x (struct (field f32)))))`)
		if err := wasm.Validate(m, ts, wasm.ValidateOptions{}); kindOf(err) != "invalid" {
			t.Fatal(err)
		}
	}
	if ts.Len() != n+1 {
		t.Errorf("%d types grew to %d by a module with one valid group", n, ts.Len())
	}
}

// TestSpaceConcurrent validates modules that share some of their types from many goroutines.
func TestSpaceConcurrent(t *testing.T) {
	ts := wasm.NewTypeSpace()
	var wg sync.WaitGroup
	ids := make([][]wasm.TypeID, 8)
	for i := range ids {
		var src strings.Builder
		src.WriteString("(module ")
		for k := range 200 {
			fmt.Fprintf(&src, "(type (func (param (ref null %d)) (result %s)))", max(k-1, 0), strings.Repeat("i32 ", (k*(i%2+1))%7))
		}
		src.WriteString(")")
		m := assemble(t, src.String())
		wg.Go(func() {
			if err := wasm.Validate(m, ts, wasm.ValidateOptions{}); err != nil {
				t.Error(err)
				return
			}
			for _, id := range m.TypeIDs {
				if !ts.IsSubtype(id, id) || ts.Depth(id) != 0 {
					t.Error("type is not below itself")
				}
			}
			ids[i] = m.TypeIDs
		})
	}
	wg.Wait()
	for i := 2; i < len(ids); i++ {
		if fmt.Sprint(ids[i]) != fmt.Sprint(ids[i%2]) {
			t.Errorf("module %d has ids other than its twin", i)
		}
	}
}

func TestSubtypeDepthLimit(t *testing.T) {
	chain := func(n int) *wasm.Module {
		src := "(module (type (sub (struct)))"
		for i := range n {
			src += fmt.Sprintf("(type (sub %d (struct)))", i)
		}
		return assemble(t, src+")")
	}
	if err := wasm.Validate(chain(63), wasm.NewTypeSpace(), wasm.ValidateOptions{}); err != nil {
		t.Error(err)
	}
	if err := wasm.Validate(chain(64), wasm.NewTypeSpace(), wasm.ValidateOptions{}); kindOf(err) != "limit" {
		t.Error(err)
	}
}
