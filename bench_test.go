package spindle_test

import (
	"context"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// kiloModule is a module of about 1 KiB, as plug-ins start out: memory, table, globals, data, a few functions.
const kiloModule = `(module
	(type $t (func (param i32) (result i32)))
	(memory (export "memory") 1)
	(table 4 funcref) (elem (i32.const 0) $a $b $c $d)
	(global $g (mut i32) (i32.const 1)) (global $h i64 (i64.const 2))
	(func $a (type $t) (i32.add (local.get 0) (global.get $g)))
	(func $b (type $t) (i32.mul (local.get 0) (i32.const 3)))
	(func $c (type $t) (local i32) (loop $l (local.set 1 (i32.add (local.get 1) (local.get 0)))
		(br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))
	(func $d (type $t) (i32.load8_u (i32.and (local.get 0) (i32.const 1023))))
	(func (export "run") (type $t) (call_indirect (type $t) (local.get 0) (i32.and (local.get 0) (i32.const 3))))
	(func (export "_start") (global.set $g (i32.const 5)))
	(data (i32.const 0) "` + lorem + `"))`

const lorem = "Spindle keeps all guest state in guest-owned memory off the Go heap, at offsets; the Go stack and the Go heap hold none of it. " +
	"Guest frames live on guest stacks; no Go frame is ever above a guest frame except a host function in flight; guest-visible references are " +
	"32-bit offsets or table indices, never Go pointers. From it follow fork by mapping, precise roots, snapshots, cheap threads, deep recursion, " +
	"no pressure on Go's collector, and a thread that can stop anywhere. The driver is a loop in Go: enter guest code; guest code returns to the " +
	"driver with a reason; the driver acts and re-enters. Host call, guest callback, host call nests drivers; that is the only nesting there is."

func assembled(b *testing.B, text string) []byte {
	bin, err := spindle.Assemble([]byte(text))
	if err != nil {
		b.Fatal(err)
	}
	return bin
}

// From the bytes of a small module to its first instruction having run.
func BenchmarkCompileAndStart(b *testing.B) {
	rt := newRuntime(b)
	bin := assembled(b, kiloModule)
	ctx := context.Background()
	b.SetBytes(int64(len(bin)))
	for b.Loop() {
		m, err := rt.Compile(ctx, bin)
		if err != nil {
			b.Fatal(err)
		}
		p, err := rt.Start(ctx, m, spindle.Config{})
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Wait(ctx); err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}

func BenchmarkInstantiateAndClose(b *testing.B) {
	rt := newRuntime(b)
	ctx := context.Background()
	m, err := rt.Compile(ctx, assembled(b, kiloModule))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		inst, err := rt.Instantiate(ctx, m, spindle.Config{})
		if err != nil {
			b.Fatal(err)
		}
		inst.Close()
	}
}

func BenchmarkHostToGuest(b *testing.B) {
	rt := newRuntime(b)
	inst := mustInstantiate(b, rt, `(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))`, spindle.Config{})
	f, err := inst.Func("add")
	if err != nil {
		b.Fatal(err)
	}
	slots := []uint64{1, 2}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := f.CallSlots(ctx, slots); err != nil {
			b.Fatal(err)
		}
	}
}

// One operation is a call of the host function from a guest loop.
func BenchmarkGuestToHost(b *testing.B) {
	rt := newRuntime(b)
	inst := mustInstantiate(b, rt, `(module (import "env" "f" (func $f (param i32 i32) (result i32)))
		(func (export "run") (param i32) (loop $l
			(drop (call $f (local.get 0) (i32.const 1)))
			(br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`,
		hostModule(map[string]spindle.Extern{"f": spindle.Func2(func(_ *spindle.Caller, x, y int32) int32 { return x + y })}))
	f, err := inst.Func("run")
	if err != nil {
		b.Fatal(err)
	}
	const calls = 1000
	slots := []uint64{0}
	b.ReportAllocs()
	for b.Loop() {
		slots[0] = calls
		if err := f.CallSlots(context.Background(), slots); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/calls, "ns/call")
}
