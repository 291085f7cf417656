package wasi

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/hostfs"
	"github.com/spindle-wasm/spindle/wasi/internal/iofs"
	"github.com/spindle-wasm/spindle/wasi/internal/memfs"
	"github.com/spindle-wasm/spindle/wasi/internal/stream"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// Config says what a guest gets to see. The zero Config is a guest without arguments, environment and files, with empty
// standard input and discarded output.
type Config struct {
	// Args are the program's arguments, its name first. Env holds "KEY=VALUE" entries.
	Args []string
	Env  []string

	// Stdin, Stdout and Stderr become descriptors 0, 1 and 2. Nil is empty, or discards. An *os.File is used as what it is: file,
	// pipe or terminal, waited for without a goroutine where the system can, never closed, and must stay open until the System is closed.
	// (Two guests that read the same pipe or terminal at the same time take bytes from each other. Where the system cannot be asked not
	// to wait, which is on others than Linux, one of them may then wait out of a stop's reach, as may two that write to the same full pipe.)
	// Other readers and writers are called from one goroutine at a time each, also if Stdout and Stderr are the same. A guest that is stopped does not wait for them, so that a Read
	// or Write that blocks may outlive it; bytes that it then reads are lost with the System.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer

	// Mounts become descriptors 3 and up, Listeners those after them.
	Mounts []Mount
	// Listeners are sockets on which the guest may accept connections. They are in blocking mode until the guest changes that
	// (a Go program by syscall.SetNonblock, before net.FileListener). The System owns them, and closes them with itself or when the guest
	// does.
	Listeners []net.Listener

	// Random is where random_get reads; the default is the system's secure source. It must not block.
	Random io.Reader
	// Realtime and Monotonic are the clocks; the defaults are the system's wall clock, and the time since New plus a millisecond.
	// Waits last as long as their difference to these clocks says, in real time. They may be called by several threads at the same time.
	Realtime  func() time.Time
	Monotonic func() time.Duration

	// MaxFiles bounds the open descriptors; the default is 65,536.
	MaxFiles int
}

// Mount is a directory that the guest starts with. Exactly one of Host, FS and Mem says what it is.
type Mount struct {
	// Guest is the directory's path in the guest.
	Guest string
	// Host is a directory of the host. No path, symbolic link or rename leads out of it.
	Host string
	// FS is a file system of package io/fs, which is always read-only. It is called by several threads at the same time, though each open file by one, and
	// must not block: a stop does not reach it.
	FS fs.FS
	// Mem is a file system in memory.
	Mem *MemFS
	// ReadOnly has everything fail with EROFS that would change something.
	ReadOnly bool
}

// MemFS is a writable file system in memory. It may be mounted several times, also in several guests at the same time.
type MemFS struct{ fs *memfs.FS }

// NewMemFS makes an empty MemFS that holds at most limit bytes of files, counted by their sizes; 0 means 1 GiB.
func NewMemFS(limit int64) *MemFS {
	if limit == 0 {
		limit = 1 << 30
	}
	return &MemFS{memfs.New(limit)}
}

// open opens a mounted directory.
func (m *Mount) open(hub *stream.Hub) (vfs.Dir, error) {
	if m.Guest == "" || strings.IndexByte(m.Guest, 0) >= 0 {
		return nil, errors.New("the path in the guest is missing or invalid")
	}
	n := 0
	for _, given := range []bool{m.Host != "", m.FS != nil, m.Mem != nil} {
		if given {
			n++
		}
	}
	switch {
	case n != 1:
		return nil, errors.New("exactly one of Host, FS and Mem must be set")
	case m.FS != nil:
		return iofs.Mount(m.FS), nil
	case m.Mem != nil:
		return m.Mem.fs.Root(), nil
	}
	return hostfs.Mount(m.Host, hub)
}

// setUp fills the table of descriptors. What it opened is in the table also if it fails.
func (s *System) setUp(cfg *Config) error {
	for n, std := range []struct {
		name string
		make func() (vfs.File, error)
		rw   rights
	}{
		{"stdin", func() (vfs.File, error) { return s.stdin(cfg.Stdin) }, rightFdRead},
		{"stdout", func() (vfs.File, error) { return s.stdout(cfg.Stdout) }, rightFdWrite},
		{"stderr", func() (vfs.File, error) {
			if same(cfg.Stdout, cfg.Stderr) {
				return s.fds.slots[1].d.file, nil
			}
			return s.stdout(cfg.Stderr)
		}, rightFdWrite},
	} {
		f, err := std.make()
		if err != nil {
			return fmt.Errorf("wasi: %s: %w", std.name, err)
		}
		d := newDesc(f, rightsOf(f)&^(rightFdRead|rightFdWrite)|std.rw, 0)
		d.std = n + 1
		s.install(d)
	}
	for i := range cfg.Mounts {
		m := &cfg.Mounts[i]
		dir, err := m.open(s.hub.Hub)
		if err != nil {
			return fmt.Errorf("wasi: mount %s: %w", m.Guest, err)
		}
		d := newDesc(dir, rightsDir, rightsAll)
		d.preopened, d.name, d.readOnly = true, m.Guest, m.ReadOnly || m.FS != nil
		if d.readOnly {
			d.base &^= rightsMutating
			d.inheriting &^= rightsMutating
		}
		s.install(d)
	}
	for n, l := range cfg.Listeners {
		d := newDesc(stream.OfListener(s.hub.Hub, l), rightsListener, rightsSocket)
		d.listener = n + 1
		s.install(d)
	}
	return nil
}

// same reports whether both are one writer. Some types cannot be compared, which then are two.
func same(a, b io.Writer) bool {
	return a != nil && b != nil && reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

func (s *System) install(d *desc) {
	if _, en := s.fds.add(d); en != success {
		panic("wasi: a fresh table is full") // New has checked MaxFiles
	}
}

func (s *System) stdin(r io.Reader) (vfs.File, error) {
	if f, ok := r.(*os.File); ok {
		if f == nil {
			return stream.OfReader(nil), nil
		}
		return hostfs.FromFile(s.hub.Hub, f, true, false)
	}
	return stream.OfReader(r), nil
}

func (s *System) stdout(w io.Writer) (vfs.File, error) {
	if f, ok := w.(*os.File); ok {
		if f == nil {
			return stream.OfWriter(nil), nil
		}
		return hostfs.FromFile(s.hub.Hub, f, false, true)
	}
	return stream.OfWriter(w), nil
}

// rightsOf returns what can be done with a file. A terminal cannot seek: libraries know it by that.
func rightsOf(f vfs.File) rights {
	switch f := f.(type) {
	case vfs.Dir:
		return rightsDir
	case vfs.Listener:
		return rightsListener
	case vfs.Socket:
		return rightsSocket
	case vfs.Stream:
		if t, ok := f.(interface{ IsTerminal() bool }); f.Type() == vfs.TypeCharDevice && !(ok && t.IsTerminal()) {
			return rightsStream | rightFdSeek | rightFdTell
		}
		return rightsStream
	}
	return rightsFile
}
