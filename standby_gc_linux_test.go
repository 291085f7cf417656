package spindle_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// A garbage-collected heap, with its threads, goes on in another process under every plan, warmed up or not, and is collected there.
func TestForkProcessHeaps(t *testing.T) {
	ctx := t.Context()
	for _, plan := range spindle.GCPlans() {
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprint(plan, "/warm=", warm), func(t *testing.T) {
				cfg := spindle.Config{GC: spindle.GCConfig{Plan: plan, Workers: 2, HeapBytes: 32 << 20, NurseryBytes: 4 << 20}}
				src := strings.Replace(heapGuest, "4000", "1000", 1)
				switch plan {
				case "nogc":
					cfg.GC.HeapBytes = 256 << 20
				case "pageprotect": // a page and a system call for each object
					src = strings.NewReplacer("3000", "30").Replace(src)
				}
				l, w := listenTo(t)
				rt := leakFree(t)
				img := frozenGuest(t, l, w, rt, src, cfg, spindle.FreezeOptions{Warmup: warm})
				here, err := img.Fork(ctx, spindle.ForkConfig{})
				if err != nil {
					t.Fatal(err)
				}
				there, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{})
				if err != nil {
					t.Fatal(err)
				}
				told := map[uint64]int{}
				for _, c := range []interface{ Wait(context.Context) error }{here, there} {
					if err := c.Wait(ctx); err != nil {
						t.Error(err)
					}
					told[l.next(t)]++
				}
				if len(told) != 1 {
					t.Errorf("this process and the other one tell %v", told)
				}
			})
		}
	}
}
