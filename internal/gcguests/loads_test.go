package gcguests_test

import (
	"context"
	"errors"
	"flag"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/gcguests"
)

var (
	heavy    = flag.Bool("heavy", false, "run the calls that take seconds, or hundreds of MiB, as well")
	withPlan = flag.String("plan", "", "TestLoads: the heap's plan")
)

// compiled compiles a module in a Runtime that ends with the test.
func compiled(t *testing.T, module []byte) (*spindle.Runtime, *spindle.Module) {
	t.Helper()
	rt := spindle.NewRuntime()
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	mod, err := rt.Compile(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	return rt, mod
}

// TestLoads: the loads return what the same algorithms in Go do, one call after the other in one instance.
func TestLoads(t *testing.T) {
	gc := spindle.GCConfig{Plan: *withPlan}
	if *heavy {
		gc.HeapBytes = 1 << 30
		gc.Stress = 4_000_037 // so that large heaps are collected when they are full of what lives
	}
	for _, l := range gcguests.Loads() {
		t.Run(l.Name, func(t *testing.T) {
			inst := loadInstance(t, l, spindle.Config{StackSize: 64 << 20, GC: gc})
			defer inst.Close()
			for _, c := range l.Calls {
				if c.Heavy && !*heavy {
					continue
				}
				t.Run(c.String(), func(t *testing.T) { checkCall(t, inst, c) })
			}
		})
	}
}

func loadInstance(t *testing.T, l gcguests.Load, cfg spindle.Config) *spindle.Instance {
	t.Helper()
	module, err := l.Module()
	if err != nil {
		t.Fatal(err)
	}
	rt, mod := compiled(t, module)
	inst, err := rt.Instantiate(t.Context(), mod, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return inst
}

func checkCall(t *testing.T, inst *spindle.Instance, c gcguests.Call) {
	t.Helper()
	var args []uint64
	for _, a := range c.Args {
		args = append(args, spindle.I32(a))
	}
	got, err := inst.Call(context.Background(), c.Func, args...)
	var trap *spindle.TrapError
	var exn *spindle.ExceptionError
	switch c.End {
	case gcguests.Returns:
		if err != nil {
			t.Fatal(err)
		}
		if want := c.Want(); int64(got[0]) != want {
			t.Errorf("the guest gives %d, Go %d", int64(got[0]), want)
		}
	case gcguests.Miscasts:
		if !errors.As(err, &trap) || trap.Code != spindle.TrapCastFailure {
			t.Errorf("ends with %v, want a failed cast", err)
		}
	case gcguests.Throws:
		if !errors.As(err, &exn) {
			t.Errorf("ends with %v, want an exception", err)
		}
	}
}

// TestMoonBit: programs made by MoonBit's compiler print what they print on V8.
func TestMoonBit(t *testing.T) {
	for _, p := range gcguests.MoonBitPrograms() {
		t.Run(p.Name, func(t *testing.T) { checkMoonBit(t, p, spindle.GCConfig{}) })
	}
}

func checkMoonBit(t *testing.T, p gcguests.MoonBit, cfg spindle.GCConfig) {
	t.Helper()
	rt, mod := compiled(t, p.Module)
	var out gcguests.Printer
	print := spindle.Proc1(func(_ *spindle.Caller, c uint32) { out.Print(c) })
	inst, err := rt.Instantiate(t.Context(), mod, spindle.Config{GC: cfg, Imports: spindle.Imports{
		"spectest": spindle.HostModule{"print_char": print},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer inst.Close()
	if _, err = inst.Call(t.Context(), "_start"); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != p.Expected {
		t.Errorf("it prints\n%s\nwant\n%s", got, p.Expected)
	}
}
