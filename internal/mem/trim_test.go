package mem

import (
	"bytes"
	"testing"
)

// What was cleared goes, whole runs of it; what is there stays, and small runs between.
func TestTrim(t *testing.T) {
	const size = 4 << 20
	r := forkable(t, size)
	want := make([]byte, size)
	b := r.Bytes(size)
	clear(b) // now all of it is in the file
	page := PageSize()
	for _, at := range []int{0, 3 * page, 1 << 20, 3<<20 + 5} {
		b[at], want[at] = 7, 7
	}
	if err := r.Trim(); err != nil {
		t.Fatal(err)
	}
	if !r.shared { // there are no such files here
		t.Skip("nothing lies in a file")
	}
	has := Pages(r.file.extents(size))
	if !bytes.Equal(b, want) {
		t.Error("the content has changed")
	}
	if has > 7 || has < 4 {
		t.Errorf("%d pages are left, want four with something and the two between the first ones, and no more than a page for rounding", has)
	}
	img, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	b[100] = 1
	if err := r.Trim(); err != nil || b[100] != 1 {
		t.Errorf("after a freeze: %v", err)
	}
	c, err := img.Map()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if !bytes.Equal(c.Bytes(size), want) {
		t.Error("a region of the image has other content")
	}
	if err := c.Trim(); err != nil || !bytes.Equal(c.Bytes(size), want) {
		t.Errorf("Trim of a region of an image: %v", err)
	}
}

// forkable makes a region of that size, all of it committed, which goes with the test.
func forkable(t *testing.T, size int) *Region {
	t.Helper()
	r, err := ReserveForkable(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Release() }) //nolint:errcheck // address space is lost, no more
	if err := r.Commit(size); err != nil {
		t.Fatal(err)
	}
	return r
}
