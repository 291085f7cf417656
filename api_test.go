package spindle_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// TestMemoryBounds: no offset or size, however large, reaches beyond a memory's ends or fails within.
func TestMemoryBounds(t *testing.T) {
	rt := newRuntime(t)
	p, err := rt.NewProcess(spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mt := spindle.MemoryType{}
	mt.Min = 1
	m, err := p.NewMemory(mt)
	if err != nil {
		t.Fatal(err)
	}
	const size = spindle.PageSize
	for _, off := range []uint64{0, 1, size - 9, size - 8, size - 7, size - 4, size - 3, size - 1, size, size + 1, 1 << 32, 1<<32 + 8, 1 << 63, math.MaxUint64 - 8, math.MaxUint64 - 3, math.MaxUint64} {
		for _, n := range []uint64{0, 1, 4, 8, size - 8, size, size + 1, 1 << 32, 1 << 63, math.MaxUint64 - 7, math.MaxUint64} {
			want := n <= size && off <= size-n
			if v, ok := m.View(off, n); ok != want || ok && (uint64(len(v)) != n || uint64(cap(v)) != n) {
				t.Errorf("view of %#x bytes at %#x: %v, want %v", n, off, ok, want)
			}
			if s, ok := m.ReadString(off, n); ok != want || ok && uint64(len(s)) != n {
				t.Errorf("string of %#x bytes at %#x: %v, want %v", n, off, ok, want)
			}
			if n <= size+1 {
				b := make([]byte, n)
				if m.Read(off, b) != want || m.Write(off, b) != want {
					t.Errorf("read and write of %#x bytes at %#x: want %v", n, off, want)
				}
			}
		}
		four, eight := off <= size-4, off <= size-8
		v, ok := m.Uint64(off)
		if m.PutUint32(off, 0x12345678) != four || m.PutUint64(off, 0x123456789ABCDEF0) != eight || ok != eight || !ok && v != 0 {
			t.Errorf("integers at %#x: want %v, %v", off, four, eight)
		}
		want := uint32(0x12345678)
		if eight {
			want = 0x9ABCDEF0
		}
		if v, ok := m.Uint32(off); ok != four || ok && v != want {
			t.Errorf("at %#x is %#x, %v", off, v, ok)
		}
		if v, ok := m.Uint64(off); ok && v != 0x123456789ABCDEF0 {
			t.Errorf("at %#x is %#x", off, v)
		}
		m.PutUint64(off, 0)
	}
	if old, ok := m.Grow(1 << 63); ok || old != 1 {
		t.Errorf("grew by 2^63 pages: %d, %v", old, ok)
	}
}

// TestImportsOfOtherProcesses: what belongs to one Process cannot be imported in another, but for what is meant to be shared.
func TestImportsOfOtherProcesses(t *testing.T) {
	rt := newRuntime(t)
	lib := mustInstantiate(t, rt, `(module
		(func (export "func")) (table (export "table") 1 funcref) (memory (export "memory") 1) (memory (export "shared") 1 1 shared)
		(global (export "global") (mut i32) (i32.const 0)) (tag (export "tag")))`, spindle.Config{})
	for name, c := range map[string]struct {
		desc string
		ok   bool
	}{
		"func": {"(func)", false}, "table": {"(table 1 funcref)", false}, "memory": {"(memory 1)", false}, "global": {"(global (mut i32))", false},
		"shared": {"(memory 1 1 shared)", true}, "tag": {"(tag)", true},
	} {
		mod := mustCompile(t, rt, `(module (import "lib" "`+name+`" `+c.desc+`))`)
		inst, err := rt.Instantiate(context.Background(), mod, spindle.Config{Imports: spindle.Imports{"lib": lib}})
		if c.ok != (err == nil) {
			t.Errorf("%s of another Process: %v", name, err)
		}
		if err != nil && !strings.Contains(err.Error(), `"lib"."`+name+`"`) {
			t.Errorf("%s: the error does not name the import: %v", name, err)
		}
		if inst != nil {
			inst.Close()
		}
		if _, err := lib.Process().Instantiate(context.Background(), mod, ""); err == nil {
			t.Errorf("%s: there is no import of that name, but it is found", name)
		}
	}
}

// TestExports looks exports up by kind and by name.
func TestExports(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, `(module
		(func (export "func") (param i32) (result f64) (f64.const 1)) (table (export "table") 2 5 funcref) (memory (export "memory") 1)
		(global (export "global") i64 (i64.const 7)) (global (export "v") (mut v128) (v128.const i64x2 1 2)) (tag (export "tag") (param f32)))`, spindle.Config{})
	lookups := map[string]func(string) error{
		"func":   func(n string) error { _, err := inst.Func(n); return err },
		"table":  func(n string) error { _, err := inst.Table(n); return err },
		"memory": func(n string) error { _, err := inst.Memory(n); return err },
		"global": func(n string) error { _, err := inst.Global(n); return err },
		"tag":    func(n string) error { _, err := inst.Tag(n); return err },
	}
	for kind, lookup := range lookups {
		for name := range lookups {
			if err := lookup(name); (err == nil) != (name == kind) {
				t.Errorf("%s %q: %v", kind, name, err)
			}
		}
		if lookup("other") == nil {
			t.Errorf("%s that is not there", kind)
		}
	}
	g, err := inst.Global("global")
	if err != nil {
		t.Fatal(err)
	}
	if g.Set(8) == nil || g.Get() != 7 || g.Type().Mutable {
		t.Errorf("the immutable global is %d", g.Get())
	}
	v, err := inst.Global("v")
	if err != nil {
		t.Fatal(err)
	}
	if v.GetV128() != (spindle.V128{Lo: 1, Hi: 2}) || v.SetV128(spindle.V128{Lo: 3, Hi: 4}) != nil || v.GetV128() != (spindle.V128{Lo: 3, Hi: 4}) || v.Set(5) != nil ||
		v.GetV128() != (spindle.V128{Lo: 5}) {
		t.Errorf("the vector is %v", v.GetV128())
	}
	tag, err := inst.Tag("tag")
	if err != nil || len(tag.Fields()) != 1 || tag.Fields()[0] != spindle.TypeF32 || tag.Name() != "tag" {
		t.Errorf("the tag: %v, %v", tag, err)
	}
	f, err := inst.Func("func")
	if err != nil {
		t.Fatal(err)
	}
	tab, err := inst.Table("table")
	if err != nil {
		t.Fatal(err)
	}
	if ref, ok := tab.Get(0); !ok || ref != 0 || inst.Process().FuncRef(ref) != nil {
		t.Errorf("element 0 is %d, %v", ref, ok)
	}
	if old, ok := tab.Grow(3, f.Ref()); !ok || old != 2 || tab.Size() != 5 {
		t.Errorf("grow: %d, %v", old, ok)
	}
	if _, ok := tab.Grow(1, 0); ok {
		t.Error("the table grew beyond its maximum")
	}
	if _, ok := tab.Grow(math.MaxUint64, 0); ok {
		t.Error("the table grew by 2^64-1")
	}
	for _, i := range []uint64{5, 1 << 32, math.MaxUint64} {
		if _, ok := tab.Get(i); ok || tab.Set(i, 0) {
			t.Errorf("element %d is there", i)
		}
	}
	ref, _ := tab.Get(4)
	if res, err := inst.Process().FuncRef(ref).Call(context.Background(), 3); err != nil || res[0] != spindle.F64(1) {
		t.Errorf("through the table: %v, %v", res, err)
	}
}

func TestI31(t *testing.T) {
	for _, v := range []int32{0, 1, -1, 1<<30 - 1, -1 << 30} {
		if got, ok := spindle.I31Value(spindle.I31(v)); !ok || got != v {
			t.Errorf("%d becomes %d, %v", v, got, ok)
		}
	}
	if got, _ := spindle.I31Value(spindle.I31(1 << 30)); got != -1<<30 {
		t.Errorf("2^30 wraps to %d", got)
	}
	for _, ref := range []uint64{0, 2, 4} {
		if _, ok := spindle.I31Value(ref); ok {
			t.Errorf("%d is taken for an i31", ref)
		}
	}
}
