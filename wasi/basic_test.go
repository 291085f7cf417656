package wasi

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

func TestArgs(t *testing.T) {
	g := newGuest(t, Config{Args: []string{"prog", "", "ä"}, Env: []string{"A=1", "B="}})
	for _, c := range []struct {
		sizes, get string
		want       []string
	}{
		{"args_sizes_get", "args_get", []string{"prog", "", "ä"}}, {"environ_sizes_get", "environ_get", []string{"A=1", "B="}},
	} {
		g.want(c.sizes, g.call(c.sizes, resultAt, resultAt+4), success)
		if n := g.u32(resultAt); int(n) != len(c.want) {
			t.Errorf("%s: %d", c.sizes, n)
		}
		size := g.u32(resultAt + 4)
		g.want(c.get, g.call(c.get, iovAt, dataAt), success)
		if got := string(g.mem[dataAt:][:size]); got != strings.Join(c.want, "\x00")+"\x00" {
			t.Errorf("%s: %q", c.get, got)
		}
		for i, w := range c.want {
			p := g.u32(uint64(iovAt + 4*i))
			if !bytes.HasPrefix(g.mem[p:], append([]byte(w), 0)) {
				t.Errorf("%s: pointer %d is to %q", c.get, i, g.mem[p:p+10])
			}
		}
		g.want(c.get+" outside", g.call(c.get, iovAt, 1<<20-1), vfs.EFAULT)
		g.want(c.sizes+" outside", g.call(c.sizes, resultAt, 1<<32-1), vfs.EFAULT)
	}
	for _, cfg := range []Config{{Args: []string{"a\x00"}}, {Env: []string{"novalue"}}, {Env: []string{"=x"}}, {MaxFiles: 2},
		{Mounts: []Mount{{Guest: "/"}}}, {Mounts: []Mount{{Mem: NewMemFS(0)}}}, {Mounts: []Mount{{Guest: "/", Host: "/nowhere/at/all"}}}} {
		if s, err := New(cfg); err == nil {
			s.Close()
			t.Errorf("New(%+v) succeeds", cfg)
		}
	}
}

func TestClocks(t *testing.T) {
	g := newGuest(t, Config{})
	get := func(id uint64) uint64 {
		t.Helper()
		g.want("clock", g.call("clock_time_get", id, 0, resultAt), success)
		return g.u64(resultAt)
	}
	if now := get(clockRealtime); time.Since(time.Unix(0, int64(now))).Abs() > time.Minute {
		t.Errorf("the time is %d", now)
	}
	for _, id := range []uint64{clockMonotonic, clockProcessCPU, clockThreadCPU} {
		a := get(id)
		b := get(id)
		if a == 0 || b < a {
			t.Errorf("clock %d: %d, then %d", id, a, b)
		}
		g.want("resolution", g.call("clock_res_get", id, resultAt), success)
		if r := g.u64(resultAt); r == 0 || r > 1e6 {
			t.Errorf("resolution %d", r)
		}
	}
	g.want("unknown", g.call("clock_time_get", 4, 0, resultAt), vfs.EINVAL)
	g.want("unknown", g.call("clock_res_get", 4, resultAt), vfs.EINVAL)
	const sleep = 20 * time.Millisecond
	start, before := time.Now(), get(clockProcessCPU)
	g.poll(pollSub{eventClock, 0, sleep})
	// Against all of the time, which is long on a busy machine.
	if d, all := time.Duration(get(clockProcessCPU)-before), time.Since(start); d > all-sleep {
		t.Errorf("a sleep of %v in %v took %v of CPU time", sleep, all, d)
	}
	g = newGuest(t, Config{Realtime: func() time.Time { return time.Unix(5, 6) }, Monotonic: func() time.Duration { return 7 }})
	if r, m := get(clockRealtime), get(clockMonotonic); r != 5e9+6 || m != 7 {
		t.Errorf("own clocks: %d, %d", r, m)
	}
}

func TestRandom(t *testing.T) {
	g := newGuest(t, Config{})
	g.want("random", g.call("random_get", dataAt, 64), success)
	if bytes.Equal(g.mem[dataAt:][:64], make([]byte, 64)) {
		t.Error("64 random zeros")
	}
	g.want("outside", g.call("random_get", dataAt, 1<<31), vfs.EFAULT)
	g = newGuest(t, Config{Random: strings.NewReader("abc")})
	g.want("own", g.call("random_get", dataAt, 3), success)
	g.want("own, at its end", g.call("random_get", dataAt, 3), vfs.EIO)
	if s := string(g.mem[dataAt:][:3]); s != "abc" {
		t.Errorf("own source: %q", s)
	}
	g = newGuest(t, Config{Random: zeros{}})
	g.mem = make(bytesMemory, 8<<20)
	g.end()
	g.want("stopped", g.call("random_get", 0, 8<<20), vfs.EINTR)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestExit(t *testing.T) {
	g := newGuest(t, Config{})
	g.call("proc_exit", 42)
	var exit *spindle.ExitError
	if !errors.As(g.fail, &exit) || exit.Code != 42 {
		t.Errorf("proc_exit: %v", g.fail)
	}
	g.want("yield", g.call("sched_yield"), success)
	for sig, want := range map[uint64]uint32{1: 129, 6: 134, 9: 137, 15: 143, 23: 152, 30: 159} {
		g.fail = nil
		g.want("raise", g.call("proc_raise", sig), success)
		if !errors.As(g.fail, &exit) || exit.Code != want {
			t.Errorf("signal %d: %v", sig, g.fail)
		}
	}
	g.fail = nil
	for sig, want := range map[uint64]errno{0: success, 16: success, 17: success, 22: success, 27: success, 18: vfs.ENOTSUP, 21: vfs.ENOTSUP, 31: vfs.EINVAL} {
		g.want("raise", g.call("proc_raise", sig), want)
	}
	if g.fail != nil {
		t.Errorf("ended by a harmless signal: %v", g.fail)
	}
}

// TestBadPointers calls everything with arguments that a guest should not pass: nothing may panic, and nothing may be
// consumed or created by a call that cannot tell its result.
func TestBadPointers(t *testing.T) {
	g := newGuest(t, Config{Args: []string{"a"}, Env: []string{"A=b"}, Stdin: strings.NewReader("kept"), Mounts: []Mount{{Guest: "/", Mem: NewMemFS(0)}}})
	g.writeFile(3, "f", "contents")
	file := uint64(g.mustOpen(3, "f", "rw"))
	values := []uint64{0, 1, 3, 4, file, 99, 0x7fffffff, 0x80000000, 0xffffffff, 1<<20 - 4, 1<<20 - 1, 1 << 20, 1 << 63, 1<<64 - 1}
	x := uint32(1)
	for name, c := range calls {
		if name == "fd_close" || name == "fd_renumber" {
			continue
		}
		for range 400 {
			args := make([]uint64, len(c.params))
			for i := range args {
				x ^= x << 13
				x ^= x >> 17
				x ^= x << 5
				args[i] = values[x%uint32(len(values))]
				if c.params[i] == 'i' {
					args[i] = uint64(uint32(args[i]))
				}
			}
			if name == "poll_oneoff" && args[2] == 1 && args[0] < 1<<19 {
				continue // what lies there may be a sleep of any length
			}
			if en := g.call(name, args...); en > vfs.ENOTCAPABLE {
				t.Fatalf("%s%v: %d", name, args, en)
			}
		}
	}
	g = newGuest(t, Config{Stdin: strings.NewReader("kept"), Mounts: []Mount{{Guest: "/", Mem: NewMemFS(0)}}})
	p, n := g.iov(dataAt, 4)
	g.want("read with no place for the result", g.call("fd_read", 0, p, n, 1<<20), vfs.EFAULT)
	if s, _ := g.read(0, 10); s != "kept" {
		t.Errorf("a call that failed took bytes: %q is left", s)
	}
	q, m := g.str(pathAt, "new")
	g.want("open with no place for the result", g.call("path_open", 3, 0, q, m, uint64(oCreat), uint64(rightFdWrite), 0, 0, 1<<20), vfs.EFAULT)
	_, en := g.stat(3, "new", true)
	g.want("the file", en, vfs.ENOENT)
	g.want("iovecs outside", g.call("fd_write", 1, 1<<20-8, 2, resultAt), vfs.EFAULT)
	g.want("very many iovecs", g.call("fd_write", 1, 0, 0xffffffff, resultAt), vfs.EFAULT)
	le.PutUint32(g.mem[iovAt:], 1<<20-1)
	le.PutUint32(g.mem[iovAt+4:], 2)
	g.want("a piece outside", g.call("fd_write", 1, iovAt, 1, resultAt), vfs.EFAULT)
	clear(g.mem[:0x10000])
	g.want("many iovecs", g.call("fd_write", 1, 0, 1<<17, resultAt), success) // zeros, and one that is not looked at

	// As many pieces as one call moves, and not more.
	for i := range 2000 {
		le.PutUint32(g.mem[dataAt+8*i:], uint32(pathAt+i))
		le.PutUint32(g.mem[dataAt+8*i+4:], 1)
	}
	g.want("write in pieces", g.call("fd_write", 1, dataAt, 2000, resultAt), success)
	if n := g.u32(resultAt); n != maxIovecs {
		t.Errorf("%d pieces", n)
	}
	g = newGuest(t, Config{Stdout: io.Discard})
	for i := range 8 {
		le.PutUint32(g.mem[iovAt+8*i:], 0)
		le.PutUint32(g.mem[iovAt+8*i+4:], 1<<20)
	}
	g.want("the same bytes eight times", g.call("fd_write", 1, iovAt, 8, resultAt), success)
	if n := g.u32(resultAt); n != 8<<20 {
		t.Errorf("wrote %d", n)
	}
}

func TestRights(t *testing.T) {
	g := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Mem: NewMemFS(0)}}})
	g.writeFile(3, "f", "contents")
	get := func(fd uint32) (typ vfs.FileType, base, inheriting rights) {
		g.want("fdstat", g.call("fd_fdstat_get", uint64(fd), resultAt), success)
		return vfs.FileType(g.mem[resultAt]), rights(g.u64(resultAt + 8)), rights(g.u64(resultAt + 16))
	}
	// wasi-libc opens with what it wants of what the directory hands down.
	typ, base, inheriting := get(3)
	if typ != vfs.TypeDirectory || base&rightPathOpen == 0 || base&rightFdRead != 0 || inheriting != rightsAll {
		t.Errorf("a mount: %v %x %x", typ, base, inheriting)
	}
	fd := g.mustOpen(3, "f", "r")
	if _, base, inheriting := get(fd); base&rightFdRead == 0 || base&rightFdWrite != 0 || base&rightPathOpen != 0 || inheriting != 0 {
		t.Errorf("a file: %x %x", base, inheriting)
	}
	if typ, base, _ := get(0); typ != vfs.TypeUnknown || base&rightFdSeek != 0 || base&rightFdWrite != 0 {
		t.Errorf("stdin: %v %x", typ, base)
	}
	g.want("more", g.call("fd_fdstat_set_rights", uint64(fd), uint64(rightsAll), 0), vfs.ENOTCAPABLE)
	g.want("less", g.call("fd_fdstat_set_rights", uint64(fd), uint64(rightFdSeek|rightFdTell), 0), success)
	_, en := g.read(fd, 1)
	g.want("read", en, vfs.ENOTCAPABLE)
	g.want("tell", g.call("fd_tell", uint64(fd), resultAt), success)
	g.want("back", g.call("fd_fdstat_set_rights", uint64(fd), uint64(rightFdRead), 0), vfs.ENOTCAPABLE)
	d := g.mustOpen(3, ".", "rd")
	_, base, inheriting = get(d)
	g.want("hand down less", g.call("fd_fdstat_set_rights", uint64(d), uint64(base), uint64(inheriting&^(rightFdRead|rightPathUnlinkFile))), success)
	f := g.mustOpen(d, "f", "r")
	_, en = g.read(f, 1)
	g.want("read below", en, vfs.ENOTCAPABLE)
	sub := g.mustOpen(d, ".", "rd")
	g.want("unlink below", g.path("path_unlink_file", sub, "f"), vfs.ENOTCAPABLE)
	g.want("flags", g.call("fd_fdstat_set_flags", uint64(f), 32), vfs.EINVAL)
	g.want("sync flags", g.call("fd_fdstat_set_flags", uint64(d), uint64(vfs.FlagSync)), vfs.ENOTSUP)
}

func TestPrestat(t *testing.T) {
	g := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Mem: NewMemFS(0)}, {Guest: "/data", Mem: NewMemFS(0)}}})
	var names []string
	fd := uint64(3)
	for ; ; fd++ { // as libraries look for them
		en := g.call("fd_prestat_get", fd, resultAt)
		if en == vfs.EBADF {
			break
		}
		g.want("prestat", en, success)
		n := uint64(g.u32(resultAt + 4))
		g.want("too short", g.call("fd_prestat_dir_name", fd, dataAt, n-1), vfs.ENAMETOOLONG)
		g.want("name", g.call("fd_prestat_dir_name", fd, dataAt, n), success)
		names = append(names, string(g.mem[dataAt:][:n]))
	}
	if strings.Join(names, " ") != "/ /data" || fd != 5 {
		t.Errorf("mounts %q", names)
	}
	g.want("stdin", g.call("fd_prestat_get", 0, resultAt), vfs.EBADF)
	g.want("between mounts", g.rename(3, "x", 4, "x"), vfs.EXDEV)
}
