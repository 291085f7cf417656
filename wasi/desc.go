package wasi

import (
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// open is an open file description as POSIX has it: a file with its offset and status flags. After a fork parent and child share it, and each has a desc of its own.
type open struct {
	file vfs.File
	from *origin      // of what a guest has opened by a path; otherwise nil
	refs atomic.Int32 // descs

	mu    sync.Mutex    // of changes of flags
	flags atomic.Uint32 // vfs.Flags; see setFlags
}

func (o *open) unref() error {
	if o.refs.Add(-1) == 0 {
		return o.file.Close()
	}
	return nil
}

// desc is what a file descriptor refers to. It lives until the last call that uses it has ended, and gives up its file then; closing the
// descriptor wakes calls that wait on it.
type desc struct {
	*open
	stream vfs.Stream // file, if it is one; likewise below
	dir    vfs.Dir
	typ    vfs.FileType

	readOnly  bool   // of a read-only mount
	preopened bool   // a directory that the guest was started with
	name      string // its path in the guest
	std       int    // 1 to 3: the standard stream that it was made as
	listener  int    // from 1 on: which of Config.Listeners it was made as

	// Rights as they were given, and what fd_fdstat_set_rights took away, which alone is enforced: libraries ask for
	// too few rights as often as for too many.
	base, inheriting     rights
	noBase, noInheriting atomic.Uint64
	refs                 atomic.Int32 // calls in flight, and the table

	mu       sync.Mutex
	closed   bool                         // guarded by mu: no descriptor refers to it any more
	watchers map[chan<- struct{}]struct{} // guarded by mu: told when it is closed
}

func newDesc(f vfs.File, base, inheriting rights) *desc {
	d := &desc{open: &open{file: f}, typ: f.Type(), base: base, inheriting: inheriting}
	d.open.refs.Store(1)
	d.stream, _ = f.(vfs.Stream)
	d.dir, _ = f.(vfs.Dir)
	d.refs.Store(1)
	return d
}

// share makes a desc of the same open file, for another Process.
func (d *desc) share() *desc {
	d.open.refs.Add(1)
	n := &desc{
		open: d.open, stream: d.stream, dir: d.dir, typ: d.typ, readOnly: d.readOnly, preopened: d.preopened, name: d.name, std: d.std, listener: d.listener, base: d.base, inheriting: d.inheriting,
	}
	n.noBase.Store(d.noBase.Load())
	n.noInheriting.Store(d.noInheriting.Load())
	n.refs.Store(1)
	return n
}

func (d *desc) nonblocking() bool { return vfs.Flags(d.flags.Load())&vfs.FlagNonblock != 0 }

// setFlags tells the file, and then whoever asks, as one step: the flags that are reported are those that the file was told last.
func (d *desc) setFlags(f vfs.Flags) error {
	d.open.mu.Lock()
	defer d.open.mu.Unlock()
	if err := d.file.SetFlags(f); err != nil {
		return err
	}
	d.flags.Store(uint32(f))
	return nil
}

// lacks reports whether one of the rights was taken away.
func (d *desc) lacks(r rights) bool { return rights(d.noBase.Load())&r != 0 }

// watch has ch told when d is closed; false if it is already.
func (d *desc) watch(ch chan<- struct{}) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	if d.watchers == nil {
		d.watchers = map[chan<- struct{}]struct{}{}
	}
	d.watchers[ch] = struct{}{}
	return true
}

func (d *desc) unwatch(ch chan<- struct{}) {
	d.mu.Lock()
	delete(d.watchers, ch)
	d.mu.Unlock()
}

func (d *desc) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// close is called once, by the table, when no descriptor refers to d any more. The error is the file's if no call uses it.
func (d *desc) close() error {
	d.mu.Lock()
	d.closed = true
	for ch := range d.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	d.mu.Unlock()
	return d.unref()
}

func (d *desc) unref() error {
	if d.refs.Add(-1) == 0 {
		return d.open.unref()
	}
	return nil
}
