package spindle_test

import (
	"context"
	"fmt"
	"log"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// A program whose guests are forked into processes of their own begins with ServeStandby: those processes run it, too.
func ExampleServeStandby() {
	main := func() {
		spindle.ServeStandby(spindle.StandbyHost{Imports: func(string, []*spindle.Module) (spindle.Imports, error) {
			return wasi.ForkImports(wasi.Config{})
		}})
		// From here on it is an ordinary process.
	}
	_ = main
}

// A plugin that has warmed up answers in processes of its own, which share its pages. (TestMain begins with ServeStandby here.)
func ExampleImage_ForkProcess() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(ctx, []byte(`(module
		(global $sum (mut i64) (i64.const 0))
		(func (export "add") (param i64) (result i64)
			(global.set $sum (i64.add (global.get $sum) (local.get 0)))
			(global.get $sum)))`))
	if err != nil {
		log.Fatal(err)
	}
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Forkable: true})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := inst.Call(ctx, "add", 40); err != nil {
		log.Fatal(err)
	}
	img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	pool, err := spindle.NewStandbys(spindle.StandbysConfig{Size: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	for n := range uint64(3) {
		child, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Standbys: pool, Call: "add", Args: []uint64{n}})
		if err != nil {
			log.Fatal(err)
		}
		if err := child.Wait(ctx); err != nil {
			log.Fatal(err) // *spindle.TrapError, *spindle.SignalError, …
		}
		fmt.Println(child.Results()[0])
	}
	// Output:
	// 40
	// 41
	// 42
}
