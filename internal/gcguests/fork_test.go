package gcguests_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/internal/gcguests"
)

// TestForksOfLoads: a load that is forked at some moments of its run, with its heap, and children that are, too, all give the same result, and go on to be
// collected on their own.
func TestForksOfLoads(t *testing.T) {
	for _, plan := range spindle.GCPlans() {
		t.Run(plan, func(t *testing.T) {
			if plan == "pageprotect" {
				t.Skip("a system call for each object: minutes")
			}
			forks := 0
			for _, l := range gcguests.Loads() {
				module, err := l.Module()
				if err != nil {
					t.Fatal(err)
				}
				rt, mod := compiled(t, module)
				cfg := spindle.Config{StackSize: 64 << 20, Forkable: true}
				cfg.GC.Plan, cfg.GC.Workers, cfg.GC.Sanity, cfg.GC.NurseryBytes = plan, 2, true, 8<<20
				inst, err := rt.Instantiate(t.Context(), mod, cfg)
				if err != nil {
					t.Fatal(err)
				}
				inst.Process().Register("load", inst)
				for _, c := range l.Calls {
					if c.Heavy || c.End != gcguests.Returns {
						continue
					}
					n, err := forkCall(t, inst, c)
					if errors.Is(err, gc.ErrPlanForks) {
						t.Skip("this plan does not fork")
					}
					forks += n
				}
			}
			if forks < 10 {
				t.Errorf("only %d forks", forks)
			}
		})
	}
}

func forkCall(t *testing.T, inst *spindle.Instance, c gcguests.Call) (forks int, err error) {
	var args []uint64
	for _, a := range c.Args {
		args = append(args, spindle.I32(a))
	}
	rnd := rand.New(rand.NewPCG(uint64(len(c.String())), 3))
	want := c.Want()
	done := make(chan error, 1)
	go func() {
		got, err := inst.Call(t.Context(), c.Func, args...)
		if err == nil && int64(got[0]) != want {
			err = errors.New("the forked original gives another result")
		}
		done <- err
	}()
	defer func() {
		if e := <-done; e != nil {
			t.Errorf("%v: %v", c, e)
		}
	}()
	ps := []*spindle.Process{inst.Process()}
	for k := range 3 {
		time.Sleep(time.Duration(rnd.IntN(1500)) * time.Microsecond)
		img, _, err := ps[rnd.IntN(len(ps))].Freeze(t.Context(), spindle.FreezeOptions{Warmup: k == 1})
		if err != nil {
			var fe *spindle.ForkError
			if errors.As(err, &fe) && errors.Is(err, gc.ErrPlanForks) {
				return forks, err
			}
			if len(ps) > 1 {
				continue // a child may have ended
			}
			t.Errorf("%v: %v", c, err)
			return forks, nil
		}
		child, err := img.Fork(t.Context(), spindle.ForkConfig{})
		if err := errors.Join(err, img.Close()); err != nil {
			t.Errorf("%v: %v", c, err)
			return forks, nil
		}
		if child.Done() == nil { // between calls: the child is there to be called
			if got, err := child.Instance("load").Call(t.Context(), c.Func, args...); err != nil || int64(got[0]) != want {
				t.Errorf("%v: a child gives %v, %v; want %d", c, got, err, want)
			}
			if err := child.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		forks++
		ps = append(ps, child)
	}
	for _, p := range ps[1:] {
		if err := p.Wait(t.Context()); err != nil {
			t.Errorf("%v: a child ended with %v", c, err)
		} else if got := p.Results(); len(got) != 1 || int64(got[0]) != want {
			t.Errorf("%v: a child gives %v, want %d", c, got, want)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	return forks, nil
}
