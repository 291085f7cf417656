package wasi

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// onBackends runs a test on every writable backend; fd 3 is an empty directory.
func onBackends(t *testing.T, f func(t *testing.T, g *guest)) {
	for name, mount := range map[string]func(t *testing.T) Mount{
		"host": func(t *testing.T) Mount { return Mount{Guest: "/", Host: t.TempDir()} },
		"mem":  func(t *testing.T) Mount { return Mount{Guest: "/", Mem: NewMemFS(0)} },
	} {
		t.Run(name, func(t *testing.T) { f(t, newGuest(t, Config{Mounts: []Mount{mount(t)}})) })
	}
}

func TestFiles(t *testing.T) {
	onBackends(t, func(t *testing.T, g *guest) {
		g.writeFile(3, "f", "hello world")
		if s, en := g.readFile(3, "f"); s != "hello world" || en != success {
			t.Errorf("read %q, %v", s, en)
		}
		fd := g.mustOpen(3, "f", "rw")
		if fd != 4 {
			t.Errorf("fd %d, want the lowest free one", fd)
		}
		g.want("seek", g.call("fd_seek", uint64(fd), 6, 0, resultAt), success)
		if s, _ := g.read(fd, 100); s != "world" {
			t.Errorf("after seek: %q", s)
		}
		g.want("tell", g.call("fd_tell", uint64(fd), resultAt), success)
		if g.u64(resultAt) != 11 {
			t.Errorf("tell: %d", g.u64(resultAt))
		}
		back := int64(-5)
		g.want("seek from the end", g.call("fd_seek", uint64(fd), uint64(back), 2, resultAt), success)
		g.write(fd, "WORLD!")
		g.want("negative seek", g.call("fd_seek", uint64(fd), uint64(back), 0, resultAt), vfs.EINVAL)
		g.want("whence", g.call("fd_seek", uint64(fd), 0, 3, resultAt), vfs.EINVAL)

		p, n := g.iov(dataAt, 5)
		g.want("pread", g.call("fd_pread", uint64(fd), p, n, 6, resultAt), success)
		if s := string(g.mem[dataAt:][:g.u32(resultAt)]); s != "WORLD" {
			t.Errorf("pread: %q", s)
		}
		copy(g.mem[dataAt:], "J")
		p, n = g.iov(dataAt, 1)
		g.want("pwrite", g.call("fd_pwrite", uint64(fd), p, n, 0, resultAt), success)
		g.want("pread far", g.call("fd_pread", uint64(fd), p, n, 1<<40, resultAt), success)
		if g.u32(resultAt) != 0 {
			t.Errorf("pread beyond the end: %d bytes", g.u32(resultAt))
		}
		g.want("pread negative", g.call("fd_pread", uint64(fd), p, n, 1<<63, resultAt), vfs.EINVAL)
		if s, _ := g.readFile(3, "f"); s != "Jello WORLD!" {
			t.Errorf("contents %q", s)
		}
		if st, _ := g.fdStat(fd); st.Size != 12 || st.Type != vfs.TypeRegular || st.Nlink != 1 || st.Ino == 0 || st.Mtim == 0 {
			t.Errorf("stat %+v", st)
		}
		g.want("shrink", g.call("fd_filestat_set_size", uint64(fd), 3), success)
		g.want("grow", g.call("fd_filestat_set_size", uint64(fd), 6), success)
		if s, _ := g.readFile(3, "f"); s != "Jel\x00\x00\x00" {
			t.Errorf("contents %q", s)
		}
		g.want("allocate", g.call("fd_allocate", uint64(fd), 4, 96), success)
		if st, _ := g.fdStat(fd); st.Size != 100 {
			t.Errorf("allocated to %d", st.Size)
		}
		g.want("allocate nothing", g.call("fd_allocate", uint64(fd), 4, 0), vfs.EINVAL)
		g.want("advise", g.call("fd_advise", uint64(fd), 0, 10, 3), success)
		g.want("bad advice", g.call("fd_advise", uint64(fd), 0, 10, 6), vfs.EINVAL)
		g.want("sync", g.call("fd_sync", uint64(fd)), success)
		g.want("datasync", g.call("fd_datasync", uint64(fd)), success)
		g.want("close", g.close(fd), success)
		g.want("close again", g.close(fd), vfs.EBADF)

		r, w := g.mustOpen(3, "f", "r"), g.mustOpen(3, "f", "w")
		_, en := g.write(r, "x")
		g.want("write to what is read", en, vfs.EBADF)
		_, en = g.read(w, 1)
		g.want("read of what is written", en, vfs.EBADF)
		g.want("truncate what is read", g.call("fd_filestat_set_size", uint64(r), 1), vfs.EINVAL)
	})
}

func TestOpenFlags(t *testing.T) {
	onBackends(t, func(t *testing.T, g *guest) {
		g.writeFile(3, "f", "0123")
		g.want("mkdir", g.path("path_create_directory", 3, "d"), success)
		g.want("link", g.symlink("f", 3, "l"), success)
		g.want("link", g.symlink("d", 3, "ld"), success)
		g.want("dangling link", g.symlink("new", 3, "dangling"), success)
		for _, c := range []struct {
			path, mode string
			want       errno
		}{
			{"none", "r", vfs.ENOENT}, {"none", "rd", vfs.ENOENT}, {"f", "rd", vfs.ENOTDIR}, {"f/", "r", vfs.ENOTDIR}, {"f/x", "r", vfs.ENOTDIR},
			{"f", "wcx", vfs.EEXIST}, {"l", "wcx", vfs.EEXIST}, {"dangling", "wcx", vfs.EEXIST}, {"l", "rl", vfs.ELOOP}, {"dangling", "r", vfs.ENOENT},
			{"l", "wcl", vfs.ELOOP}, {"d", "w", vfs.EISDIR}, {"d", "rc", vfs.EISDIR}, {"d", "rt", vfs.EISDIR}, {"d", "rcl", vfs.EISDIR}, {"d", "r", success},
			{"d/", "rd", success}, {"ld", "rd", success}, {"ld/", "rl", success}, {".", "rd", success}, {"d/..", "rd", success}, {"new/", "wc", vfs.ENOENT},
			{"f", "rcd", vfs.EINVAL}, {"", "r", vfs.ENOENT}, {"/f", "r", vfs.EPERM}, {"..", "r", vfs.EPERM}, {"d/../../x", "r", vfs.EPERM},
			{"f\x00", "r", vfs.EINVAL}, {"\xff", "r", vfs.EILSEQ}, {strings.Repeat("n", 300), "r", vfs.ENAMETOOLONG},
			{strings.Repeat("x/", 2500), "r", vfs.ENAMETOOLONG},
		} {
			fd, en := g.open(3, c.path, c.mode)
			if en != c.want {
				t.Errorf("open %.20q %s: %v, want %v", c.path, c.mode, en, c.want)
			}
			if en == success {
				g.close(fd)
			}
		}
		fd := g.mustOpen(3, "dangling", "wc") // creates what the link leads to
		g.write(fd, "x")
		g.close(fd)
		if s, en := g.readFile(3, "new"); s != "x" {
			t.Errorf("through a dangling link: %q, %v", s, en)
		}
		fd = g.mustOpen(3, "f", "wa")
		g.want("seek", g.call("fd_seek", uint64(fd), 0, 0, resultAt), success)
		g.write(fd, "45")
		g.want("append off", g.call("fd_fdstat_set_flags", uint64(fd), 0), success)
		g.want("seek", g.call("fd_seek", uint64(fd), 0, 0, resultAt), success)
		g.write(fd, "ab")
		g.want("append on", g.call("fd_fdstat_set_flags", uint64(fd), 1), success)
		g.write(fd, "67")
		g.close(fd)
		if s, _ := g.readFile(3, "f"); s != "ab234567" {
			t.Errorf("append: %q", s)
		}
		g.close(g.mustOpen(3, "f", "wtl"))
		if st, _ := g.stat(3, "f", true); st.Size != 0 {
			t.Errorf("truncated to %d", st.Size)
		}
	})
}

func TestNames(t *testing.T) {
	onBackends(t, func(t *testing.T, g *guest) {
		g.want("mkdir", g.path("path_create_directory", 3, "d"), success)
		g.want("mkdir slash", g.path("path_create_directory", 3, "d/e/"), success)
		g.writeFile(3, "f", "f")
		g.writeFile(3, "d/g", "g")
		g.want("symlink", g.symlink("d", 3, "ld"), success)
		d, e := g.mustOpen(3, "d", "rd"), g.mustOpen(3, "d/e", "rd")
		for _, c := range []struct {
			what string
			got  errno
			want errno
		}{
			{"mkdir again", g.path("path_create_directory", 3, "d"), vfs.EEXIST},
			{"mkdir over a file", g.path("path_create_directory", 3, "f"), vfs.EEXIST},
			{"mkdir dot", g.path("path_create_directory", 3, "d/."), vfs.EEXIST},
			{"mkdir below nothing", g.path("path_create_directory", 3, "x/y"), vfs.ENOENT},
			{"mkdir below a file", g.path("path_create_directory", 3, "f/y"), vfs.ENOTDIR},
			{"rmdir full", g.path("path_remove_directory", 3, "d"), vfs.ENOTEMPTY},
			{"rmdir file", g.path("path_remove_directory", 3, "f"), vfs.ENOTDIR},
			{"rmdir link", g.path("path_remove_directory", 3, "ld"), vfs.ENOTDIR},
			{"rmdir link/", g.path("path_remove_directory", 3, "ld/"), vfs.ENOTDIR},
			{"rmdir .", g.path("path_remove_directory", 3, "."), vfs.EINVAL},
			{"rmdir ..", g.path("path_remove_directory", 3, ".."), vfs.EPERM},
			{"unlink dir", g.path("path_unlink_file", 3, "d"), vfs.EISDIR},
			{"unlink dir/", g.path("path_unlink_file", 3, "d/"), vfs.EISDIR},
			{"unlink file/", g.path("path_unlink_file", 3, "f/"), vfs.ENOTDIR},
			{"unlink none", g.path("path_unlink_file", 3, "none"), vfs.ENOENT},
			{"rename dir into itself", g.rename(3, "d", 3, "d/e/x"), vfs.EINVAL},
			{"rename dir into itself by fd", g.rename(3, "d", e, "x"), vfs.EINVAL},
			{"rename over parent", g.rename(3, "d/g", 3, "d"), vfs.ENOTEMPTY},
			{"rename file over dir", g.rename(3, "f", 3, "d/e"), vfs.EISDIR},
			{"rename dir over file", g.rename(3, "d", 3, "f"), vfs.ENOTDIR},
			{"rename file/", g.rename(3, "f/", 3, "x"), vfs.ENOTDIR},
			{"rename file to x/", g.rename(3, "f", 3, "x/"), vfs.ENOTDIR},
			{"rename none", g.rename(3, "none", 3, "x"), vfs.ENOENT},
			{"rename .", g.rename(3, "d/.", 3, "x"), vfs.EBUSY},
			{"rename to itself", g.rename(3, "f", 3, "f"), success},
			{"rename between fds", g.rename(d, "g", e, "h"), success},
			{"rename back", g.rename(3, "d/e/h", d, "g"), success},
			{"link", g.link(3, "f", d, "hard"), success},
			{"link again", g.link(3, "f", d, "hard"), vfs.EEXIST},
			{"link dir", g.link(3, "d", 3, "hd"), vfs.EPERM},
			{"link none", g.link(3, "none", 3, "hd"), vfs.ENOENT},
			{"link to x/", g.link(3, "f", 3, "x/"), vfs.ENOENT},
			{"symlink again", g.symlink("x", 3, "ld"), vfs.EEXIST},
			{"symlink absolute", g.symlink("/etc", 3, "abs"), vfs.EPERM},
			{"symlink to x/", g.symlink("f", 3, "x/"), vfs.ENOENT},
			{"not a directory", g.path("path_unlink_file", g.mustOpen(3, "f", "r"), "x"), vfs.ENOTDIR},
			{"no fd", g.path("path_unlink_file", 99, "x"), vfs.EBADF},
			{"not the same mount", g.rename(3, "f", 0, "x"), vfs.ENOTDIR},
		} {
			g.want(c.what, c.got, c.want)
		}
		if st, _ := g.stat(3, "f", false); st.Nlink != 2 {
			t.Errorf("nlink %d", st.Nlink)
		}
		if st, en := g.stat(3, "ld", false); st.Type != vfs.TypeSymlink || en != success || st.Size != 1 {
			t.Errorf("lstat %+v, %v", st, en)
		}
		if st, _ := g.stat(3, "ld", true); st.Type != vfs.TypeDirectory {
			t.Errorf("stat %+v", st)
		}
		p, n := g.str(pathAt, "ld")
		g.want("readlink", g.call("path_readlink", 3, p, n, dataAt, 100, resultAt), success)
		if s := string(g.mem[dataAt:][:g.u32(resultAt)]); s != "d" {
			t.Errorf("readlink %q", s)
		}
		p, n = g.str(pathAt, "f")
		g.want("readlink of a file", g.call("path_readlink", 3, p, n, dataAt, 100, resultAt), vfs.EINVAL)

		// A directory that is open stays what it is.
		g.want("rename", g.rename(3, "d", 3, "moved"), success)
		if s, en := g.readFile(d, "g"); s != "g" {
			t.Errorf("below a renamed directory: %q, %v", s, en)
		}
		_, en := g.open(d, "../f", "r")
		g.want("up from a directory", en, vfs.EPERM)
		g.want("unlink", g.path("path_unlink_file", d, "g"), success)
		g.want("unlink", g.path("path_unlink_file", d, "hard"), success)
		g.want("rmdir", g.path("path_remove_directory", d, "e/"), success)
		g.want("rmdir", g.path("path_remove_directory", 3, "moved"), success)
		_, en = g.open(d, "new", "wc")
		g.want("create in a removed directory", en, vfs.ENOENT)
	})
}

func TestTimes(t *testing.T) {
	onBackends(t, func(t *testing.T, g *guest) {
		g.writeFile(3, "f", "")
		g.symlink("f", 3, "l")
		set := func(path string, follow, atim, mtim uint64, flags uint64) errno {
			p, n := g.str(pathAt, path)
			return g.call("path_filestat_set_times", 3, follow, p, n, atim, mtim, flags)
		}
		const a, m = 1_000_000_000_000_001_000, 1_500_000_000_000_002_000
		g.want("set", set("f", 1, a, m, 5), success)
		if st, _ := g.stat(3, "f", true); st.Atim != a || st.Mtim != m {
			t.Errorf("times %d %d", st.Atim, st.Mtim)
		}
		g.want("set one", set("l", 1, 7, m+1000, 4), success)
		if st, _ := g.stat(3, "f", true); st.Atim != a || st.Mtim != m+1000 {
			t.Errorf("times %d %d", st.Atim, st.Mtim)
		}
		g.want("set link", set("l", 0, 5000, 6000, 5), success)
		if st, _ := g.stat(3, "l", false); st.Mtim != 6000 {
			t.Errorf("times of a link %d %d", st.Atim, st.Mtim)
		}
		if st, _ := g.stat(3, "f", true); st.Mtim != m+1000 {
			t.Errorf("the link's target changed: %d", st.Mtim)
		}
		g.want("both", set("f", 1, 0, 0, 3), vfs.EINVAL)
		g.want("unknown", set("f", 1, 0, 0, 16), vfs.EINVAL)
		fd := g.mustOpen(3, "f", "rw")
		g.want("fd", g.call("fd_filestat_set_times", uint64(fd), 3000, 4000, 5), success)
		if st, _ := g.fdStat(fd); st.Atim != 3000 || st.Mtim != 4000 {
			t.Errorf("times %d %d", st.Atim, st.Mtim)
		}
		g.want("fd one", g.call("fd_filestat_set_times", uint64(fd), 3000, 9000, 4), success)
		g.want("fd now", g.call("fd_filestat_set_times", uint64(fd), 0, 0, 2), success)
		if st, _ := g.fdStat(fd); st.Atim < m || st.Mtim != 9000 {
			t.Errorf("times %d %d", st.Atim, st.Mtim)
		}
		d := g.mustOpen(3, ".", "rd")
		g.want("dir", g.call("fd_filestat_set_times", uint64(d), 3000, 4000, 5), success)
	})
}

func TestReaddir(t *testing.T) {
	onBackends(t, func(t *testing.T, g *guest) {
		var want []string
		for i := range 300 {
			name := fmt.Sprintf("file-%03d-%s", i, strings.Repeat("x", i%40))
			g.writeFile(3, name, "")
			want = append(want, name)
		}
		fd := g.mustOpen(3, ".", "rd")
		for _, size := range []uint64{100, 4096, 65536} {
			got := g.names(fd, size)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("buffer of %d: %d names, want %d", size, len(got), len(want))
			}
		}
		// The loop of rm -r: what was read goes while reading goes on.
		seen := 0
		for cookie := uint64(0); ; {
			g.want("readdir", g.call("fd_readdir", uint64(fd), dataAt, 200, cookie, resultAt), success)
			used := g.u32(resultAt)
			b := append([]byte(nil), g.mem[dataAt:][:used]...)
			for len(b) >= sizeDirent {
				size := sizeDirent + int(le.Uint32(b[16:]))
				if size > len(b) {
					break
				}
				cookie = le.Uint64(b)
				if name := string(b[sizeDirent:size]); name != "." && name != ".." {
					seen++
					g.want("unlink "+name, g.path("path_unlink_file", 3, name), success)
				}
				b = b[size:]
			}
			if used < 200 {
				break
			}
		}
		if seen != 300 || len(g.names(fd, 4096)) != 0 {
			t.Errorf("saw %d, %d are left", seen, len(g.names(fd, 4096)))
		}
		f := g.mustOpen(3, "f", "wc")
		g.want("readdir of a file", g.call("fd_readdir", uint64(f), dataAt, 200, 0, resultAt), vfs.ENOTDIR)
	})
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/f", []byte("data"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/d", 0o777); err != nil {
		t.Fatal(err)
	}
	mem := NewMemFS(0)
	fill := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Mem: mem}}})
	fill.writeFile(3, "f", "data")
	fill.path("path_create_directory", 3, "d")
	for name, m := range map[string]Mount{
		"host": {Guest: "/", Host: dir, ReadOnly: true}, "mem": {Guest: "/", Mem: mem, ReadOnly: true}, "fs": {Guest: "/", FS: os.DirFS(dir)},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t, Config{Mounts: []Mount{m}})
			if s, en := g.readFile(3, "f"); s != "data" || en != success {
				t.Errorf("read %q, %v", s, en)
			}
			d := g.mustOpen(3, "d", "rd")
			f := g.mustOpen(3, "f", "r")
			open := func(path, mode string) errno {
				fd, en := g.open(3, path, mode)
				if en == success {
					g.close(fd)
				}
				return en
			}
			p, n := g.str(pathAt, "f")
			for what, c := range map[string][2]errno{
				"create": {open("new", "wc"), vfs.EROFS}, "write": {open("f", "w"), vfs.EROFS}, "truncate": {open("f", "rt"), vfs.EROFS},
				"create what is there": {open("f", "rc"), success}, "exclusive": {open("f", "rcx"), vfs.EEXIST}, "write dir": {open("d", "w"), vfs.EISDIR},
				"mkdir": {g.path("path_create_directory", d, "x"), vfs.EROFS}, "unlink": {g.path("path_unlink_file", 3, "f"), vfs.EROFS},
				"rmdir": {g.path("path_remove_directory", 3, "d"), vfs.EROFS}, "rename": {g.rename(3, "f", d, "f"), vfs.EROFS},
				"link": {g.link(3, "f", d, "f"), vfs.EROFS}, "symlink": {g.symlink("f", 3, "x"), vfs.EROFS},
				"fd times": {g.call("fd_filestat_set_times", uint64(f), 0, 0, 5), vfs.EROFS},
				"times":    {g.call("path_filestat_set_times", 3, 0, p, n, 0, 0, 5), vfs.EROFS},
				"size":     {g.call("fd_filestat_set_size", uint64(f), 0), vfs.EROFS}, "allocate": {g.call("fd_allocate", uint64(f), 0, 1), vfs.EROFS},
			} {
				g.want(what, c[0], c[1])
			}
			if names := g.names(3, 4096); len(names) != 2 {
				t.Errorf("names %q", names)
			}
			g.want("fdstat", g.call("fd_fdstat_get", 3, resultAt), success)
			if rights(g.u64(resultAt+8))&rightsMutating != 0 {
				t.Error("a read-only mount reports rights to change it")
			}
		})
	}
}

// TestReaddirVanishes: a directory that is removed while it is read, or what is in it, is no error but an end.
func TestReaddirVanishes(t *testing.T) {
	dir := t.TempDir()
	mem := NewMemFS(0)
	for name, m := range map[string]struct{ write, read Mount }{
		"host": {Mount{Host: dir}, Mount{Host: dir}}, "fs": {Mount{Host: dir}, Mount{FS: os.DirFS(dir)}}, "mem": {Mount{Mem: mem}, Mount{Mem: mem}},
	} {
		t.Run(name, func(t *testing.T) {
			m.write.Guest, m.read.Guest = "/", "/"
			w, r := newGuest(t, Config{Mounts: []Mount{m.write}}), newGuest(t, Config{Mounts: []Mount{m.read}})
			w.want("mkdir", w.path("path_create_directory", 3, "d"), success)
			for i := range 10 {
				w.writeFile(3, fmt.Sprint("d/", i), "")
			}
			begun, fresh := r.mustOpen(3, "d", "rd"), r.mustOpen(3, "d", "rd")
			r.want("readdir", r.call("fd_readdir", uint64(begun), dataAt, 100, 0, resultAt), success)
			cookie := r.u64(dataAt)
			for i := range 10 {
				w.want("unlink", w.path("path_unlink_file", 3, fmt.Sprint("d/", i)), success)
			}
			w.want("rmdir", w.path("path_remove_directory", 3, "d"), success)
			r.want("readdir on", r.call("fd_readdir", uint64(begun), dataAt, 4096, cookie, resultAt), success)
			for _, fd := range []uint32{begun, fresh} {
				if names := r.names(fd, 4096); len(names) != 0 {
					t.Errorf("names %q", names)
				}
			}
		})
	}
}
