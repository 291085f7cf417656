package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/spindle-wasm/spindle"
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
	// trap: host function failed: division by zero
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
