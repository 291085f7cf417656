package mockvm

import (
	"errors"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/sanity"
)

// writes into old objects. Those without a barrier are an engine's mistakes.
var writes = map[string]struct {
	write   func(th *Thread, array, ref uint32)
	barrier bool
}{
	"one":             {func(th *Thread, array, ref uint32) { th.Write(array, heap.HeaderSize+4*700, ref) }, true},
	"fill":            {func(th *Thread, array, ref uint32) { th.FillRefs(array, 600, 200, ref) }, true},
	"fill all":        {func(th *Thread, array, ref uint32) { th.FillRefs(array, 0, 20_000, ref) }, true},
	"init":            {func(th *Thread, array, ref uint32) { th.InitRefs(array, 699, []uint32{0, ref}) }, true},
	"copy":            {func(th *Thread, array, ref uint32) { th.CopyRefs(array, 700, th.Stack[1], 5, 2) }, true},
	"no barrier":      {noBarrier, false},
	"another's slice": {func(th *Thread, array, ref uint32) { noBarrier(th, array, ref); th.RememberSlice(array, 0, 700) }, false},
}

func noBarrier(th *Thread, array, ref uint32) {
	*th.vm.Heap.Mem.Slot(array + heap.HeaderSize + 4*700) = ref
}

// A young object to which only an old array refers survives a collection of the young, and moves in it where young objects do, if the write was followed by
// its barrier. If it was not, the sanity collector says so.
func TestWritesIntoOldArrays(t *testing.T) {
	for _, name := range allPlans() {
		if name == "nogc" {
			continue
		}
		for what, w := range writes {
			t.Run(name+"/"+what, func(t *testing.T) {
				var last gc.Collection
				v, types := newVM(t, name, plan.Options{MaxBytes: 16 << 20, Workers: 2, Sanity: true, Stats: func(c gc.Collection) { last = c }})
				th := v.NewThread()
				defer th.Exit()
				th.Stack = make([]uint32, 3)
				alloc := func(i int, typ gc.TypeID, length uint32) {
					r, err := th.Alloc(typ, length)
					if err != nil {
						t.Fatal(err)
					}
					th.Stack[i] = r
				}
				alloc(0, types[typeRefs], 20_000)
				if err := v.Heap.Collect(th.Mutator, true); err != nil {
					t.Fatal(err)
				}
				alloc(1, types[typeRefs], 10)
				alloc(2, types[typeLeaf], 0)
				*v.Heap.Mem.Word(th.Stack[2] + stampAt) = 4711
				th.Write(th.Stack[1], heap.HeaderSize+4*5, th.Stack[2])
				w.write(th, th.Stack[0], th.Stack[2])
				th.Stack[1], th.Stack[2] = 0, 0
				err := v.Heap.Collect(th.Mutator, false)
				if !w.barrier && v.Heap.Plan().Constraints().Generational {
					var found *sanity.Error
					if !errors.As(err, &found) {
						t.Fatalf("the missing barrier is not found: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if last.Full == v.Heap.Plan().Constraints().Generational {
					t.Error("the collection is not one of the young")
				}
				if r := *v.Heap.Mem.Slot(th.Stack[0] + heap.HeaderSize + 4*700); v.Heap.Mem.TypeOf(r) != types[typeLeaf] || *v.Heap.Mem.Word(r + stampAt) != 4711 {
					t.Errorf("the young object is lost: %#x", r)
				}
			})
		}
	}
}

// Of a large old array only what was written is scanned: the young objects that are found alive are those.
func TestSlicesAreScannedAlone(t *testing.T) {
	for _, name := range allPlans() {
		var last gc.Collection
		v, types := newVM(t, name, plan.Options{MaxBytes: 64 << 20, Workers: 1, Stats: func(c gc.Collection) { last = c }})
		if !v.Heap.Plan().Constraints().Generational {
			continue
		}
		t.Run(name, func(t *testing.T) {
			th := v.NewThread()
			defer th.Exit()
			th.Stack = make([]uint32, 2)
			var err error
			if th.Stack[0], err = th.Alloc(types[typeRefs], 1_000_000); err != nil {
				t.Fatal(err)
			}
			if err := v.Heap.Collect(th.Mutator, true); err != nil {
				t.Fatal(err)
			}
			for i := range uint32(10) {
				r, err := th.Alloc(types[typeLeaf], 0)
				if err != nil {
					t.Fatal(err)
				}
				// Written behind the barrier's back: whoever scans the rest of the array finds it.
				*v.Heap.Mem.Slot(th.Stack[0] + heap.HeaderSize + 4*(500_000+i)) = r
				if r, err = th.Alloc(types[typeLeaf], 0); err != nil {
					t.Fatal(err)
				}
				th.FillRefs(th.Stack[0], 1000*i, 10, r)
			}
			if err := v.Heap.Collect(th.Mutator, false); err != nil {
				t.Fatal(err)
			}
			if last.Full || last.Objects != 10 {
				t.Errorf("%d objects are found (full: %v), want the 10 that were remembered", last.Objects, last.Full)
			}
			th.FillRefs(th.Stack[0], 500_000, 10, 0) // they are gone
		})
	}
}
