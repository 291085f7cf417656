package large

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// Objects come and go at random, under both ways: they are zeroed, never overlap, lose less than an eighth of their size, and nothing is left of them.
func TestRuns(t *testing.T) {
	for _, hide := range []bool{false, true} {
		size := int64(32 << 20)
		if hide {
			size = 8 << 20
		}
		mem, err := heap.NewMemory(&heap.Types{}, size)
		if err != nil {
			t.Fatal(err)
		}
		r := &Runs{ID: 1, Mem: mem, Log: LogGranule, Hide: hide}
		unit := uint32(1 << LogGranule)
		if hide {
			unit = heap.HideUnit()
			mem.Late = true
			for r.Log = 0; 1<<r.Log < unit; r.Log++ {
			}
		}
		type object struct{ r, size uint32 }
		var objects []object
		owner := map[uint32]bool{} // by unit
		rng := rand.New(rand.NewPCG(1, 2))
		full := 0
		for i := range 10_000 {
			size := uint32(8<<10+1+rng.IntN(8)*rng.IntN(8<<10)) &^ 7
			if hide {
				size = uint32(8 + rng.IntN(5)*rng.IntN(5000))
			}
			at, err := r.Alloc(size, mem)
			switch {
			case errors.Is(err, heap.ErrFull):
				full++
			case err != nil:
				t.Fatal(err)
			default:
				for u := at / unit; u <= (at+size-1)/unit; u++ {
					if owner[u] || mem.SpaceOf(u*unit) != 1 {
						t.Fatalf("%d bytes at %#x are not free", size, at)
					}
					owner[u] = true
				}
				if b := mem.Bytes(at, int(size)); b[0] != 0 || b[size/2] != 0 || b[size-1] != 0 {
					t.Fatalf("%d bytes at %#x are dirty", size, at)
				} else {
					b[0], b[size/2], b[size-1] = 1, 1, 1
				}
				objects = append(objects, object{at, size})
			}
			if i%2000 < 1999 && err == nil {
				continue
			}
			gone := map[uint32]bool{}
			kept := objects[:0]
			for _, o := range objects {
				if rng.IntN(2) == 0 || i > 9_000 {
					gone[o.r] = true
					for u := o.r / unit; u <= (o.r+o.size-1)/unit; u++ {
						delete(owner, u)
					}
				} else {
					kept = append(kept, o)
				}
			}
			objects = kept
			r.Sweep(func(o heap.Ref) bool { return !gone[o] })
			blocks := map[uint32]bool{}
			for u := range owner {
				blocks[u*unit>>heap.LogBlock] = true
			}
			if int(mem.InUse()) != len(blocks) {
				t.Fatalf("%d blocks are held, of which %d have objects", mem.InUse(), len(blocks))
			}
		}
		if full == 0 {
			t.Error("the heap never was full")
		}
		if !hide {
			// Without gaps: what objects of all sizes from the smallest one on take.
			r.Sweep(func(heap.Ref) bool { return false })
			for size := uint32(8<<10 + 8); size < 40<<10; size += 2500 {
				before, n := mem.InUse(), int64(0)
				for mem.InUse() < 600 {
					if _, err := r.Alloc(size, mem); err != nil {
						t.Fatal(err)
					}
					n++
				}
				took := (mem.InUse() - before) << heap.LogBlock
				if waste := float64(took-n*int64(size)) / float64(took); waste > 0.125 {
					t.Errorf("objects of %d bytes: %.1f %% of memory is lost", size, waste*100)
				}
				r.Sweep(func(heap.Ref) bool { return false })
			}
		}
		if err := mem.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
