package mockvm

import (
	"fmt"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/gc/plan"
)

// What a fork of a heap with a tree of 32-byte nodes costs, and what the child's first collection makes of the pages that it shares:
//
//	warmup-ms, freeze-ms   the full collection that makes the image; the first freeze, which seals its pages
//	refreeze-us            the next one, nothing written since
//	child-us               a heap made of the ticket
//	gc-ms, dirty-%         the child's first collection of the whole heap, and the pages that it has written to
func BenchmarkFork(b *testing.B) {
	for _, name := range []string{"stickyimmix", "immix", "marksweep"} {
		for _, mib := range []int{1, 64, 128} {
			for _, warm := range []bool{true, false} {
				b.Run(fmt.Sprintf("%s/%dMiB/warm=%v", name, mib, warm), func(b *testing.B) {
					var warmup, freezing, refreeze, making, collecting, dirty []float64
					for b.Loop() {
						nodes := mib << 20 / 32
						v, _ := newTree(b, name, nodes, plan.Options{MaxBytes: int64(mib)<<20*3/2 + 8<<20, Workers: 2})
						v.Leave()
						if warm {
							warmup = append(warmup, since(b, v.Heap.Warmup))
						} else {
							for th := range v.threads {
								v.Enter()
								if err := v.Heap.Collect(th.Mutator, true); err != nil {
									b.Fatal(err)
								}
								v.Leave()
							}
						}
						for k := range 2 {
							var img *Image
							took := since(b, func() (err error) { img, err = v.Freeze(); return err })
							if err := img.Resume(); err != nil {
								b.Fatal(err)
							}
							if k == 0 {
								freezing = append(freezing, took)
							} else {
								refreeze = append(refreeze, took*1000)
							}
							var child *VM
							for range 5 {
								if child != nil {
									closeBench(b, child)
								}
								making = append(making, 1000*since(b, func() (err error) { child, _, err = img.Fork(nil, nil); return err }))
							}
							if k == 0 {
								for th := range child.threads {
									child.Enter()
									collecting = append(collecting, since(b, func() error { return child.Heap.Collect(th.Mutator, true) }))
									child.Leave()
								}
								own, all := dirtied(b, child)
								dirty = append(dirty, 100*float64(own)/float64(all))
							}
							closeBench(b, child)
							if err := img.Close(); err != nil {
								b.Fatal(err)
							}
						}
						closeBench(b, v)
					}
					b.ReportMetric(0, "ns/op")
					for unit, all := range map[string][]float64{"warmup-ms": warmup, "freeze-ms": freezing, "refreeze-us": refreeze, "child-us": making, "gc-ms": collecting, "dirty-%": dirty} {
						if len(all) > 0 {
							b.ReportMetric(least(all), unit)
						}
					}
				})
			}
		}
	}
}

// since returns how many milliseconds f took.
func since(b *testing.B, f func() error) float64 {
	b.Helper()
	start := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return float64(time.Since(start).Nanoseconds()) / 1e6
}

func least(all []float64) float64 {
	m := all[0]
	for _, x := range all {
		m = min(m, x)
	}
	return m
}

func closeBench(b *testing.B, v *VM) {
	b.Helper()
	for th := range v.threads {
		v.Enter()
		th.Exit()
	}
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
}
