package mockvm

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// Random programs find in the heap what their model says, under every plan, with several mutators and workers.
func TestRandomPrograms(t *testing.T) {
	for _, name := range allPlans() {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", name, workers), func(t *testing.T) {
				collections, young := 0, 0
				v, types := newVM(t, name, plan.Options{MaxBytes: heapBytes(name, 6<<20), NurseryBytes: 256 << 10, Workers: workers, Stats: func(c gc.Collection) {
					collections++
					if !c.Full {
						young++
					}
				}})
				steps := 60_000
				if testing.Short() {
					steps = 10_000
				}
				runPrograms(t, v, types, 3, 200, steps, 5000, func(k int) Choices { return NewRandom(uint64(k), 77) })
				if (collections > 0) == (name == "nogc") {
					t.Errorf("%d collections", collections)
				}
				if testing.Short() {
					return // too few for one of the young
				}
				if generational := v.Heap.Plan().Constraints().Generational; generational != (young > 0) {
					t.Errorf("%d collections of %d are of the young", young, collections)
				}
			})
		}
	}
}

// The same, with a collection at every few allocations and the heap gone through after each.
func TestRandomProgramsUnderStress(t *testing.T) {
	for _, workers := range []int{1, 2, 8} {
		for _, name := range allPlans() {
			t.Run(fmt.Sprintf("%s/%d", name, workers), func(t *testing.T) {
				v, types := newVM(t, name, plan.Options{MaxBytes: heapBytes(name, 8<<20), Workers: workers, Stress: 7, Sanity: true, Poison: true})
				runPrograms(t, v, types, 2, 50, 2000, 100, func(k int) Choices { return NewRandom(uint64(k), uint64(workers)) })
			})
		}
	}
}

// Bytes are used up one by one.
func TestShares(t *testing.T) {
	sum := 0
	for _, o := range operations {
		sum += o.share
	}
	if sum != shares {
		t.Errorf("the shares of operations are %d of %d", sum, shares)
	}
	b := Bytes{[]byte{200, 1, 2, 3}}
	if a, c, d, e := b.IntN(256), b.IntN(1), b.IntN(257), b.IntN(3); a != 200 || c != 0 || d != 258%257 || e != 0 || !b.Done() {
		t.Errorf("%d, %d, %d, %d of %v", a, c, d, e, b)
	}
}

// A heap full of live objects is an error to the mutator, after which it can go on.
func TestOutOfMemory(t *testing.T) {
	for _, name := range allPlans() {
		t.Run(name, func(t *testing.T) {
			v, types := newVM(t, name, plan.Options{MaxBytes: 8 << 20, Workers: 2})
			th := v.NewThread()
			defer th.Exit()
			th.Stack = make([]uint32, 1)
			n := 0
			for {
				r, err := th.Alloc(types[typePair], 0)
				if errors.Is(err, gc.ErrOutOfMemory) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				th.Write(r, 16, th.Stack[0])
				th.Stack[0] = r
				n++
			}
			mem := v.Heap.Mem
			for r := th.Stack[0]; r != 0; r = *mem.Slot(r + 16) {
				n--
			}
			if n != 0 {
				t.Errorf("%d objects are lost", n)
			}
			if _, err := th.Alloc(types[typeBytes], 100<<20); !errors.Is(err, gc.ErrOutOfMemory) {
				t.Errorf("an object larger than the heap: %v", err)
			}
			var size *plan.SizeError
			if _, err := th.Alloc(types[typeBytes], ^uint32(0)); !errors.As(err, &size) {
				t.Errorf("an object larger than any: %v", err)
			}
			th.Stack[0] = 0
			if name == "nogc" {
				return
			}
			if _, err := th.Alloc(types[typeBytes], 2<<20); err != nil {
				t.Errorf("after all is dropped: %v", err)
			}
			if err := v.Heap.Collect(th.Mutator, true); err != nil {
				t.Fatal(err)
			}
			if held, most := mem.Held(), v.Heap.Budget.Blocks()/8+mem.InUse(); held > most {
				t.Errorf("an empty heap keeps the memory of %d blocks, want at most %d", held, most)
			}
		})
	}
}

// Weak references are cleared when nothing else refers to their object, and follow it when it moves. Pinned objects stay in their place.
func TestWeakAndPinned(t *testing.T) {
	everywhere(t, plan.Options{MaxBytes: 16 << 20}, func(t *testing.T, v *VM, types []gc.TypeID) {
		if !v.Heap.Plan().Constraints().Collects {
			return // nothing would be told
		}
		th := v.NewThread()
		defer th.Exit()
		th.Stack = make([]uint32, 200)
		alloc := func() uint32 {
			r, err := th.Alloc(types[typePair], 0)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		var weak []int
		for i := range th.Stack {
			th.Stack[i] = alloc()
			*v.Heap.Mem.Word(th.Stack[i] + stampAt) = uint64(i)
			weak = append(weak, v.NewWeak(th.Stack[i]))
		}
		child := alloc()
		th.Write(th.Stack[150], 16, child)
		*v.Heap.Mem.Word(child + stampAt) = 4711
		th.Pins = append(th.Pins, th.Stack[150])
		place := th.Stack[150]
		for i := 0; i < 200; i += 2 {
			th.Stack[i] = 0
		}
		for range 4 {
			if err := v.Heap.Collect(th.Mutator, true); err != nil {
				t.Fatal(err)
			}
			for i, w := range weak {
				r := v.Weak(w)
				switch {
				case i == 150:
					if r != place || *v.Heap.Mem.Word(r + stampAt) != 150 {
						t.Fatalf("the pinned object is at %#x, was at %#x", r, place)
					}
					if c := *v.Heap.Mem.Slot(r + 16); *v.Heap.Mem.Word(c + stampAt) != 4711 {
						t.Fatal("what the pinned object refers to is lost")
					}
				case i%2 == 0 && r != 0:
					t.Fatalf("weak reference %d was not cleared", i)
				case i%2 == 1 && (r != th.Stack[i] || *v.Heap.Mem.Word(r + stampAt) != uint64(i)):
					t.Fatalf("weak reference %d is %#x, want %#x", i, r, th.Stack[i])
				}
			}
		}
		th.Pins = nil
		if err := v.Heap.Collect(th.Mutator, true); err != nil {
			t.Fatal(err)
		}
		if r := v.Weak(weak[150]); r != 0 {
			t.Error("an object that is not pinned any more lives on")
		}
	})
}

// The VM is told of the foreign words of live objects, and of no others.
func TestForeign(t *testing.T) {
	everywhere(t, plan.Options{MaxBytes: 16 << 20}, func(t *testing.T, v *VM, _ []gc.TypeID) {
		if !v.Heap.Plan().Constraints().Collects {
			return // nothing would be told
		}
		var types []gc.TypeID
		for _, typ := range []gc.Type{
			{Name: "handle", Size: 24, Refs: []uint32{8}, Foreign: []heap.ForeignField{{Offset: 12, Class: 1}, {Offset: 20, Class: 2}}},
			{Name: "handles", Elem: 4, Foreign: []heap.ForeignField{{Class: 3}}},
		} {
			id, err := v.Heap.Mem.Types.Add(typ)
			if err != nil {
				t.Fatal(err)
			}
			types = append(types, id)
		}
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
		mem := v.Heap.Mem
		live := map[uint32]bool{}
		next := uint32(0)
		set := func(off uint32, lives bool) {
			next++
			*mem.Slot(off) = next
			if lives {
				live[next] = true
			}
		}
		for i := range 500 {
			lives := i%3 == 0
			alloc(1, types[0], 0)
			set(th.Stack[1]+12, lives)
			set(th.Stack[1]+20, lives)
			if lives {
				th.Write(th.Stack[1], 8, th.Stack[0])
				th.Stack[0] = th.Stack[1]
			}
		}
		alloc(2, types[1], 500)
		for i := range uint32(500) {
			set(th.Stack[2]+heap.HeaderSize+i*4, true)
		}
		alloc(1, types[1], 500)
		for i := range uint32(500) {
			set(th.Stack[1]+heap.HeaderSize+i*4, false)
		}
		th.Stack[1] = 0
		v.TakeForeign()
		if err := v.Heap.Collect(th.Mutator, true); err != nil {
			t.Fatal(err)
		}
		if found := v.TakeForeign(); !maps.Equal(found, live) {
			t.Errorf("%d foreign words found, want %d", len(found), len(live))
		}
	})
}
