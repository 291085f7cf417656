package tutorial_test

import (
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/mockvm"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/tutorial"
)

// A random program finds in the heap what its model says: once with few collections, once with many and the heap checked around each.
func TestPlans(t *testing.T) {
	for name, newPlan := range map[string]func(*plan.Base) plan.Plan{
		"NoGC":      tutorial.NewNoGC,
		"SemiSpace": tutorial.NewSemiSpace,
		"GenCopy":   tutorial.NewGenCopy,
	} {
		for _, opts := range []plan.Options{
			{MaxBytes: 32 << 20, NurseryBytes: 1 << 20, Workers: 2},
			{MaxBytes: 32 << 20, Workers: 2, Stress: 20, Sanity: true},
		} {
			t.Run(name, func(t *testing.T) {
				collections := 0
				opts.Stats = func(gc.Collection) { collections++ }
				vm, err := mockvm.New(gc.Config{New: newPlan, Options: opts})
				if err != nil {
					t.Fatal(err)
				}
				defer vm.Close()
				types, err := mockvm.Types(vm.Heap.Mem.Types)
				if err != nil {
					t.Fatal(err)
				}
				thread := vm.NewThread()
				defer thread.Exit()
				program := mockvm.NewProgram(thread, types, 1, 100)
				program.Check = 1000
				if err := program.Run(20_000); err != nil {
					t.Fatal(err)
				}
				if collects := vm.Heap.Constraints().Collects; (collections > 0) != collects {
					t.Errorf("%d collections", collections)
				}
			})
		}
	}
}
