package mockvm

import (
	"fmt"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// An object of 32 bytes, made and its three words of fields written. Nothing lives, so a collection costs next to nothing.
func BenchmarkAlloc32(b *testing.B) {
	for _, name := range gc.Plans() {
		if name == "nogc" || name == "pageprotect" {
			continue // memory does not come back; each object has a page
		}
		b.Run(name, func(b *testing.B) {
			v, _ := newVM(b, name, plan.Options{MaxBytes: 64 << 20, Workers: 1})
			typ, err := v.Heap.Mem.Types.Add(Node)
			if err != nil {
				b.Fatal(err)
			}
			th := v.NewThread()
			defer th.Exit()
			mem := v.Heap.Mem
			b.ReportAllocs()
			cpu := cpuTime()
			for b.Loop() {
				r, err := th.Alloc(typ, 0)
				if err != nil {
					b.Fatal(err)
				}
				*mem.Word(r + 8), *mem.Word(r + 16), *mem.Word(r + 24) = 1, 2, 3
			}
			b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
		})
	}
}

// Workers mark a heap of 128 MiB: a binary tree of 32-byte objects, with references to random other ones.
func BenchmarkMark(b *testing.B) {
	for _, name := range []string{"immix", "marksweep", "stickyimmix", "semispace", "genimmix", "markcompact"} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/%d", name, workers), func(b *testing.B) {
				var last gc.Collection
				v, _ := newVM(b, name, plan.Options{MaxBytes: 400 << 20, Workers: workers, Stats: func(c gc.Collection) { last = c }})
				node, err := v.Heap.Mem.Types.Add(Node)
				if err != nil {
					b.Fatal(err)
				}
				th := v.NewThread()
				defer th.Exit()
				const n = 4 << 20
				if err := Tree(th, node, n, 1); err != nil {
					b.Fatal(err)
				}
				var best, cpu float64
				for b.Loop() {
					before := cpuTime()
					if err := v.Heap.Collect(th.Mutator, true); err != nil {
						b.Fatal(err)
					}
					cpu = max(cpu, n/(cpuTime()-before).Seconds()/1e6)
					if last.Objects != n {
						b.Fatalf("%d objects alive, want %d", last.Objects, n)
					}
					best = max(best, n/last.Pause.Seconds()/1e6)
				}
				b.ReportMetric(best, "Mobj/s-best")
				b.ReportMetric(cpu, "Mobj/cpu-s-best")
			})
		}
	}
}
