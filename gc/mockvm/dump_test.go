package mockvm

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/dump"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// A dump has what the model says is reachable: these objects and no others, with these fields; the census agrees with it, and is sorted.
func TestDump(t *testing.T) {
	everywhere(t, plan.Options{MaxBytes: 16 << 20}, func(t *testing.T, v *VM, types []gc.TypeID) {
		th := v.NewThread()
		defer th.Exit()
		p := NewProgram(th, types, 11, 60)
		if err := p.Run(800); err != nil {
			t.Fatal(err)
		}
		if err := p.Settle(); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		var census []dump.Count
		if err := v.Heap.Inspect(th.Mutator, func(view *plan.View) {
			if err := dump.Write(&out, view); err != nil {
				t.Error(err)
			}
			census = dump.Census(view)
		}); err != nil {
			t.Fatal(err)
		}
		d, err := dump.Read(&out)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Census(); !slices.Equal(got, census) {
			t.Errorf("the dump's census is %v, the heap's %v", got, census)
		}
		if !slices.IsSortedFunc(census, func(a, b dump.Count) int { return int(int64(b.Bytes) - int64(a.Bytes)) }) {
			t.Errorf("%v is not sorted", census)
		}
		compareDump(t, p, d)
	})
}

func compareDump(t *testing.T, p *Program, d *dump.Heap) {
	c := check{p: p, mem: p.t.vm.Heap.Mem, reachable: p.reachable(), seen: map[*twin]uint32{}, back: map[uint32]*twin{}}
	var want []dump.Root
	for i, tw := range p.roots {
		if tw != nil {
			want = append(want, dump.Root{Mutator: 0, Ref: p.t.Stack[i]})
		}
		if err := c.visit(tw, p.t.Stack[i], 0, i); err != nil {
			t.Fatal(err)
		}
	}
	for i, tw := range p.pins {
		want = append(want, dump.Root{Mutator: 0, Ref: p.t.Pins[i], Pinned: true})
		if err := c.visit(tw, p.t.Pins[i], 0, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Roots, want) {
		t.Errorf("roots %v, want %v", d.Roots, want)
	}
	if len(d.Objects) != len(c.seen) {
		t.Errorf("%d objects, want %d", len(d.Objects), len(c.seen))
	}
	for _, o := range d.Objects {
		tw := c.back[o.Ref]
		if tw == nil || o.Type != tw.typ || o.Length != tw.length || d.Types[o.Type].Name != c.mem.Types.All()[tw.typ].Name {
			t.Fatalf("object %+v is none of the model's: %+v", o, tw)
		}
		var fields []dump.Field
		field := func(off uint32, to *twin, weak bool) {
			if to != nil {
				fields = append(fields, dump.Field{Offset: off, Ref: c.seen[to], Weak: weak})
			}
		}
		for i, to := range tw.refs {
			field(p.offset(tw, i), to, false)
		}
		for i, to := range tw.weak {
			field(p.weakOffset(tw, i), to, true)
		}
		for i, e := range tw.eph {
			field(p.ephOffset(tw, i), e[0], true)
			field(p.ephOffset(tw, i)+4, e[1], false)
		}
		if !slices.Equal(o.Fields, fields) {
			t.Fatalf("object %#x has fields %v, want %v", o.Ref, o.Fields, fields)
		}
	}
}

type fullWriter struct{ n int }

func (w *fullWriter) Write(b []byte) (int, error) {
	if w.n -= len(b); w.n < 0 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

func dumpOf(t testing.TB, write func(view *plan.View)) {
	v, types := newVM(t, "immix", plan.Options{MaxBytes: 4 << 20, Workers: 1})
	th := v.NewThread()
	defer th.Exit()
	p := NewProgram(th, types, 5, 20)
	if err := p.Run(300); err != nil {
		t.Fatal(err)
	}
	if err := v.Heap.Inspect(th.Mutator, write); err != nil {
		t.Fatal(err)
	}
}

// Every part of a dump is none, which the error says, and so is one in which a byte is not what it was, or it is another dump.
func TestDumpDamaged(t *testing.T) {
	var out bytes.Buffer
	dumpOf(t, func(view *plan.View) {
		if err := dump.Write(&out, view); err != nil {
			t.Error(err)
		}
		if err := dump.Write(&fullWriter{out.Len() - 1}, view); err == nil {
			t.Error("a writer's error is lost")
		}
	})
	whole := out.Bytes()
	if _, err := dump.Read(bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		var e *dump.FormatError
		if _, err := dump.Read(bytes.NewReader(whole[:n])); !errors.As(err, &e) {
			t.Fatalf("%d bytes of it: %v", n, err)
		}
	}
}

// Any bytes are a dump, or an error.
func FuzzDump(f *testing.F) {
	dumpOf(f, func(view *plan.View) {
		var out bytes.Buffer
		if err := dump.Write(&out, view); err != nil {
			f.Error(err)
		}
		f.Add(out.Bytes())
	})
	f.Add([]byte("spindle heap 1\nT\x00\x01a\x10\x00R\x01\x00\x02O\x02\x00\x00\x01\x04\x02E\x01\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := dump.Read(bytes.NewReader(data))
		var e *dump.FormatError
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%v", err)
		}
		if err == nil && len(h.Objects) < len(h.Census()) {
			t.Fatal(fmt.Sprint(h))
		}
	})
}

// Looks of several threads at a time all see the heap.
func TestInspectByMany(t *testing.T) {
	everywhere(t, plan.Options{MaxBytes: 4 << 20}, func(t *testing.T, v *VM, types []gc.TypeID) {
		const n = 4
		seen := make(chan uint64, n)
		for range n {
			go func() {
				th := v.NewThread()
				defer th.Exit()
				r, err := th.Alloc(types[typeLeaf], 0)
				if err != nil {
					t.Error(err)
				}
				th.Stack = []uint32{r}
				if err := v.Heap.Inspect(th.Mutator, func(view *plan.View) {
					seen <- uint64(len(dump.Census(view)))
				}); err != nil {
					t.Error(err)
				}
			}()
		}
		for range n {
			if got := <-seen; got != 1 {
				t.Errorf("%d types have objects, want 1", got)
			}
		}
		if err := v.Heap.Inspect(nil, func(view *plan.View) {
			if c := dump.Census(view); len(c) > 1 || len(c) == 1 && c[0].Count > n || view.Mem.SpaceOf(heap.BlockSize) > 200 {
				t.Errorf("%v", c)
			}
		}); err != nil {
			t.Error(err)
		}
	})
}
