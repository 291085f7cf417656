package mem

import (
	"errors"
	"fmt"
	"math"
)

// Region is a reservation of address space of which a prefix is committed: readable, writable, zero at first. A Region is not
// safe for concurrent use, but its committed part may be read and written while another goroutine commits more.
type Region struct {
	base      uintptr
	size      int // reserved
	committed int // prefix that is accessible
	backing   []byte

	file   *file // what the first backed bytes are mapped from, if any
	backed int
	shared bool // writes go to the file: the region has not been frozen yet
	copied int  // pages that freezes have copied since the file is its own

	hidden int // bytes

	from  *Image // whose Map made the region, if any
	uses  int    // since it had no pages of its own
	fresh bool   // of MapFresh

	slots *Slots // nil for a mapping of its own
	chunk *chunk
}

// Base returns the lowest address.
func (r *Region) Base() uintptr { return r.base }

// Size returns the number of bytes reserved.
func (r *Region) Size() int { return r.size }

// Committed returns the number of bytes that are accessible.
func (r *Region) Committed() int { return r.committed }

// Reserve reserves size bytes, rounded up to whole pages. Nothing of it is accessible before Commit.
func Reserve(size int) (*Region, error) {
	if size <= 0 || size > math.MaxInt-PageSize() {
		return nil, fmt.Errorf("mem: reserve %d bytes", size)
	}
	return reserve(roundUp(size, PageSize()))
}

// Commit makes the first n bytes accessible; committing less than before changes nothing.
func (r *Region) Commit(n int) error {
	if n > r.size {
		return fmt.Errorf("mem: commit %d of %d reserved bytes", n, r.size)
	}
	n = roundUp(n, PageSize())
	if n <= r.committed {
		return nil
	}
	if err := commit(r, r.committed, n-r.committed); err != nil {
		return err
	}
	r.committed = n
	return nil
}

// Discard zeroes the bytes from off to the end of the committed part and gives their pages back to the system where that
// pays; they stay accessible.
func (r *Region) Discard(off int) error {
	if off >= r.committed {
		return nil
	}
	page := min(roundUp(off, PageSize()), r.committed)
	clear(r.bytes(off, page-off))
	if r.committed == page {
		return nil
	}
	return r.DiscardRange(page, r.committed-page)
}

// DiscardRange is Discard for n committed bytes from off, both whole pages. What an image has below them cannot go, and is covered with zeros.
func (r *Region) DiscardRange(off, n int) error {
	if err := r.checkRange(off, n); err != nil {
		return err
	}
	if k := min(n, r.backed-off); k > 0 {
		if !r.shared {
			clear(r.bytes(off, k))
		} else if err := r.file.punch(off, k); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	if n == 0 {
		return nil
	}
	return discard(r, off, n)
}

// checkRange refuses what is not whole committed pages.
func (r *Region) checkRange(off, n int) error {
	if off < 0 || n < 0 || off > r.committed || n > r.committed-off || off%PageSize() != 0 || n%PageSize() != 0 {
		return fmt.Errorf("mem: %d bytes at %d of %d committed ones are not whole pages of them", n, off, r.committed)
	}
	return nil
}

// Hide gives the memory of n committed bytes from off, both whole pages, back to the system and makes every access to them fault until
// Show. Nothing else but Release may be done with them meanwhile; Freeze refuses. The error is errors.ErrUnsupported where the system cannot, and
// for what an image has.
func (r *Region) Hide(off, n int) error {
	if err := r.checkRange(off, n); err != nil {
		return err
	}
	if off < r.backed {
		return errors.ErrUnsupported
	}
	if err := hide(r, off, n); errors.Is(err, errors.ErrUnsupported) {
		return err
	} else if err != nil {
		return errors.Join(err, show(r, off, n)) // it may have hidden some of them
	}
	r.hidden += n
	return nil
}

// Show takes a Hide back, for n of its bytes from off: they are accessible, and zero.
func (r *Region) Show(off, n int) error {
	if err := r.checkRange(off, n); err != nil {
		return err
	}
	if err := show(r, off, n); err != nil {
		return err
	}
	r.hidden -= n
	return nil
}

// Release gives the reservation back. The region must not be used afterwards.
func (r *Region) Release() error {
	var err error
	if r.from != nil && r.from.takeBack(r) {
		*r = Region{}
		return nil
	}
	if r.slots != nil {
		err = r.slots.put(r)
	} else {
		err = release(r)
		r.file.drop()
	}
	*r = Region{}
	return err
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
