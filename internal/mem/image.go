package mem

import (
	"errors"
	"fmt"
	"sync"
)

// Image is the content of a Region at one moment. Any number of regions can be made of it, which share its pages until they write to
// them. It is safe for concurrent use.
//
// Its pages are a sealed file, and a few on top of it that the frozen region had written since the file was made. Where the system has no such files
// an image is a copy, and so is each region made of it.
type Image struct {
	size, committed int

	mu     sync.Mutex
	base   *file // guarded by mu; nil: all is in delta
	used   int   // guarded by mu; so much of base is mapped, the rest is zero
	delta  delta // guarded by mu
	copied int   // guarded by mu; pages of delta that Map has copied
	users  int   // guarded by mu; Map running
	closed bool  // guarded by mu

	retired []delta // guarded by mu; earlier values of delta, which users may still copy

	idle []idleRegion // guarded by mu; of this base
	own  int          // guarded by mu; the sum of theirs
	huge collapser    // guarded by mu
}

// delta is pages that differ from the base: spans of the region, and their content in their order.
type delta struct {
	spans []Span
	pages int
	data  *Region // nil if there are none
}

// ErrClosed is returned for an Image that has been closed.
var ErrClosed = errors.New("mem: the image is closed")

func (d *delta) apply(r *Region) {
	at := 0
	for _, s := range d.spans {
		r.populate(s.Off, s.Len)
		copy(r.bytes(s.Off, s.Len), d.data.bytes(at, s.Len))
		at += s.Len
	}
}

func (d *delta) release() error {
	if d.data == nil {
		return nil
	}
	err := d.data.Release()
	*d = delta{}
	return err
}

// Used returns how many bytes of a new region are mapped from the image's file: 0 if there is none. What lies behind is the region's own from the start.
func (i *Image) Used() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.used
}

// Copied returns how many bytes lie on top of the image's file: what each Map copies.
func (i *Image) Copied() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.delta.pages * PageSize()
}

// Size returns what regions of the image reserve, Committed what of it is accessible in a new one.
func (i *Image) Size() int { return i.size }

// Committed is the number of bytes that are accessible in a new region.
func (i *Image) Committed() int { return i.committed }

// Map gives a region of the image: its committed part has the image's content. It takes two mappings, or three. Its Release may leave it with the image, for the next Map, which gets
// pages that were written with it: these are the image's content again, but the region's own.
func (i *Image) Map() (*Region, error) { return i.mapRegion(false) }

// MapFresh is Map for a region that has no pages of its own, for who counts them.
func (i *Image) MapFresh() (*Region, error) { return i.mapRegion(true) }

func (i *Image) mapRegion(fresh bool) (*Region, error) {
	if r := i.reuse(fresh); r != nil {
		r.fresh = fresh
		return r, nil
	}
	r, err := Reserve(i.size)
	if err != nil {
		return nil, err
	}
	if err := i.MapInto(r); err != nil {
		return nil, errors.Join(err, r.Release())
	}
	r.from, r.fresh = i, fresh
	return r, nil
}

// MapInto is Map into a region that has been reserved, of the image's size and with nothing committed. On an error it may be that only Release
// can be done with it.
func (i *Image) MapInto(r *Region) error {
	if r.size != i.size || r.committed != 0 || r.slots != nil || r.file != nil {
		return fmt.Errorf("mem: an image of %d bytes into a region of %d, %d committed", i.size, r.size, r.committed)
	}
	i.mu.Lock()
	if i.closed {
		i.mu.Unlock()
		return ErrClosed
	}
	i.users++
	base, used, d := i.base.retain(), i.used, i.delta
	i.mu.Unlock()
	err := i.fill(r, base, used, &d)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		base.drop()
	} else if i.copied += d.pages; d.pages > 0 && base != nil && base == i.base && i.copied > used/PageSize() {
		// So many copies cost more than a file that has it all: r gets one, and the next ones share it.
		i.adoptLocked(r) //nolint:errcheck // then they are copied again
	}
	i.users--
	if err == nil {
		i.usedLocked()
	}
	return errors.Join(err, i.settleLocked())
}

// adoptLocked writes the content of a region that has just been made of the image into a file, which the image shares from now on.
func (i *Image) adoptLocked(r *Region) error {
	dirty, err := r.Dirty()
	if err != nil {
		dirty = []Span{{0, r.committed}}
	}
	if err := r.flatten(dirty); err != nil {
		return err
	}
	i.base.drop()
	i.base, i.used, i.huge.made = r.file.retain(), r.backed, 0
	for _, old := range i.idleLocked() {
		old.r.from = nil
		old.r.Release() //nolint:errcheck // address space is lost, no more
	}
	i.retired = append(i.retired, i.delta)
	i.delta = delta{}
	return nil
}

// settleLocked releases what nobody uses any more.
func (i *Image) settleLocked() (err error) {
	if i.users > 0 {
		return nil
	}
	for k := range i.retired {
		err = errors.Join(err, i.retired[k].release())
	}
	i.retired = nil
	if i.closed {
		i.base.drop()
		i.base = nil
		err = errors.Join(err, i.delta.release())
	}
	return err
}

func (i *Image) fill(r *Region, base *file, used int, d *delta) error {
	if used > 0 {
		if err := mapPrivate(r, base, used); err != nil {
			return err
		}
	}
	r.backed, r.committed = used, used
	if err := r.Commit(i.committed); err != nil {
		return err
	}
	r.file = base
	d.apply(r)
	return nil
}

// Close gives the image up; regions made of it are not touched.
func (i *Image) Close() error {
	i.mu.Lock()
	if i.closed {
		i.mu.Unlock()
		return ErrClosed
	}
	i.closed = true
	idle := i.idleLocked()
	err := i.settleLocked() // or the last user does
	i.mu.Unlock()
	i.huge.run.Wait()
	for k := range idle {
		idle[k].r.from = nil
		err = errors.Join(err, idle[k].r.Release())
	}
	return err
}
