package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// overrunPlace marks the line of a program that overruns a stack.
const overrunPlace = "(;OVERRUN;)"

// withoutOverrun takes that line away, and the program is right.
func withoutOverrun(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, overrunPlace) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestCStacks runs the programs in testdata/cstack, which overrun their stacks in linear memory or do what looks like it. Those that overrun are run
// without that too, and without the check.
func TestCStacks(t *testing.T) {
	files, err := filepath.Glob("testdata/cstack/*.wat")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d programs, %v", len(files), err)
	}
	rt, unchecked := newRuntime(t), newRuntime(t, spindle.WithoutStackCheck())
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".wat")
		c, text := readThreadCase(t, file)
		for i, each := range c.each {
			c := c
			t.Run(fmt.Sprintf("%s %d", name, i), func(t *testing.T) {
				text := strings.ReplaceAll(text, eachPlace, each)
				if err := c.run(t, rt, text); err != nil {
					t.Error(err)
				}
				if c.ends == "return" {
					return
				}
				if err := c.run(t, unchecked, text); err == nil {
					t.Error("without the check: no difference")
				}
				c.ends = "return"
				if err := c.run(t, rt, withoutOverrun(text)); err != nil {
					t.Errorf("without the overrun: %v", err)
				}
			})
		}
	}
}

// deep is a function that recurses n times with frames of 64 bytes; %[1]s is the stack pointer.
const deep = `
	(func $deep (export "deep") (param $n i32) (local $f i32)
		(global.set %[1]s (local.tee $f (i32.sub (global.get %[1]s) (i32.const 64))))
		(i32.store (local.get $f) (local.get $n))
		(if (local.get $n) (then (call $deep (i32.sub (local.get $n) (i32.const 1)))))
		(if (i32.ne (i32.load (local.get $f)) (local.get $n)) (then unreachable))
		(global.set %[1]s (i32.add (local.get $f) (i32.const 64))))`

// The trap tells the thread and the functions. A Process whose main thread has overrun its stack can be called again.
func TestOverrunTrap(t *testing.T) {
	src := `(module $prog (memory 1) (global $__stack_pointer (export "sp") (mut i32) (i32.const 1024))` + fmt.Sprintf(deep, "$__stack_pointer") + `)`
	for _, cfg := range []spindle.Config{{}, {NoStackCheck: true}} {
		inst := mustInstantiate(t, newRuntime(t), src, cfg)
		_, err := inst.Call(t.Context(), "deep", 20)
		var trap *spindle.TrapError
		if !errors.As(err, &trap) {
			t.Fatal(err)
		}
		if cfg.NoStackCheck {
			if trap.Code != spindle.TrapMemoryOutOfBounds {
				t.Errorf("without the check: %v", err)
			}
			continue
		}
		f := trap.Frames
		if trap.Code != spindle.TrapStackOverrun || trap.Thread != 0 || len(f) != 17 || f[0].Name != "deep" || f[0].Module != "prog" || f[0].Offset == 0 {
			t.Errorf("%v in thread %d:\n%s", trap, trap.Thread, trap.Backtrace())
		}
		sp, err := inst.Global("sp")
		if err != nil {
			t.Fatal(err)
		}
		if v := sp.Get(); v != 0 {
			t.Errorf("the stack pointer is %d: it has not moved in the last function", v)
		}
		sp.Set(1024)
		if _, err := inst.Call(t.Context(), "deep", 15); err != nil {
			t.Error(err)
		}
	}
}

// Modules that import the stack pointer of another one run on its stack.
func TestOverrunOfSharedStack(t *testing.T) {
	rt := newRuntime(t)
	p, err := rt.NewProcess(spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct{ name, src string }{
		{"main", `(module (memory (export "memory") 1) (global (export "__stack_low") i32 (i32.const 3072)) (global (export "__stack_high") i32 (i32.const 4096))
			(global $sp (export "__stack_pointer") (mut i32) (i32.const 4096)))`},
		{"side", `(module (import "main" "memory" (memory 1)) (import "main" "__stack_pointer" (global $__stack_pointer (mut i32)))` + fmt.Sprintf(deep, "$__stack_pointer") + `)`},
		{"call", `(module (import "side" "deep" (func $deep (param i32))) (func (export "deep") (param i32) (call $deep (local.get 0))))`},
	} {
		if _, err := p.Instantiate(t.Context(), mustCompile(t, rt, m.src), m.name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"side", "call"} {
		if _, err := p.Instance(name).Call(t.Context(), "deep", 15); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := p.Instance(name).Call(t.Context(), "deep", 16); !isTrap(err, spindle.TrapStackOverrun) {
			t.Errorf("%s: %v", name, err)
		}
		sp, err := p.Instance("main").Global("__stack_pointer")
		if err != nil {
			t.Fatal(err)
		}
		sp.Set(4096)
	}
}

// A thread that the host starts has the bounds of its block, whatever threads ran before on the same one or another.
func TestOverrunOfSpawned(t *testing.T) {
	inst := cInstance(t, newRuntime(t), "20", cAllocator+fmt.Sprintf(deep, "$sp"), spindle.Config{})
	p := inst.Process()
	for _, size := range []int{2048, 1024, 4096, 1024} {
		cfg := spindle.SpawnConfig{StackSize: size, Contain: true}
		fits := uint64(size/64 - 1)
		if _, err := wait(t, mustSpawn(t, p, cfg, "deep", fits)); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		th := mustSpawn(t, p, cfg, "deep", fits+1)
		_, err := wait(t, th)
		var trap *spindle.TrapError
		if !errors.As(err, &trap) || trap.Code != spindle.TrapStackOverrun || trap.Thread != th.ID() || len(trap.Frames) != size/64+1 || trap.Frames[0].Name != "deep" {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	// Not contained, it ends the Process.
	th := mustSpawn(t, p, spindle.SpawnConfig{StackSize: 1024}, "deep", 16)
	if _, err := wait(t, th); !isTrap(err, spindle.TrapStackOverrun) {
		t.Error(err)
	}
	if _, err := inst.Call(t.Context(), "stack"); err == nil {
		t.Error("the Process goes on after a thread has overrun its stack")
	}
}

// A module that checks its stack itself finds it right if nobody wants checks, or if nothing is known.
func TestStackLimits(t *testing.T) {
	const src = `(module %s
		(global $base (export "base") (mut %[2]s) (%[2]s.const 0)) (global $limit (export "limit") (mut %[2]s) (%[2]s.const 77))
		(func (export "__set_stack_limits") (param %[2]s %[2]s) (global.set $base (local.get 0)) (global.set $limit (local.get 1))))`
	for _, c := range []struct {
		fields, typ string
		unchecked   bool
		base, limit uint64
	}{
		{`(memory 1) (global $__stack_pointer (mut i32) (i32.const 1024))`, "i32", false, 1024, 0},
		{`(memory i64 1) (global $__stack_pointer (mut i64) (i64.const 1088)) (data (i64.const 1024) "data")`, "i64", false, 1088, 1028},
		{`(memory 1) (global $__stack_pointer (mut i32) (i32.const 1024))`, "i32", true, math.MaxUint32, 0},
		{`(memory i64 1) (global $__stack_pointer (mut i64) (i64.const 1024))`, "i64", true, math.MaxUint64, 0},
		{`(memory 1)`, "i32", false, math.MaxUint32, 0},
		{``, "i64", false, math.MaxUint64, 0},
		{`(memory 1) (global $__stack_pointer (mut i32) (i32.const 1024))`, "f32", false, 0, uint64(math.Float32bits(77))}, // of another kind: not called
	} {
		rt := newRuntime(t)
		inst := mustInstantiate(t, rt, fmt.Sprintf(src, c.fields, c.typ), spindle.Config{NoStackCheck: c.unchecked})
		for name, want := range map[string]uint64{"base": c.base, "limit": c.limit} {
			g, err := inst.Global(name)
			if err != nil {
				t.Fatal(err)
			}
			if got := g.Get(); got != want {
				t.Errorf("%s %s: %s is %d, want %d", c.fields, c.typ, name, got, want)
			}
		}
	}
}

// A module may be told its limits for ever; that can be stopped as all code can.
func TestStackLimitsLoop(t *testing.T) {
	rt := newRuntime(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	p, err := wasi.Start(ctx, rt, mustCompile(t, rt, `(module (memory (export "memory") 1)
		(func (export "__set_stack_limits") (param i32 i32) (loop (br 0))) (func (export "_start")))`), wasi.Config{}, spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	cancel(enough)
	if err := p.Wait(t.Context()); !errors.Is(err, enough) {
		t.Error(err)
	}
}
