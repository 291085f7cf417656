package iofs

import (
	"io"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

var files = fstest.MapFS{
	"a/b/f":   {Data: []byte("0123456789")},
	"a/l":     {Data: []byte("b/f"), Mode: fs.ModeSymlink},
	"a/out":   {Data: []byte("../../x"), Mode: fs.ModeSymlink},
	"a/abs":   {Data: []byte("/a"), Mode: fs.ModeSymlink},
	"a/toDir": {Data: []byte("b"), Mode: fs.ModeSymlink},
}

// plain hides that files can seek and read at offsets.
type plain struct{ fs.FS }

func (p plain) Open(name string) (fs.File, error) {
	f, err := p.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if d, ok := f.(fs.ReadDirFile); ok {
		return d, nil
	}
	return struct{ fs.File }{f}, nil
}

func TestRead(t *testing.T) {
	for name, fsys := range map[string]fs.FS{"seekable": files, "plain": plain{files}} {
		t.Run(name, func(t *testing.T) {
			path := "a/./b/../b/f"
			f, err := Mount(fsys).Open(path, vfs.OpenFlags{Read: true, Follow: true})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			p := make([]byte, 4)
			read := func(want string) {
				t.Helper()
				if n, err := f.Read(p); string(p[:n]) != want || err != nil {
					t.Errorf("read %q, %v, want %q", p[:n], err, want)
				}
			}
			read("0123")
			if n, err := f.ReadAt(p, 7); string(p[:n]) != "789" || err != nil {
				t.Errorf("read at 7: %q, %v", p[:n], err)
			}
			read("4567")
			if at, err := f.Seek(-3, io.SeekEnd); at != 7 || err != nil {
				t.Errorf("seek: %d, %v", at, err)
			}
			read("789")
			read("")
			if _, err := f.Seek(-1, io.SeekStart); err != vfs.EINVAL {
				t.Errorf("seek before the beginning: %v", err)
			}
			if n, err := f.ReadAt(p, 1<<50); n != 0 || err != nil {
				t.Errorf("read far away: %d, %v", n, err)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	d := Mount(files)
	for _, c := range []struct {
		path   string
		follow bool
		want   vfs.FileType
		err    error
	}{
		{"a/l", true, vfs.TypeRegular, nil}, {"a/l", false, vfs.TypeSymlink, nil}, {"a/toDir/f", false, vfs.TypeRegular, nil},
		{"a/out", true, 0, vfs.EPERM}, {"a/abs", true, 0, vfs.EPERM}, {"a/abs/b", false, 0, vfs.EPERM}, {"none", true, 0, vfs.ENOENT},
		{"a/toDir", true, vfs.TypeDirectory, nil}, {".", true, vfs.TypeDirectory, nil}, {"a/b/f/x", true, 0, vfs.ENOTDIR},
	} {
		st, err := d.StatPath(c.path, c.follow)
		if err != c.err || st.Type != c.want {
			t.Errorf("stat %s: %v, %v", c.path, st.Type, err)
		}
		if err == nil && st.Ino == 0 {
			t.Errorf("%s has no number", c.path)
		}
	}
	if target, err := d.Readlink("a/l"); target != "b/f" || err != nil {
		t.Errorf("readlink: %q, %v", target, err)
	}
}

func TestEntries(t *testing.T) {
	d, err := Mount(files).Open("a", vfs.OpenFlags{Directory: true, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var cookies []uint64
	collect := func(e vfs.Entry) bool {
		names = append(names, e.Name)
		cookies = append(cookies, e.Next)
		return true
	}
	if err := d.(vfs.Dir).Entries(0, collect); err != nil || len(names) != 7 || names[0] != "." || names[1] != ".." {
		t.Fatalf("names %q, %v", names, err)
	}
	all := names
	for i, c := range cookies {
		names = nil
		if err := d.(vfs.Dir).Entries(c, collect); err != nil || len(names) != len(all)-i-1 {
			t.Errorf("from %d: %q, %v", c, names, err)
		}
	}
}

// lonely is a file that must not be used by two at the same time: the race detector sees who does.
type lonely struct{ n int }

func (f *lonely) Stat() (fs.FileInfo, error) { f.n++; return fs.Stat(files, "a/b/f") }
func (f *lonely) Read(p []byte) (int, error) { f.n++; return 0, io.EOF }
func (f *lonely) Close() error               { return nil }

// lonelyFS has lonely for its one file.
type lonelyFS struct{ fs.FS }

func (l lonelyFS) Open(name string) (fs.File, error) {
	if name == "a/b/f" {
		return &lonely{}, nil
	}
	return l.FS.Open(name)
}

// TestOneAtATime: files of an io/fs.FS need no lock of their own.
func TestOneAtATime(t *testing.T) {
	f, err := Mount(lonelyFS{files}).Open("a/b/f", vfs.OpenFlags{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var wg sync.WaitGroup
	for _, use := range []func(){
		func() { _, _ = f.Stat() }, func() { _, _ = f.Read(make([]byte, 1)) }, func() { _, _ = f.ReadAt(make([]byte, 1), 1) }, func() { _, _ = f.Seek(0, io.SeekEnd) },
	} {
		wg.Go(func() {
			for range 100 {
				use()
			}
		})
	}
	wg.Wait()
}
