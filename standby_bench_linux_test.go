package spindle_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// BenchmarkForkProcess is from the call of Image.ForkProcess to the first call of the host that the child makes, in microseconds of the one clock that both processes have. The
// pool is full again before each fork. us/op of the testing package is more: it has the child's end in it.
func BenchmarkForkProcess(b *testing.B) {
	ctx := b.Context()
	for _, mib := range []int{64, 256} {
		for _, cold := range []bool{false, true} {
			name := fmt.Sprint("standby/", mib, "MiB")
			if cold {
				name = fmt.Sprint("cold/", mib, "MiB")
			}
			b.Run(name, func(b *testing.B) {
				l, w := listenTo(b)
				rt := leakFree(b)
				img := frozenGuest(b, l, w, rt, fmt.Sprintf(`(module
					(import "wire" "tell" (func $tell (param i64)))
					(import "wire" "wait" (func $wait))
					(import "wire" "time" (func $time))
					(memory %d)
					(func (export "_start") (local $i i32)
						(loop $l (i32.store (local.get $i) (i32.const 1))
							(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4096))) (i32.const %d))))
						(call $tell (i64.const 1))
						(call $wait)
						(call $time)))`, mib*16, mib<<20-4096), spindle.Config{}, spindle.FreezeOptions{})
				cfg := spindle.ProcessForkConfig{}
				if !cold {
					s, err := spindle.NewStandbys(spindle.StandbysConfig{Size: 2})
					if err != nil {
						b.Fatal(err)
					}
					defer s.Close()
					cfg.Standbys = s
				}
				var first, back []uint64
				for b.Loop() {
					if cfg.Standbys != nil {
						if err := cfg.Standbys.Warm(ctx, img); err != nil {
							b.Fatal(err)
						}
					}
					begin := clock()
					c, err := img.ForkProcess(ctx, cfg)
					if err != nil {
						b.Fatal(err)
					}
					back = append(back, clock()-begin)
					first = append(first, l.next(b)-begin)
					if err := c.Wait(ctx); err != nil {
						b.Fatal(err)
					}
				}
				slices.Sort(first)
				slices.Sort(back)
				b.ReportMetric(float64(first[0])/1e3, "first-us-min")
				b.ReportMetric(float64(first[len(first)/2])/1e3, "first-us-median")
				b.ReportMetric(float64(back[len(back)/2])/1e3, "parent-us-median")
			})
		}
	}
}
