package mem

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
)

// model is what a region should hold.
type model struct {
	r    *Region
	want []byte
}

func (m *model) check(t *testing.T, what string) {
	t.Helper()
	if got := m.r.Bytes(m.r.Committed()); !bytes.Equal(got, m.want) {
		for i := range got {
			if got[i] != m.want[i] {
				t.Fatalf("%s: byte %#x of %#x is %d, want %d", what, i, len(got), got[i], m.want[i])
			}
		}
		t.Fatalf("%s: %d bytes committed, want %d", what, len(got), len(m.want))
	}
}

// step changes a region and its model in one of the ways there are.
func (m *model) step(t *testing.T, rng *rand.Rand) {
	t.Helper()
	page, n := PageSize(), m.r.Committed()
	at := rng.IntN(n)
	pages := 1 + rng.IntN(8)
	off := at / page * page
	length := min(pages*page, n-off)
	switch k := rng.IntN(20); {
	case k < 12: // a few bytes
		b := byte(rng.IntN(256))
		m.r.Bytes(n)[at], m.want[at] = b, b
	case k < 15: // some pages
		b := byte(rng.IntN(4))
		for i := off; i < off+length; i++ {
			m.r.Bytes(n)[i], m.want[i] = b, b
		}
	case k < 16:
		if err := m.r.DiscardRange(off, length); err != nil {
			t.Fatal(err)
		}
		clear(m.want[off : off+length])
	case k < 17:
		zero, err := m.r.Forget(off, length)
		if err != nil {
			t.Fatal(err)
		}
		got := m.r.Bytes(n)[off : off+length]
		if zero && !isZero(got) {
			t.Fatal("forgotten pages are said to be zero and are not")
		}
		copy(m.want[off:], got)
	case k < 18:
		if off > n/2 {
			if err := m.r.Discard(at); err != nil {
				t.Fatal(err)
			}
			clear(m.want[at:])
		}
	default:
		if to := min(n+rng.IntN(3)*page, m.r.Size()); to > n {
			if err := m.r.Commit(to); err != nil {
				t.Fatal(err)
			}
			m.want = append(m.want, make([]byte, m.r.Committed()-n)...)
		}
	}
}

// Regions are frozen and made of images at random, generations deep, forkable ones and others: each has its own content, whatever the others do, and an image has what
// it was made with.
func TestImages(t *testing.T) {
	for _, forkable := range []bool{true, false} {
		for seed := range uint64(4) {
			rng := rand.New(rand.NewPCG(seed, 5))
			size := 300 * PageSize()
			before := resources(t)
			first := reserveEither(t, forkable, size)
			if err := first.Commit(100 * PageSize()); err != nil {
				t.Fatal(err)
			}
			regions := []*model{{first, make([]byte, first.Committed())}}
			type image struct {
				*Image
				want []byte
			}
			var images []image
			for range 150 {
				k := rng.IntN(len(regions))
				m := regions[k]
				for range rng.IntN(20) {
					m.step(t, rng)
				}
				switch c := rng.IntN(10); {
				case c < 2:
					img, err := m.r.Freeze()
					if err != nil {
						t.Fatal(err)
					}
					m.check(t, "frozen region")
					images = append(images, image{img, bytes.Clone(m.want)})
				case c < 5 && len(images) > 0:
					img := images[rng.IntN(len(images))]
					r, err := img.Map()
					if err != nil {
						t.Fatal(err)
					}
					child := &model{r, bytes.Clone(img.want)}
					child.check(t, "new region")
					regions = append(regions, child)
				case c < 6 && len(images) > 3:
					i := rng.IntN(len(images))
					if err := images[i].Close(); err != nil {
						t.Fatal(err)
					}
					images = append(images[:i], images[i+1:]...)
				case c < 7 && len(regions) > 6:
					m.check(t, "region")
					if err := m.r.Release(); err != nil {
						t.Fatal(err)
					}
					regions = append(regions[:k], regions[k+1:]...)
				}
			}
			for _, m := range regions {
				m.check(t, "region")
				if err := m.r.Release(); err != nil {
					t.Fatal(err)
				}
			}
			for _, img := range images {
				if err := img.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if after := resources(t); after != before {
				t.Errorf("descriptors and mappings %v, were %v", after, before)
			}
		}
	}
}

func reserveEither(t *testing.T, forkable bool, size int) *Region {
	t.Helper()
	reserve := Reserve
	if forkable {
		reserve = ReserveForkable
	}
	r, err := reserve(size)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// resources counts open files and the mappings that are not Go's, where the system tells: of files of ours, and others when there are few.
func resources(t *testing.T) (n [2]int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return n
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.Contains(to, "memfd:spindle") {
			n[0]++
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	n[1] = strings.Count(string(maps), "memfd:spindle")
	return n
}

// However its pages lie, a region made of an image takes two mappings, and the used part of the file is where it ends.
func TestMappingsOfAnImage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("mappings are counted on Linux only")
	}
	page := PageSize()
	r := reserveEither(t, true, 16<<20)
	if r.file == nil {
		t.Skip("this system has no memfds")
	}
	if err := r.Commit(2000 * page); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 1000; i += 2 {
		r.Bytes(r.Committed())[i*page] = 1
	}
	before := countMaps(t)
	img, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if r.backed != 999*page {
		t.Errorf("%d pages are used, want 999", r.backed/page)
	}
	if n := countMaps(t) - before; n > 1 {
		t.Errorf("a freeze added %d mappings", n)
	}
	before = countMaps(t)
	var children []*Region
	for range 50 {
		c, err := img.Map()
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < 2000; i += 3 {
			c.Bytes(c.Committed())[i*page] = 2
		}
		children = append(children, c)
	}
	if n := countMaps(t) - before; n > 50*3+10 { // Go's own come and go
		t.Errorf("50 children have %d mappings", n)
	}
	for i, c := range children {
		// Half of the pages written now are a child's only as it has grown: a later freeze has a copy of them in a file of its own.
		child, err := c.Freeze()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if got, err := c.Dirty(); err != nil || Pages(got) > 0 {
				t.Errorf("after a flat freeze %d pages are dirty: %v", Pages(got), err)
			}
		}
		if err := c.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.Release(), img.Close()); err != nil {
		t.Fatal(err)
	}
	if n := resources(t); n != [2]int{} {
		t.Errorf("descriptors and mappings left: %v", n)
	}
}

func countMaps(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	return bytes.Count(maps, []byte("\n"))
}

// Nobody can write to the pages of an image any more.
func TestSealed(t *testing.T) {
	r := reserveEither(t, true, 1<<20)
	defer r.Release()
	if r.file == nil {
		t.Skip("this system has no memfds")
	}
	if err := r.Commit(1 << 20); err != nil {
		t.Fatal(err)
	}
	r.Bytes(1 << 20)[5] = 1
	img, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if err := r.file.write([]byte{9}, 5); err == nil {
		t.Error("a write to the file succeeded")
	}
	if err := r.file.punch(0, PageSize()); err == nil {
		t.Error("a hole was made in the file")
	}
	if err := mapShared(&Region{base: r.base, size: r.size}, r.file); err == nil {
		if err := commit(r, 0, PageSize()); err == nil {
			t.Error("the file was mapped to be written to")
		}
	}
}

// An image that is forked often gets a file with what lies on top of its first one.
func TestImageIsFlattened(t *testing.T) {
	page := PageSize()
	r := reserveEither(t, true, 300*page)
	defer r.Release()
	if r.file == nil {
		t.Skip("this system has no memfds")
	}
	if err := r.Commit(300 * page); err != nil {
		t.Fatal(err)
	}
	b := r.Bytes(300 * page)
	for i := range 200 {
		b[i*page] = 1
	}
	first, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		b[i*page] = 2
	}
	second, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if second.base != first.base || second.Copied() != 50*page || first.Copied() != 0 {
		t.Fatalf("a few pages were not put on top of the old file: %d bytes", second.Copied())
	}
	for i := range 20 {
		c, err := second.Map()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(c.Bytes(c.Committed()), b) {
			t.Fatalf("child %d has other content", i)
		}
		if err := c.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if second.base == first.base || second.delta.data != nil || second.Copied() != 0 {
		t.Error("after 20 copies of 50 pages the image still has its first file")
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestWrongOrders(t *testing.T) {
	s := NewSlots(1 << 20)
	slot, err := s.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer slot.Release()
	if slot.slots != nil {
		if _, err := slot.Freeze(); !errors.Is(err, ErrSlot) {
			t.Errorf("freezing a slot: %v", err)
		}
	}
	r := reserveEither(t, true, 1<<20)
	defer r.Release()
	img, err := r.Freeze() // of nothing
	if err != nil {
		t.Fatal(err)
	}
	other := reserveEither(t, false, 2<<20)
	defer other.Release()
	if err := img.MapInto(other); err == nil {
		t.Error("an image was mapped into a region of another size")
	}
	c, err := img.Map()
	if err != nil {
		t.Fatal(err)
	}
	if c.Committed() != 0 {
		t.Errorf("%d bytes committed, want none", c.Committed())
	}
	if err := img.MapInto(c); err == nil && c.file != nil {
		t.Error("an image was mapped into a region that has one")
	}
	if err := errors.Join(c.Release(), img.Close()); err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("a second close: %v", err)
	}
	if _, err := img.Map(); !errors.Is(err, ErrClosed) {
		t.Errorf("a region of a closed image: %v", err)
	}
}

// Images go to other processes and files and come back: by descriptor, by content, at any offset, again and again. What does not fit is refused.
func TestShare(t *testing.T) {
	page := PageSize()
	before := resources(t)
	for _, forkable := range []bool{true, false} {
		for round := range 3 {
			r := reserveEither(t, forkable, 100*page)
			if err := r.Commit(80 * page); err != nil {
				t.Fatal(err)
			}
			b := r.Bytes(80 * page)
			for i := 0; i < 60; i += 1 + round {
				b[i*page+i] = byte(i + 1)
			}
			img, err := r.Freeze()
			if err != nil {
				t.Fatal(err)
			}
			if round > 0 { // something on top of the file
				b[5*page], b[70*page] = 200, 201
				if err := img.Close(); err != nil {
					t.Fatal(err)
				}
				if img, err = r.Freeze(); err != nil {
					t.Fatal(err)
				}
			}
			compare := func(img *Image, what string) {
				t.Helper()
				c, err := img.Map()
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(c.Bytes(c.Committed()), b) {
					t.Errorf("%s: other content", what)
				}
				c.Bytes(1)[0] = 99
				if err := c.Release(); err != nil {
					t.Error(err)
				}
			}
			// As a file of somebody's, behind a header.
			disk, err := os.CreateTemp(t.TempDir(), "image")
			if err != nil {
				t.Fatal(err)
			}
			if err := disk.Truncate(int64(82 * page)); err != nil {
				t.Fatal(err)
			}
			last := -1
			if err := img.Content(func(off int, run []byte) error {
				if off <= last || len(run)%page != 0 {
					t.Errorf("%d bytes at %d after %d", len(run), off, last)
				}
				last = off
				_, err := disk.WriteAt(run, int64(2*page+off))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			l := Layout{Size: 100 * page, Committed: 80 * page, Used: 80 * page}
			again, err := FromFile(disk, int64(2*page), l)
			if err != nil {
				t.Fatal(err)
			}
			compare(again, "from a file")
			for _, bad := range []struct {
				start int64
				l     Layout
			}{
				{0, Layout{}}, {1, l}, {-int64(page), l}, {int64(3 * page), l}, {0, Layout{100 * page, 80 * page, 90 * page}}, {0, Layout{50 * page, 80 * page, 80 * page}},
				{0, Layout{100*page + 1, 80 * page, 80 * page}}, {0, Layout{100 * page, 80 * page, 1}}, {0, Layout{100 * page, 80 * page, -page}},
			} {
				if _, err := FromFile(disk, bad.start, bad.l); err == nil {
					t.Errorf("an image of %+v at %d", bad.l, bad.start)
				}
			}
			disk.Close()
			for k, img := range []*Image{img, again} {
				f, l, err := img.Share()
				if errors.Is(err, errors.ErrUnsupported) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				same, err := FromFile(f, 0, l)
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				compare(same, "shared")
				compare(img, "sharing")
				if err := same.Close(); err != nil {
					t.Error(err)
				}
				if err := img.Close(); err != nil {
					t.Error(err)
				}
				if _, _, err := img.Share(); !errors.Is(err, ErrClosed) {
					t.Errorf("image %d: share of a closed one: %v", k, err)
				}
			}
			if err := r.Release(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if after := resources(t); after != before {
		t.Errorf("descriptors and mappings %v, were %v", after, before)
	}
}
