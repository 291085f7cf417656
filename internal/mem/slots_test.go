package mem

import (
	"sync"
	"testing"
)

// Slots never overlap, however they come and go, and nothing is left when all are back.
func TestSlots(t *testing.T) {
	const size = 3 << 20
	t.Run("slots", func(t *testing.T) { trySlots(t, NewSlots(size), size) })
	t.Run("stacks", func(t *testing.T) { trySlots(t, NewStacks(size, maxStaleMemory/5), size) })
}

func trySlots(t *testing.T, s *Slots, size int) {
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
	if len(s.chunks) != 0 || s.stale != 0 {
		t.Errorf("%d chunks left, %d slots stale", len(s.chunks), s.stale)
	}
}

// Of stacks that are back no more have their pages than may, while one of their mapping is in use; those of others are zero, as are fresh ones.
func TestStacks(t *testing.T) {
	const size, stale = 1 << 20, 5
	s := NewStacks(size, maxStaleMemory/stale)
	var held []*Region
	get := func(n int) (used int) {
		for range n {
			r, err := s.Get()
			if err != nil {
				t.Fatal(err)
			}
			if b := r.Bytes(size); b[7] != 0 {
				used++
			}
			r.Bytes(size)[7] = 1
			held = append(held, r)
		}
		return used
	}
	put := func(n int) {
		for range n {
			if err := held[0].Release(); err != nil {
				t.Fatal(err)
			}
			held = held[1:]
		}
	}
	get(100) // two mappings
	for _, n := range []int{3, 5, 60, 99} {
		put(n)
		if s.stale > stale {
			t.Errorf("%d slots are stale", s.stale)
		}
		if used := get(n); used > stale {
			t.Errorf("%d of %d slots have the pages of others", used, n)
		}
	}
	put(len(held))
	if len(s.chunks) != 0 || s.stale != 0 {
		t.Errorf("%d chunks left, %d slots stale", len(s.chunks), s.stale)
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
