package mockvm

import (
	"errors"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/sanity"
)

// eachCollecting runs a test under every plan that collects, with the sanity checks and poison.
func eachCollecting(t *testing.T, test func(t *testing.T, h *hands)) {
	for _, name := range gc.Plans() {
		if name == "nogc" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			v, types := newVM(t, name, plan.Options{MaxBytes: heapBytes(name, 16<<20), Workers: 2, Sanity: true, Poison: true})
			h := newHands(t, v, types, 4)
			defer h.Exit()
			test(t, h)
		})
	}
}

// fails collects and returns what is found.
func (h *hands) fails(full bool) error {
	h.t.Helper()
	err := h.vm.Heap.Collect(h.Mutator, full)
	if err == nil {
		h.t.Fatal("nothing is found")
	}
	return err
}

// A reference that was no root when its object died is found when it is one again, before the collector follows it.
func TestStaleReferenceIsFound(t *testing.T) {
	eachCollecting(t, func(t *testing.T, h *hands) {
		h.make(0, typePair, 0, 1)
		h.make(1, typePair, 0, 2)
		stale := h.Stack[1]
		h.Stack[1] = 0
		h.collect(true)
		h.Stack[1] = stale
		var e *sanity.Error
		if err := h.fails(true); !errors.As(err, &e) || e.Ref != stale {
			t.Errorf("%v", err)
		}
	})
}

// The same for one in an object: the error says by way of which.
func TestStaleFieldIsFound(t *testing.T) {
	eachCollecting(t, func(t *testing.T, h *hands) {
		h.make(0, typePair, 0, 1)
		h.make(1, typePair, 0, 2)
		stale := h.Stack[1]
		h.Stack[1] = 0
		h.collect(true)
		h.Write(h.Stack[0], 20, stale)
		var e *sanity.Error
		if err := h.fails(false); !errors.As(err, &e) || e.Ref != stale || len(e.Path) != 1 || e.Path[0] != h.Stack[0] {
			t.Errorf("%v", err)
		}
	})
}

// A write into an object that is dead is found, where its block is free.
func TestWriteIntoFreeMemoryIsFound(t *testing.T) {
	eachCollecting(t, func(t *testing.T, h *hands) {
		if h.vm.Heap.Plan().Constraints().Name == "PageProtect" {
			return // the write itself faults: TestUseAfterFreeFaults
		}
		h.make(0, typeBytes, 7000, 0)
		stale := h.Stack[0]
		h.Stack[0] = 0
		h.collect(true)
		if b := h.mem.Bytes(stale, 8); b[0] != heap.Poison || b[7] != heap.Poison {
			t.Fatalf("a dead object has % x", b)
		}
		*h.mem.Slot(stale + 400) = 5
		var e *heap.DamageError
		if err := h.fails(false); !errors.As(err, &e) || e.At != stale+400 {
			t.Errorf("%v", err)
		}
	})
}

// What is beside the objects: bits of free blocks.
func TestBitsOfFreeBlocksAreFound(t *testing.T) {
	eachCollecting(t, func(t *testing.T, h *hands) {
		h.make(0, typeBytes, 7000, 0)
		stale := h.Stack[0]
		h.Stack[0] = 0
		h.collect(true)
		if h.mem.SpaceOf(stale) != 0 {
			t.Fatal("the block is not free")
		}
		h.mem.Pin.Set(stale)
		var e *sanity.MetadataError
		if err := h.fails(false); !errors.As(err, &e) || e.Block != stale>>heap.LogBlock {
			t.Errorf("%v", err)
		}
	})
}

// An object whose line is free would be overwritten by the next allocations.
func TestObjectInFreeLineIsFound(t *testing.T) {
	eachCollecting(t, func(t *testing.T, h *hands) {
		if h.vm.Heap.Plan().Constraints().Name != "StickyImmix" {
			return // others mark lines anew, or have none
		}
		h.make(0, typePair, 0, 1)
		h.collect(true)
		*h.mem.Lines.At(h.Stack[0] >> heap.LogLine) = 0
		h.make(1, typeBytes, 6000, 0) // so that the block stays
		if err := h.fails(false); !strings.Contains(err.Error(), "free line") && !strings.Contains(err.Error(), "belongs to no space") {
			t.Errorf("%v", err)
		}
	})
}

// Every third safepoint is a collection, each second one of the whole heap; engines are told, and mutators that others stop take part.
func TestZeal(t *testing.T) {
	for _, name := range gc.Plans() {
		t.Run(name, func(t *testing.T) {
			var all, full int
			v, types := newVM(t, name, plan.Options{MaxBytes: heapBytes(name, 8<<20), Workers: 2, Zeal: 3, Sanity: true, Poison: true, Stats: func(c gc.Collection) {
				all++
				if c.Full {
					full++
				}
			}})
			th := v.NewThread()
			if !th.Zealous() {
				t.Error("the engine is not told")
			}
			p := NewProgram(th, types, 1, 30)
			p.Check = 1
			p.Unsettled = true
			if err := p.Run(60); err != nil {
				t.Error(err)
			}
			th.Exit()
			c := v.Heap.Plan().Constraints()
			want, wantFull := 20, 20
			if !c.Collects {
				want, wantFull = 0, 0
			} else if c.Generational {
				wantFull = 10
			}
			if all != want || full != wantFull {
				t.Errorf("%d collections, %d of the whole heap, want %d and %d", all, full, want, wantFull)
			}
		})
	}
}
