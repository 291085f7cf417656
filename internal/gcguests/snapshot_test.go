package gcguests_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

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
			files := 0
			for _, l := range gcguests.Loads() {
				module, err := l.Module()
				if err != nil {
					t.Fatal(err)
				}
				rt, mod := compiled(t, module)
				cfg := spindle.Config{StackSize: 64 << 20, Forkable: true}
				cfg.GC.Plan, cfg.GC.Workers, cfg.GC.NurseryBytes = plan, 2, 8<<20
				for _, c := range l.Calls {
					if c.Heavy || c.End != gcguests.Returns || plan != spindle.DefaultGCPlan && !c.Large {
						continue // short ones end before they are frozen
					}
					inst, err := rt.Instantiate(t.Context(), mod, cfg)
					if err != nil {
						t.Fatal(err)
					}
					inst.Process().Register("load", inst)
					files += fileCall(t, inst, c)
					if err := inst.Close(); err != nil {
						t.Error(err)
					}
				}
			}
			if files < 5 {
				t.Errorf("only %d files of a load that runs", files)
			}
		})
	}
}

func fileCall(t *testing.T, inst *spindle.Instance, c gcguests.Call) (files int) {
	args := argsOf(c)
	rnd := rand.New(rand.NewPCG(uint64(len(c.String())), 4))
	want := c.Want()
	done := make(chan error, 1)
	go func() {
		got, err := inst.Call(t.Context(), c.Func, args...)
		if err == nil && int64(got[0]) != want {
			err = errors.New("the original gives another result")
		}
		done <- err
	}()
	p := inst.Process()
	for k := range 3 {
		time.Sleep(time.Duration(rnd.IntN(1500)) * time.Microsecond)
		img, _, err := p.Freeze(t.Context(), spindle.FreezeOptions{Warmup: k == 1})
		if err != nil {
			var fe *spindle.ForkError
			if p != inst.Process() && errors.As(err, &fe) {
				break // it has ended
			}
			t.Fatalf("%v: %v", c, err)
		}
		rt := spindle.NewRuntime()
		t.Cleanup(func() {
			if err := rt.Close(); err != nil {
				t.Error(err)
			}
		})
		if k == 2 {
			if _, err := rt.CompileText(t.Context(), []byte(shifted)); err != nil {
				t.Fatal(err)
			}
		}
		child := throughFile(t, rt, img, k > 0)
		if child.Done() == nil { // between calls: the child is there to be called
			if got, err := child.Instance("load").Call(t.Context(), c.Func, args...); err != nil || int64(got[0]) != want {
				t.Errorf("%v: of a file: %v, %v; want %d", c, got, err, want)
			}
			continue
		}
		files++
		defer func() {
			if err := child.Wait(t.Context()); err != nil {
				t.Errorf("%v: of a file: %v", c, err)
			} else if got := child.Results(); len(got) != 1 || int64(got[0]) != want {
				t.Errorf("%v: of a file: %v, want %d", c, got, want)
			}
			if err := child.CollectGarbage(); err != nil {
				t.Errorf("%v: of a file: %v", c, err)
			}
		}()
		p = child
	}
	if e := <-done; e != nil {
		t.Errorf("%v: %v", c, e)
	}
	return files
}

// throughFile makes a Process of an image by way of a file, and closes the image.
func throughFile(t *testing.T, rt *spindle.Runtime, img *spindle.Image, check bool) *spindle.Process {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "load.snap"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := img.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	cfg := spindle.OpenConfig{Check: check}
	cfg.GC.Workers, cfg.GC.Sanity = 2, true
	opened, err := rt.OpenImage(t.Context(), f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := opened.Fork(context.Background(), spindle.ForkConfig{})
	if err := errors.Join(err, opened.Close(), img.Close()); err != nil {
		t.Fatal(err)
	}
	return p
}
