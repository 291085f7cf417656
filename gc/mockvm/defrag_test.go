package mockvm

import (
	"errors"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/policy/immix"
)

var immixPlans = []string{"genimmix", "immix", "stickyimmix"}

// A heap of which every block holds a little is compacted when somebody wants a large object; pinned objects stay where they are. When objects may not move
// there is no room.
func TestDefragmentation(t *testing.T) {
	for _, name := range immixPlans {
		for _, mode := range []immix.Defrag{immix.DefragAuto, immix.DefragNever} {
			v, types := newVM(t, name, plan.Options{MaxBytes: 8 << 20, Workers: 2, Defrag: mode, Sanity: true})
			c := v.Heap.Plan().Constraints()
			if want := mode != immix.DefragNever || name == "genimmix"; c.Moves != want {
				t.Errorf("%s: Moves is %v with mode %d", name, c.Moves, mode)
			}
			th := v.NewThread()
			defer th.Exit()
			const n = 4 << 20 / 24
			th.Stack = make([]uint32, n)
			for i := range th.Stack {
				r, err := th.Alloc(types[typePair], 0)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				*v.Heap.Mem.Word(r + stampAt) = uint64(i)
				th.Stack[i] = r
			}
			if err := v.Heap.Collect(th.Mutator, true); err != nil {
				t.Fatal(err)
			}
			pins := map[int]uint32{}
			for i := range th.Stack {
				switch {
				case i%100 != 0: // one of ten lines has a live object
					th.Stack[i] = 0
				case i%20_000 == 0:
					pins[i] = th.Stack[i]
					th.Pins = append(th.Pins, th.Stack[i])
				}
			}
			if err := v.Heap.Collect(th.Mutator, mode == immix.DefragNever); err != nil {
				t.Fatal(err)
			}
			_, err := th.Alloc(types[typeBytes], 6<<20)
			if mode == immix.DefragNever {
				if !errors.Is(err, gc.ErrOutOfMemory) {
					t.Errorf("%s: 6 MiB were found in a fragmented heap: %v", name, err)
				}
			} else if err != nil {
				t.Errorf("%s: 6 MiB were not found: %v", name, err)
			} else if used := v.Heap.Mem.InUse()<<heap.LogBlock - 6<<20; used > n/100*24*3+int64(len(pins)+8)<<heap.LogBlock {
				t.Errorf("%s: %d bytes of objects take %d", name, n/100*24, used)
			}
			for i, r := range th.Stack {
				if r != 0 && (*v.Heap.Mem.Word(r + stampAt) != uint64(i) || pins[i] != 0 && pins[i] != r) {
					t.Fatalf("%s: object %d is not what it was", name, i)
				}
			}
		}
	}
}

// Random programs while every collection of the whole heap defragments, under stress and not.
func TestRandomProgramsDefragmented(t *testing.T) {
	for _, name := range immixPlans {
		for _, mode := range []immix.Defrag{immix.DefragAlways, immix.DefragEveryBlock} {
			for _, stress := range []int{0, 7} {
				opts := plan.Options{MaxBytes: 6 << 20, NurseryBytes: 256 << 10, Workers: 3, Stress: stress, Sanity: stress > 0, Poison: stress > 0, Defrag: mode}
				steps := 60_000
				if stress > 0 {
					steps = 3000
				}
				v, types := newVM(t, name, opts)
				var wg sync.WaitGroup
				for k := range 3 {
					wg.Go(func() {
						th := v.NewThread()
						defer th.Exit()
						p := NewProgram(th, types, uint64(k), 100)
						p.Check = steps / 12
						if err := p.Run(steps); err != nil {
							t.Errorf("%s, mode %d, stress %d: %v", name, mode, stress, err)
						}
					})
				}
				wg.Wait()
			}
		}
	}
}

// One of four objects of 32 bytes lives, so that no line is free in a heap of which three quarters are dead. More than half of the heap can be filled with them all the same.
func TestHeapWithoutHoles(t *testing.T) {
	for _, name := range immixPlans {
		for _, mode := range []immix.Defrag{immix.DefragAuto, immix.DefragNever} {
			const most = 8 << 20
			v, types := newVM(t, name, plan.Options{MaxBytes: most, Workers: 2, Defrag: mode})
			th := v.NewThread()
			defer th.Exit()
			alloc := func() (r uint32, err error) { return th.Alloc(types[typeRefs], 6) }
			var err error
			for len(th.Stack) < most/2/32 && err == nil {
				var r uint32
				if r, err = alloc(); err != nil {
					break
				}
				*v.Heap.Mem.Slot(r + 28) = uint32(len(th.Stack))<<2 | 1
				th.Stack = append(th.Stack, r)
				for k := 0; k < 3 && err == nil; k++ {
					_, err = alloc()
				}
			}
			switch moves := mode != immix.DefragNever; {
			case moves && err != nil:
				t.Errorf("%s: after %d objects of 32 bytes: %v", name, len(th.Stack), err)
			case !moves && name != "genimmix" && !errors.Is(err, gc.ErrOutOfMemory):
				t.Errorf("%s: a heap whose objects do not move has room for all: %v", name, err)
			}
			for i, r := range th.Stack {
				if *v.Heap.Mem.Slot(r + 28) != uint32(i)<<2|1 {
					t.Fatalf("%s: object %d is not what it was", name, i)
				}
			}
		}
	}
}
