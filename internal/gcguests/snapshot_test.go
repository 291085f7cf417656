package gcguests_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/gcguests"
)

// shifted has types that make the numbers of all others different from those of a Runtime that has not seen it.
const shifted = `(module (type (struct (field f32 i8 i64))) (type (array i16)) (rec (type $a (struct (field (ref null $a)))) (type (func))))`

// TestSnapshotsOfLoads: a load that is written to files at some moments of its run goes on from each of them, in a Runtime of its own, to the same result; so does what
// was made of a file, and written to another one.
func TestSnapshotsOfLoads(t *testing.T) {
	for _, plan := range spindle.GCPlans() {
		t.Run(plan, func(t *testing.T) {
			if plan == "pageprotect" {
				t.Skip("a system call for each object: minutes")
			}
			m := &moments{t: t}
			var files atomic.Int32
			m.child = func(img *spindle.Image) (*spindle.Process, error) {
				p, err := throughFile(t, m, img, int(files.Add(1)))
				return p, errors.Join(err, img.Close())
			}
			for _, l := range gcguests.Loads() {
				module, err := l.Module()
				if err != nil {
					t.Fatal(err)
				}
				rt, mod := compiled(t, module)
				cfg := spindle.Config{StackSize: 64 << 20, Forkable: true, AtSafepoint: m.safepoint, Name: "load"}
				cfg.GC.Plan, cfg.GC.Workers, cfg.GC.NurseryBytes = plan, 2, 8<<20
				for _, c := range l.Calls {
					if c.Heavy || c.End != gcguests.Returns || plan != spindle.DefaultGCPlan && !c.Large {
						continue
					}
					inst, err := rt.Instantiate(t.Context(), mod, cfg)
					if err != nil {
						t.Fatal(err)
					}
					m.call(inst, c)
					m.idle(inst, c)
					if err := inst.Close(); err != nil {
						t.Error(err)
					}
				}
			}
			if m.forks < 5 {
				t.Errorf("only %d files of a load that runs", m.forks)
			}
		})
	}
}

// idle has the Process between calls go through a file: what comes of it is there to be called.
func (m *moments) idle(inst *spindle.Instance, c gcguests.Call) {
	t := m.t
	img, _, err := inst.Process().Freeze(t.Context(), spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	child, err := m.child(img)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := child.Instance("load").Call(t.Context(), c.Func, argsOf(c)...); err != nil || int64(got[0]) != c.Want() {
		t.Errorf("%v: of a file: %v, %v; want %d", c, got, err, c.Want())
	}
	m.join(c) // it may have been forked, too
	if err := errors.Join(child.CollectGarbage(), child.Close()); err != nil {
		t.Error(err)
	}
}

// throughFile makes a Process of an image by way of a file, whose number it is. It is the call's own goroutine, or there is no call.
func throughFile(t *testing.T, m *moments, img *spindle.Image, number int) (*spindle.Process, error) {
	rt := spindle.NewRuntime()
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	if number%3 == 0 {
		if _, err := rt.CompileText(t.Context(), []byte(shifted)); err != nil {
			return nil, err
		}
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "load.snap"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := img.WriteTo(f); err != nil {
		return nil, err
	}
	cfg := spindle.OpenConfig{Check: number%2 == 0}
	cfg.GC.Workers, cfg.GC.Sanity = 2, true
	if m.left > 0 {
		cfg.AtSafepoint = m.safepoint
	}
	opened, err := rt.OpenImage(t.Context(), f, cfg)
	if err != nil {
		return nil, err
	}
	p, err := opened.Fork(context.Background(), spindle.ForkConfig{})
	return p, errors.Join(err, opened.Close())
}
