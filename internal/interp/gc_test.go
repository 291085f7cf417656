package interp

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/internal/vm"
)

var gcSeeds = flag.Int("gcseeds", 25, "random programs for TestGCModel")

// gcWorld is newWorld with a heap of a plan; stress collects at so many allocations.
func gcWorld(t testing.TB, planName string, stress int, plain bool) *world {
	w := newWorld(t, 0)
	w.engine.plain = plain
	w.thread.GC = vm.HeapConfig{Config: gc.Config{Plan: planName, Options: plan.Options{MaxBytes: 64 << 20, Workers: 2, Stress: stress, Sanity: stress > 0}}, EverySafepoint: stress == 1}
	return w
}

// gcSetups are what each program runs with: both lowerings; plans that move all objects, that move none, and with a barrier; a collection at each
// allocation or none at all.
var gcSetups = []struct {
	plan   string
	stress int
	plain  bool
}{
	{"stickyimmix", 0, true}, {"stickyimmix", 0, false}, {"stickyimmix", 1, false},
	{"semispace", 1, false}, {"semispace", 1, true}, {"markcompact", 1, false}, {"genimmix", 2, false}, {"marksweep", 3, false},
}

// runModel runs all functions of a program, on an engine and in the model, and compares what they do.
func runModel(t *testing.T, seed uint64, planName string, stress int, plain bool, traps map[vm.TrapCode]int) (err error) {
	p := newProgram(seed)
	w := gcWorld(t, planName, stress, plain)
	defer w.close()
	newHost(w)
	text := p.text()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
		if err != nil {
			path := filepath.Join(os.TempDir(), fmt.Sprintf("gcmodel-%d.wat", seed))
			_ = os.WriteFile(path, []byte(text), 0o644)
			err = fmt.Errorf("seed %d, %s, stress %d, plain %v: %w\nthe module is in %s", seed, planName, stress, plain, err, path)
		}
	}()
	inst := w.instance("m", text)
	for round := range 3 {
		for i, f := range p.funcs {
			where := fmt.Sprintf("round %d, f%d", round, i)
			args := make([]gval, f.params)
			want, end := modelCall(p, f, args)
			slots := make([]uint64, slotsOf(f.locals[:f.params]))
			got, err := w.call(inst, fmt.Sprintf("f%d", i), slots...)
			var trap *vm.TrapError
			var ex *vm.Exception
			errors.As(err, &trap)
			errors.As(err, &ex)
			switch end := end.(type) {
			case nil:
				traps[0]++
				if err != nil {
					return fmt.Errorf("%s: %w", where, err)
				}
			case gtrap:
				traps[vm.TrapCode(end)]++
				if trap == nil || trap.Code != vm.TrapCode(end) {
					return fmt.Errorf("%s: %v, want trap %v", where, err, vm.TrapCode(end))
				}
			case gthrow:
				traps[vm.TrapUncaughtException]++
				if ex == nil {
					return fmt.Errorf("%s: %v, want an exception", where, err)
				}
			}
			g := &sameGraph{t: t, w: w, m: inst.Module, inst: inst, types: p.types, there: map[vm.Ref]*gobj{}, back: map[*gobj]vm.Ref{}}
			if end == nil {
				if f.result.IsRef() {
					err = g.ref(where+": result", vm.Ref(got[0]), want)
				} else if got[0] != want.lo || len(got) > 1 && got[1] != want.hi {
					err = fmt.Errorf("%s: result %#x, want %#x %#x", where, got, want.lo, want.hi)
				}
				if err != nil {
					return err
				}
			}
			for k := range p.globals {
				x, _ := inst.Export(fmt.Sprintf("g%d", k))
				r, _ := x.Global.Get()
				if err := g.ref(fmt.Sprintf("%s: global %d", where, k), vm.Ref(r), p.vals[k]); err != nil {
					return err
				}
			}
			x, _ := inst.Export("h")
			if h, _ := x.Global.Get(); h != p.hash {
				return fmt.Errorf("%s: hash %#x, want %#x", where, h, p.hash)
			}
		}
	}
	return nil
}

// modelCall is a call in the model; end is how it ended, if by a trap or an exception.
func modelCall(p *gprogram, f *gfunc, args []gval) (v gval, end any) {
	defer func() {
		if end = recover(); end != nil {
			switch end.(type) {
			case gtrap, gthrow:
			default:
				panic(end)
			}
		}
	}()
	return f.run(p, args), nil
}

// TestGCModel compares random programs with the model, under all setups.
func TestGCModel(t *testing.T) {
	n := uint64(*gcSeeds)
	if testing.Short() {
		n = 10
	}
	traps := map[vm.TrapCode]int{}
	for seed := range n {
		for _, s := range gcSetups {
			if err := runModel(t, seed, s.plan, s.stress, s.plain, traps); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("calls by their end (0: returned): %v", traps)
	for _, c := range []vm.TrapCode{vm.TrapNullStructure, vm.TrapNullArray, vm.TrapArrayOutOfBounds, vm.TrapCastFailure, vm.TrapUncaughtException} {
		if traps[c] == 0 && n > 10 {
			t.Errorf("no program ended by %q", c)
		}
	}
}
