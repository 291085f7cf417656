package mem

import (
	"sync"
	"testing"
)

// Slots never overlap, however they come and go, and nothing is left when all are back.
func TestSlots(t *testing.T) {
	const size = 3 << 20
	s := NewSlots(size)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var held []*Region
			for i := range 300 {
				if i%3 != 2 || len(held) == 0 {
					r, err := s.Get()
					if err != nil {
						t.Error(err)
						return
					}
					r.Bytes(size)[0], r.Bytes(size)[size-1] = byte(g), byte(i)
					held = append(held, r)
					continue
				}
				k := i * 7 % len(held)
				if b := held[k].Bytes(size); b[0] != byte(g) {
					t.Errorf("slot of %d was written by %d", g, b[0])
				}
				if err := held[k].Release(); err != nil {
					t.Error(err)
				}
				held = append(held[:k], held[k+1:]...)
			}
			for _, r := range held {
				if err := r.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(s.chunks) != 0 {
		t.Errorf("%d chunks left", len(s.chunks))
	}
}

func TestSlotsLargerThanAChunk(t *testing.T) {
	s := NewSlots(chunkSize + 1)
	r, err := s.Get()
	if err != nil {
		t.Fatal(err)
	}
	r.Bytes(r.Size())[r.Size()-1] = 1
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
}
