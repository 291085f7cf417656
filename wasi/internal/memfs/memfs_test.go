package memfs

import (
	"bytes"
	"fmt"
	"math/rand"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

func open(t *testing.T, f *FS, name string) vfs.File {
	t.Helper()
	x, err := f.Root().Open(name, vfs.OpenFlags{Read: true, Write: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestContents compares a file with a slice under random writes, truncations and reads around the borders of chunks.
func TestContents(t *testing.T) {
	f := New(1 << 30)
	file := open(t, f, "f")
	var want []byte
	rnd := rand.New(rand.NewSource(1))
	pos := func() int { // near a border more often than not
		return max(0, rnd.Intn(4)*chunkSize+[]int{0, rnd.Intn(200) - 100, rnd.Intn(chunkSize)}[rnd.Intn(3)])
	}
	for i := range 2000 {
		off := pos()
		switch rnd.Intn(4) {
		case 0, 1:
			p := make([]byte, rnd.Intn(300))
			if rnd.Intn(10) == 0 {
				p = make([]byte, rnd.Intn(3*chunkSize))
			}
			rnd.Read(p)
			if n, err := file.WriteAt(p, int64(off)); n != len(p) || err != nil {
				t.Fatalf("step %d: write %d, %v", i, n, err)
			}
			if end := off + len(p); len(p) > 0 && end > len(want) {
				want = append(want, make([]byte, end-len(want))...)
			}
			if off < len(want) {
				copy(want[off:], p)
			}
		case 2:
			if err := file.Truncate(int64(off)); err != nil {
				t.Fatal(err)
			}
			want = append(want, make([]byte, max(0, off-len(want)))...)[:off]
			want = bytes.Clone(want) // what growing again shows are zeros
		default:
			p := make([]byte, rnd.Intn(2*chunkSize))
			n, err := file.ReadAt(p, int64(off))
			exp := want[min(off, len(want)):]
			exp = exp[:min(len(exp), len(p))]
			if err != nil || !bytes.Equal(p[:n], exp) {
				t.Fatalf("step %d: read of %d at %d of %d: %d bytes, %v", i, len(p), off, len(want), n, err)
			}
		}
		if st, _ := file.Stat(); st.Size != uint64(len(want)) {
			t.Fatalf("step %d: size %d, want %d", i, st.Size, len(want))
		}
	}
}

// TestLimit fills a file system in every way, and takes everything away again.
func TestLimit(t *testing.T) {
	f := New(1 << 20)
	empty := f.used.Load()
	d := f.Root()
	file := open(t, f, "f")
	for _, n := range []int64{1 << 21, 1 << 62} {
		if err := file.Truncate(n); err != vfs.ENOSPC {
			t.Errorf("truncate to %d: %v", n, err)
		}
	}
	if err := file.Allocate(1<<62, 1<<62); err != vfs.EFBIG {
		t.Errorf("allocate: %v", err)
	}
	if _, err := file.WriteAt([]byte("x"), 1<<63-1); err != vfs.EFBIG {
		t.Errorf("write at the end of numbers: %v", err)
	}
	if _, err := file.WriteAt([]byte("x"), 1<<40); err != vfs.ENOSPC {
		t.Errorf("write far away: %v", err)
	}
	var err error
	n := 0
	for ; err == nil && n < 10_000; n++ {
		err = d.Mkdir(fmt.Sprint("d", n))
	}
	if err != vfs.ENOSPC {
		t.Fatalf("%d directories: %v", n, err)
	}
	for i := range n - 1 {
		if err := d.Rmdir(fmt.Sprint("d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Truncate(1 << 19); err != nil {
		t.Fatal(err)
	}
	if err := d.Link("f", d, "g"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "g"} {
		if err := d.Unlink(name); err != nil {
			t.Fatal(err)
		}
	}
	if f.used.Load() < 1<<19 {
		t.Error("a file that is open is gone")
	}
	if n, err := file.ReadAt(make([]byte, 10), 5); n != 10 || err != nil {
		t.Errorf("read of a file without a name: %d, %v", n, err)
	}
	_ = file.Close()
	if now := f.used.Load(); now != empty {
		t.Errorf("%d bytes are in use, %d were", now, empty)
	}
	x := open(t, f, "x")
	y := open(t, f, "y")
	if err := d.Rename("x", d, "y"); err != nil {
		t.Fatal(err)
	}
	_, _ = x.Close(), y.Close()
	if err := d.Unlink("y"); err != nil {
		t.Fatal(err)
	}
	if now := f.used.Load(); now != empty {
		t.Errorf("after a rename over a file %d bytes are in use, %d were", now, empty)
	}
}

// TestAppendThreads appends lines from many goroutines; none may be lost or torn.
func TestAppendThreads(t *testing.T) {
	f := New(1 << 30)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			x, err := f.Root().Open("log", vfs.OpenFlags{Write: true, Create: true, Status: vfs.FlagAppend})
			if err != nil {
				t.Error(err)
				return
			}
			defer x.Close()
			for range 200 {
				_, _ = x.Write(bytes.Repeat([]byte{byte('a' + i)}, 50))
			}
		})
	}
	wg.Wait()
	all := make([]byte, 8*200*50+1)
	n, _ := open(t, f, "log").ReadAt(all, 0)
	if n != 8*200*50 {
		t.Fatalf("%d bytes", n)
	}
	for i := 0; i < n; i += 50 {
		if !bytes.Equal(all[i:i+50], bytes.Repeat(all[i:i+1], 50)) {
			t.Fatalf("line %d is %q", i/50, all[i:i+50])
		}
	}
}
