package mockvm

import (
	"runtime/debug"
	"testing"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/internal/mem"
)

// Under PageProtect a dead object cannot be touched, for as long as other memory is free; a live one between dead ones can.
func TestUseAfterFreeFaults(t *testing.T) {
	if mem.PageSize() > heap.BlockSize {
		t.Skip("pages are larger than blocks")
	}
	const n = 400
	v, types := newVM(t, "pageprotect", plan.Options{MaxBytes: 32 << 20, Workers: 2})
	th := v.NewThread()
	defer th.Exit()
	th.Stack = make([]uint32, n)
	objs := make([]uint32, n)
	for i := range objs {
		length := uint32(1 + i%7*3000)
		r, err := th.Alloc(types[typeBytes], length)
		if err != nil {
			t.Fatal(err)
		}
		if r%heap.HideUnit() != 0 {
			t.Fatalf("object %#x does not begin a page", r)
		}
		objs[i], th.Stack[i] = r, r
	}
	touch := func(r uint32) (fault bool) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() { fault = recover() != nil }()
		// Padding: what an object holds stays as it is.
		last := r + v.Heap.Mem.SizeOf(r) - 1
		v.Heap.Mem.Bytes(last, 1)[0]++
		return false
	}
	dead := func(i int) bool { return i%3 != 0 }
	for i := range objs {
		if dead(i) {
			th.Stack[i] = 0
		}
	}
	for range 2 {
		if err := v.Heap.Collect(th.Mutator, true); err != nil {
			t.Fatal(err)
		}
		for range n { // dead memory is not what these get
			if _, err := th.Alloc(types[typeLeaf], 0); err != nil {
				t.Fatal(err)
			}
		}
		for i, r := range objs {
			if got := touch(r); got != dead(i) {
				t.Fatalf("object %d: fault %v, want %v", i, got, dead(i))
			}
		}
	}
	clear(th.Stack)
	if err := v.Heap.Collect(th.Mutator, true); err != nil {
		t.Fatal(err)
	}
	if n := v.Heap.Mem.Held(); n != 0 {
		t.Errorf("dead objects hold the memory of %d blocks", n)
	}
	// All of it can be used again.
	for i := range 5 * n {
		if _, err := th.Alloc(types[typeBytes], 20_000); err != nil {
			t.Fatalf("after %d allocations: %v", i, err)
		}
	}
}
