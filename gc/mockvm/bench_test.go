package mockvm

import (
	"math/rand/v2"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// An object of 32 bytes, made and its three words of fields written. Nothing lives, so a collection costs next to nothing.
func BenchmarkAlloc32(b *testing.B) {
	for _, name := range gc.Plans() {
		if name == "nogc" {
			continue
		}
		b.Run(name, func(b *testing.B) {
			v, _ := newVM(b, name, plan.Options{MaxBytes: 64 << 20, Workers: 1})
			typ, err := v.Heap.Mem.Types.Add(gc.Type{Name: "cell", Size: 32, Refs: []uint32{8, 12}})
			if err != nil {
				b.Fatal(err)
			}
			th := v.NewThread()
			defer th.Exit()
			mem := v.Heap.Mem
			b.ReportAllocs()
			for b.Loop() {
				r, err := th.Alloc(typ, 0)
				if err != nil {
					b.Fatal(err)
				}
				*mem.Word(r + 8), *mem.Word(r + 16), *mem.Word(r + 24) = 1, 2, 3
			}
		})
	}
}

// One worker marks a heap of 128 MiB: a binary tree of 32-byte objects, with references to random other ones.
func BenchmarkMark(b *testing.B) {
	var last gc.Collection
	v, _ := newVM(b, "immix", plan.Options{MaxBytes: 256 << 20, Workers: 1, Stats: func(c gc.Collection) { last = c }})
	typ, err := v.Heap.Mem.Types.Add(gc.Type{Name: "node", Size: 32, Refs: []uint32{8, 12, 16}})
	if err != nil {
		b.Fatal(err)
	}
	th := v.NewThread()
	defer th.Exit()
	const n = 4 << 20
	objs := make([]uint32, n)
	rng := rand.New(rand.NewPCG(1, 1))
	th.Stack = make([]uint32, 1)
	for i := range objs {
		if objs[i], err = th.Alloc(typ, 0); err != nil {
			b.Fatal(err)
		}
		if i > 0 {
			th.Write(objs[(i-1)/2], 8+uint32(i-1)%2*4, objs[i])
			th.Write(objs[i], 16, objs[rng.IntN(i)])
		}
	}
	th.Stack[0] = objs[0]
	var sum float64
	for b.Loop() {
		if err := v.Heap.Collect(th.Mutator, true); err != nil {
			b.Fatal(err)
		}
		if last.Objects != n {
			b.Fatalf("%d objects alive, want %d", last.Objects, n)
		}
		sum += float64(last.Objects) / last.Pause.Seconds()
	}
	b.ReportMetric(sum/float64(b.N)/1e6, "Mobjects/s")
}
