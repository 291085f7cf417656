package wasi

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

func TestNumbers(t *testing.T) {
	g := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Mem: NewMemFS(0)}}, MaxFiles: 8})
	g.writeFile(3, "a", "a")
	g.writeFile(3, "b", "b")
	a, b := g.mustOpen(3, "a", "r"), g.mustOpen(3, "b", "r")
	if a != 4 || b != 5 {
		t.Errorf("fds %d, %d", a, b)
	}
	g.want("renumber to itself", g.call("fd_renumber", 4, 4), success)
	g.want("renumber nothing", g.call("fd_renumber", 7, 4), vfs.EBADF)
	g.want("renumber to nothing", g.call("fd_renumber", 4, 7), vfs.EBADF)
	g.want("renumber", g.call("fd_renumber", uint64(a), uint64(b)), success)
	if s, _ := g.read(b, 1); s != "a" {
		t.Errorf("renumbered: %q", s)
	}
	if fd := g.mustOpen(3, "b", "r"); fd != a {
		t.Errorf("fd %d, want %d", fd, a)
	}
	g.close(1)
	if fd := g.mustOpen(3, "b", "r"); fd != 1 {
		t.Errorf("fd %d, want 1", fd)
	}
	g.mustOpen(3, "b", "r")
	g.mustOpen(3, "b", "r")
	_, en := g.open(3, "b", "r")
	g.want("too many", en, vfs.EMFILE)
}

// TestFullTable: what has no number is not made, emptied or accepted.
func TestFullTable(t *testing.T) {
	l := listen(t, "host")
	g := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Mem: NewMemFS(0)}}, Listeners: []net.Listener{l}, MaxFiles: 6})
	g.writeFile(3, "f", "contents")
	last := g.mustOpen(3, "f", "r")
	_, en := g.open(3, "new", "wc")
	g.want("create", en, vfs.EMFILE)
	_, en = g.open(3, "f", "wt")
	g.want("truncate", en, vfs.EMFILE)
	dial(t, l)
	g.want("accept", g.call("sock_accept", 4, 0, resultAt), vfs.EMFILE)
	g.close(last)
	if _, en := g.stat(3, "new", false); en != vfs.ENOENT {
		t.Errorf("stat of what was not created: %v", en)
	}
	if st, _ := g.stat(3, "f", false); st.Size != 8 {
		t.Errorf("the file has %d bytes", st.Size)
	}
	g.want("accept", g.call("sock_accept", 4, 0, resultAt), success)
	if fd := g.u32(resultAt); fd != last {
		t.Errorf("fd %d, want %d", fd, last)
	}
	_, en = g.open(3, "none", "r")
	g.want("open", en, vfs.EMFILE)
	g.close(last)
	for range 3 { // a call that fails gives its number back
		_, en = g.open(3, "none", "r")
		g.want("open", en, vfs.ENOENT)
	}
	if fd := g.mustOpen(3, "f", "r"); fd != last {
		t.Errorf("fd %d, want %d", fd, last)
	}
}

// TestThreads has threads open, use, renumber and close the same numbers; the race detector and the files' own checks see
// what goes wrong: a file closed under a call, or twice.
func TestThreads(t *testing.T) {
	g := newGuest(t, Config{Mounts: []Mount{{Guest: "/", Mem: NewMemFS(0)}, {Guest: "/host", Host: t.TempDir()}}})
	g.writeFile(3, "f", "contents")
	g.writeFile(4, "f", "contents")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			th := g.thread()
			for range 300 {
				fd, en := th.open(uint32(3+i%2), "f", "rw")
				if en != success {
					t.Errorf("open: %v", en)
					return
				}
				// Others may have closed or replaced it: any errno that says so is right, wrong contents are not.
				if s, en := th.read(fd, 8); en == success && s != "" && s != "contents" {
					t.Errorf("read %q", s)
				}
				th.call("fd_seek", uint64(fd), 0, 0, resultAt)
				th.write(fd, "contents")
				th.poll(pollSub{eventFdRead, fd, 0}, pollSub{eventFdWrite, fd, 0})
				th.call("fd_renumber", uint64(fd), uint64(5+i%3))
				th.close(uint32(5 + i))
			}
		})
	}
	wg.Wait()
	for fd := range uint32(len(g.s.fds.slots)) { // any number of them: a fd_renumber that came too late left its file open
		g.close(fd)
	}
	if st, _ := g.fdStat(0); st.Nlink != 0 {
		t.Error("a closed number answers")
	}
	for _, s := range g.s.fds.slots {
		if s.pins.Load() != 0 || s.d != nil {
			t.Errorf("a number is still in use: %d", s.pins.Load())
		}
	}
}

// flagged is a file that remembers the flags it was told last.
type flagged struct {
	noSocket
	told atomic.Uint32
}

func (f *flagged) SetFlags(fl vfs.Flags) error {
	f.told.Store(uint32(fl))
	runtime.Gosched() // the other one
	return nil
}

// TestFlagsRace: of two threads that set a file's flags, one is the last, for the file as for whoever asks.
func TestFlagsRace(t *testing.T) {
	g := newGuest(t, Config{})
	f := &flagged{}
	fd, en := g.s.fds.add(newDesc(f, rightsAll, 0))
	g.want("add", en, success)
	threads := map[vfs.Flags]*guest{vfs.FlagAppend: g.thread(), vfs.FlagNonblock: g.thread()}
	for range 2000 {
		var wg sync.WaitGroup
		for flags, th := range threads {
			wg.Go(func() { th.call("fd_fdstat_set_flags", uint64(fd), uint64(flags)) })
		}
		wg.Wait()
		g.want("fdstat", g.call("fd_fdstat_get", uint64(fd), resultAt), success)
		if told, said := f.told.Load(), uint32(le.Uint16(g.mem[resultAt+2:])); told != said {
			t.Fatalf("the file was told %d, the guest %d", told, said)
		}
	}
}
