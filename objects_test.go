package spindle_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// objectsText has a struct with a field of each kind, and functions that look at objects from the guest's side.
const objectsText = `(module
	(type $all (struct (field (mut i8)) (field (mut i16)) (field (mut i32)) (field (mut i64)) (field (mut f32)) (field (mut f64)) (field (mut v128))
		(field (mut anyref)) (field (mut funcref)) (field (mut externref)) (field (mut exnref)) (field $fixed i32)))
	(type $list (sub (struct (field $v i32) (field $next (mut (ref null $list))))))
	(type $leaf (sub final $list (struct (field i32) (field (mut (ref null $list))) (field i64))))
	(type $bytes (array (mut i8))) (type $words (array (mut i64))) (type $const (array i8)) (type $lists (array (mut (ref null $list))))
	(type $vectors (array (mut v128))) (type $strict (struct (field (ref $list))))
	(import "host" "any" (func $any (result anyref)))
	(import "host" "struct" (func $struct (result (ref struct))))
	(func $f (export "f"))
	(func (export "fields") (param anyref) (result i32 i32 i32 i64 f32 f64 v128 anyref funcref externref exnref i32)
		(local $a (ref $all))
		(local.set $a (ref.cast (ref $all) (local.get 0)))
		(struct.get_u $all 0 (local.get $a)) (struct.get_u $all 1 (local.get $a)) (struct.get $all 2 (local.get $a)) (struct.get $all 3 (local.get $a))
		(struct.get $all 4 (local.get $a)) (struct.get $all 5 (local.get $a)) (struct.get $all 6 (local.get $a)) (struct.get $all 7 (local.get $a))
		(struct.get $all 8 (local.get $a)) (struct.get $all 9 (local.get $a)) (struct.get $all 10 (local.get $a)) (struct.get $all 11 (local.get $a)))
	(func (export "sum") (param $l (ref null $list)) (result i32) (local $s i32)
		(block $done (loop $more
			(br_if $done (ref.is_null (local.get $l)))
			(local.set $s (i32.add (local.get $s) (struct.get $list $v (local.get $l))))
			(local.set $l (struct.get $list $next (local.get $l)))
			(br $more)))
		(local.get $s))
	(func (export "any") (result anyref) (call $any))
	(func (export "struct") (result anyref) (call $struct))
	(global (export "global") (mut (ref null $list)) (ref.null $list))
	(table (export "table") 1 (ref null $list))
	(func (export "spawned") (drop (call $any))))`

// objectsGuest is a Process of objectsText with the types by name.
type objectsGuest struct {
	*spindle.Instance
	p     *spindle.Process
	types map[string]*spindle.ObjectType
	any   func(c *spindle.Caller) uint64 // what the host functions any and struct return
}

func newObjectsGuest(t *testing.T, cfg spindle.GCConfig) *objectsGuest {
	t.Helper()
	g := &objectsGuest{types: map[string]*spindle.ObjectType{}}
	result := func(typ spindle.ValueType) *spindle.HostFunc {
		return spindle.RawFunc(spindle.FuncType{Results: []spindle.ValueType{typ}}, func(c *spindle.Caller, s []uint64) { s[0] = g.any(c) })
	}
	rt := newRuntime(t)
	mod := mustCompile(t, rt, objectsText)
	var err error
	nonNull := spindle.TypeStructRef.WithNull(false)
	g.Instance, err = rt.Instantiate(t.Context(), mod, spindle.Config{GC: cfg, Imports: spindle.Imports{"host": spindle.HostModule{
		"any": result(spindle.TypeAnyRef), "struct": result(nonNull),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	g.p = g.Process()
	for i, name := range []string{"all", "list", "leaf", "bytes", "words", "const", "lists", "vectors", "strict"} {
		if g.types[name], err = mod.ObjectType(uint32(i)); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func (g *objectsGuest) objects(t *testing.T) *spindle.Objects {
	t.Helper()
	o, err := g.p.NewObjects()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestObjectFields: what the host writes, at once and field by field, is what the guest and the host read, for fields of every kind.
func TestObjectFields(t *testing.T) {
	g := newObjectsGuest(t, spindle.GCConfig{Plan: "semispace", Stress: 1, Sanity: true})
	o := g.objects(t)
	ref := must[uint64](t)
	inner := ref(o.NewStruct(g.types["list"], 7, 0))
	fn := must[*spindle.Func](t)(g.Func("f"))
	ext := g.p.ExternRef("value")
	vals := []uint64{0xFE, 0xFFFD, 0xFFFFFFFC, 1<<64 - 5, spindle.F32(1.5), spindle.F64(-2.5), 6, 7, inner, fn.Ref(), ext, 0, 12}
	check := func(r uint64) {
		t.Helper()
		// Results of the previous call are over with this one, what the Objects has stays.
		got, err := g.Call(t.Context(), "fields", r)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(vals) {
			t.Errorf("the guest reads %x, want %x", got, vals)
		}
		slot := 0
		for i, f := range g.types["all"].Fields() {
			v, err := o.Field(r, i)
			if err != nil || v != vals[slot] {
				t.Errorf("field %d is %#x, %v", i, v, err)
			}
			if f.Type == spindle.TypeV128 {
				if v, err := o.FieldV128(r, i); err != nil || v != (spindle.V128{Lo: vals[slot], Hi: vals[slot+1]}) {
					t.Errorf("field %d is %v, %v", i, v, err)
				}
				slot++
			}
			slot++
		}
		if v, ok := g.p.ExternValue(vals[10]); !ok || v != "value" {
			t.Errorf("%v, %v", v, ok)
		}
	}
	a := ref(o.NewStruct(g.types["all"], vals...))
	check(a)
	b := ref(o.NewStruct(g.types["all"]))
	for i, slot := 0, 0; i < 11; i++ {
		n := 1
		if i == 6 {
			n = 2
		}
		if err := o.SetField(b, i, vals[slot:slot+n]...); err != nil {
			t.Fatal(i, err)
		}
		slot += n
	}
	vals[12] = 0
	check(b)
	if typ, err := o.TypeOf(b); err != nil || !typ.Is(g.types["all"]) || typ.Is(g.types["list"]) {
		t.Error(typ, err)
	}
	if !g.types["leaf"].Is(g.types["list"]) || g.types["list"].Is(g.types["leaf"]) || !g.types["words"].IsArray() || g.types["all"].IsArray() {
		t.Error("types")
	}
}

// TestObjectArrays: arrays of numbers by element and in one piece, and of references.
func TestObjectArrays(t *testing.T) {
	g := newObjectsGuest(t, spindle.GCConfig{Plan: "stickyimmix", Stress: 3, Sanity: true})
	o := g.objects(t)
	ref := must[uint64](t)
	w := ref(o.NewArray(g.types["words"], 1000, 5))
	if err := o.SetElem(w, 999, 1<<40); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 16)
	if err := o.Read(w, 998, p); err != nil || !bytes.Equal(p, []byte{5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}) {
		t.Errorf("% x, %v", p, err)
	}
	if err := o.Write(w, 0, p); err != nil {
		t.Fatal(err)
	}
	if v, err := o.Elem(w, 1); err != nil || v != 1<<40 {
		t.Error(v, err)
	}
	v := ref(o.NewArray(g.types["vectors"], 2, 8, 9))
	if x, err := o.ElemV128(v, 1); err != nil || x != (spindle.V128{Lo: 8, Hi: 9}) {
		t.Error(x, err)
	}
	// A list that only an array keeps, which is old when the list is put there.
	l := ref(o.NewArray(g.types["lists"], 10))
	if err := g.p.CollectGarbage(); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		o.Nest(func() {
			prev := uint64(0)
			if i > 0 {
				prev = ref(o.Elem(l, i-1))
			}
			if err := o.SetElem(l, i, ref(o.NewStruct(g.types["leaf"], uint64(i), prev, 1))); err != nil {
				t.Fatal(err)
			}
		})
	}
	if n, err := o.Len(l); err != nil || n != 10 {
		t.Error(n, err)
	}
	if s, err := g.Call(t.Context(), "sum", ref(o.Elem(l, 9))); err != nil || s[0] != 45 {
		t.Error(s, err)
	}
}

// TestObjectErrors: every wrong use is refused by its kind, and changes nothing.
func TestObjectErrors(t *testing.T) {
	g := newObjectsGuest(t, spindle.GCConfig{})
	other := newObjectsGuest(t, spindle.GCConfig{})
	o := g.objects(t)
	ref := must[uint64](t)
	list, words := ref(o.NewStruct(g.types["list"], 1, 0)), ref(o.NewArray(g.types["words"], 3))
	fixed, all := ref(o.NewArray(g.types["const"], 3, 1)), ref(o.NewStruct(g.types["all"]))
	var nested uint64
	o.Nest(func() { nested = ref(o.NewStruct(g.types["list"], 1, 0)) })
	first := func(_ any, err error) error { return err }
	for i, c := range []struct {
		err  error
		kind spindle.RefErrorKind
	}{
		{first(o.Field(0, 0)), spindle.RefNull},
		{first(o.Field(spindle.I31(4), 0)), spindle.RefType},
		{first(o.Field(g.p.ExternRef("x"), 0)), spindle.RefType},
		{first(o.Field(0x12340, 0)), spindle.RefDead},
		{first(o.Field(nested, 0)), spindle.RefDead},
		{first(o.Field(list+8, 0)), spindle.RefDead},
		{first(o.Field(words, 0)), spindle.RefType},
		{first(o.Field(list, 2)), spindle.RefBounds},
		{first(o.Field(list, -1)), spindle.RefBounds},
		{first(o.Elem(list, 0)), spindle.RefType},
		{first(o.Elem(words, 3)), spindle.RefBounds},
		{first(o.Elem(words, -1)), spindle.RefBounds},
		{first(o.Len(list)), spindle.RefType},
		{first(o.TypeOf(nested)), spindle.RefDead},
		{o.SetField(list, 0, 1), spindle.RefImmutable},
		{o.SetField(list, 1, words), spindle.RefType},
		{o.SetField(list, 1, nested), spindle.RefDead},
		{o.SetField(list, 1, spindle.I31(1)), spindle.RefType},
		{o.SetField(list, 1), spindle.RefBounds},
		{o.SetField(all, 6, 1), spindle.RefBounds},
		{o.SetField(all, 8, 1<<20), spindle.RefDead},
		{o.SetField(all, 10, 77), spindle.RefDead},
		{o.SetElem(fixed, 0, 2), spindle.RefImmutable},
		{o.Read(words, 1, make([]byte, 24)), spindle.RefBounds},
		{o.Read(words, -1, make([]byte, 8)), spindle.RefBounds},
		{o.Read(words, 0, make([]byte, 7)), spindle.RefBounds},
		{o.Read(list, 0, nil), spindle.RefType},
		{o.Write(fixed, 0, []byte{9}), spindle.RefImmutable},
		{first(o.NewStruct(g.types["words"])), spindle.RefType},
		{first(o.NewArray(g.types["list"], 1)), spindle.RefType},
		{first(o.NewStruct(g.types["list"], 1)), spindle.RefBounds},
		{first(o.NewStruct(g.types["strict"])), spindle.RefNull},
		{first(o.NewStruct(g.types["strict"], 0)), spindle.RefNull},
		{first(o.NewStruct(g.types["strict"], all)), spindle.RefType},
		{first(o.NewStruct(other.types["list"], 1, 0)), spindle.RefType},
		{first(o.Hold(nested)), spindle.RefDead},
		{first(o.Local(0)), spindle.RefDead},
		{first(o.Local(1 << 40)), spindle.RefDead},
		{g.p.Release(5), spindle.RefDead},
		{first(g.Call(t.Context(), "sum", words)), spindle.RefType},
		{first(g.Call(t.Context(), "sum", nested)), spindle.RefDead},
		{first(g.Call(t.Context(), "fields", 0x12340)), spindle.RefDead},
	} {
		if !isRefError(c.err, c.kind) {
			t.Errorf("%d: %v, want %v", i, c.err, c.kind)
		}
	}
	var trap *spindle.TrapError
	for _, n := range []uint32{1 << 31, 1<<32 - 1} {
		if _, err := o.NewArray(g.types["vectors"], n); !errors.As(err, &trap) || trap.Code != spindle.TrapAllocation {
			t.Errorf("%d vectors: %v", n, err)
		}
	}
	// What host functions return, and what is put into globals and tables.
	results := map[string]map[uint64]spindle.RefErrorKind{
		"any": {nested: spindle.RefDead, 0x8888: spindle.RefDead}, "struct": {0: spindle.RefNull, words: spindle.RefType, spindle.I31(3): spindle.RefType},
	}
	for name, cases := range results {
		for v, kind := range cases {
			g.any = func(*spindle.Caller) uint64 { return v }
			_, err := g.Call(t.Context(), name)
			if !isTrap(err, spindle.TrapHost) || !isRefError(err, kind) {
				t.Errorf("%s returns %#x: %v", name, v, err)
			}
		}
	}
	global, table := must[*spindle.Global](t)(g.Global("global")), must[*spindle.Table](t)(g.Table("table"))
	if err := global.Set(words); !isRefError(err, spindle.RefType) {
		t.Error(err)
	}
	if table.Set(0, words) || table.Set(0, nested) || !table.Set(0, list) || global.Set(list) != nil {
		t.Error("table")
	}
	if _, ok := table.Grow(1, nested); ok {
		t.Error("the table grew by a dead reference")
	}
	if r, ok := table.Get(0); !ok || r != list || global.Get() != list {
		t.Error(r, ok)
	}
	if v, err := o.Field(list, 0); err != nil || v != 1 {
		t.Error(v, err)
	}
	h := must[spindle.Handle](t)(o.Hold(list))
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Local(h); !errors.Is(err, spindle.ErrHeapClosed) {
		t.Error(err)
	}
	if _, err := o.NewStruct(g.types["list"], 1, 0); !errors.Is(err, spindle.ErrHeapClosed) {
		t.Error(err)
	}
	if err := g.p.Release(h); !errors.Is(err, spindle.ErrHeapClosed) {
		t.Error(err)
	}
}

// TestObjectsOfThreads: handles to one thread's objects are not for another's, nor is what a host function was given after it has returned.
func TestObjectsOfThreads(t *testing.T) {
	g := newObjectsGuest(t, spindle.GCConfig{Stress: 1})
	handles := make(chan spindle.Handle, 1)
	var over *spindle.Objects
	g.any = func(c *spindle.Caller) uint64 {
		o := must[*spindle.Objects](t)(c.Objects())
		r := must[uint64](t)(o.NewStruct(g.types["list"], 3, 0))
		if c.Thread() != 0 {
			handles <- must[spindle.Handle](t)(o.Hold(r))
		}
		over = o
		return r
	}
	th := mustSpawn(t, g.p, spindle.SpawnConfig{}, "spawned")
	if _, err := wait(t, th); err != nil {
		t.Fatal(err)
	}
	h := <-handles
	o := g.objects(t)
	if _, err := o.Local(h); !isRefError(err, spindle.RefThread) {
		t.Errorf("another thread's handle: %v", err)
	}
	if err := g.p.Release(h); err != nil {
		t.Error(err)
	}
	res, err := g.Call(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := o.Field(res[0], 0); err != nil || v != 3 {
		t.Error(v, err)
	}
	if _, err := g.Call(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	if _, err := over.Field(res[0], 0); !isRefError(err, spindle.RefDead) {
		t.Errorf("a result after the next call: %v", err)
	}
}

// TestObjectsByManyGoroutines: Go code works with objects on several goroutines, while guest code runs and everything is collected all the time.
func TestObjectsByManyGoroutines(t *testing.T) {
	g := newObjectsGuest(t, spindle.GCConfig{Plan: "semispace", HeapBytes: 32 << 20, Stress: 5, Workers: 2})
	g.any = func(c *spindle.Caller) uint64 {
		o, err := c.Objects()
		if err != nil {
			t.Error(err)
			return 0
		}
		r, err := o.NewStruct(g.types["list"], 3, 0)
		if err != nil {
			t.Error(err)
		}
		return r
	}
	var wg sync.WaitGroup
	for k := range 6 {
		wg.Go(func() {
			o, err := g.p.NewObjects()
			if err != nil {
				t.Error(err)
				return
			}
			defer o.Close()
			var h spindle.Handle
			sum := 0
			for i := range 200 {
				o.Nest(func() {
					prev := uint64(0)
					if i > 0 {
						if prev, err = o.Local(h); err != nil {
							t.Error(err)
							return
						}
						if err := g.p.Release(h); err != nil {
							t.Error(err)
						}
					}
					r, err := o.NewStruct(g.types["list"], uint64(i*k), prev)
					if err != nil {
						t.Error(err)
						return
					}
					sum += i * k
					if h, err = o.Hold(r); err != nil {
						t.Error(err)
					}
				})
			}
			for r := must[uint64](t)(o.Local(h)); r != 0; r = must[uint64](t)(o.Field(r, 1)) {
				sum -= int(must[uint64](t)(o.Field(r, 0)))
			}
			if sum != 0 {
				t.Errorf("%d are missing", sum)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 30 {
				th, err := g.p.Spawn(t.Context(), "spawned")
				if err == nil {
					_, err = th.Wait(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 100 {
		if _, err := g.Call(t.Context(), "any"); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}
