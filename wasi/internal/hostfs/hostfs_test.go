package hostfs

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/stream"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

func mounted(t *testing.T, path string) *dir {
	t.Helper()
	hub := stream.NewHub()
	d, err := Mount(path, hub)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(); hub.Close() })
	return d.(*dir)
}

// TestSlowAndFast makes the same calls with and without the system's short cut: they must not differ.
func TestSlowAndFast(t *testing.T) {
	fast, slow := mounted(t, t.TempDir()), mounted(t, t.TempDir())
	if !fast.m.fast {
		t.Skip("there is only one way here")
	}
	slow.m.fast = false
	names := []string{"a", "b", "c", "a/b", "b/a", "c/a/b", "a/", "b/.", "c/", "..", "a/..", "a/../b", "../x", "/a", "a/../../b", "", ".", "a//b/", strings.Repeat("x", 300)}
	rnd := rand.New(rand.NewSource(1))
	pick := func() string { return names[rnd.Intn(len(names))] }
	one := func(d *dir, op int, p, q string, o vfs.OpenFlags) string {
		if err := vfs.CheckPath(p); err != nil {
			return fmt.Sprint(err)
		}
		switch op {
		case 0, 1, 2:
			f, err := d.Open(p, o)
			if err != nil {
				return fmt.Sprint("open ", vfs.ErrnoOf(err))
			}
			defer f.Close()
			n, err := f.Write([]byte("data"))
			st, serr := f.Stat()
			return fmt.Sprint("open ", f.Type(), n, vfs.ErrnoOf(err), st.Type, serr)
		case 3, 4:
			st, err := d.StatPath(p, o.Follow)
			if st.Type == vfs.TypeDirectory {
				st.Size, st.Nlink = 0, 0
			}
			return fmt.Sprint("stat ", st.Type, st.Size, st.Nlink, vfs.ErrnoOf(err))
		case 5:
			target, err := d.Readlink(p)
			return fmt.Sprint("readlink ", target, vfs.ErrnoOf(err))
		}
		if vfs.EndsInDot(p) || vfs.EndsInDot(q) || q == "" || q[0] == '/' {
			return ""
		}
		switch op {
		case 6:
			return fmt.Sprint("mkdir ", vfs.ErrnoOf(d.Mkdir(p)))
		case 7:
			return fmt.Sprint("symlink ", vfs.ErrnoOf(d.Symlink(q, p)))
		case 8:
			return fmt.Sprint("unlink ", vfs.ErrnoOf(d.Unlink(p)))
		case 9:
			return fmt.Sprint("rename ", vfs.ErrnoOf(d.Rename(p, d, q)))
		case 10:
			return fmt.Sprint("link ", vfs.ErrnoOf(d.Link(p, d, q)))
		}
		return fmt.Sprint("rmdir ", vfs.ErrnoOf(d.Rmdir(p)))
	}
	seen := map[string]int{}
	for i := range 20_000 {
		op, p, q := rnd.Intn(12), pick(), pick()
		b := func() bool { return rnd.Intn(2) == 0 }
		o := vfs.OpenFlags{Read: b(), Write: b(), Create: b(), Exclusive: rnd.Intn(4) == 0, Truncate: rnd.Intn(4) == 0, Directory: rnd.Intn(4) == 0, Follow: b()}
		o.Exclusive = o.Exclusive && o.Create
		o.Directory = o.Directory && !o.Create
		f, s := one(fast, op, p, q, o), one(slow, op, p, q, o)
		if f != s {
			t.Fatalf("call %d on %q, %q, %+v: fast %s, slow %s", i, p, q, o, f, s)
		}
		seen[f]++
	}
	if len(seen) < 50 {
		t.Errorf("only %d different results: %v", len(seen), seen)
	}
}

// TestSlowNoFollow swaps a file for a link while it is opened without following: what is opened is never the link's target.
func TestSlowNoFollow(t *testing.T) {
	path := t.TempDir()
	d := mounted(t, path)
	d.m.fast = false
	at := func(p string) string { return filepath.Join(path, p) }
	for name, data := range map[string]string{"file": "file", "target": "target"} {
		if err := os.WriteFile(at(name), []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("target", at("link")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Rename(at("file"), at("x"))
			_ = os.Rename(at("link"), at("y"))
			_ = os.Rename(at("file2"), at("x"))
			_ = os.Rename(at("y"), at("x2"))
			_ = os.Rename(at("x"), at("file"))
			_ = os.Rename(at("file"), at("file2"))
			_ = os.Rename(at("x2"), at("file"))
			_ = os.Rename(at("file"), at("link"))
		}
	}()
	buf := make([]byte, 10)
	for range 3000 {
		f, err := d.Open("file", vfs.OpenFlags{Read: true, Write: true, Truncate: false})
		if err != nil {
			continue
		}
		if n, _ := f.ReadAt(buf, 0); string(buf[:n]) == "target" {
			t.Error("a link was followed")
		}
		_ = f.Close()
	}
	close(stop)
	<-done
}
