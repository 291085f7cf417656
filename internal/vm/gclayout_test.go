package vm

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

func validModule(t testing.TB, ts *wasm.TypeSpace, src string) *wasm.Module {
	t.Helper()
	bin, err := wat.Assemble([]byte(src), wat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err == nil {
		err = wasm.Validate(m, ts, wasm.ValidateOptions{})
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return m
}

// TestLayouts: random chains of struct types; fields do not overlap, are aligned, stand where the supertype's do, and leave no room that a later
// field could have had.
func TestLayouts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	sizes := map[string]uint32{"i8": 1, "i16": 2, "i32": 4, "f32": 4, "i64": 8, "f64": 8, "v128": 16, "anyref": 4, "funcref": 4, "exnref": 4, "eqref": 4}
	var names []string
	for n := range sizes {
		names = append(names, n)
	}
	for range 200 {
		var src strings.Builder
		var fields []string
		var counts []int
		for k := range 1 + rnd.IntN(4) {
			for range rnd.IntN(12) {
				fields = append(fields, names[rnd.IntN(len(names))])
			}
			counts = append(counts, len(fields))
			super := ""
			if k > 0 {
				super = fmt.Sprint(k - 1)
			}
			fmt.Fprintf(&src, "(type (sub %s (struct", super)
			for _, f := range fields {
				fmt.Fprintf(&src, " (field %s)", f)
			}
			src.WriteString(")))")
		}
		ts := wasm.NewTypeSpace()
		m := validModule(t, ts, "(module "+src.String()+")")
		for k, n := range counts {
			l := LayoutOf(ts, m.TypeIDs[k])
			if l.ID != m.TypeIDs[k] || len(l.Fields) != n || l.Size%8 != 0 {
				t.Fatalf("%+v", l)
			}
			used := make([]bool, l.Size)
			for i := range heap.HeaderSize {
				used[i] = true
			}
			for i, f := range l.Fields {
				size := sizes[fields[i]]
				if f.Kind.Shift() > 4 || uint32(1)<<f.Kind.Shift() != size || f.Off%min(size, 8) != 0 {
					t.Fatalf("%s lies at %d as kind %d", fields[i], f.Off, f.Kind)
				}
				for at := uint32(8); at < f.Off; at += min(size, 8) {
					if !anyOf(used[at : at+size]) {
						t.Fatalf("%s lies at %d, and there is room at %d", fields[i], f.Off, at)
					}
				}
				if anyOf(used[f.Off : f.Off+size]) {
					t.Fatalf("%s at %d overlaps another field", fields[i], f.Off)
				}
				for b := range size {
					used[f.Off+b] = true
				}
				if k > 0 && i < counts[k-1] && LayoutOf(ts, m.TypeIDs[k-1]).Fields[i] != f {
					t.Fatalf("field %d of a subtype stands elsewhere: %+v", i, f)
				}
			}
			if l.Size > heap.HeaderSize && !anyOf(used[l.Size-8:]) {
				t.Fatalf("%d bytes, of which the last 8 are free", l.Size)
			}
		}
	}
}

func anyOf(bits []bool) bool {
	for _, b := range bits {
		if b {
			return true
		}
	}
	return false
}

// TestCollectorTypes: what a collector is told of a type.
func TestCollectorTypes(t *testing.T) {
	ts := wasm.NewTypeSpace()
	m := validModule(t, ts, `(module
		(type $f (func))
		(type $s (struct (field i8 anyref exnref (ref null $s) funcref externref i31ref (ref null $f) nullexternref)))
		(type $a (array (mut i16))) (type $r (array eqref)) (type $x (array externref)) (type $e (array exnref)) (type $v (array v128)))`)
	g := gcTypesOf(ts)
	LayoutOf(ts, m.TypeIDs[len(m.TypeIDs)-1])
	types := g.types.All()
	s := LayoutOf(ts, m.TypeIDs[1])
	at := func(i int) uint32 { return s.Fields[i].Off }
	for i, want := range []struct{ got, want any }{
		{types[m.TypeIDs[1]].Refs, []uint32{at(1), at(3), at(5), at(6), at(8)}},
		{types[m.TypeIDs[1]].Foreign, []heap.ForeignField{{Offset: at(1), Class: foreignHost}, {Offset: at(2), Class: foreignExn}, {Offset: at(5), Class: foreignHost}}},
		{types[m.TypeIDs[2]], heap.Type{Name: types[m.TypeIDs[2]].Name, Elem: 2}},
		{types[m.TypeIDs[3]], heap.Type{Name: types[m.TypeIDs[3]].Name, Elem: 4, ElemRef: true}},
		{types[m.TypeIDs[4]], heap.Type{Name: types[m.TypeIDs[4]].Name, Elem: 4, ElemRef: true, Foreign: []heap.ForeignField{{Class: foreignHost}}}},
		{types[m.TypeIDs[5]], heap.Type{Name: types[m.TypeIDs[5]].Name, Elem: 4, Foreign: []heap.ForeignField{{Class: foreignExn}}}},
		{types[m.TypeIDs[6]], heap.Type{Name: types[m.TypeIDs[6]].Name, Elem: 16}},
		{LayoutOf(ts, m.TypeIDs[0]), (*Layout)(nil)},
	} {
		if fmt.Sprint(want.got) != fmt.Sprint(want.want) {
			t.Errorf("%d: %v, want %v", i, want.got, want.want)
		}
	}
}

// TestDisplay compares the table that engines read to the type space's own answer, for every pair of types, while types are added.
func TestDisplay(t *testing.T) {
	ts := wasm.NewTypeSpace()
	pools := NewPools()
	defer pools.Close()
	g := gcTypesOf(ts)
	var base uintptr
	for round := range 3 {
		src := fmt.Sprintf("(module (type (sub (func (param %s))))", strings.Repeat("i32 ", round))
		for k := range 25 {
			src += fmt.Sprintf("(type (sub %d (func (param %s))))", k, strings.Repeat("i32 ", round))
		}
		src += fmt.Sprintf("(type $s (sub (struct (field i%d)))) (type (sub $s (struct (field i%d i32)))) (type (array i%d)))", 8<<round, 8<<round, 8<<round)
		validModule(t, ts, src)
		now, err := g.hold(pools, round > 0)
		if err != nil || base != 0 && now != base {
			t.Fatal(now, base, err)
		}
		base = now
		for a := range ts.Len() {
			words := refsAt(base+uintptr(a)<<DisplayShift, DisplayDepth+1)
			if kind := wasm.CompKind(words[DisplayKind/4]); kind != ts.Def(wasm.TypeID(a)).Kind {
				t.Fatalf("type %d has kind %d", a, kind)
			}
			for b := range ts.Len() {
				d := ts.Depth(wasm.TypeID(b))
				if got, want := d < DisplayDepth && words[d] == uint32(b), ts.IsSubtype(wasm.TypeID(a), wasm.TypeID(b)); d < DisplayDepth && got != want {
					t.Fatalf("%d below %d: %v", a, b, got)
				}
			}
		}
	}
	g.drop(pools)
	if n := pools.Live(); n != 0 {
		t.Errorf("%d regions in use", n)
	}
}
