package mem

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
)

// The file of a region is written to while nobody else has it, and only then: not while an image lives, a region of one, or a descriptor that was given away.
func TestRebase(t *testing.T) {
	page := PageSize()
	r := reserveEither(t, true, 400*page)
	defer r.Release()
	if r.file == nil || r.file.writer == nil {
		t.Skip("this system has no memfds")
	}
	if err := r.Commit(200 * page); err != nil {
		t.Fatal(err)
	}
	m := &model{r, make([]byte, 200*page)}
	write := func(from, to, step int) {
		t.Helper()
		for i := from; i < to; i += step {
			r.Bytes(r.Committed())[i*page+i]++
			m.want[i*page+i]++
		}
	}
	freeze := func() *Image {
		t.Helper()
		img, err := r.Freeze()
		if err != nil {
			t.Fatal(err)
		}
		m.check(t, "frozen region")
		c, err := img.Map()
		if err != nil {
			t.Fatal(err)
		}
		(&model{c, m.want}).check(t, "child")
		if err := c.Release(); err != nil {
			t.Fatal(err)
		}
		return img
	}
	write(0, 150, 1)
	first := freeze()
	file := r.file
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for _, grow := range []int{0, 0, 50, 100} { // with pages behind the file's, too
		if err := r.Commit(r.Committed() + grow*page); err != nil {
			t.Fatal(err)
		}
		m.want = append(m.want, make([]byte, grow*page)...)
		write(3, r.Committed()/page, 7)
		img := freeze()
		if r.file != file || img.Copied() != 0 || img.base != file {
			t.Fatalf("%d bytes beside the file, another file: %v", img.Copied(), r.file != file)
		}
		if dirty, err := r.Dirty(); err != nil || Pages(dirty) != 0 {
			t.Errorf("%d pages are dirty after their freeze: %v", Pages(dirty), err)
		}
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
	}

	img := freeze()
	old := bytes.Clone(m.want)
	child, err := img.Map()
	if err != nil {
		t.Fatal(err)
	}
	for _, last := range []func() error{img.Close, child.Release} {
		write(5, 8, 1)
		beside := freeze()
		if r.file != file || beside.Copied() == 0 {
			t.Error("a file that others have was written to")
		}
		if err := beside.Close(); err != nil {
			t.Fatal(err)
		}
		(&model{child, old}).check(t, "child of before")
		if err := last(); err != nil {
			t.Fatal(err)
		}
	}
	lent := freeze()
	if lent.Copied() != 0 {
		t.Fatal("the file is not the region's own again")
	}
	f, l, err := lent.Share()
	if err != nil {
		t.Fatal(err)
	}
	if err := lent.Close(); err != nil {
		t.Fatal(err)
	}
	old = bytes.Clone(m.want)
	write(20, 25, 1)
	if err := freeze().Close(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, l.Used)
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, old[:l.Used]) {
		t.Errorf("a file of which others have a descriptor was written to: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A hundred generations, each a live fork of the one before with a few pages written, all alive: every one has its own content, and they take a bounded number of
// mappings, files and bytes beside the files.
func TestGenerations(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("mappings are counted on Linux only")
	}
	const generations = 100
	page := PageSize()
	before := resources(t)
	r := reserveEither(t, true, 300*page)
	if r.file == nil {
		t.Skip("this system has no memfds")
	}
	if err := r.Commit(200 * page); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 100))
	all := []*model{{r, make([]byte, 200*page)}}
	maps := countMaps(t)
	flat := 0
	for range generations {
		m := all[len(all)-1]
		for range 20 { // scattered: runs of one page
			at := rng.IntN(len(m.want))
			m.want[at]++
			m.r.Bytes(len(m.want))[at]++
		}
		img, err := m.r.Freeze()
		if err != nil {
			t.Fatal(err)
		}
		if img.Copied() == 0 {
			flat++
		}
		c, err := img.Map()
		if err != nil {
			t.Fatal(err)
		}
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
		all = append(all, &model{c, bytes.Clone(m.want)})
	}
	if n := countMaps(t) - maps; n > 4*generations+10 {
		t.Errorf("%d generations have %d mappings", generations, n)
	}
	if flat < 5 || flat > generations/2 {
		t.Errorf("%d of %d generations were written to new files", flat, generations)
	}
	var errs []error
	for i := range all {
		m := all[(i*37)%len(all)] // in no order
		m.check(t, "generation")
		errs = append(errs, m.r.Release())
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if after := resources(t); after != before {
		t.Errorf("descriptors and mappings %v, were %v", after, before)
	}
}
