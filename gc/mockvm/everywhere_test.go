package mockvm

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/tutorial"
)

// tutorials are the plans of docs/gc/tutorial.md that collect. They are tested like those of package gc.
var tutorials = map[string]func(*plan.Base) plan.Plan{
	"tutorial-semispace": tutorial.NewSemiSpace,
	"tutorial-gencopy":   tutorial.NewGenCopy,
}

// allPlans are the names that newVM knows.
func allPlans() []string { return append(gc.Plans(), slices.Sorted(maps.Keys(tutorials))...) }

func newVM(t testing.TB, name string, opts plan.Options) (*VM, []gc.TypeID) {
	t.Helper()
	v, err := New(gc.Config{Plan: name, New: tutorials[name], Options: opts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	types, err := Types(v.Heap.Mem.Types)
	if err != nil {
		t.Fatal(err)
	}
	return v, types
}

// heapBytes is a heap's size under a plan, for programs that need so much under most: small objects take whole pages of PageProtect.
func heapBytes(plan string, n int64) int64 {
	switch plan {
	case "pageprotect":
		return 32 * n
	case "nogc":
		return 1 << 30
	}
	return n
}

// everywhere runs a test under every plan with 1, 2 and 8 workers, and again under stress with the heap gone through before and after each collection.
func everywhere(t *testing.T, opts plan.Options, test func(t *testing.T, v *VM, types []gc.TypeID)) {
	for _, name := range allPlans() {
		for _, workers := range []int{1, 2, 8} {
			for _, stress := range []int{0, 5} {
				t.Run(fmt.Sprintf("%s/%d/%d", name, workers, stress), func(t *testing.T) {
					opts := opts
					opts.Workers = workers
					if stress > 0 {
						opts.Stress, opts.Sanity, opts.Poison = stress, true, true
					}
					opts.MaxBytes = heapBytes(name, opts.MaxBytes)
					v, types := newVM(t, name, opts)
					test(t, v, types)
					if err := v.Heap.Err(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// runPrograms runs that many programs at the same time, each on a thread of its own, and settles them in the end.
func runPrograms(t testing.TB, v *VM, types []gc.TypeID, programs, roots, steps, check int, choices func(k int) Choices) []*Program {
	main := v.NewThread()
	if err := main.MakeBoard(types[typeRefs], programs+1); err != nil {
		t.Fatal(err)
	}
	main.Exit()
	all := make([]*Program, programs)
	var wg sync.WaitGroup
	for k := range programs {
		wg.Go(func() {
			th := v.NewThread()
			defer th.Exit()
			p := NewProgramOf(th, types, choices(k), roots)
			p.Check = check
			all[k] = p
			if err := p.Run(steps); err != nil {
				t.Errorf("program %d: %v", k, err)
				return
			}
			if err := p.Verify(); err != nil {
				t.Errorf("program %d: %v", k, err)
			}
			if err := p.Settle(); err != nil {
				t.Errorf("program %d: settled: %v", k, err)
			}
		})
	}
	wg.Wait()
	if err := v.Heap.Err(); err != nil {
		t.Error(err)
	}
	return all
}
