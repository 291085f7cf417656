package barrier

import (
	"math/rand/v2"
	"testing"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// old makes a heap with one old array of references at block b.
func old(t *testing.T, length uint32) (*heap.Memory, heap.Ref) {
	t.Helper()
	types := &heap.Types{}
	typ, err := types.Add(heap.Type{Name: "refs", Elem: 4, ElemRef: true})
	if err != nil {
		t.Fatal(err)
	}
	m, err := heap.NewMemory(types, 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	b, _, err := m.Take(length*4>>heap.LogBlock+1, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := b << heap.LogBlock
	*m.Word(r) = heap.Header(typ, length)
	m.Log.Set(r)
	return m, r
}

// Whatever is written, all of it is remembered, little else, and no element twice.
func TestSlicesCoverWhatIsWritten(t *testing.T) {
	const length = 100_000
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		m, r := old(t, length)
		var bufs [2]Buffer
		written := make([]bool, length)
		for range rng.IntN(200) {
			first := rng.Uint32N(length)
			n := rng.Uint32N(min(length-first+1, 500))
			bufs[rng.IntN(2)].Slice(m, r, first, n)
			for i := first; i < first+n; i++ {
				written[i] = true
			}
		}
		bufs[0].Append(bufs[1].Take())
		bufs[0].Distinct(m)
		if len(bufs[0].Objects) > 0 || !bufs[1].Empty() {
			t.Fatal("an array of which a little was written is remembered as a whole")
		}
		for _, s := range bufs[0].Slices {
			for i := s.First; i < s.First+s.N; i++ {
				if !written[i] {
					t.Fatalf("element %d was not written, or is remembered twice", i)
				}
				written[i] = false
			}
		}
		for i, w := range written {
			if w {
				t.Fatalf("element %d is lost", i)
			}
		}
	}
}

// Short arrays, large slices and too many slices make the whole array be remembered, once; then nothing more is.
func TestWholeArrays(t *testing.T) {
	for name, write := range map[string]func(*Buffer, *heap.Memory, heap.Ref){
		"large slice": func(b *Buffer, m *heap.Memory, r heap.Ref) { b.Slice(m, r, 10, 99_990) },
		"many slices": func(b *Buffer, m *heap.Memory, r heap.Ref) {
			for i := range uint32(maxSlices + 1) {
				b.Slice(m, r, 3*i, 2)
			}
		},
		"a write": func(b *Buffer, m *heap.Memory, r heap.Ref) { b.Object(m, r) },
	} {
		m, r := old(t, 100_000)
		var b Buffer
		write(&b, m, r)
		write(&b, m, r)
		b.Slice(m, r, 5, 1)
		b.Distinct(m)
		if len(b.Objects) != 1 || b.Objects[0] != r || len(b.Slices) != 0 {
			t.Errorf("%s: %d objects, %d slices", name, len(b.Objects), len(b.Slices))
		}
	}
	m, r := old(t, shortArray)
	var b Buffer
	b.Slice(m, r, 0, 0)
	if !b.Empty() {
		t.Error("an empty slice is remembered")
	}
	b.Slice(m, r, 1, 1)
	if len(b.Objects) != 1 || len(b.Slices) != 0 {
		t.Error("a short array is remembered by slices")
	}
	// Young arrays are not.
	b = Buffer{}
	b.Slice(m, r, 1, 1)
	b.Object(m, r)
	if !b.Empty() {
		t.Error("an array without its Log bit is remembered")
	}
}
