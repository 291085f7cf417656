package mem

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// withoutFiles runs f while no further file can be opened.
func withoutFiles(t *testing.T, f func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Skip(err)
	}
	low := old
	low.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Skip(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	f()
}

// When there are no file descriptors left, regions that need one are refused, others are frozen without; nothing changes.
func TestNoFileDescriptors(t *testing.T) {
	r := reserveEither(t, true, 1<<20)
	defer r.Release()
	if r.file == nil {
		t.Skip("this system has no memfds")
	}
	if err := r.Commit(1 << 20); err != nil {
		t.Fatal(err)
	}
	b := r.Bytes(1 << 20)
	b[0], b[1<<19] = 1, 2
	before := resources(t)
	withoutFiles(t, func() {
		if _, err := ReserveForkable(1 << 20); !errors.Is(err, unix.EMFILE) {
			t.Errorf("reserve without descriptors: %v", err)
		}
		img, err := r.Freeze() // has its file
		if err != nil {
			t.Fatal(err)
		}
		c, err := img.Map()
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] = 3
		}
		if _, err := r.Freeze(); !errors.Is(err, unix.EMFILE) {
			t.Errorf("a freeze that needs a new file: %v", err)
		}
		if b[0] != 3 || c.Bytes(1)[0] != 1 {
			t.Error("a freeze that failed changed something")
		}
		if err := errors.Join(c.Release(), img.Close()); err != nil {
			t.Error(err)
		}
	})
	img, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.Map()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.Bytes(1<<20), b) {
		t.Error("the child has other content")
	}
	if err := errors.Join(c.Release(), img.Close()); err != nil {
		t.Error(err)
	}
	if after := resources(t); after != before {
		t.Errorf("descriptors and mappings %v, were %v", after, before)
	}
}

// Without the files of /proc, and without memfds, images are copies, and right.
func TestImageWithoutHelpOfTheSystem(t *testing.T) {
	page := PageSize()
	r := reserveEither(t, false, 64*page)
	defer r.Release()
	if err := r.Commit(40 * page); err != nil {
		t.Fatal(err)
	}
	b := r.Bytes(40 * page)
	for i := range 13 {
		b[i*3*page+i] = byte(i + 1)
	}
	d, err := r.capture([]Span{{0, r.committed}})
	if err != nil {
		t.Fatal(err)
	}
	if d.pages != 13 {
		t.Errorf("%d pages were copied, want 13", d.pages)
	}
	img := r.image(d)
	for range 3 {
		c, err := img.Map()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(c.Bytes(c.Committed()), b) {
			t.Error("the child has other content")
		}
		c.Bytes(1)[0]++
		if err := c.Release(); err != nil {
			t.Error(err)
		}
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
}

// The end of a file's data is that of its last run, wherever runs are, and whatever lies behind what is asked for.
func TestUsed(t *testing.T) {
	page := PageSize()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		pages := 1 + rnd.IntN(200)
		f, err := newFile(2 * pages * page)
		if err != nil {
			t.Fatal(err)
		}
		f.start = int64(rnd.IntN(3) * page) // as of the second region of a file
		for range rnd.IntN(6) {
			if err := f.write([]byte{1}, rnd.IntN(pages*5/4*page)); err != nil {
				t.Fatal(err)
			}
		}
		want := 0
		if runs := f.extents(pages * page); len(runs) > 0 {
			want = runs[len(runs)-1].end()
		}
		if got := f.used(pages * page); got != want {
			t.Fatalf("%d pages: %d, want %d, of %v", pages, got, want, f.extents(pages*page))
		}
		f.drop()
	}
}

// A freeze of a region so large that several processors share it leaves the content to the region, to the image, and to what is mapped of it.
func TestFreezeLarge(t *testing.T) {
	const size, used = 64 << 20, 49<<20 + 5
	r := forkable(t, size)
	want := make([]byte, size)
	for i := 0; i < used; i += 1021 {
		want[i] = byte(i) | 1
	}
	b := r.Bytes(size)
	copy(b[:used], want)
	img, err := r.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if !bytes.Equal(b, want) {
		t.Error("the region has other content")
	}
	c, err := img.Map()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	b[used/2]++
	if !bytes.Equal(c.Bytes(size), want) {
		t.Error("what is mapped has other content")
	}
}
