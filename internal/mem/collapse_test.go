package mem

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// hugeImage freezes a region of which some parts of the size of a huge page are full, and some are not.
func hugeImage(t *testing.T) (*Image, []byte) {
	t.Helper()
	page := PageSize()
	r := reserveEither(t, true, 8*hugePage)
	if r.file == nil {
		t.Skip("this system has no memfds")
	}
	if err := r.Commit(8 * hugePage); err != nil {
		t.Fatal(err)
	}
	b, want := r.Bytes(8*hugePage), make([]byte, 8*hugePage)
	for off := page; off < 6*hugePage; off += page { // the first part lacks a page
		if off != 3*hugePage+5*page { // and so does this
			b[off+off/page%page], want[off+off/page%page] = byte(off/page), byte(off/page) // nobody reads the holes: that would fill them
		}
	}
	img, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	return img, want
}

// use makes so many regions of an image at once.
func use(t *testing.T, img *Image, n int, want []byte) {
	t.Helper()
	var all []*Region
	for k := range n {
		r, err := img.Map()
		if err != nil {
			t.Fatal(err)
		}
		if from, to := hugePage, 3*hugePage; k%50 == 0 && !bytes.Equal(r.Bytes(len(want))[from:to], want[from:to]) {
			t.Fatal("a region has other content")
		}
		all = append(all, r)
	}
	for _, r := range all {
		if err := r.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

// An image of which many regions are made at once gets huge pages, once, where it has all of the pages; a system that refuses is asked once.
func TestCollapse(t *testing.T) {
	before := resources(t)
	img, want := hugeImage(t)
	var mu sync.Mutex
	var parts []int
	img.huge.collapse = func(r *Region, off int) error {
		mu.Lock()
		defer mu.Unlock()
		if r.base%hugePage != 0 || !bytes.Equal(r.bytes(off, hugePage), want[off:off+hugePage]) {
			t.Errorf("the part at %#x is not that of the file", off)
		}
		parts = append(parts, off/hugePage)
		return nil
	}
	for range 100 { // one after the other: they take over page tables
		use(t, img, 1, want)
	}
	use(t, img, collapseAfter/2, want)
	img.huge.run.Wait()
	if len(parts) > 0 {
		t.Errorf("parts %d are collapsed after few regions", parts)
	}
	for range 3 {
		use(t, img, collapseAfter, want)
	}
	img.huge.run.Wait()
	if len(parts) != 4 || parts[0] != 1 || parts[1] != 2 || parts[2] != 4 || parts[3] != 5 {
		t.Errorf("parts %d are collapsed, want 1 2 4 5", parts)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}

	img, want = hugeImage(t)
	refused := 0
	img.huge.collapse = func(*Region, int) error { refused++; return errors.ErrUnsupported }
	use(t, img, 2*collapseAfter, want)
	img.huge.run.Wait() // one that is closed earlier asks for nothing
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	if refused != 1 {
		t.Errorf("the system was asked %d times", refused)
	}
	if after := resources(t); after != before {
		t.Errorf("descriptors and mappings %v, were %v", after, before)
	}
}

// With the system's huge pages, if it gives them, regions made before and afterwards have the right content, and keep their own.
func TestCollapsedPages(t *testing.T) {
	before := resources(t)
	img, want := hugeImage(t)
	old, err := img.Map()
	if err != nil {
		t.Fatal(err)
	}
	m := &model{old, bytes.Clone(want)}
	for off := 0; off < len(want); off += 3 * PageSize() {
		m.want[off]++
		old.Bytes(len(want))[off]++
	}
	use(t, img, collapseAfter, want)
	img.huge.run.Wait()
	m.check(t, "region of before")
	use(t, img, collapseAfter/2, want)
	late, err := img.Map()
	if err != nil {
		t.Fatal(err)
	}
	(&model{late, want}).check(t, "region of afterwards")
	if runtime.GOOS == "linux" {
		if text, err := os.ReadFile("/proc/self/smaps_rollup"); err == nil {
			for line := range strings.Lines(string(text)) {
				if strings.HasPrefix(line, "ShmemPmdMapped:") {
					t.Log(strings.TrimSpace(line)) // 0 where the system gives none
				}
			}
		}
	}
	if dirty, err := old.Dirty(); err != nil || Pages(dirty) != (len(want)/PageSize()+2)/3 {
		t.Errorf("%d pages are dirty (%v), %d were written", Pages(dirty), err, (len(want)/PageSize()+2)/3)
	}
	if err := errors.Join(late.Release(), old.Release(), img.Close()); err != nil {
		t.Fatal(err)
	}
	if after := resources(t); after != before {
		t.Errorf("descriptors and mappings %v, were %v", after, before)
	}
}
