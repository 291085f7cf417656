package mockvm

import (
	"errors"
	"maps"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/sanity"
)

// newTree makes a forkable VM with a Tree, and its first thread, which runs.
func newTree(t testing.TB, name string, nodes int, opts plan.Options) (*VM, *Thread) {
	t.Helper()
	opts.Forkable = true
	v, err := New(gc.Config{Plan: name, New: tutorials[name], Options: opts})
	if err != nil {
		t.Fatal(err)
	}
	node, err := v.Heap.Mem.Types.Add(Node)
	if err != nil {
		t.Fatal(err)
	}
	th := v.NewThread()
	if err := Tree(th, node, nodes, 1); err != nil {
		t.Fatal(err)
	}
	return v, th
}

// dirtied returns how many of a heap's pages are its own.
func dirtied(t testing.TB, v *VM) (own, all int) {
	t.Helper()
	all, own, err := v.Heap.Mem.Pages()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system does not tell which pages have been written")
	}
	if err != nil {
		t.Fatal(err)
	}
	return own, all
}

// The first collection of the whole heap in a child of a warm heap writes to less than 2 % of its pages, whatever the plan, and marks nothing of the image; what the child
// allocates comes on top.
func TestFirstCollectionInAChildSharesPages(t *testing.T) {
	for _, name := range allPlans() {
		if name == "nogc" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			nodes := 512 << 10
			if testing.Short() {
				nodes = 64 << 10
			}
			if name == gc.DefaultPlan && !testing.Short() {
				nodes = 4 << 20 // 128 MiB
			}
			size := int64(nodes) * 32 * 3
			if name == "pageprotect" {
				nodes, size = 16<<10, 256<<20
			}
			var last gc.Collection
			v, th := newTree(t, name, nodes, plan.Options{MaxBytes: size, Workers: 2, Stats: func(c gc.Collection) { last = c }})
			v.Leave()
			if err := v.Heap.Warmup(); err != nil {
				t.Fatal(err)
			}
			if last.Objects != uint64(nodes) {
				t.Errorf("the warm-up found %d objects, want %d", last.Objects, nodes)
			}
			img, err := v.Freeze()
			if err != nil {
				t.Fatal(err)
			}
			child, threads, err := img.Fork(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			resume(t, img)
			if own, all := dirtied(t, child); own != 0 {
				t.Errorf("%d of %d pages of a new child are its own", own, all)
			}
			for round := range 3 {
				collect(t, child)
				own, all := dirtied(t, child)
				if own*50 >= all {
					t.Errorf("collection %d dirtied %d of %d pages", round, own, all)
				}
				if round == 0 {
					t.Logf("%d of %d pages (%.3f %%), %d objects found", own, all, 100*float64(own)/float64(all), last.Objects)
				}
				if last.Objects != 0 {
					t.Errorf("collection %d went through %d objects, all of the image", round, last.Objects)
				}
			}
			collect(t, v)
			if own, all := dirtied(t, v); own*50 >= all {
				t.Errorf("a collection in the parent dirtied %d of %d pages", own, all)
			}
			// All of the tree is there, and a write to it is seen.
			found := 0
			work := []uint32{threads[th].Stack[0]}
			for len(work) > 0 {
				r := work[len(work)-1]
				work = work[:len(work)-1]
				if r != 0 {
					found++
					work = append(work, *child.Heap.Mem.Slot(r + 8), *child.Heap.Mem.Slot(r + 12))
				}
			}
			if found != nodes {
				t.Errorf("%d nodes are left of %d", found, nodes)
			}
			before, _ := dirtied(t, child)
			threads[th].Write(threads[th].Stack[0], 16, 0)
			if own, _ := dirtied(t, child); own != before+2 { // the object's page, and that of its Log bit
				t.Errorf("a write to the image made %d pages the child's own, want 2", own-before)
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			closeVM(t, child)
			v.Enter()
			v.Leave()
			closeVM(t, v)
		})
	}
}

// Objects of an image stay where they are and are alive for ever; what is written into them lives, is told where it goes, and is forgotten when it is overwritten, in parent and child.
func TestImage(t *testing.T) {
	for _, name := range allPlans() {
		if name == "nogc" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			v, ps := newForkable(t, name, plan.Options{Workers: 2, NurseryBytes: 256 << 10, Sanity: true}, 1)
			types, th := ps[0].types, ps[0].t
			const n = 200
			v.Enter()
			alloc := func(th *Thread, typ int, length uint32) uint32 {
				r, err := th.Alloc(types[typ], length)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			th.Stack = make([]uint32, n+2)
			for i := range n {
				th.Stack[i] = alloc(th, typePair, 0)
				*v.Heap.Mem.Word(th.Stack[i] + stampAt) = uint64(i)
			}
			th.Stack[n] = alloc(th, typeRefs, 1000)
			weakOld := v.NewWeak(th.Stack[5])
			v.Leave()
			before := v.Heap.ImageBytes()
			if err := v.Heap.Warmup(); err != nil {
				t.Fatal(err)
			}
			if before != 0 || v.Heap.ImageBytes() == 0 {
				t.Errorf("the image has %d bytes, had %d", v.Heap.ImageBytes(), before)
			}
			places := append([]uint32(nil), th.Stack...)
			img, _ := freeze(t, v, nil)
			child, threads, err := img.Fork(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			resume(t, img)
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			for who, x := range map[string]*VM{"parent": v, "child": child} {
				th := th
				if x == child {
					th = threads[th]
				}
				mem := x.Heap.Mem
				full := func(again bool) {
					t.Helper()
					if err := x.Heap.Collect(th.Mutator, again); err != nil {
						t.Fatal(err)
					}
				}
				x.Enter()
				// Young objects that only the image leads to: by fields, by elements one by one, and by a slice.
				for i := range n {
					r := alloc(th, typePair, 0)
					*mem.Word(r + stampAt) = uint64(1000 + i)
					th.Write(th.Stack[i], 16, r)
					th.Stack[n+1] = alloc(th, typeLeaf, 0)
					*mem.Word(th.Stack[n+1] + stampAt) = uint64(5000 + i)
					if i%2 == 0 {
						th.Write(th.Stack[n], heap.HeaderSize+4*uint32(i), th.Stack[n+1])
					} else {
						th.FillRefs(th.Stack[n], uint32(i), 1, th.Stack[n+1])
					}
					if i%50 == 0 {
						full(i%100 == 0)
					}
				}
				th.Stack[n+1] = 0
				weak := x.NewWeak(*mem.Slot(th.Stack[7] + 16))
				for round := range 5 {
					full(round%2 == 1)
					for i := range n {
						if th.Stack[i] != places[i] {
							t.Fatalf("%s: object %d of the image has moved", who, i)
						}
						r, e := *mem.Slot(th.Stack[i] + 16), *mem.Slot(th.Stack[n] + heap.HeaderSize + 4*uint32(i))
						if *mem.Word(r + stampAt) != uint64(1000+i) || *mem.Word(e + stampAt) != uint64(5000+i) {
							t.Fatalf("%s: what object %d refers to is lost", who, i)
						}
					}
				}
				if r := x.Weak(weak); r != *mem.Slot(th.Stack[7] + 16) {
					t.Errorf("%s: a weak reference is %#x, want %#x", who, r, *mem.Slot(th.Stack[7] + 16))
				}
				th.Write(th.Stack[7], 16, 0)
				th.Stack[5] = 0
				full(true)
				if r := x.Weak(weak); r != 0 {
					t.Errorf("%s: what was overwritten in the image lives on at %#x", who, r)
				}
				if r := x.Weak(weakOld); r != places[5] {
					t.Errorf("%s: an object of the image is gone", who)
				}
				x.Leave()
				// A second warm-up adds to the image, and there is nothing to be remembered then.
				if err := x.Heap.Warmup(); err != nil {
					t.Fatal(err)
				}
				collect(t, x)
				for i := range n {
					if r := *mem.Slot(places[i] + 16); i != 7 && *mem.Word(r + stampAt) != uint64(1000+i) {
						t.Fatalf("%s: after a second warm-up object %d is lost", who, i)
					}
				}
				closeVM(t, x)
			}
		})
	}
}

// A write to the image without a barrier, by which the next collection would lose an object, is found by the sanity check.
func TestMissingBarrierInImage(t *testing.T) {
	for _, name := range gc.Plans() {
		if name == "nogc" {
			continue
		}
		v, ps := newForkable(t, name, plan.Options{Workers: 2, Sanity: true}, 1)
		th := ps[0].t
		th.Stack = make([]uint32, 1)
		alloc := func() uint32 {
			v.Enter()
			defer v.Leave()
			r, err := th.Alloc(ps[0].types[typePair], 0)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		th.Stack[0] = alloc()
		if err := v.Heap.Warmup(); err != nil {
			t.Fatal(err)
		}
		r := alloc()
		*v.Heap.Mem.Slot(th.Stack[0] + 16) = r
		v.Enter()
		err := v.Heap.Collect(th.Mutator, true)
		v.Leave()
		var found *sanity.Error
		if !errors.As(err, &found) || found.Ref != th.Stack[0] {
			t.Errorf("%s: %v, want an error about %#x", name, err, th.Stack[0])
		}
		closeVM(t, v)
	}
}

// The VM is told of the foreign words of the image in every collection of the whole heap, though the image is not gone through.
func TestForeignInImage(t *testing.T) {
	for _, name := range allPlans() {
		if name == "nogc" {
			continue
		}
		v, ps := newForkable(t, name, plan.Options{Workers: 2}, 1)
		th := ps[0].t
		handle, err := v.Heap.Mem.Types.Add(gc.Type{Name: "handle", Size: 16, Foreign: []heap.ForeignField{{Offset: 8, Class: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		th.Stack = make([]uint32, 10)
		want := map[uint32]bool{}
		v.Enter()
		for i := range th.Stack {
			if th.Stack[i], err = th.Alloc(handle, 0); err != nil {
				t.Fatal(err)
			}
			*v.Heap.Mem.Slot(th.Stack[i] + 8) = uint32(i + 1)
			want[uint32(i+1)] = true
		}
		v.Leave()
		if err := v.Heap.Warmup(); err != nil {
			t.Fatal(err)
		}
		img, _ := freeze(t, v, nil)
		child, threads, err := img.Fork(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		resume(t, img)
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		v.TakeForeign()
		for who, x := range map[string]*VM{"parent": v, "child": child} {
			for range 2 {
				collect(t, x)
				if got := x.TakeForeign(); !maps.Equal(got, want) {
					t.Errorf("%s, %s: told of %v, want %v", name, who, got, want)
				}
			}
		}
		// A foreign field of the image that is written with the barrier.
		c := threads[th]
		child.Enter()
		*child.Heap.Mem.Slot(c.Stack[0] + 8) = 99
		c.Remember(c.Stack[0])
		child.Leave()
		collect(t, child)
		if got := child.TakeForeign(); !got[99] {
			t.Errorf("%s: the child is not told of a new word in the image", name)
		}
		closeVM(t, child)
		closeVM(t, v)
	}
}

// What workers know of packets, and the number of collections, is in the child and goes on in the parent; each side counts for itself then.
func TestWorkerStateSurvives(t *testing.T) {
	for _, workers := range []int{1, 8} {
		v, ps := newForkable(t, "stickyimmix", plan.Options{Workers: workers, NurseryBytes: 256 << 10}, 2)
		run(t, 2000, ps...)
		collect(t, v)
		was := v.Heap.Sched.Workers()
		img, clones := freeze(t, v, ps)
		stats, n := v.Heap.Sched.Stats(), v.Heap.Sched.Collections()
		child, forked := fork(t, img, ps, clones, nil)
		grand, _ := fork(t, img, ps, clones, func(o *plan.Options) { o.Workers = 2 })
		resume(t, img)
		if len(stats) < 4 || n == 0 {
			t.Fatalf("%d kinds of packets, %d collections", len(stats), n)
		}
		for who, x := range map[string]*VM{"parent": v, "child": child, "child with two workers": grand} {
			if got := x.Heap.Sched.Stats(); !maps.Equal(got, stats) {
				t.Errorf("%s: statistics %v, want %v", who, got, stats)
			}
			if got := x.Heap.Sched.Collections(); got != n {
				t.Errorf("%s: %d collections, want %d", who, got, n)
			}
			if x.Heap.Sched.Running() != 0 {
				t.Errorf("%s: workers run before they are needed", who)
			}
			for i, w := range x.Heap.Sched.Workers() {
				if w.ID != i || x == v && w != was[i] {
					t.Errorf("%s: worker %d is another one", who, i)
				}
			}
		}
		run(t, 500, forked...)
		collect(t, child)
		if !maps.Equal(v.Heap.Sched.Stats(), stats) || child.Heap.Sched.Collections() <= n {
			t.Errorf("the parent counts what the child does")
		}
		for kind, st := range stats {
			if now := child.Heap.Sched.Stats()[kind]; now.Count < st.Count || now.Time < st.Time || now.Max < st.Max {
				t.Errorf("the child's count of %s went from %+v to %+v", kind, st, now)
			}
		}
		collect(t, v)
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		for _, x := range []*VM{v, child, grand} {
			closeVM(t, x)
		}
	}
}
