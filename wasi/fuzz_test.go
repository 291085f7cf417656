package wasi

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// script turns bytes into calls.
type script struct{ b []byte }

func (s *script) next(n int) int {
	if len(s.b) == 0 {
		return 0
	}
	x := int(s.b[0])
	s.b = s.b[1:]
	return x % n
}

var (
	components = []string{"a", "b", "c", "a", "b", "c", "a", "b", "a/b", "b/a", "c/", ".", "..", "", "ü"}
	depths     = []int{1, 1, 1, 1, 1, 2, 2, 3}
)

// path makes paths that meet often: few names, all shapes.
func (s *script) path() string {
	var parts []string
	for range depths[s.next(len(depths))] {
		parts = append(parts, components[s.next(len(components))])
	}
	p := strings.Join(parts, "/")
	if s.next(10) == 1 {
		p += "/"
	}
	return p
}

// step makes one call, and describes it and everything that a guest can tell of its result.
func (s *script) step(g *guest, dirs *[]uint32) string {
	dir := (*dirs)[s.next(len(*dirs))]
	p := s.path()
	switch s.next(13) {
	case 0:
		return fmt.Sprint("mkdir ", dir, p, g.path("path_create_directory", dir, p))
	case 1:
		return fmt.Sprint("rmdir ", dir, p, g.path("path_remove_directory", dir, p))
	case 2:
		return fmt.Sprint("unlink ", dir, p, g.path("path_unlink_file", dir, p))
	case 3:
		q, to := s.path(), (*dirs)[s.next(len(*dirs))]
		return fmt.Sprint("rename ", dir, p, to, q, g.rename(dir, p, to, q))
	case 4:
		q, to := s.path(), (*dirs)[s.next(len(*dirs))]
		return fmt.Sprint("link ", dir, p, to, q, g.link(dir, p, to, q))
	case 5:
		q := s.path()
		return fmt.Sprint("symlink ", q, dir, p, g.symlink(q, dir, p))
	case 6:
		at, n := g.str(pathAt, p)
		en := g.call("path_readlink", uint64(dir), at, n, dataAt, 100, resultAt)
		target := ""
		if en == success {
			target = string(g.mem[dataAt:][:g.u32(resultAt)])
		}
		return fmt.Sprint("readlink ", dir, p, en, target)
	case 7, 8:
		follow := s.next(2) == 1
		st, en := g.stat(dir, p, follow)
		if en != success {
			st = vfs.Stat{}
		}
		if st.Type == vfs.TypeDirectory {
			st.Size, st.Nlink = 0, 0
		}
		return fmt.Sprint("stat ", dir, p, follow, en, st.Type, st.Size, st.Nlink)
	case 9:
		at, n := g.str(pathAt, p)
		follow := s.next(2)
		en := g.call("path_filestat_set_times", uint64(dir), uint64(follow), at, n, 1e15, 2e15, 5)
		st, _ := g.stat(dir, p, follow == 1)
		if en != success {
			st = vfs.Stat{}
		}
		return fmt.Sprint("times ", dir, p, follow, en, st.Mtim)
	}
	mode := []string{"r", "rw", "rwc", "wcx", "rwt", "rd", "rl", "rwcl", "wac", "rwctl", "rcl", "rdl"}[s.next(12)]
	fd, en := g.open(dir, p, mode)
	what := fmt.Sprint("open ", dir, p, " ", mode, en)
	if en != success {
		return what
	}
	st, _ := g.fdStat(fd)
	if st.Type == vfs.TypeDirectory {
		names := g.names(fd, 4096)
		slices.Sort(names)
		if len(*dirs) < 6 {
			*dirs = append(*dirs, fd)
		} else {
			g.close(fd)
		}
		return fmt.Sprint(what, fd, names)
	}
	n, wen := g.write(fd, fmt.Sprint("data", s.next(10)))
	if wen != success {
		n = 0
	}
	g.call("fd_seek", uint64(fd), 0, 0, resultAt)
	data, ren := g.read(fd, 100)
	g.close(fd)
	return fmt.Sprint(what, fd, st.Type, st.Size, n, wen, data, ren)
}

// list describes a tree.
func list(g *guest, dir uint32, b *strings.Builder, indent string) {
	names := g.names(dir, 4096)
	slices.Sort(names)
	for _, n := range names {
		st, en := g.stat(dir, n, false)
		fmt.Fprintln(b, indent, n, st.Type, en)
		if st.Type == vfs.TypeDirectory {
			fd := g.mustOpen(dir, n, "rd")
			list(g, fd, b, indent+"  ")
			g.close(fd)
		}
	}
}

// FuzzPaths runs random calls on a directory of the host and on one in memory, which must not differ, and must not
// touch what is outside of the first.
func FuzzPaths(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00"))
	for i := range 40 { // as many starting points as there are shapes of calls
		seed := make([]byte, 400)
		x := uint32(i)*2654435761 + 1
		for j := range seed {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
			seed[j] = byte(x >> 8)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if runtime.GOOS != "linux" {
			t.Skip("error numbers are compared with Linux's")
		}
		if len(b) > 4000 {
			b = b[:4000]
		}
		outside := t.TempDir()
		inside := filepath.Join(outside, "a")
		if err := os.Mkdir(inside, 0o777); err != nil {
			t.Fatal(err)
		}
		host := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Host: inside}}})
		mem := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Mem: NewMemFS(0)}}})
		hs, ms := script{b}, script{b}
		hd, md := []uint32{3}, []uint32{3}
		var log strings.Builder
		for len(hs.b) > 0 {
			h, m := hs.step(host, &hd), ms.step(mem, &md)
			fmt.Fprintln(&log, h)
			if h != m {
				t.Fatalf("the host says\n%s\nmemory says\n%s\nafter\n%s", h, m, log.String())
			}
		}
		var ht, mt strings.Builder
		list(host, 3, &ht, "")
		list(mem, 3, &mt, "")
		if ht.String() != mt.String() {
			t.Fatalf("the host has\n%s\nmemory has\n%s\nafter\n%s", ht.String(), mt.String(), log.String())
		}
		if names, err := os.ReadDir(outside); err != nil || len(names) != 1 || names[0].Name() != "a" {
			t.Fatalf("outside there is now %v, %v, after\n%s", names, err, log.String())
		}
		host.s.Close()
		mem.s.Close()
	})
}
