package wasi

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

const secret = "top secret"

// prison makes a directory to mount, inside of one that a guest must neither see nor change.
func prison(t *testing.T) (outside, inside string) {
	t.Helper()
	outside = t.TempDir()
	inside = filepath.Join(outside, "inside")
	for _, d := range []string{"inside/d/e", "inside/x", "victim/sub", "inside-not"} {
		if err := os.MkdirAll(filepath.Join(outside, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"secret", "victim/file", "inside-not/file"} {
		if err := os.WriteFile(filepath.Join(outside, f), []byte(secret), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(inside, "own"), []byte("own"), 0o666); err != nil {
		t.Fatal(err)
	}
	return outside, inside
}

// tree describes everything outside of the prison, times of files included.
func tree(t *testing.T, outside string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(outside, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && e.Name() == "inside" {
			return fs.SkipDir
		}
		if p == outside {
			return nil // its own times change with what a test makes in it
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, p, fi.Mode(), fi.Size(), fi.ModTime().UnixNano())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tryAll makes every call with a path on it that could do harm, in every position, and reports what of the secret it got to see.
func tryAll(g *guest, dir uint32, path string) (seen string) {
	for _, mode := range []string{"r", "rw", "wc", "wct", "wcx", "rd", "rl", "wcl", "rwtl", "wa"} {
		fd, en := g.open(dir, path, mode)
		if en != success {
			continue
		}
		if s, _ := g.read(fd, 100); strings.Contains(s, secret) {
			seen += "read by " + mode + "; "
		}
		if st, _ := g.fdStat(fd); st.Type == vfs.TypeDirectory {
			for _, n := range g.names(fd, 4096) {
				if n == "victim" || n == "secret" || n == "inside" {
					seen += "listed; "
				}
			}
			if s, _ := g.readFile(fd, "secret"); s == secret {
				seen += "read below; "
			}
		}
		g.close(fd)
	}
	for _, follow := range []uint64{0, 1} {
		p, n := g.str(pathAt, path)
		g.call("path_filestat_set_times", uint64(dir), follow, p, n, 1, 1, 5)
		if st, en := g.stat(dir, path, follow == 1); en == success && st.Size == uint64(len(secret)) && st.Type == vfs.TypeRegular {
			seen += "stat; "
		}
	}
	for _, name := range []string{"path_create_directory", "path_unlink_file", "path_remove_directory"} {
		g.path(name, dir, path)
	}
	g.symlink("own", dir, path)
	g.rename(3, "own", dir, path)
	g.rename(dir, path, 3, "own")
	g.link(3, "own", dir, path)
	g.link(dir, path, 3, "linked")
	if s, en := g.readFile(3, "linked"); en == success && s == secret {
		seen += "linked; "
	}
	if s, en := g.readFile(3, "own"); en == success && s == secret {
		seen += "moved; "
	}
	g.path("path_unlink_file", 3, "linked")
	return seen
}

func TestEscape(t *testing.T) {
	// The probe does see what it may see.
	outside, _ := prison(t)
	free := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Host: outside}}})
	free.writeFile(3, "own", "own")
	if tryAll(free, 3, "inside/../secret") == "" || tree(t, outside) == "" {
		t.Fatal("the probe is blind")
	}

	outside, inside := prison(t)
	links := map[string]string{
		"abs": filepath.Join(outside, "secret"), "absdir": outside, "rel": "../secret", "reldir": "..", "deep": "d/../../secret", "chain": "chain2", "chain2": "reldir/secret",
		"proc": "/proc/self/cwd", "d/up": "../..", "d/e/up": "../../../victim", "slash": "../", "dots": "d/e/../../..", "root": "/", "self": "../inside/own",
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(inside, name)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	before := tree(t, outside)
	g := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Host: inside}}})
	d, e := g.mustOpen(3, "d", "rd"), g.mustOpen(3, "d/e", "rd")
	paths := []string{
		"..", "../", "../secret", "../inside-not/file", "../victim/sub", "./../secret", "d/../../secret", "d/e/../../../secret", "d//..//..//secret",
		"/", "//", "/etc/passwd", filepath.Join(outside, "secret"), "../inside/own", "x/../../secret", "..\\secret", "d/..\\..\\secret", "C:\\", "\\\\?\\C:\\",
	}
	for name := range links {
		for _, suffix := range []string{"", "/", "/.", "/..", "/secret", "/../secret", "/victim/file", "/victim/sub", "/file", "/new"} {
			paths = append(paths, name+suffix)
		}
	}
	for _, p := range paths {
		for _, dir := range []uint32{3, d, e} {
			if seen := tryAll(g, dir, p); seen != "" {
				t.Errorf("%q: %s", p, seen)
			}
		}
		if after := tree(t, outside); after != before {
			t.Fatalf("%q changed what is outside:\n%s\n%s", p, before, after)
		}
		// tryAll may have taken the links and the file.
		for name, target := range links {
			_ = os.MkdirAll(filepath.Join(inside, "d/e"), 0o777)
			if now, err := os.Readlink(filepath.Join(inside, name)); err != nil || now != target {
				_ = os.RemoveAll(filepath.Join(inside, name))
				_ = os.Symlink(target, filepath.Join(inside, name))
			}
		}
		_ = os.WriteFile(filepath.Join(inside, "own"), []byte("own"), 0o666)
	}
}

// TestEscapeErrors says how the ways out fail.
func TestEscapeErrors(t *testing.T) {
	outside, inside := prison(t)
	for name, target := range map[string]string{"abs": outside, "rel": "..", "file": "../secret"} {
		if err := os.Symlink(target, filepath.Join(inside, name)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	g := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Host: inside}}})
	for _, p := range []string{"..", "../secret", "/etc", "abs/secret", "rel/secret", "file", "d/../../secret", "rel", "abs", "rel/"} {
		_, en := g.open(3, p, "r")
		g.want("open "+p, en, vfs.EPERM)
		_, en = g.stat(3, p, true)
		g.want("stat "+p, en, vfs.EPERM)
	}
	for _, p := range []string{"../x", "rel/x", "abs/x", "rel/../x"} {
		g.want("mkdir "+p, g.path("path_create_directory", 3, p), vfs.EPERM)
		g.want("unlink "+p, g.path("path_unlink_file", 3, p), vfs.EPERM)
		g.want("rename "+p, g.rename(3, "own", 3, p), vfs.EPERM)
		g.want("rename from "+p, g.rename(3, p, 3, "y"), vfs.EPERM)
		g.want("link "+p, g.link(3, "own", 3, p), vfs.EPERM)
		g.want("symlink "+p, g.symlink("own", 3, p), vfs.EPERM)
	}
	if _, en := g.stat(3, "file", false); en != success {
		t.Errorf("a link that leads out can be looked at: %v", en)
	}
}

// TestEscapeRace swaps a directory for a link to the outside while guest threads use paths through it.
func TestEscapeRace(t *testing.T) {
	outside, inside := prison(t)
	at := func(p string) string { return filepath.Join(inside, p) }
	if err := os.Symlink("../victim", at("x/link")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	if err := os.Symlink("../../secret", at("x/flink")); err != nil {
		t.Fatal(err)
	}
	before := tree(t, outside)
	g := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Host: inside}}})
	var stop atomic.Bool
	var swapper, threads sync.WaitGroup
	// The host's side of the race: directory, link, file and deeper directory take turns under the names.
	root, err := os.OpenRoot(inside) // so that the test itself does not follow the links
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	swapper.Go(func() {
		for !stop.Load() {
			_ = root.Rename("d", "x/d")
			_ = root.Rename("x/link", "d")
			runtime.Gosched()
			_ = root.Rename("d", "x/link")
			_ = root.Rename("x/d", "d")
			_ = root.Rename("x/flink", "d/f")
			runtime.Gosched()
			_ = root.Rename("d/f", "x/flink")
			_ = root.MkdirAll("d/e", 0o777)
		}
	})
	for range 3 {
		threads.Go(func() {
			th := g.thread()
			for range 60 {
				for _, p := range []string{"d/sub", "d/file", "d/f", "d/e/../../d/file", "d", "d/e/../../../victim/file"} {
					if seen := tryAll(th, 3, p); seen != "" {
						t.Errorf("%q: %s", p, seen)
					}
				}
				if _, err := os.Lstat(at("own")); err != nil {
					_ = root.WriteFile("own", []byte("own"), 0o666)
				}
			}
		})
	}
	threads.Wait()
	stop.Store(true)
	swapper.Wait()
	if after := tree(t, outside); after != before {
		t.Errorf("something outside changed:\n%s\n%s", before, after)
	}
}
