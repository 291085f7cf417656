package wasi

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// guest stands in for a guest thread: its memory is a slice, and calls are made by name. Threads of one guest share memory and System.
type guest struct {
	t    testing.TB
	s    *System
	mem  bytesMemory
	stop chan struct{}
	once *sync.Once
	fail error

	blocked chan struct{} // sent to when a call begins to wait
	elapsed time.Duration // what calls had waited before a fork
}

type bytesMemory []byte

func (m bytesMemory) View(off, n uint64) ([]byte, bool) {
	if n > uint64(len(m)) || off > uint64(len(m))-n {
		return nil, false
	}
	return m[off : off+n : off+n], true
}

var errStopped = errors.New("stopped")

func (g *guest) Stopped() <-chan struct{} { return g.stop }

func (g *guest) BlockSince(_ time.Time, f func()) error { return g.Block(f) }
func (g *guest) Elapsed() time.Duration                 { return g.elapsed }

func (g *guest) Block(f func()) error {
	select {
	case g.blocked <- struct{}{}:
	default:
	}
	f()
	select {
	case <-g.stop:
		return errStopped
	default:
		return nil
	}
}

func (g *guest) Fail(err error) { g.fail = err }

// newGuest makes a guest with 1 MiB of memory.
func newGuest(t testing.TB, cfg Config) *guest {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &guest{t: t, s: s, mem: make(bytesMemory, 1<<20), stop: make(chan struct{}), once: new(sync.Once), blocked: make(chan struct{}, 1)}
}

// thread makes another thread of the same guest, with memory of its own so that tests do not race there.
func (g *guest) thread() *guest {
	h := *g
	h.mem = make(bytesMemory, 1<<20)
	h.blocked = make(chan struct{}, 1)
	return &h
}

// again makes the guest go on after it was stopped, as after a call whose context ended.
func (g *guest) again() { g.stop, g.once = make(chan struct{}), new(sync.Once) }

func (g *guest) end() { g.once.Do(func() { close(g.stop) }) }

func (g *guest) call(name string, args ...uint64) errno {
	c, ok := calls[name]
	if !ok || len(c.params) != len(args) {
		g.t.Errorf("%s takes %q, not %d arguments", name, c.params, len(args))
		return vfs.ENOSYS
	}
	return c.do(env{s: g.s, c: g, m: g.mem}, args)
}

// Places in the memory of tests: scratch for paths and data, results, iovecs.
const (
	pathAt   = 0x1000
	path2At  = 0x3000
	resultAt = 0x100
	iovAt    = 0x200
	dataAt   = 0x10000
	dataSize = 0x80000
)

func (g *guest) str(at uint64, s string) (ptr, n uint64) {
	copy(g.mem[at:], s)
	return at, uint64(len(s))
}

func (g *guest) u32(at uint64) uint32 { return le.Uint32(g.mem[at:]) }
func (g *guest) u64(at uint64) uint64 { return le.Uint64(g.mem[at:]) }

// openFlags for open: rights by letters of mode: r, w; flags: c create, x exclusive, t truncate, d directory, a append,
// n non-blocking, l do not follow links.
func (g *guest) open(dir uint32, path, mode string) (uint32, errno) {
	base, oflags, fdflags, lookup := rights(0), uint32(0), uint32(0), uint64(lookupFollow)
	for _, m := range mode {
		switch m {
		case 'r':
			base |= rightsFile&^rightFdWrite | rightsDir
		case 'w':
			base |= rightsFile &^ rightFdRead
		case 'c':
			oflags |= oCreat
		case 'x':
			oflags |= oExcl
		case 't':
			oflags |= oTrunc
		case 'd':
			oflags |= oDirectory
		case 'a':
			fdflags |= uint32(vfs.FlagAppend)
		case 'n':
			fdflags |= uint32(vfs.FlagNonblock)
		case 'l':
			lookup = 0
		}
	}
	p, n := g.str(pathAt, path)
	en := g.call("path_open", uint64(dir), lookup, p, n, uint64(oflags), uint64(base), uint64(rightsAll), uint64(fdflags), resultAt)
	return g.u32(resultAt), en
}

func (g *guest) mustOpen(dir uint32, path, mode string) uint32 {
	g.t.Helper()
	fd, en := g.open(dir, path, mode)
	if en != success {
		g.t.Fatalf("open %q %s: %v", path, mode, en)
	}
	return fd
}

// iov writes one iovec and returns the arguments.
func (g *guest) iov(ptr, n uint64) (uint64, uint64) {
	le.PutUint32(g.mem[iovAt:], uint32(ptr))
	le.PutUint32(g.mem[iovAt+4:], uint32(n))
	return iovAt, 1
}

func (g *guest) read(fd uint32, n uint64) (string, errno) {
	p, c := g.iov(dataAt, n)
	en := g.call("fd_read", uint64(fd), p, c, resultAt)
	if en != success {
		return "", en
	}
	return string(g.mem[dataAt:][:g.u32(resultAt)]), success
}

func (g *guest) write(fd uint32, s string) (uint32, errno) {
	copy(g.mem[dataAt:dataAt+dataSize], s)
	p, c := g.iov(dataAt, uint64(len(s)))
	en := g.call("fd_write", uint64(fd), p, c, resultAt)
	return g.u32(resultAt), en
}

func (g *guest) close(fd uint32) errno { return g.call("fd_close", uint64(fd)) }

// path makes a call with a directory and a path, and what else it takes.
func (g *guest) path(name string, dir uint32, path string, more ...uint64) errno {
	p, n := g.str(pathAt, path)
	return g.call(name, append([]uint64{uint64(dir), p, n}, more...)...)
}

func (g *guest) rename(dir uint32, old string, newDir uint32, path string) errno {
	p, n := g.str(path2At, path)
	return g.path("path_rename", dir, old, uint64(newDir), p, n)
}

func (g *guest) link(dir uint32, old string, newDir uint32, path string) errno {
	o, on := g.str(pathAt, old)
	p, n := g.str(path2At, path)
	return g.call("path_link", uint64(dir), 0, o, on, uint64(newDir), p, n)
}

func (g *guest) symlink(target string, dir uint32, path string) errno {
	o, on := g.str(path2At, target)
	p, n := g.str(pathAt, path)
	return g.call("path_symlink", o, on, uint64(dir), p, n)
}

func (g *guest) stat(dir uint32, path string, follow bool) (vfs.Stat, errno) {
	flags := uint64(0)
	if follow {
		flags = lookupFollow
	}
	p, n := g.str(pathAt, path)
	en := g.call("path_filestat_get", uint64(dir), flags, p, n, resultAt)
	return g.filestat(), en
}

func (g *guest) fdStat(fd uint32) (vfs.Stat, errno) {
	en := g.call("fd_filestat_get", uint64(fd), resultAt)
	return g.filestat(), en
}

func (g *guest) filestat() vfs.Stat {
	b := g.mem[resultAt:]
	return vfs.Stat{
		Dev: le.Uint64(b), Ino: le.Uint64(b[8:]), Type: vfs.FileType(b[16]), Nlink: le.Uint64(b[24:]), Size: le.Uint64(b[32:]),
		Atim: le.Uint64(b[40:]), Mtim: le.Uint64(b[48:]), Ctim: le.Uint64(b[56:]),
	}
}

func (g *guest) writeFile(dir uint32, path, data string) {
	g.t.Helper()
	fd := g.mustOpen(dir, path, "wct")
	if n, en := g.write(fd, data); en != success || int(n) != len(data) {
		g.t.Fatalf("write %q: %d, %v", path, n, en)
	}
	g.close(fd)
}

func (g *guest) readFile(dir uint32, path string) (string, errno) {
	fd, en := g.open(dir, path, "r")
	if en != success {
		return "", en
	}
	defer g.close(fd)
	var all strings.Builder
	for {
		s, en := g.read(fd, 4096)
		if en != success || s == "" {
			return all.String(), en
		}
		all.WriteString(s)
	}
}

// names lists a directory with a buffer of n bytes, by cookies, without "." and "..".
func (g *guest) names(fd uint32, n uint64) []string {
	g.t.Helper()
	var names []string
	for cookie := uint64(0); ; {
		if en := g.call("fd_readdir", uint64(fd), dataAt, n, cookie, resultAt); en != success {
			g.t.Fatalf("fd_readdir: %v", en)
		}
		used := uint64(g.u32(resultAt))
		b := g.mem[dataAt:][:used]
		whole := 0
		for len(b) >= sizeDirent {
			size := sizeDirent + int(le.Uint32(b[16:]))
			if size > len(b) {
				break
			}
			whole++
			cookie = le.Uint64(b)
			if name := string(b[sizeDirent:size]); name != "." && name != ".." {
				names = append(names, name)
			}
			b = b[size:]
		}
		if used < n {
			return names
		}
		if whole == 0 {
			g.t.Fatal("the buffer is too small for the test")
		}
	}
}

func (g *guest) want(what string, got, want errno) {
	g.t.Helper()
	if got != want {
		g.t.Errorf("%s: %v, want %v", what, got, want)
	}
}
