package mockvm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// churning is a program in a heap of churnHeap, a fifth of which lives: arrays of up to most bytes, which die in any order. It allocates that many bytes, and returns how many
// collections there have been, and the last one, of the whole heap.
func churning(tb testing.TB, name string, workers, most, bytes int) (collections int, last gc.Collection) {
	tb.Helper()
	v, types := newVM(tb, name, plan.Options{MaxBytes: churnHeap, NurseryBytes: 4 << 20, Workers: workers, Stats: func(c gc.Collection) {
		last = c
		collections++
	}})
	th := v.NewThread()
	defer th.Exit()
	rng := rand.New(rand.NewPCG(1, 1))
	th.Stack = make([]uint32, 2*churnHeap/5/most)
	for bytes > 0 {
		n := 8 + rng.IntN(most)
		r, err := th.Alloc(types[typeBytes], uint32(n))
		if err != nil {
			tb.Fatal(err)
		}
		bytes -= n
		th.Stack[rng.IntN(len(th.Stack))] = r
	}
	n := collections
	if err := v.Heap.Collect(th.Mutator, true); err != nil {
		tb.Fatal(err)
	}
	return n, last
}

const churnHeap = 32 << 20

// Whatever a program's objects are, a collection makes room for more than a sixteenth of the heap, so that the time that it takes is paid for.
func TestCollectionsMakeRoom(t *testing.T) {
	for _, name := range gc.Plans() {
		if name == "nogc" || name == "pageprotect" {
			continue
		}
		for _, most := range []int{200, 2000, 8000, 30_000} {
			const bytes = 2 * churnHeap
			if n, last := churning(t, name, 2, most, bytes); n > 16*bytes/churnHeap {
				t.Errorf("%s, objects of up to %d bytes: %d collections of %d bytes alive for %d allocated", name, most, n, last.Bytes, bytes)
			}
		}
	}
}

// What a plan makes of a heap: how much a program can allocate from one collection to the next, and which part of the blocks in use after one of the whole heap is
// live objects.
func BenchmarkFootprint(b *testing.B) {
	for _, name := range gc.Plans() {
		if name == "nogc" || name == "pageprotect" {
			continue
		}
		for _, most := range []int{200, 2000, 8000, 30_000} {
			b.Run(fmt.Sprintf("%s/%d", name, most), func(b *testing.B) {
				const bytes = 6 * churnHeap
				for b.Loop() {
					n, last := churning(b, name, 2, most, bytes)
					b.ReportMetric(float64(bytes)/1e6/float64(n), "MB/collection")
					b.ReportMetric(100*float64(last.Bytes)/float64(last.After<<heap.LogBlock), "%live")
				}
			})
		}
	}
}
