package mockvm

import (
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// hands is a thread whose objects a test makes and looks at by hand.
type hands struct {
	*Thread
	t     *testing.T
	types []gc.TypeID
	mem   *heap.Memory
}

// newHands makes one; it must Exit before the next.
func newHands(t *testing.T, v *VM, types []gc.TypeID, roots int) *hands {
	th := v.NewThread()
	th.Stack = make([]uint32, roots)
	return &hands{th, t, types, v.Heap.Mem}
}

// make makes an object with a stamp and puts it into a root.
func (h *hands) make(root, kind int, length uint32, stamp uint64) {
	h.t.Helper()
	r, err := h.Alloc(h.types[kind], length)
	if err != nil {
		h.t.Fatal(err)
	}
	if stamp != 0 {
		*h.mem.Word(r + stampAt) = stamp
	}
	h.Stack[root] = r
}

func (h *hands) collect(full bool) {
	h.t.Helper()
	if err := h.vm.Heap.Collect(h.Mutator, full); err != nil {
		h.t.Fatal(err)
	}
}

// at reads the word at an offset of a root's object.
func (h *hands) at(root int, off uint32) uint32 { return *h.mem.Slot(h.Stack[root] + off) }

// is fails if a word does not refer to the object with a stamp; stamp 0 means none.
func (h *hands) is(what string, r uint32, stamp uint64) {
	h.t.Helper()
	switch {
	case stamp == 0 && r != 0:
		h.t.Fatalf("%s is %#x, want none", what, r)
	case stamp != 0 && (!heap.IsObject(r) || h.mem.SpaceOf(r) == 0 || *h.mem.Word(r + stampAt) != stamp):
		h.t.Fatalf("%s is %#x, want the object %d", what, r, stamp)
	}
}

func (h *hands) collects() bool { return h.vm.Heap.Plan().Constraints().Collects }

// Weak fields, of structs, short and long arrays, young and old ones, lose what nothing else refers to and follow the rest.
func TestWeakFields(t *testing.T) {
	const n, long = 40, 20_000
	everywhere(t, plan.Options{MaxBytes: 16 << 20}, func(t *testing.T, v *VM, types []gc.TypeID) {
		for _, old := range []bool{false, true} { // are the weak objects when they are written
			h := newHands(t, v, types, n+4)
			h.make(n, typeWeaks, n, 0)
			h.make(n+1, typeWeaks, long, 0)
			h.make(n+2, typeWeak, 0, 1)
			if old {
				h.collect(true)
				h.collect(false)
			}
			for i := range n {
				h.make(i, typeLeaf, 0, uint64(100+i))
				h.Write(h.Stack[n], heap.HeaderSize+4*uint32(i), h.Stack[i])
			}
			h.CopyRefs(h.Stack[n+1], long/2, h.Stack[n], 0, n)
			h.Write(h.Stack[n+2], 20, h.Stack[0])
			h.Write(h.Stack[n+2], 36, h.Stack[1])
			check := func(dead func(i int) bool) {
				t.Helper()
				for i := range n {
					want := uint64(100 + i)
					if dead(i) && h.collects() {
						want = 0
					}
					h.is("a weak element", h.at(n, heap.HeaderSize+4*uint32(i)), want)
					h.is("one of a long array", h.at(n+1, heap.HeaderSize+4*uint32(long/2+i)), want)
					if i < 2 {
						h.is("a weak field", h.at(n+2, 20+16*uint32(i)), want)
					}
				}
			}
			check(func(int) bool { return false })
			// The young die in a collection of the young already, unless stress has made them old.
			for i := 0; i < n; i += 3 {
				h.Stack[i] = 0
			}
			h.collect(v.Heap.Opts.Stress > 0)
			check(func(i int) bool { return i%3 == 0 })
			for i := 1; i < n; i += 3 {
				h.Stack[i] = 0
			}
			h.collect(true)
			check(func(i int) bool { return i%3 < 2 })
			h.Stack[n] = 0 // weak objects die like others
			h.collect(true)
			h.Exit()
		}
	})
}

// A chain of ephemerons lives as long as its first key: each value is the next one's key, the table is in no order, and the last value leads back to all keys.
func TestEphemerons(t *testing.T) {
	const n = 50
	everywhere(t, plan.Options{MaxBytes: 16 << 20}, func(t *testing.T, v *VM, types []gc.TypeID) {
		for _, old := range []bool{false, true} {
			h := newHands(t, v, types, n+3)
			h.make(n+1, typeEphemerons, n, 0)
			if old {
				h.collect(true)
			}
			h.make(n+2, typeRefs, n+1, 0)
			for i := range n + 1 {
				h.make(i, typePair, 0, uint64(100+i))
				h.Write(h.Stack[n+2], heap.HeaderSize+4*uint32(i), h.Stack[i])
			}
			h.Write(h.Stack[n], 16, h.Stack[n+2])
			entry := func(i int) uint32 { return heap.HeaderSize + 8*uint32(i*7%n) }
			for i := range n {
				h.Write(h.Stack[n+1], entry(i), h.Stack[i])
				h.Write(h.Stack[n+1], entry(i)+4, h.Stack[i+1])
			}
			for i := 1; i <= n; i++ {
				h.Stack[i] = 0
			}
			h.Stack[n+2] = 0
			for range 2 {
				for _, full := range []bool{false, true} {
					h.collect(full)
					for i := range n {
						h.is("a key", h.at(n+1, entry(i)), uint64(100+i))
						h.is("a value", h.at(n+1, entry(i)+4), uint64(101+i))
					}
				}
			}
			h.Stack[0] = 0
			h.collect(true)
			for i := range n {
				var key, value uint64
				if !h.collects() {
					key, value = uint64(100+i), uint64(101+i)
				}
				h.is("a key", h.at(n+1, entry(i)), key)
				h.is("a value", h.at(n+1, entry(i)+4), value)
			}
			h.Exit()
		}
	})
}

// A key that is no object lives for ever; null is no key; a value that is no object stays with its key.
func TestEphemeronsOfOtherWords(t *testing.T) {
	everywhere(t, plan.Options{MaxBytes: 16 << 20}, func(t *testing.T, v *VM, types []gc.TypeID) {
		h := newHands(t, v, types, 3)
		defer h.Exit()
		h.make(0, typeEphemerons, 4, 0)
		h.make(1, typeLeaf, 0, 7)
		h.Write(h.Stack[0], 8, 5)
		h.Write(h.Stack[0], 12, h.Stack[1])
		h.Write(h.Stack[0], 16, h.Stack[1])
		h.Write(h.Stack[0], 20, 9)
		h.make(2, typeLeaf, 0, 8)
		h.Write(h.Stack[0], 28, h.Stack[2])
		h.Stack[2] = 0
		for _, full := range []bool{false, true} {
			h.collect(full)
			h.is("an immediate's value", h.at(0, 12), 7)
			h.is("a key", h.at(0, 16), 7)
			if h.at(0, 8) != 5 || h.at(0, 20) != 9 {
				t.Error("immediates have changed")
			}
			if h.collects() {
				h.is("null's value", h.at(0, 28), 0)
			}
		}
	})
}

// Registered objects come back once, in the order of registration, with all that they refer to; what became of weak references to them is decided before.
func TestFinalizers(t *testing.T) {
	const n = 30
	everywhere(t, plan.Options{MaxBytes: 16 << 20}, func(t *testing.T, v *VM, types []gc.TypeID) {
		if v.Heap.Opts.Stress > 0 {
			v.Heap.Opts.Stress = 1 << 30 // for new threads: the test says when
		}
		for _, full := range []bool{false, true} {
			h := newHands(t, v, types, n+3)
			h.collect(true) // so that the next one may be of the young
			h.make(n, typeWeaks, n, 0)
			for i := range n {
				h.make(i, typePair, 0, uint64(100+i))
				if i > 0 {
					h.Write(h.Stack[i], 16, h.Stack[i-1]) // the later ones keep the earlier ones alive
				}
				h.make(n+1, typeWeak, 0, uint64(200+i))
				h.Write(h.Stack[n+1], 20, h.Stack[i]) // a weak reference within what comes back
				h.Write(h.Stack[i], 20, h.Stack[n+1])
				h.Write(h.Stack[n], heap.HeaderSize+4*uint32(i), h.Stack[i])
				h.AddFinalizer(h.Stack[i], uint32(i))
			}
			h.Stack[n+1] = 0
			h.collect(full)
			if _, _, ok := h.Died(); ok {
				t.Fatal("an object died that is reachable")
			}
			for i := range n {
				h.Stack[i] = 0
			}
			if full {
				h.Pins = append(h.Pins, h.at(n, heap.HeaderSize)) // the first one lives on
			}
			h.collect(true)
			if !h.collects() {
				if _, _, ok := h.Died(); ok {
					t.Fatal("an object died without a collection")
				}
				h.Exit()
				return
			}
			first := len(h.Pins)
			for i := range first {
				h.is("a weak reference to the pinned object", h.at(n, heap.HeaderSize+4*uint32(i)), uint64(100+i))
			}
			for i := first; i < n; i++ {
				h.is("a weak reference", h.at(n, heap.HeaderSize+4*uint32(i)), 0)
				r, tag, ok := h.Died()
				if !ok || tag != uint32(i) {
					t.Fatalf("died: %v with tag %d, want %d", ok, tag, i)
				}
				h.is("what died", r, uint64(100+i))
				h.Stack[i] = r
				h.collect(i%2 == 0) // what waits in the queue lives, and may move
			}
			if _, _, ok := h.Died(); ok {
				t.Fatal("an object died twice")
			}
			for i := first; i < n; i++ {
				if i > 0 {
					h.is("what came back with it", h.at(i, 16), uint64(99+i))
				}
				h.Stack[n+1] = h.at(i, 20)
				h.is("its weak object", h.Stack[n+1], uint64(200+i))
				h.is("what this refers to", h.at(n+1, 20), uint64(100+i))
			}
			// They die for good.
			for i := range h.Stack {
				h.Stack[i] = 0
			}
			h.Pins = nil
			h.collect(true)
			if waiting, ready := v.Heap.Finalizers(); waiting != 0 || ready != first {
				t.Fatalf("%d registrations wait and %d are ready", waiting, ready)
			}
			for range first {
				h.Died()
			}
			h.collect(true)
			h.Exit()
		}
	})
}

// An object that comes back from its finalizer may be registered again, and dies again. One with several registrations dies for each.
func TestFinalizersAgain(t *testing.T) {
	everywhere(t, plan.Options{MaxBytes: 16 << 20}, func(t *testing.T, v *VM, types []gc.TypeID) {
		if v.Heap.Opts.Stress > 0 {
			v.Heap.Opts.Stress = 1 << 30
		}
		h := newHands(t, v, types, 1)
		defer h.Exit()
		if !h.collects() {
			return
		}
		h.make(0, typeLeaf, 0, 5)
		h.AddFinalizer(h.Stack[0], 1)
		h.AddFinalizer(h.Stack[0], 2)
		for range 5 {
			h.Stack[0] = 0
			h.collect(true)
			var refs, tags [2]uint32
			for i := range refs {
				var ok bool
				if refs[i], tags[i], ok = h.Died(); !ok {
					t.Fatal("it has not died")
				}
			}
			if refs[0] != refs[1] || tags != [2]uint32{1, 2} {
				t.Fatalf("%#x died with tags %d", refs, tags)
			}
			h.is("what died", refs[0], 5)
			h.Stack[0] = refs[0]
			h.collect(true)
			if _, _, ok := h.Died(); ok {
				t.Fatal("it died while it was a root")
			}
			h.AddFinalizer(h.Stack[0], 1)
			h.AddFinalizer(h.Stack[0], 2)
		}
	})
}
