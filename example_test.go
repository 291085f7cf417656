package spindle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// compile compiles a module in the text format, for examples.
func compile(rt *spindle.Runtime, text string) *spindle.Module {
	m, err := rt.CompileText(context.Background(), []byte(text))
	if err != nil {
		log.Fatal(err)
	}
	return m
}

func Example() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()

	mod := compile(rt, `(module
		(func (export "add") (param i32 i32) (result i32)
			(i32.add (local.get 0) (local.get 1))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	res, err := inst.Call(ctx, "add", spindle.I32(40), spindle.I32(2))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(spindle.FromSlot[int32](res[0]))
	// Output: 42
}

// Host functions have plain Go signatures; their types are resolved once, not on the call path.
func ExampleFunc2() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()

	mod := compile(rt, `(module
		(import "math" "pow" (func $pow (param f64 f64) (result f64)))
		(import "io" "print" (func $print (param f64)))
		(func (export "run") (call $print (call $pow (f64.const 2) (f64.const 10)))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: spindle.Imports{
		"math": spindle.HostModule{
			"pow": spindle.Func2(func(_ *spindle.Caller, x, y float64) float64 {
				r := 1.0
				for range int(y) {
					r *= x
				}
				return r
			}),
		},
		"io": spindle.HostModule{
			"print": spindle.Proc1(func(_ *spindle.Caller, x float64) { fmt.Println(x) }),
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := inst.Call(ctx, "run"); err != nil {
		log.Fatal(err)
	}
	// Output: 1024
}

// A function in slot form can have any type, with several results.
func ExampleRawFunc() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()

	divmod := spindle.RawFunc(spindle.FuncType{
		Params:  []spindle.ValueType{spindle.TypeI64, spindle.TypeI64},
		Results: []spindle.ValueType{spindle.TypeI64, spindle.TypeI64},
	}, func(c *spindle.Caller, s []uint64) {
		if s[1] == 0 {
			c.Fail(errors.New("division by zero"))
			return
		}
		s[0], s[1] = s[0]/s[1], s[0]%s[1]
	})
	mod := compile(rt, `(module
		(import "env" "divmod" (func $divmod (param i64 i64) (result i64 i64)))
		(func (export "run") (param i64 i64) (result i64 i64) (call $divmod (local.get 0) (local.get 1))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: spindle.Imports{"env": spindle.HostModule{"divmod": divmod}}})
	if err != nil {
		log.Fatal(err)
	}
	res, err := inst.Call(ctx, "run", 17, 5)
	fmt.Println(res, err)
	_, err = inst.Call(ctx, "run", 17, 0)
	fmt.Println(err)
	// Output:
	// [3 2] <nil>
	// trap: host function failed: env.divmod: division by zero
}

// A host function reads and writes the memory of the instance that called it.
func ExampleCaller_Memory() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()

	mod := compile(rt, `(module
		(import "env" "log" (func $log (param i32 i32)))
		(memory 1)
		(data (i32.const 8) "hello from the guest")
		(func (export "run") (call $log (i32.const 8) (i32.const 20))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: spindle.Imports{"env": spindle.HostModule{
		"log": spindle.Proc2(func(c *spindle.Caller, ptr, n uint32) {
			s, ok := c.Memory().ReadString(uint64(ptr), uint64(n))
			fmt.Println(s, ok)
		}),
	}}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := inst.Call(ctx, "run"); err != nil {
		log.Fatal(err)
	}
	// Output: hello from the guest true
}

// Instances of one Process import from each other.
func ExampleProcess_Instantiate() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	p, err := rt.NewProcess(spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	lib := compile(rt, `(module
		(global (export "factor") i32 (i32.const 3))
		(func (export "scale") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))`)
	app := compile(rt, `(module
		(import "lib" "factor" (global $f i32))
		(import "lib" "scale" (func $scale (param i32) (result i32)))
		(func (export "run") (result i32) (call $scale (global.get $f))))`)
	if _, err := p.Instantiate(ctx, lib, "lib"); err != nil {
		log.Fatal(err)
	}
	inst, err := p.Instantiate(ctx, app, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(inst.Call(ctx, "run"))
	// Output: [6] <nil>
}

// A trap tells why, and where, by the names of the guest's functions.
func ExampleTrapError() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()

	mod := compile(rt, `(module $shop
		(func $divide (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
		(func $price (export "price") (param i32) (result i32) (call $divide (i32.const 100) (local.get 0))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = inst.Call(ctx, "price", 0)
	var trap *spindle.TrapError
	if errors.As(err, &trap) {
		fmt.Println(trap.Code)
		for _, f := range trap.Frames {
			fmt.Println(f.Module, f.Name)
		}
	}
	// Output:
	// integer divide by zero
	// shop divide
	// shop price
}

// A context ends whatever the guest does, and the instance can be called again.
func ExampleFunc_Call() {
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module
		(func (export "spin") (loop $l (br $l)))
		(func (export "one") (result i32) (i32.const 1)))`)
	inst, err := rt.Instantiate(context.Background(), mod, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = inst.Call(ctx, "spin")
	fmt.Println(errors.Is(err, context.DeadlineExceeded), err)
	fmt.Println(inst.Call(context.Background(), "one"))
	// Output:
	// true trap: interrupted: context deadline exceeded
	// [1] <nil>
}

// Host values travel through guests as externref; the guest cannot look inside.
func ExampleProcess_ExternRef() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module
		(table $t 1 externref)
		(func (export "keep") (param externref) (table.set $t (i32.const 0) (local.get 0)))
		(func (export "give") (result externref) (table.get $t (i32.const 0))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	p := inst.Process()
	if _, err := inst.Call(ctx, "keep", p.ExternRef("a Go value")); err != nil {
		log.Fatal(err)
	}
	res, err := inst.Call(ctx, "give")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.ExternValue(res[0]))
	// Output: a Go value true
}

// Functions in tables can be called from Go.
func ExampleProcess_FuncRef() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module
		(table (export "ops") funcref (elem $inc $dec))
		(func $inc (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
		(func $dec (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ops, err := inst.Table("ops")
	if err != nil {
		log.Fatal(err)
	}
	for i := range ops.Size() {
		ref, _ := ops.Get(i)
		f := inst.Process().FuncRef(ref)
		res, err := f.Call(ctx, 10)
		fmt.Println(f.Name(), res, err)
	}
	// Output:
	// inc [11] <nil>
	// dec [9] <nil>
}

// A mutable global is shared between host and guest.
func ExampleInstance_Global() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module
		(global $n (export "n") (mut i64) (i64.const 5))
		(func (export "double") (global.set $n (i64.mul (global.get $n) (i64.const 2)))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	n, err := inst.Global("n")
	if err != nil {
		log.Fatal(err)
	}
	if err := n.Set(spindle.I64(21)); err != nil {
		log.Fatal(err)
	}
	if _, err := inst.Call(ctx, "double"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(n.Get())
	// Output: 42
}

// Exceptions that the guest does not catch reach the host with their fields; host functions can throw, too.
func ExampleExceptionError() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module
		(import "env" "host" (func $host))
		(tag $oops (export "oops") (param i32))
		(func (export "throw") (throw $oops (i32.const 7)))
		(func (export "catch") (result i32)
			(block $h (result i32)
				(try_table (catch $oops $h) (call $host))
				(i32.const 0))))`)
	var inst *spindle.Instance
	host := spindle.Proc0(func(c *spindle.Caller) {
		tag, err := c.Instance().Tag("oops")
		if err != nil {
			c.Fail(err)
			return
		}
		c.Throw(tag, spindle.I32(99))
	})
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: spindle.Imports{"env": spindle.HostModule{"host": host}}})
	if err != nil {
		log.Fatal(err)
	}
	_, err = inst.Call(ctx, "throw")
	var exn *spindle.ExceptionError
	fmt.Println(errors.As(err, &exn), exn.Fields())
	fmt.Println(inst.Call(ctx, "catch"))
	// Output:
	// true [7]
	// [99] <nil>
}

// A dump shows where all guest threads are, here two that each wait for what the other has.
func ExampleProcess_ThreadDump() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module $bank
		(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		(import "env" "taken" (func $taken))
		(memory 1 1 shared)
		(func $lock (param i32)
			(loop $l (if (i32.atomic.rmw.cmpxchg (local.get 0) (i32.const 0) (i32.const 1)) (then
				(drop (memory.atomic.wait32 (local.get 0) (i32.const 1) (i64.const -1))) (br $l)))))
		(func $transfer (param $from i32) (param $to i32)
			(call $lock (local.get $from)) (call $taken) (call $lock (local.get $to)))
		(func (export "wasi_thread_start") (param i32 i32) (call $transfer (i32.const 4) (i32.const 8)))
		(func (export "_start") (drop (call $spawn (i32.const 0))) (call $transfer (i32.const 8) (i32.const 4))))`)
	var both sync.WaitGroup
	both.Add(2)
	p, err := rt.Start(ctx, mod, spindle.Config{Name: "bank", Imports: spindle.Imports{
		"wasi": wasi.Threads(),
		"env":  spindle.HostModule{"taken": spindle.Proc0(func(*spindle.Caller) { both.Done(); both.Wait() })},
	}})
	if err != nil {
		log.Fatal(err)
	}
	waiting := 0
	var dump *spindle.ThreadDump
	for waiting < 2 {
		if dump, err = p.ThreadDump(ctx); err != nil {
			log.Fatal(err)
		}
		waiting = 0
		for _, t := range dump.Threads {
			if t.State == spindle.ThreadWaiting {
				waiting++
			}
		}
	}
	fmt.Println(dump)
	// Output:
	// guest threads of "bank": 2
	//
	// thread 0 (main): waiting at 0x4 of memory 0 (wait32, no timeout)
	//    0: bank!lock (func 2, at 0x85)
	//    1: bank!transfer (func 3, at 0x99)
	//    2: bank!_start (func 5, at 0xb0)
	//
	// thread 1: waiting at 0x8 of memory 0 (wait32, no timeout)
	//    0: bank!lock (func 2, at 0x85)
	//    1: bank!transfer (func 3, at 0x99)
	//    2: bank!wasi_thread_start (func 4, at 0xa2)
}

// A guest can be paused at a safepoint and resumed, from any goroutine.
func ExampleProcess_Pause() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module
		(global $n (export "n") (mut i64) (i64.const 0))
		(func (export "_start") (loop $l
			(global.set $n (i64.add (global.get $n) (i64.const 1)))
			(br $l))))`)
	p, err := rt.Start(ctx, mod, spindle.Config{Name: "main"})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Pause(ctx); err != nil {
		log.Fatal(err)
	}
	n, err := p.Instance("main").Global("n")
	if err != nil {
		log.Fatal(err)
	}
	before := n.Get()
	fmt.Println("stands still:", n.Get() == before)
	p.Resume()
	fmt.Println(p.Close(), errors.Is(p.Wait(ctx), spindle.ErrClosed))
	// Output:
	// stands still: true
	// <nil> true
}

// Features can be switched off one by one.
// Threads that the host starts share the guest's memory; each call runs on a goroutine of its own.
func ExampleProcess_Spawn() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()

	mod := compile(rt, `(module
		(memory 1 1 shared)
		(func (export "add") (param $n i32) (result i32)
			(i32.atomic.rmw.add (i32.const 0) (local.get $n)))
		(func (export "fail") unreachable))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	p := inst.Process()
	var threads []*spindle.Thread
	for n := range int32(10) {
		t, err := p.Spawn(ctx, "add", spindle.I32(n))
		if err != nil {
			log.Fatal(err)
		}
		threads = append(threads, t)
	}
	for _, t := range threads {
		if _, err := t.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
	sum, err := inst.Call(ctx, "add", 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum[0])

	// A trap ends the Process unless it is to stay in its thread.
	t, err := p.SpawnWith(ctx, spindle.SpawnConfig{Contain: true}, "fail")
	if err != nil {
		log.Fatal(err)
	}
	_, err = t.Wait(ctx)
	fmt.Println(err)
	_, err = inst.Call(ctx, "add", 0)
	fmt.Println(err)
	// Output:
	// 45
	// trap: unreachable
	// <nil>
}

func ExampleWithFeatures() {
	simd, err := spindle.ParseFeature("simd")
	if err != nil {
		log.Fatal(err)
	}
	rt := spindle.NewRuntime(spindle.WithFeatures(spindle.AllFeatures &^ simd))
	defer rt.Close()
	_, err = rt.CompileText(context.Background(), []byte(`(module (func (drop (v128.const i64x2 1 2))))`))
	var missing *spindle.FeatureError
	fmt.Println(errors.As(err, &missing), missing.Feature)
	// Output: true simd
}

// Start runs a program to its end; Wait tells how it ended.
func ExampleRuntime_Start() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module
		(import "env" "exit" (func $exit (param i32)))
		(func (export "_start") (call $exit (i32.const 3)) (unreachable)))`)
	exit := spindle.Proc1(func(c *spindle.Caller, code uint32) { c.Fail(&spindle.ExitError{Code: code}) })
	p, err := rt.Start(ctx, mod, spindle.Config{Imports: spindle.Imports{"env": spindle.HostModule{"exit": exit}}})
	if err != nil {
		log.Fatal(err)
	}
	err = p.Wait(ctx)
	var code *spindle.ExitError
	fmt.Println(errors.As(err, &code), err)
	// Output: true guest exited with code 3
}

// Calls in a loop need no allocation: one slice of slots takes the arguments there and the results back.
func ExampleFunc_CallSlots() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module (func (export "halve") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	halve, err := inst.Func("halve")
	if err != nil {
		log.Fatal(err)
	}
	slots := []uint64{spindle.F64(20)}
	for range 3 {
		if err := halve.CallSlots(ctx, slots); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(spindle.FromSlot[float64](slots[0]))
	// Output: 2.5
}

// The embedder reads and writes the memory that a module exports, by copies or in place.
func ExampleMemory() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module
		(memory (export "memory") 1)
		(func (export "upper") (param $at i32) (param $n i32)
			(loop $next
				(i32.store8 (local.get $at) (i32.and (i32.load8_u (local.get $at)) (i32.const 0xdf)))
				(local.set $at (i32.add (local.get $at) (i32.const 1)))
				(br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))`)
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := inst.Memory("memory")
	if err != nil {
		log.Fatal(err)
	}
	word := []byte("spindle")
	fmt.Println(m.Write(1024, word), m.Write(spindle.PageSize-3, word)) // the second one does not fit
	if _, err := inst.Call(ctx, "upper", 1024, uint64(len(word))); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.ReadString(1024, uint64(len(word))))
	old, ok := m.Grow(2)
	fmt.Println(old, ok, m.Size())
	// Output:
	// true false
	// SPINDLE true
	// 1 true 196608
}

// A shared memory can be imported by modules of several Processes, which then see each other's writes.
func ExampleRuntime_NewSharedMemory() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	t := spindle.MemoryType{Shared: true}
	t.Min, t.Max, t.HasMax = 1, 1, true
	shared, err := rt.NewSharedMemory(t)
	if err != nil {
		log.Fatal(err)
	}
	defer shared.Close()
	mod := compile(rt, `(module
		(import "env" "memory" (memory 1 1 shared))
		(func (export "add") (param i32) (result i32) (i32.atomic.rmw.add (i32.const 0) (local.get 0))))`)
	cfg := spindle.Config{Imports: spindle.Imports{"env": spindle.HostModule{"memory": shared}}}
	for range 2 {
		inst, err := rt.Instantiate(ctx, mod, cfg)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(inst.Call(ctx, "add", 21))
	}
	fmt.Println(shared.Uint32(0))
	// Output:
	// [0] <nil>
	// [21] <nil>
	// 42 true
}

// A global of the host's is shared with the modules that import it. It belongs to a Process, so that comes first.
func ExampleProcess_NewGlobal() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	env := spindle.HostModule{}
	p, err := rt.NewProcess(spindle.Config{Imports: spindle.Imports{"env": env}})
	if err != nil {
		log.Fatal(err)
	}
	level, err := p.NewGlobal(spindle.GlobalType{Type: spindle.TypeI32, Mutable: true}, spindle.I32(-1))
	if err != nil {
		log.Fatal(err)
	}
	env["level"] = level
	mod := compile(rt, `(module
		(import "env" "level" (global $level (mut i32)))
		(func (export "raise") (global.set $level (i32.add (global.get $level) (i32.const 3)))))`)
	inst, err := p.Instantiate(ctx, mod, "")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := inst.Call(ctx, "raise"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(spindle.FromSlot[int32](level.Get()))
	// Output: 2
}

// A host function that waits does so in Block, so that the guest can be stopped and paused meanwhile.
func ExampleCaller_Block() {
	rt := spindle.NewRuntime()
	defer rt.Close()
	mail := make(chan uint32)
	receive := spindle.Func0(func(c *spindle.Caller) (v uint32) {
		if err := c.Block(func() {
			select {
			case v = <-mail:
			case <-c.Stopped():
			}
		}); err != nil {
			c.Fail(err)
		}
		return v
	})
	mod := compile(rt, `(module (import "env" "receive" (func $receive (result i32))) (func (export "run") (result i32) (call $receive)))`)
	inst, err := rt.Instantiate(context.Background(), mod, spindle.Config{Imports: spindle.Imports{"env": spindle.HostModule{"receive": receive}}})
	if err != nil {
		log.Fatal(err)
	}
	go func() { mail <- 5 }()
	fmt.Println(inst.Call(context.Background(), "run"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = inst.Call(ctx, "run") // no mail comes
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// [5] <nil>
	// true
}

// A limit on memory refuses modules that need more, and keeps others from growing.
func ExampleWithMaxMemory() {
	ctx := context.Background()
	rt := spindle.NewRuntime(spindle.WithMaxMemory(1 << 20))
	defer rt.Close()
	_, err := rt.Instantiate(ctx, compile(rt, `(module (memory 17))`), spindle.Config{})
	var limit *spindle.LimitError
	fmt.Println(errors.As(err, &limit), err)
	inst, err := rt.Instantiate(ctx, compile(rt, `(module (memory 1) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`), spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	for _, pages := range []uint64{15, 1} {
		res, err := inst.Call(ctx, "grow", pages)
		fmt.Println(spindle.FromSlot[int32](res[0]), err)
	}
	// Output:
	// true limit reached: memory pages: 17 wanted, at most 16 allowed
	// 1 <nil>
	// -1 <nil>
}

// What a module imports and exports can be seen before it is instantiated.
func ExampleModule() {
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module $plugin
		(import "env" "log" (func (param i32 i32)))
		(memory (export "memory") 2 8)
		(func (export "run") (param f64) (result i32) (i32.const 0)))`)
	fmt.Println(mod.Name())
	for im := range mod.Imports() {
		fmt.Println("import", im.Module, im.Name, im.Kind, im.Func.Params, im.Func.Results)
	}
	for e := range mod.Exports() {
		switch e.Kind {
		case spindle.KindFunc:
			fmt.Println("export", e.Name, e.Func.Params, e.Func.Results)
		case spindle.KindMemory:
			fmt.Println("export", e.Name, e.Memory.Min, "to", e.Memory.Max, "pages")
		}
	}
	// Output:
	// plugin
	// import env log func [i32 i32] []
	// export memory 2 to 8 pages
	// export run [f64] [i32]
}

// Where a text is no module is told by line and column.
func ExampleSyntaxError() {
	rt := spindle.NewRuntime()
	defer rt.Close()
	_, err := rt.CompileText(context.Background(), []byte("(module\n  (func (i32.ad)))"))
	var syntax *spindle.SyntaxError
	fmt.Println(errors.As(err, &syntax), err)
	// Output: true 2:10: unknown operator i32.ad, want an instruction
}

// A host function reads a string of the guest and returns another one; Go code outside makes an object, and keeps one by a handle.
func ExampleObjects() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod := compile(rt, `(module
		(type $string (array i8))
		(type $person (struct (field $name (ref $string)) (field $age (mut i32))))
		(import "host" "upper" (func $upper (param (ref array)) (result (ref array))))
		(func (export "older") (param $p anyref) (result anyref)
			(struct.new $person
				(ref.cast (ref $string) (call $upper (struct.get $person $name (ref.cast (ref $person) (local.get $p)))))
				(i32.add (struct.get $person $age (ref.cast (ref $person) (local.get $p))) (i32.const 1)))))`)
	str, err1 := mod.ObjectTypeNamed("string")
	person, err2 := mod.ObjectTypeNamed("person")
	if err := errors.Join(err1, err2); err != nil {
		log.Fatal(err)
	}

	array := spindle.TypeArrayRef.WithNull(false)
	upper := spindle.RawFunc(spindle.FuncType{Params: []spindle.ValueType{array}, Results: []spindle.ValueType{array}}, func(c *spindle.Caller, s []uint64) {
		o, err := c.Objects()
		if err != nil {
			c.Fail(err)
			return
		}
		name, err := o.Bytes(s[0])
		if err != nil {
			c.Fail(err)
			return
		}
		if s[0], err = o.NewBytes(str, bytes.ToUpper(name)); err != nil {
			c.Fail(err)
		}
	})
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{
		Imports: spindle.Imports{"host": spindle.HostModule{"upper": upper}},
		GC:      spindle.GCConfig{HeapBytes: 16 << 20},
	})
	if err != nil {
		log.Fatal(err)
	}

	p := inst.Process()
	o, err := p.NewObjects()
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	name, err := o.NewBytes(str, []byte("ada"))
	if err != nil {
		log.Fatal(err)
	}
	ada, err := o.NewStruct(person, name, spindle.I32(36))
	if err != nil {
		log.Fatal(err)
	}
	res, err := inst.Call(ctx, "older", ada)
	if err != nil {
		log.Fatal(err)
	}
	kept, err := o.Hold(res[0]) // the result itself is good until the next call
	if err != nil {
		log.Fatal(err)
	}
	if err := p.CollectGarbage(); err != nil {
		log.Fatal(err)
	}

	older, err := o.Local(kept)
	if err != nil {
		log.Fatal(err)
	}
	age, err1 := o.Field(older, 1)
	ref, err2 := o.Field(older, 0)
	text, err3 := o.Bytes(ref)
	if err := errors.Join(err1, err2, err3, p.Release(kept)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s is %d\n", text, age)

	_, err = o.Field(ada, 7)
	var refErr *spindle.RefError
	fmt.Println(errors.As(err, &refErr) && refErr.Kind == spindle.RefBounds)
	// Output:
	// ADA is 37
	// true
}
