package interp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// TestFrameLimits: a function whose frame is too large for slot numbers fails by name, at its first call; others run.
func TestFrameLimits(t *testing.T) {
	w := newWorld(t, 0)
	m := w.instance("m", `(module
		(func (export "locals") (local`+strings.Repeat(" v128", 40_000)+`))
		(func (export "operands") `+strings.Repeat("(call $f) ", 33_000)+strings.Repeat("(drop) ", 66_000)+`)
		(func $f (result i64 i64) (i64.const 1) (i64.const 2))
		(func (export "many") (result i32) (local $l i32) (local`+strings.Repeat(" i64", 40_000)+`) (local $m i32)
			(i32.add (local.get $l) (local.get $m))))`)
	for _, f := range []string{"locals", "operands"} {
		_, err := w.call(m, f)
		var limit *wasm.LimitError
		if !errors.As(err, &limit) || limit.Limit != "frame slots" || limit.Got <= limit.Max {
			t.Errorf("%s: error %v, want a limit", f, err)
		}
	}
	w.want(m, 0, "many")
}

// TestLoweringTime has bodies that would take a careless lowering time or space with the square of their size.
func TestLoweringTime(t *testing.T) {
	const n = 20_000
	deep := strings.Repeat("(i32.const 1) ", n)
	drops := strings.Repeat("(drop) ", n)
	for name, body := range map[string]string{
		"sets under a deep stack":   "(local.get 0) (local.get 1) " + deep + strings.Repeat("(local.set 0 (i32.add (local.get 0) (i32.const 1))) ", n) + drops + "(drop) (drop)",
		"saves under a deep stack":  strings.Repeat("(local.get 0) ", n) + strings.Repeat("(local.get 1) (local.set 1 (i32.const 3)) ", n) + strings.Repeat("(drop) ", 2*n),
		"blocks under a deep stack": deep + strings.Repeat("(local.get 0) (block) (drop) ", n) + drops,
		"calls under a deep stack":  "(ref.func $g) " + deep + strings.Repeat("(call $g) ", n) + drops + "(drop)",
		"nested blocks":             strings.Repeat("(block (br_if 0 (local.get 0)) ", 2000) + strings.Repeat(")", 2000),
		"branches to one label":     "(block " + strings.Repeat("(br_if 0 (local.get 0)) ", n) + ")",
		"a large table":             "(block (br_table" + strings.Repeat(" 0", n) + " (local.get 0)))",
		"catch clauses":             strings.Repeat("(block (try_table (catch_all 0) (call $g))) ", n),
	} {
		src := "(module (func (param i32 i32) " + body + ") (func $g) (elem declare func $g))"
		ts := wasm.NewTypeSpace()
		c := newCode(New(), compile(t, ts, src))
		start := time.Now()
		if _, err := c.lower(0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("%s: lowered in %v", name, d)
		}
	}
	// Maps that must grow with the square are a limit.
	src := "(module (func " + strings.Repeat("(ref.func $g) (call $g) ", 3000) + strings.Repeat("(drop) ", 3000) + ") (func $g) (elem declare func $g))"
	_, err := newCode(New(), compile(t, wasm.NewTypeSpace(), src)).lower(0)
	var limit *wasm.LimitError
	if !errors.As(err, &limit) || !strings.Contains(limit.Limit, "live references") {
		t.Errorf("deep references: %v", err)
	}
}

// TestLoweringOnce: threads that call a function at the same time share its code.
func TestLoweringOnce(t *testing.T) {
	ts, e := wasm.NewTypeSpace(), New()
	var funcs strings.Builder
	for i := range 200 {
		fmt.Fprintf(&funcs, "(func $f%d (param i32) (result i32) (if (result i32) (local.get 0) (then (call $f%d (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 7))))\n", i, (i+1)%200)
	}
	m := compile(t, ts, "(module "+funcs.String()+`(export "f" (func 0)))`)
	c, err := e.Compile(m, ts)
	if err != nil {
		t.Fatal(err)
	}
	pools := vm.NewPools()
	errs := make(chan error)
	for range 4 {
		go func() {
			errs <- func() error {
				th, err := vm.NewThread(e, pools, vm.ThreadConfig{})
				if err != nil {
					return err
				}
				defer th.Shutdown(errors.New("test over"))
				inst, err := vm.Instantiate(th, m, c, func(*wasm.Import) (vm.Extern, bool, error) { return vm.Extern{}, false, nil }, vm.MemoryLimits{})
				if err != nil {
					return err
				}
				slots := []uint64{1000}
				if err := e.Call(th, inst, 0, slots); err != nil || slots[0] != 7 {
					return fmt.Errorf("result %d, error %v", slots[0], err)
				}
				return nil
			}()
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	lowered := 0
	for _, ch := range c.(*Code).chunks {
		lowered += len(ch.metas)
	}
	if lowered != 200 {
		t.Errorf("%d functions were lowered, want 200", lowered)
	}
}

func BenchmarkCallGuest(b *testing.B) {
	w := newWorld(b, 0)
	m := w.instance("m", `(module (func (export "f") (param i32) (result i32) (local.get 0)))`)
	slots := []uint64{1}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.engine.Call(w.thread, m, 0, slots); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallHost(b *testing.B) {
	w := newWorld(b, 0)
	w.host("h", i32, i32, func(_ *vm.Thread, s []uint64) error { return nil })
	m := w.instance("m", `(module (import "host" "h" (func $h (param i32) (result i32)))
		(func (export "f") (param i32) (result i32) (loop $l (drop (call $h (local.get 0))) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 0)))`)
	slots := make([]uint64, 1)
	b.ReportAllocs()
	for b.Loop() {
		slots[0] = 1000
		if err := w.engine.Call(w.thread, m, 1, slots); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/hostcall")
}

func BenchmarkCallInstance(b *testing.B) {
	w := newWorld(b, 0)
	w.instance("a", `(module (func (export "f") (param i32) (result i32) (local.get 0)))`)
	m := w.instance("m", `(module (import "a" "f" (func $h (param i32) (result i32)))
		(func (export "f") (param i32) (result i32) (loop $l (drop (call $h (local.get 0))) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 0)))`)
	slots := make([]uint64, 1)
	for b.Loop() {
		slots[0] = 1000
		if err := w.engine.Call(w.thread, m, 1, slots); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/call")
}
