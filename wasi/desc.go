package wasi

import (
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// desc is an open file description: what a file descriptor refers to. It lives until the last call that uses it has ended,
// its file is closed then; closing the descriptor wakes calls that wait on it.
type desc struct {
	file   vfs.File
	stream vfs.Stream // file, if it is one; likewise below
	dir    vfs.Dir
	typ    vfs.FileType

	readOnly  bool   // of a read-only mount
	preopened bool   // a directory that the guest was started with
	name      string // its path in the guest

	// Rights as they were given, and what fd_fdstat_set_rights took away, which alone is enforced: libraries ask for
	// too few rights as often as for too many.
	base, inheriting     rights
	noBase, noInheriting atomic.Uint64
	flags                atomic.Uint32 // vfs.Flags; see setFlags
	refs                 atomic.Int32  // calls in flight, and the table

	mu       sync.Mutex
	closed   bool                         // guarded by mu: no descriptor refers to it any more
	watchers map[chan<- struct{}]struct{} // guarded by mu: told when it is closed
}

func newDesc(f vfs.File, base, inheriting rights) *desc {
	d := &desc{file: f, typ: f.Type(), base: base, inheriting: inheriting}
	d.stream, _ = f.(vfs.Stream)
	d.dir, _ = f.(vfs.Dir)
	d.refs.Store(1)
	return d
}

func (d *desc) nonblocking() bool { return vfs.Flags(d.flags.Load())&vfs.FlagNonblock != 0 }

// setFlags tells the file, and then whoever asks, as one step: the flags that are reported are those that the file was told last.
func (d *desc) setFlags(f vfs.Flags) error {
	d.mu.Lock()
	defer d.mu.Unlock()
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
		return d.file.Close()
	}
	return nil
}
