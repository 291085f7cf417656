package mockvm

import (
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy/immix"
)

// Random programs whose objects are immortal, not to move, large, and pinned for a while.
func TestRandomProgramsOfAllSemantics(t *testing.T) {
	for _, name := range allPlans() {
		for _, stress := range []int{0, 11} {
			if stress > 0 && name == "nogc" {
				continue
			}
			opts := plan.Options{MaxBytes: heapBytes(name, 16<<20), NurseryBytes: 256 << 10, Workers: 3, Stress: stress, Sanity: stress > 0, Poison: stress > 0, Defrag: immix.DefragAlways}
			steps := 30_000
			if stress > 0 || testing.Short() {
				steps = 3000
			}
			v, types := newVM(t, name, opts)
			var wg sync.WaitGroup
			for k := range 3 {
				wg.Go(func() {
					th := v.NewThread()
					defer th.Exit()
					p := NewProgram(th, types, uint64(k), 100)
					p.Check, p.Semantics = steps/10, true
					if err := p.Run(steps); err != nil {
						t.Errorf("%s, stress %d: %v", name, stress, err)
					}
					if len(p.immortal) == 0 || len(p.held) == 0 {
						t.Errorf("%d objects are immortal, %d pinned", len(p.immortal), len(p.held))
					}
				})
			}
			wg.Wait()
		}
	}
}

// Objects stay where they are while they are pinned, as often as that was; and move afterwards under plans that move all.
func TestPin(t *testing.T) {
	for _, name := range allPlans() {
		if name == "nogc" {
			continue
		}
		v, types := newVM(t, name, plan.Options{MaxBytes: 32 << 20, Workers: 2, Sanity: true, Defrag: immix.DefragEveryBlock})
		th := v.NewThread()
		defer th.Exit()
		th.Stack = make([]uint32, 600)
		for i := range th.Stack {
			var err error
			if th.Stack[i], err = th.Alloc(types[typePair], 0); err != nil {
				t.Fatal(err)
			}
		}
		collect := func() {
			if err := v.Heap.Collect(th.Mutator, true); err != nil {
				t.Fatal(err)
			}
		}
		const lone, dies = 400, 500
		for i := range 300 {
			th.Stack[i] = 0 // so that what is behind has somewhere to go
		}
		place := th.Stack[lone]
		v.Heap.Pin(place)
		v.Heap.Pin(place)
		gone := th.Stack[dies]
		v.Heap.Pin(gone)
		th.Stack[dies] = 0
		for n := 2; n > 0; n-- {
			if got := v.Heap.Pins(place); got != n {
				t.Errorf("%s: %d pins, want %d", name, got, n)
			}
			collect()
			if th.Stack[lone] != place {
				t.Errorf("%s: the pinned object has moved", name)
			}
			if !v.Heap.Unpin(place) {
				t.Errorf("%s: the object was not pinned", name)
			}
		}
		if v.Heap.Unpin(place) || v.Heap.Pins(place) != 0 {
			t.Errorf("%s: an object is pinned more often than it was", name)
		}
		if v.Heap.Pins(gone) != 0 || v.Heap.Mem.Pin.Test(gone) {
			t.Errorf("%s: a dead object is pinned", name)
		}
		collect()
		collect()
		if moved := th.Stack[lone] != place; moved != v.Heap.Plan().Constraints().Moves {
			t.Errorf("%s: the object that was pinned has moved: %v", name, moved)
		}
	}
}

// Objects that are not to move do not, immortal ones neither, and keep alive what they refer to, wherever it goes; written to before and after collections.
func TestSemantics(t *testing.T) {
	for _, name := range allPlans() {
		if name == "nogc" {
			continue
		}
		for _, length := range []uint32{3, 500, 10_000} { // small, larger than a line, a large object
			v, types := newVM(t, name, plan.Options{MaxBytes: 16 << 20, Workers: 2, Sanity: true, Defrag: immix.DefragEveryBlock})
			th := v.NewThread()
			defer th.Exit()
			th.Stack = make([]uint32, 2)
			alloc := func(s plan.Semantics, typ int, length uint32) uint32 {
				r, err := th.AllocAs(s, types[typ], length)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			mem := v.Heap.Mem
			immortal := alloc(plan.Immortal, typeRefs, length)
			for i, s := range []plan.Semantics{plan.NonMoving, plan.Large} {
				th.Stack[i] = alloc(s, typeRefs, length)
			}
			objs := [3]uint32{immortal, th.Stack[0], th.Stack[1]}
			for round := range 6 {
				for k, obj := range objs {
					r := alloc(plan.Default, typeLeaf, 0)
					*mem.Word(r + stampAt) = uint64(10*round + k)
					th.Write(obj, 8, r)
				}
				for range 2 {
					if err := v.Heap.Collect(th.Mutator, round%2 == 0); err != nil {
						t.Fatal(err)
					}
					for k, obj := range objs {
						if r := *mem.Slot(obj + 8); k > 0 && obj != th.Stack[k-1] || mem.Length(obj) != length || *mem.Word(r + stampAt) != uint64(10*round+k) {
							t.Fatalf("%s, length %d, round %d: object %d or what it refers to is not there", name, length, round, k)
						}
					}
				}
			}
			clear(th.Stack)
			if err := v.Heap.Collect(th.Mutator, true); err != nil {
				t.Fatal(err)
			}
			if !mem.Mark.Test(immortal) || mem.Mark.Test(objs[1]) || mem.Mark.Test(objs[2]) {
				t.Errorf("%s: of an immortal object, one not to move and a large one, the wrong ones are alive", name)
			}
		}
	}
}
