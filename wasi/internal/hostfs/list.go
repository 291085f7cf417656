package hostfs

import (
	"io"
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// listing is what has been read of a directory since its beginning. Keeping it gives every entry a cookie that stays the
// same while the guest removes what it has read; hosts promise no such thing.
type listing struct {
	mu      sync.Mutex
	all     []vfs.Entry
	end     bool
	started bool
}

func (l *listing) entries(d *dir, cookie uint64, yield func(vfs.Entry) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cookie == 0 || !l.started {
		if err := l.rewind(d); err != nil {
			return err
		}
	}
	for i := cookie; ; i++ {
		for i >= uint64(len(l.all)) && !l.end {
			if err := l.more(d); err != nil {
				return err
			}
		}
		if i >= uint64(len(l.all)) || !yield(l.all[i]) {
			return nil
		}
	}
}

func (l *listing) rewind(d *dir) error {
	if l.started {
		if _, err := d.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	l.started, l.end, l.all = true, false, nil
	st, err := d.Stat()
	if err != nil {
		return err
	}
	for _, name := range []string{".", ".."} { // what lies above the directory is nobody's business: it has its own number, as a root
		l.add(vfs.Entry{Name: name, Ino: st.Ino, Type: vfs.TypeDirectory})
	}
	return nil
}

func (l *listing) add(e vfs.Entry) {
	e.Next = uint64(len(l.all)) + 1
	l.all = append(l.all, e)
}

func (l *listing) more(d *dir) error {
	end, err := scan(d, l.add)
	if vfs.ErrnoOf(err) == vfs.ENOENT { // a directory that is removed is empty
		end, err = true, nil
	}
	l.end = end
	return err
}
