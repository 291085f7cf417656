package mockvm

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy/immix"
)

// settings are how a fuzzed program runs, of the first bytes of its input.
type settings struct {
	mutators int
	roots    int
	opts     plan.Options
}

func newSettings(in *Bytes) settings {
	return settings{
		mutators: 1 + in.IntN(3),
		roots:    2 + in.IntN(40),
		opts: plan.Options{
			MaxBytes:     16 << 20,
			Workers:      []int{1, 2, 8}[in.IntN(3)],
			Stress:       []int{0, 1, 2, 5, 20}[in.IntN(5)],
			NurseryBytes: []int64{32 << 10, 64 << 10, 256 << 10}[in.IntN(3)],
			Defrag:       []immix.Defrag{immix.DefragAuto, immix.DefragAlways, immix.DefragNever}[in.IntN(3)],
			Forkable:     in.IntN(4) == 0,
			Zeal:         []int{0, 0, 0, 1, 3}[in.IntN(5)],
			Poison:       in.IntN(2) == 0,
			Sanity:       true,
		},
	}
}

// runInput runs the programs that an input describes under a plan, each on a goroutine of its own with its part of the input, and returns what graphs they end with.
func runInput(t testing.TB, name string, data []byte) [][]uint64 {
	in := &Bytes{data}
	s := newSettings(in)
	s.opts.MaxBytes = heapBytes(name, s.opts.MaxBytes)
	v, err := New(gc.Config{Plan: name, New: tutorials[name], Options: s.opts})
	if err != nil {
		t.Fatal(err)
	}
	types, err := Types(v.Heap.Mem.Types)
	if err != nil {
		t.Fatal(err)
	}
	part := len(in.Data) / s.mutators
	ps := runPrograms(t, v, types, s.mutators, s.roots, len(data), 50, func(k int) Choices {
		return &Bytes{in.Data[k*part : (k+1)*part]}
	})
	var graphs [][]uint64
	for _, p := range ps {
		graphs = append(graphs, p.Canonical())
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return graphs
}

// Any bytes are a program. It finds what its model says, and ends with the same graph under every plan.
func FuzzProgram(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 8 {
		data := make([]byte, 200+500*i)
		for k := range data {
			data[k] = byte(rng.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return // more would not fit into the heap under every plan
		}
		var want [][]uint64
		for i, name := range allPlans() {
			got := runInput(t, name, data)
			if t.Failed() {
				t.Fatalf("plan %s", name)
			}
			if i == 0 {
				want = got
			}
			for k := range want {
				if !slices.Equal(got[k], want[k]) {
					t.Fatalf("program %d ends with another graph under %s than under %s", k, name, allPlans()[0])
				}
			}
		}
	})
}
