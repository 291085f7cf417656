package spindle_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// TestFailIsTheCallersOwn: a host function that has failed may still call the guest, whose calls of host functions do not fail for it; nor does
// a failure outlive a panic.
func TestFailIsTheCallersOwn(t *testing.T) {
	rt := newRuntime(t)
	mine := errors.New("mine")
	var inst *spindle.Instance
	cfg := hostModule(map[string]spindle.Extern{
		"outer": spindle.Proc0(func(c *spindle.Caller) {
			c.Fail(mine)
			if _, err := inst.Call(c.Context(), "inner"); err != nil {
				t.Errorf("the nested call: %v", err)
			}
		}),
		"calm": spindle.Proc0(func(c *spindle.Caller) {
			if _, err := inst.Call(c.Context(), "panics"); err == nil {
				t.Error("the panic went unnoticed")
			}
		}),
		"leaf": spindle.Proc0(func(*spindle.Caller) {}),
		"panics": spindle.Proc0(func(c *spindle.Caller) {
			c.Fail(errors.New("before the panic"))
			panic("told to")
		}),
	})
	inst = mustInstantiate(t, rt, `(module
		(import "env" "outer" (func $outer)) (import "env" "leaf" (func $leaf)) (import "env" "panics" (func $panics)) (import "env" "calm" (func $calm))
		(func (export "outer") (call $outer))
		(func (export "inner") (call $leaf))
		(func (export "panics") (call $panics))
		(func (export "calm") (call $calm)))`, cfg)
	ctx := context.Background()
	if _, err := inst.Call(ctx, "outer"); !errors.Is(err, mine) {
		t.Errorf("outer: %v, want its own failure", err)
	}
	if _, err := inst.Call(ctx, "panics"); err == nil {
		t.Error("the panic went unnoticed")
	}
	for _, name := range []string{"inner", "calm"} {
		if _, err := inst.Call(ctx, name); err != nil {
			t.Errorf("%s after a panic: %v", name, err)
		}
	}
}

// TestCallerMemoryOfNestedCalls: a Memory that a host function has got stays that of its caller, whatever instances are called below it.
func TestCallerMemoryOfNestedCalls(t *testing.T) {
	rt := newRuntime(t)
	ctx := context.Background()
	var b *spindle.Instance
	cfg := hostModule(map[string]spindle.Extern{
		"outer": spindle.Func0(func(c *spindle.Caller) uint32 {
			m := c.Memory()
			if _, err := b.Call(c.Context(), "f"); err != nil {
				t.Error(err)
			}
			v, _ := m.Uint32(0)
			again, _ := c.Memory().Uint32(0)
			if v != again {
				t.Errorf("the memory changed from %d to %d", v, again)
			}
			return v
		}),
		"inner": spindle.Func0(func(c *spindle.Caller) uint32 {
			v, _ := c.Memory().Uint32(0)
			return v
		}),
	})
	p, err := rt.NewProcess(cfg)
	if err != nil {
		t.Fatal(err)
	}
	instantiate := func(text string) *spindle.Instance {
		inst, err := p.Instantiate(ctx, mustCompile(t, rt, text), "")
		if err != nil {
			t.Fatal(err)
		}
		return inst
	}
	b = instantiate(`(module (import "env" "inner" (func $f (result i32))) (memory 1) (data (i32.const 0) "\02")
		(func (export "f") (result i32) (call $f)))`)
	a := instantiate(`(module (import "env" "outer" (func $f (result i32))) (memory 1) (data (i32.const 0) "\01")
		(func (export "f") (result i32) (call $f)))`)
	for range 2 {
		if res, err := a.Call(ctx, "f"); err != nil || res[0] != 1 {
			t.Errorf("%v, %v, want the caller's memory", res, err)
		}
	}
}

const throwing = `(module
	(import "env" "host" (func $host))
	(tag $oops (export "oops") (param i32 externref f64))
	(func $throw (export "throw") (param i32 externref) (throw $oops (local.get 0) (local.get 1) (f64.const 1.5)))
	(func (export "catch") (result i32 externref f64)
		(block $h (result i32 externref f64)
			(try_table (catch $oops $h) (call $host))
			(unreachable)))
	(func (export "host") (call $host))
	;; throws and catches so often that exceptions are collected
	(func (export "churn") (param $n i32)
		(loop $again
			(block $h (result i32 externref f64 exnref)
				(try_table (catch_ref $oops $h) (throw $oops (i32.const 1) (ref.null extern) (f64.const 2)))
				(unreachable))
			(drop) (drop) (drop) (drop)
			(br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))`

// TestUncaughtExceptionsAreNotKept: exceptions that reach the embedder take no room in the store any more, however many there are, and can
// be passed on nevertheless.
func TestUncaughtExceptionsAreNotKept(t *testing.T) {
	rt := newRuntime(t)
	ctx := context.Background()
	var inst *spindle.Instance
	var kept *spindle.ExceptionError
	host := func(c *spindle.Caller) {
		_, err := inst.Call(c.Context(), "throw", spindle.I32(-7), c.Process().ExternRef("value"))
		if !errors.As(err, &kept) {
			t.Errorf("nested: %v", err)
		}
		c.Fail(err)
	}
	inst = mustInstantiate(t, rt, throwing, hostModule(map[string]spindle.Extern{"host": spindle.Proc0(func(c *spindle.Caller) { host(c) })}))
	p := inst.Process()
	n := 3_000_000 // of 32 bytes each: more than a store holds
	if testing.Short() {
		n = 1000
	}
	throw, err := inst.Func("throw")
	if err != nil {
		t.Fatal(err)
	}
	slots := make([]uint64, 2)
	for i := range n {
		slots[0], slots[1] = uint64(i), 0
		var exn *spindle.ExceptionError
		if err := throw.CallSlots(ctx, slots); !errors.As(err, &exn) || exn.Fields()[0] != uint64(i) {
			t.Fatalf("exception %d: %v", i, err)
		}
	}
	for range 3 {
		res, err := inst.Call(ctx, "catch")
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := p.ExternValue(res[1]); int32(res[0]) != -7 || v != "value" || !ok {
			t.Errorf("caught %v (%v)", res, v)
		}
	}
	_, err = inst.Call(ctx, "host")
	var exn *spindle.ExceptionError
	if !errors.As(err, &exn) || exn.Error() != "uncaught exception oops(i32 -7, externref reference, f64 1.5)" || exn.Tag().Name() != "oops" {
		t.Errorf("passed on: %v", err)
	} else if f := exn.Backtrace(); len(f) == 0 || f[0].Name != "throw" {
		t.Errorf("passed on, it comes from %v", f)
	}
	// One that another Process's guest threw is just an error.
	other := mustInstantiate(t, rt, throwing, hostModule(map[string]spindle.Extern{"host": spindle.Proc0(func(c *spindle.Caller) { c.Fail(kept) })}))
	_, err = other.Call(ctx, "catch")
	var trap *spindle.TrapError
	if !errors.As(err, &trap) || trap.Code != spindle.TrapHost || !errors.As(err, &exn) || exn != kept {
		t.Errorf("an exception of another Process: %v", err)
	}
	// References that a host function holds outlive collections.
	host = func(c *spindle.Caller) {
		ref := c.Process().ExternRef("held")
		if _, err := inst.Call(c.Context(), "churn", 5000); err != nil {
			t.Error(err)
		}
		if v, ok := c.Process().ExternValue(ref); v != "held" || !ok {
			t.Errorf("a host function's reference leads to %v", v)
		}
	}
	if _, err = inst.Call(ctx, "host"); err != nil {
		t.Error(err)
	}
}

func TestThrow(t *testing.T) {
	rt := newRuntime(t)
	ctx := context.Background()
	var fields []uint64
	first := errors.New("first")
	fail := false
	inst := mustInstantiate(t, rt, throwing, hostModule(map[string]spindle.Extern{"host": spindle.Proc0(func(c *spindle.Caller) {
		tag, err := c.Instance().Tag("oops")
		if err != nil {
			t.Error(err)
			return
		}
		if fail {
			c.Fail(first)
		}
		c.Throw(tag, fields...)
		c.Fail(errors.New("later"))
	})}))
	fields = []uint64{^uint64(0), 0, spindle.F64(2)}
	res, err := inst.Call(ctx, "catch")
	if err != nil || !slices.Equal(res, []uint64{0xFFFFFFFF, 0, spindle.F64(2)}) {
		t.Errorf("caught %#x, %v", res, err)
	}
	_, err = inst.Call(ctx, "host")
	var exn *spindle.ExceptionError
	if !errors.As(err, &exn) || exn.Error() != "uncaught exception oops(i32 -1, externref null, f64 2)" {
		t.Error(err)
	} else if f := exn.Backtrace(); len(f) != 1 || f[0].Name != "host" {
		t.Errorf("a host's exception comes from %v", f)
	}
	for _, fields = range [][]uint64{nil, {1, 2}, {1, 2, 3, 4}} {
		if _, err := inst.Call(ctx, "catch"); err == nil || !strings.Contains(err.Error(), "3 slots of fields") {
			t.Errorf("%d fields: %v", len(fields), err)
		}
	}
	fail, fields = true, make([]uint64, 3)
	if _, err := inst.Call(ctx, "catch"); !errors.Is(err, first) {
		t.Errorf("thrown after a failure: %v", err)
	}
}

// TestUpperHalves: of a slot for 32 bits the upper half does not matter on the way in, and is zero on the way out.
func TestUpperHalves(t *testing.T) {
	rt := newRuntime(t)
	ctx := context.Background()
	const dirty = 0xDEADBEEF_00000007
	raw := spindle.RawFunc(spindle.FuncType{Params: []spindle.ValueType{spindle.TypeI32}, Results: []spindle.ValueType{spindle.TypeV128, spindle.TypeI32}},
		func(_ *spindle.Caller, s []uint64) {
			if s[0] != 7 {
				t.Errorf("the host gets %#x", s[0])
			}
			s[0], s[1], s[2] = dirty, dirty, dirty
		})
	inst := mustInstantiate(t, rt, `(module
		(import "env" "raw" (func $raw (param i32) (result v128 i32)))
		(global $g (export "g") (mut i32) (i32.const 0))
		(func (export "extend") (param v128 i32) (result i64) (i64.extend_i32_u (local.get 1)))
		(func (export "global") (result i64) (i64.extend_i32_u (global.get $g)))
		(func (export "raw") (param i32) (result i64 i64) (local $i i32)
			(call $raw (local.get 0)) (local.set $i) (i64x2.extract_lane 1) (i64.extend_i32_u (local.get $i))))`,
		hostModule(map[string]spindle.Extern{"raw": raw}))
	want := func(what string, want []uint64, args ...uint64) {
		t.Helper()
		if res, err := inst.Call(ctx, what, args...); err != nil || !slices.Equal(res, want) {
			t.Errorf("%s = %#x, %v, want %#x", what, res, err, want)
		}
	}
	want("extend", []uint64{7}, dirty, dirty, dirty)
	want("raw", []uint64{dirty, 7}, dirty)
	g, err := inst.Global("g")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Set(dirty); err != nil || g.Get() != 7 {
		t.Errorf("the global is %#x, %v", g.Get(), err)
	}
	want("global", []uint64{7})
	made, err := inst.Process().NewGlobal(spindle.GlobalType{Type: spindle.TypeI32}, dirty)
	if err != nil || made.Get() != 7 {
		t.Errorf("a new global is %#x, %v", made.Get(), err)
	}
}

// TestHostMadeTypes: what the embedder cannot make is refused.
func TestHostMadeTypes(t *testing.T) {
	rt := newRuntime(t)
	p, err := rt.NewProcess(spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	nonNull := spindle.TypeFuncRef.WithNull(false)
	for name, f := range map[string]func() error{
		"table of numbers":   func() error { _, err := p.NewTable(spindle.TableType{Elem: spindle.TypeI32}, 0); return err },
		"table without type": func() error { _, err := p.NewTable(spindle.TableType{}, 0); return err },
		"table of no nulls":  func() error { _, err := p.NewTable(spindle.TableType{Elem: nonNull}, 0); return err },
		"shared without maximum": func() error {
			_, err := p.NewMemory(spindle.MemoryType{Shared: true})
			return err
		},
		"unshared shared memory": func() error { _, err := rt.NewSharedMemory(spindle.MemoryType{}); return err },
		"global without value":   func() error { _, err := p.NewGlobal(spindle.GlobalType{Type: spindle.TypeI32}); return err },
		"global of two values":   func() error { _, err := p.NewGlobal(spindle.GlobalType{Type: spindle.TypeI64}, 1, 2); return err },
		"half a vector":          func() error { _, err := p.NewGlobal(spindle.GlobalType{Type: spindle.TypeV128}, 1); return err },
	} {
		if f() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Host values that a host function holds are not collected while guest code that it called runs, also if the embedder called the host function without a guest.
func TestHostValuesOfHostFunctionsInFlight(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, `(module (import "env" "h" (func $h)) (export "direct" (func $h)) (func (export "guest") (call $h))
		(func (export "loop") (local i32) (loop $l (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100))))))`,
		hostModule(map[string]spindle.Extern{"h": spindle.Proc0(func(c *spindle.Caller) {
			p := c.Process()
			held := p.ExternRef("held")
			for i := range 20_000 {
				p.ExternRef(i) // a collection is due
			}
			if _, err := c.Instance().Call(c.Context(), "loop"); err != nil {
				t.Error(err)
			}
			if v, ok := p.ExternValue(held); !ok || v != "held" {
				t.Errorf("the value is %v, %v", v, ok)
			}
		})}))
	for _, name := range []string{"direct", "guest"} {
		if _, err := inst.Call(context.Background(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCallsOfHostFunctions: a host function that a module exports again fails as it does when the guest calls it.
func TestCallsOfHostFunctions(t *testing.T) {
	rt := newRuntime(t)
	ctx := context.Background()
	plain := errors.New("plain")
	inst := mustInstantiate(t, rt, `(module
		(import "env" "fail" (func $fail)) (import "env" "panic" (func $panic)) (import "env" "exit" (func $exit)) (import "env" "throw" (func $throw))
		(tag (export "tag"))
		(export "fail" (func $fail)) (export "panic" (func $panic)) (export "exit" (func $exit)) (export "throw" (func $throw)))`,
		hostModule(map[string]spindle.Extern{
			"fail":  spindle.Proc0(func(c *spindle.Caller) { c.Fail(plain) }).Named("fail"),
			"panic": spindle.Proc0(func(*spindle.Caller) { panic("told to") }),
			"exit":  spindle.Proc0(func(c *spindle.Caller) { c.Fail(&spindle.ExitError{Code: 4}) }),
			"throw": spindle.Proc0(func(c *spindle.Caller) {
				tag, err := c.Instance().Tag("tag")
				if err != nil {
					t.Error(err)
					return
				}
				c.Throw(tag)
			}),
		}))
	call := func(name string) error {
		_, err := inst.Call(ctx, name)
		return err
	}
	var trap *spindle.TrapError
	if err := call("fail"); !errors.As(err, &trap) || trap.Code != spindle.TrapHost || trap.Detail != "fail" || !errors.Is(err, plain) {
		t.Errorf("fail: %v", err)
	}
	var p *spindle.HostPanicError
	if err := call("panic"); !errors.As(err, &trap) || trap.Code != spindle.TrapHost || !errors.As(err, &p) || p.Value != "told to" {
		t.Errorf("panic: %v", err)
	}
	var exit *spindle.ExitError
	if err := call("exit"); !errors.As(err, &exit) || exit.Code != 4 {
		t.Errorf("exit: %v", err)
	}
	var exn *spindle.ExceptionError
	if err := call("throw"); !errors.As(err, &exn) || exn.Error() != "uncaught exception tag()" {
		t.Errorf("throw: %v", err)
	}
}
