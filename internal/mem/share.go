package mem

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Layout is what must be known of an Image besides its content, all in bytes.
type Layout struct {
	Size      int // what regions of it reserve
	Committed int // what of that is accessible in a new one
	Used      int // what of that has content; the rest is zero
}

// Share returns a descriptor of a file that has the image's content from offset 0 on: for another process, which makes the same image of it by FromFile. What lies on top of the
// file is written into a new one first. The caller closes it. The error is errors.ErrUnsupported where images have no files.
func (i *Image) Share() (*os.File, Layout, error) {
	fail := func(err error) (*os.File, Layout, error) { return nil, Layout{}, err }
	i.mu.Lock()
	flat := i.delta.pages == 0 && i.base != nil && i.base.start == 0
	i.mu.Unlock()
	if !flat {
		r, err := i.Map()
		if err != nil {
			return fail(err)
		}
		i.mu.Lock()
		err = errors.Join(i.adoptLocked(r), i.settleLocked())
		i.mu.Unlock()
		if err = errors.Join(err, r.Release()); err != nil {
			return fail(err)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return fail(ErrClosed)
	}
	i.base.lent.Store(true)
	fd, err := duplicate(uintptr(i.base.fd))
	if err != nil {
		return fail(err)
	}
	return os.NewFile(uintptr(fd), "image"), Layout{i.size, i.committed, i.used}, nil
}

// FromFile makes an image of a file's content from offset start on, a multiple of the page size: one that Share returned, in this process or another one, or a
// file on disk. Its pages are mapped, not read, where the system can; whoever changes such a file then changes the image. The file may be closed afterwards.
func FromFile(f *os.File, start int64, l Layout) (*Image, error) {
	page := PageSize()
	if l.Size <= 0 || l.Committed < 0 || l.Used < 0 || l.Used > l.Committed || l.Committed > l.Size || start < 0 ||
		l.Size%page != 0 || l.Committed%page != 0 || l.Used%page != 0 || start%int64(page) != 0 {
		return nil, fmt.Errorf("mem: an image of %+v at %d: not whole pages within each other", l, start)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size()-start < int64(l.Used) {
		return nil, fmt.Errorf("mem: an image of %d bytes at %d of a file of %d: %w", l.Used, start, info.Size(), io.ErrUnexpectedEOF)
	}
	fd, err := duplicate(f.Fd())
	if err == nil {
		b := &file{fd: fd, start: start}
		b.refs.Store(1)
		return &Image{size: l.Size, committed: l.Committed, base: b, used: l.Used}, nil
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	r, err := Reserve(l.Size)
	if err != nil {
		return nil, err
	}
	defer r.Release() //nolint:errcheck // address space is lost, no more
	if err := r.Commit(l.Used); err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(r.bytes(0, l.Used), start); err != nil {
		return nil, err
	}
	d, err := r.capture([]Span{{0, l.Used}})
	if err != nil {
		return nil, err
	}
	return &Image{size: l.Size, committed: l.Committed, delta: d}, nil
}

// Content calls f for the runs of pages that are not zero, in order, until it fails. b is good during the call.
func (i *Image) Content(f func(off int, b []byte) error) error {
	r, err := i.Map()
	if err != nil {
		return err
	}
	i.mu.Lock()
	spans := i.delta.spans
	if i.base != nil {
		spans = union(i.base.extents(i.used), spans)
	}
	i.mu.Unlock()
	for _, s := range spans {
		if err = r.eachNonZero(s, func(off, n int) error { return f(off, r.bytes(off, n)) }); err != nil {
			break
		}
	}
	return errors.Join(err, r.Release())
}
