package heap

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
)

func newMemory(t *testing.T, size int64) *Memory {
	t.Helper()
	m, err := NewMemory(&Types{}, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Blocks are taken and given back at random: they never overlap, come zeroed, and a full heap is told.
func TestBlocks(t *testing.T) {
	const blocks = 200
	m := newMemory(t, blocks*BlockSize)
	type run struct{ b, n uint32 }
	var runs []run
	rng := rand.New(rand.NewPCG(1, 2))
	owner := map[uint32]bool{}
	full, zeros := 0, 0
	for i := range 20_000 {
		if rng.IntN(2) == 0 || len(runs) == 0 {
			n := uint32(1 + rng.IntN(2)*rng.IntN(20))
			b, zero, err := m.Take(n, 3)
			if err != nil {
				if !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
				full++
				continue
			}
			for k := b; k < b+n; k++ {
				if owner[k] || k == 0 || k >= m.Blocks() {
					t.Fatalf("block %d was handed out twice", k)
				}
				owner[k] = true
				if m.SpaceOf(k<<LogBlock) != 3 {
					t.Fatalf("block %d has no space", k)
				}
			}
			if zero {
				zeros++
			}
			for _, at := range []uint32{b << LogBlock, (b+n)<<LogBlock - 8} {
				if zero && *m.Word(at) != 0 {
					t.Fatalf("block %d is not zero", b)
				}
				*m.Word(at) = ^uint64(0)
			}
			runs = append(runs, run{b, n})
		} else {
			k := rng.IntN(len(runs))
			r := runs[k]
			m.Give(r.b, r.n)
			for b := r.b; b < r.b+r.n; b++ {
				delete(owner, b)
			}
			runs[k] = runs[len(runs)-1]
			runs = runs[:len(runs)-1]
		}
		if i%1000 == 0 {
			if err := m.Trim(rng.IntN(50)); err != nil {
				t.Fatal(err)
			}
		}
		if int(m.InUse()) != len(owner) {
			t.Fatalf("%d blocks in use, want %d", m.InUse(), len(owner))
		}
	}
	if full == 0 || zeros == 0 {
		t.Errorf("the heap was full %d times, %d times blocks were known to be zero", full, zeros)
	}
}

// Of many who set a bit, one is told that it did; neighbours keep theirs.
func TestBitsAreAtomic(t *testing.T) {
	m := newMemory(t, BlockSize)
	const refs = 512
	for i := range Ref(refs) {
		m.Log.Set(BlockSize + i*8)
	}
	for name, op := range map[string]func(Ref) bool{"set": m.Mark.Set, "unset": m.Log.Unset} {
		var mu sync.Mutex
		won := map[Ref]int{}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range Ref(refs) {
					if op(BlockSize + i*8) {
						mu.Lock()
						won[i]++
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		for i := range Ref(refs) {
			if won[i] != 1 {
				t.Fatalf("%s of bit %d was done %d times", name, i, won[i])
			}
		}
	}
	if m.Log.Test(BlockSize) || !m.Mark.Test(BlockSize+8*(refs-1)) || m.Mark.Test(BlockSize+8*refs) {
		t.Error("bits are not what was done last")
	}
}

// An object is copied by one of those who find it, and all see the same copy.
func TestClaim(t *testing.T) {
	m := newMemory(t, 4*BlockSize)
	b, _, err := m.Take(2, 1)
	if err != nil {
		t.Fatal(err)
	}
	from, to := b<<LogBlock, (b+1)<<LogBlock
	for i := range uint32(1000) {
		*m.Word(from + i*8) = Header(7, i)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	copies := map[Ref]int{}
	for range 4 {
		wg.Go(func() {
			for i := range uint32(1000) {
				h, got, claimed := m.Claim(from + i*8)
				if claimed {
					*m.Word(to + i*8) = h
					m.Settle(from+i*8, to+i*8)
					mu.Lock()
					copies[i]++
					mu.Unlock()
				} else if got != to+i*8 {
					t.Errorf("object %d was copied to %#x", i, got)
				}
			}
		})
	}
	wg.Wait()
	for i := range uint32(1000) {
		if copies[i] != 1 || m.TypeOf(to+i*8) != 7 || m.Length(to+i*8) != i {
			t.Fatalf("object %d was copied %d times", i, copies[i])
		}
	}
}

func TestTypes(t *testing.T) {
	for _, bad := range []Type{
		{Size: 4}, {Size: 12}, {}, {Elem: 3}, {Elem: 8, ElemRef: true}, {Elem: 4, Size: 8}, {Size: 16, Refs: []uint32{4}},
		{Size: 16, Refs: []uint32{16}}, {Size: 16, Refs: []uint32{10}}, {Size: 16, Foreign: []ForeignField{{Offset: 20}}}, {Elem: 8, Foreign: []ForeignField{{}}},
		{Elem: 8, ElemWeak: true}, {Elem: 4, ElemEphemeron: true}, {Elem: 4, ElemRef: true, ElemWeak: true}, {Elem: 4, Weak: []uint32{8}},
		{Size: 16, Weak: []uint32{16}}, {Size: 16, Ephemerons: []uint32{12}}, {Size: 24, Refs: []uint32{12}, Ephemerons: []uint32{8}}, {Size: 16, Refs: []uint32{8}, Weak: []uint32{8}},
	} {
		var types Types
		var e *TypeError
		if _, err := types.Add(bad); !errors.As(err, &e) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, c := range []struct {
		typ    Type
		length uint32
		want   uint32
	}{{Type{Size: 24}, 5, 24}, {Type{Elem: 1}, 0, 8}, {Type{Elem: 1}, 1, 16}, {Type{Elem: 16}, 3, 56}, {Type{Elem: 8}, 1 << 30, 0}, {Type{Elem: 16}, ^uint32(0), 0}} {
		if got := c.typ.Bytes(c.length); got != c.want {
			t.Errorf("%+v of %d: %d bytes, want %d", c.typ, c.length, got, c.want)
		}
	}
}
