package mem

import (
	"errors"
	"math"
	"runtime/debug"
	"testing"
)

func TestRegionCommitsZeroedPrefix(t *testing.T) {
	r, err := Reserve(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if r.Committed() != 0 {
		t.Fatalf("committed %d before Commit", r.Committed())
	}
	if err := r.Commit(1); err != nil {
		t.Fatal(err)
	}
	if r.Committed() != PageSize() {
		t.Fatalf("committed %d, want a page", r.Committed())
	}
	b := r.Bytes(PageSize())
	for i, v := range b {
		if v != 0 {
			t.Fatalf("byte %d is %d", i, v)
		}
	}
	b[0], b[len(b)-1] = 1, 2
	if err := r.Commit(10 * PageSize()); err != nil {
		t.Fatal(err)
	}
	if got := r.Bytes(10 * PageSize()); got[0] != 1 || got[PageSize()-1] != 2 || got[PageSize()] != 0 {
		t.Fatal("a second commit changed or did not add pages")
	}
	for _, n := range []int{r.Size() + 1, math.MaxInt} {
		if err := r.Commit(n); err == nil {
			t.Fatalf("commit of %d bytes beyond the reservation succeeded", n)
		}
	}
	if r.Committed() != 10*PageSize() {
		t.Fatalf("failed commits left %d bytes committed", r.Committed())
	}
}

func TestDiscardZeroesFromAnyOffset(t *testing.T) {
	for _, size := range []int{PageSize(), 64 << 10, 1 << 20} {
		for _, off := range []int{0, 1, PageSize() - 1, PageSize(), size, size + 1, math.MaxInt} {
			r, err := Reserve(size)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Commit(size); err != nil {
				t.Fatal(err)
			}
			b := r.Bytes(size)
			for i := range b {
				b[i] = 0xAA
			}
			if err := r.Discard(off); err != nil {
				t.Fatal(err)
			}
			for i, v := range r.Bytes(size) {
				if want := byte(0xAA); i < off && v != want || i >= off && v != 0 {
					t.Fatalf("size %d, discard from %d: byte %d is %#x", size, off, i, v)
				}
			}
			if err := r.Release(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestReserveRefuses(t *testing.T) {
	for _, n := range []int{0, -1, math.MinInt, math.MaxInt} {
		if _, err := Reserve(n); err == nil {
			t.Errorf("Reserve(%d) succeeded", n)
		}
	}
}

// Hidden pages fault at every access, their neighbours do not, and they come back zeroed.
func TestHide(t *testing.T) {
	page := PageSize()
	r, err := Reserve(8 * page)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if err := r.Commit(5 * page); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][2]int{{1, page}, {0, 1}, {-page, page}, {4 * page, 2 * page}, {6 * page, 0}} {
		if r.Hide(bad[0], bad[1]) == nil || r.Show(bad[0], bad[1]) == nil {
			t.Errorf("%d bytes at %d were hidden", bad[1], bad[0])
		}
	}
	b := r.Bytes(5 * page)
	for i := range b {
		b[i] = 1
	}
	if err := r.Hide(page, 2*page); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the system cannot")
	} else if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Freeze(); !errors.Is(err, ErrHidden) {
		t.Errorf("a region with hidden pages was frozen: %v", err)
	}
	faults := func(i int) (fault bool) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() { fault = recover() != nil }()
		b[i]++
		return false
	}
	for i, want := range map[int]bool{0: false, page - 1: false, page: true, 2*page + 5: true, 3*page - 1: true, 3 * page: false} {
		if got := faults(i); got != want {
			t.Errorf("byte %d: fault %v, want %v", i, got, want)
		}
	}
	if err := r.Show(page, 2*page); err != nil {
		t.Fatal(err)
	}
	for i := page; i < 3*page; i++ {
		if b[i] != 0 {
			t.Fatalf("byte %d is %d after it was hidden", i, b[i])
		}
	}
}
