package mem

import (
	"math/rand/v2"
	"os"
	"testing"
)

// The pages that differ from an image are exactly those that were written, in both ways to ask, however few are told at once.
func TestDirtyPages(t *testing.T) {
	page := PageSize()
	r := reserveEither(t, true, 4000*page)
	defer r.Release()
	if r.file == nil {
		t.Skip("this system has no memfds")
	}
	if err := r.Commit(3000 * page); err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		r.Bytes(r.Committed())[i*page] = 1
	}
	img, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	c, err := img.Map()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	rng := rand.New(rand.NewPCG(3, 4))
	written := map[int]bool{}
	b := c.Bytes(c.Committed())
	var sum byte
	for i := 0; i < 2000; i += 3 {
		sum += b[i*page] // mapped, and the file's
	}
	for range 700 {
		i := rng.IntN(3000)
		for k := i; k < min(i+rng.IntN(5)+1, 3000); k++ {
			b[k*page+rng.IntN(page)] = sum
			written[k] = true
		}
	}
	ways := map[string]func(fd int) ([]Span, error){"pagemap": func(fd int) ([]Span, error) { return scanSlow(fd, c, 0, c.committed) }}
	for _, batch := range []int{1, 7, scanBatch} {
		ways["PAGEMAP_SCAN "+string(rune('0'+batch%10))] = func(fd int) ([]Span, error) { return scanFast(fd, c, 0, c.committed, batch) }
	}
	pm, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip(err)
	}
	defer pm.Close()
	for name, way := range ways {
		spans, err := way(int(pm.Fd()))
		if err != nil {
			if name == "pagemap" {
				t.Fatal(err)
			}
			t.Logf("%s: %v", name, err)
			continue
		}
		got := map[int]bool{}
		for _, s := range spans {
			for at := s.Off; at < s.end(); at += page {
				got[at/page] = true
			}
		}
		for i := range 3000 {
			if got[i] != written[i] {
				t.Fatalf("%s: page %d dirty: %v, written: %v", name, i, got[i], written[i])
			}
		}
	}
	if spans, err := c.Dirty(); err != nil || Pages(spans) != len(written) {
		t.Errorf("%d pages are dirty, want %d: %v", Pages(spans), len(written), err)
	}
}
