package spindle_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

// BenchmarkFork is from the call of Image.Fork to the first instruction of the child that the host sees.
func BenchmarkFork(b *testing.B) {
	ctx := context.Background()
	for _, mib := range []int{1, 64, 1024} {
		b.Run(fmt.Sprint(mib, "MiB"), func(b *testing.B) {
			rt := spindle.NewRuntime()
			defer rt.Close()
			mod := compileText(b, rt, fmt.Sprintf(`(module (import "host" "fork" (func $fork (result i32))) (import "host" "first" (func $first))
				(memory %d)
				(func (export "_start") (local $i i32)
					(loop $l (i32.store (local.get $i) (i32.const 1))
						(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4096))) (i32.const %d))))
					(if (i32.eqz (call $fork)) (then (call $first)))))`, mib*16, mib<<20-4096))
			var img *spindle.Image
			var freeze time.Duration
			first := make(chan time.Time, 1)
			fork := spindle.Func0(func(c *spindle.Caller) int32 {
				begin := time.Now()
				var err error
				img, _, err = c.Freeze(ctx, spindle.FreezeOptions{}, spindle.Answer{Results: []uint64{0}})
				if err != nil {
					b.Error(err)
				}
				freeze = time.Since(begin)
				return 1
			})
			p, err := rt.Start(ctx, mod, spindle.Config{Forkable: true, Imports: spindle.Imports{"host": spindle.HostModule{"fork": fork, "first": spindle.Proc0(func(*spindle.Caller) { first <- time.Now() })}}})
			if err != nil {
				b.Fatal(err)
			}
			if err := p.Wait(ctx); err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			defer img.Close()
			best, sum := time.Hour, time.Duration(0)
			for b.Loop() {
				begin := time.Now()
				c, err := img.Fork(ctx, spindle.ForkConfig{})
				if err != nil {
					b.Fatal(err)
				}
				d := (<-first).Sub(begin)
				best, sum = min(best, d), sum+d
				if err := c.Wait(ctx); err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
			b.ReportMetric(float64(freeze.Microseconds()), "freeze-us")
			b.ReportMetric(float64(best.Nanoseconds())/1e3, "first-us-min")
			b.ReportMetric(float64(sum.Nanoseconds())/1e3/float64(b.N), "first-us-mean")
		})
	}
}
