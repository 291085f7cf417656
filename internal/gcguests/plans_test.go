package gcguests_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/gcguests"
)

// TestPlans: guests do the same under every plan, in heaps of few MiB with collections more often than needed; those that do not
// allocate much with a collection at every fifth allocation, and the heap looked through after each.
func TestPlans(t *testing.T) {
	for _, plan := range spindle.GCPlans() {
		if plan == "nogc" {
			continue // and so out of memory soon
		}
		if testing.Short() && plan != spindle.DefaultGCPlan {
			continue
		}
		for _, cfg := range []spindle.GCConfig{
			{Plan: plan, HeapBytes: 16 << 20, NurseryBytes: 256 << 10, Stress: 20011},
			{Plan: plan, HeapBytes: 8 << 20, Stress: 5, Sanity: true, Workers: 2},
		} {
			// Objects have pages of their own there, and each of those a system call.
			few := plan == "pageprotect"
			if few {
				cfg.HeapBytes = 512 << 20
			}
			var collections atomic.Int64
			cfg.Stats = func(spindle.GCCollection) { collections.Add(1) }
			t.Run(fmt.Sprintf("%s/stress %d", plan, cfg.Stress), func(t *testing.T) {
				defer func() {
					if n := collections.Load(); n < 100 && !few {
						t.Errorf("%d collections: not enough to learn from", n)
					}
				}()
				for _, l := range gcguests.Loads() {
					for _, c := range l.Calls {
						// Each collection under stress goes through all that lives: large heaps take minutes.
						if c.Heavy || (few || cfg.Sanity) && c.Large {
							continue
						}
						inst := loadInstance(t, l, spindle.Config{StackSize: 64 << 20, GC: cfg})
						t.Run(l.Name+"/"+c.String(), func(t *testing.T) { checkCall(t, inst, c) })
						if err := inst.Close(); err != nil {
							t.Fatal(err)
						}
					}
				}
				for _, r := range gcguests.Randoms() {
					t.Run("binaryen/"+r.Name, func(t *testing.T) { checkRandom(t, r, cfg) })
				}
				if !cfg.Sanity && !few {
					for _, p := range gcguests.MoonBitPrograms() {
						t.Run("moonbit/"+p.Name, func(t *testing.T) { checkMoonBit(t, p, cfg) })
					}
				}
			})
		}
	}
}
