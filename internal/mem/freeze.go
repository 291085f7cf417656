package mem

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrSlot is returned for a Region of Slots: it shares its mapping with others.
var ErrSlot = errors.New("mem: a slot cannot be frozen")

// ErrHidden is returned for a Region of which something is hidden.
var ErrHidden = errors.New("mem: a region with hidden pages cannot be frozen")

// ReserveForkable is Reserve for a region that will be frozen: what is committed lies in a file, so that Freeze need not copy it. Where the system
// has no such files it is Reserve. It takes a file descriptor.
func ReserveForkable(size int) (*Region, error) {
	r, err := Reserve(size)
	if err != nil {
		return nil, err
	}
	f, err := newFile(r.size)
	if errors.Is(err, errors.ErrUnsupported) {
		return r, nil
	}
	if err == nil {
		if err = mapShared(r, f); err == nil {
			f.keepWriter(r.size)
			r.file, r.backed, r.shared = f, r.size, true
			return r, nil
		}
		f.drop()
	}
	return nil, errors.Join(fmt.Errorf("mem: reserve %d bytes: %w", size, err), r.Release())
}

// Freeze makes an image of the region's committed part. The region goes on where it is, with the same content, and shares its pages with the
// image until it writes to them. Nobody may write to the region meanwhile.
//
// The first Freeze of a forkable region costs the time to take its pages out of the page table. A later one looks for the pages written since. If no image
// made before, and no region of one, is left, it writes them to the file. Otherwise the file is shared, and they are copied: beside it, or with everything
// into a new file if they are many, or have been copied many times. On an error the region is as it was.
func (r *Region) Freeze() (*Image, error) {
	if r.slots != nil {
		return nil, ErrSlot
	}
	if r.hidden > 0 {
		return nil, ErrHidden
	}
	if r.shared && r.committed <= r.backed {
		if err := r.privatise(); err != nil {
			return nil, err
		}
		return r.image(delta{}), nil
	}
	dirty, err := r.Dirty()
	if err != nil {
		dirty = []Span{{0, r.committed}} // not told: zeros are left out below
	}
	if err == nil && !r.shared && r.file.sole() {
		if err := r.rebase(dirty); err != nil {
			return nil, err
		}
		return r.image(delta{}), nil
	}
	if r.file != nil && !r.shared && r.layer(Pages(dirty)) {
		d, err := r.capture(dirty)
		if err != nil {
			return nil, err
		}
		return r.image(d), nil
	}
	switch err := r.flatten(dirty); {
	case err == nil:
		return r.image(delta{}), nil
	case !errors.Is(err, errors.ErrUnsupported):
		return nil, err
	}
	d, err := r.capture(dirty)
	if err != nil {
		return nil, err
	}
	return r.image(d), nil
}

// layer notes that so many dirty pages are to lie on top of the file, and reports whether that costs less than a new file of all that are used, which takes as much for
// each and ends the sharing with older images. The new file pays when most pages are dirty, or when half of it could have been written instead of what was copied
// already: each page is copied twice, into an image and into its child; afterwards the file is the region's own again, and nothing is copied (see rebase).
func (r *Region) layer(dirty int) bool {
	used := r.backed / PageSize()
	r.copied += dirty
	return 3*dirty <= used && 2*r.copied <= used
}

// manySpans is how many runs of pages are given back one by one; beyond it mapping everything anew is cheaper.
const manySpans = 1024

// rebase writes the dirty pages to the region's own file, and makes the region a view of that again.
func (r *Region) rebase(dirty []Span) error {
	var write []Span
	for _, s := range dirty {
		if k := min(s.end(), r.backed) - s.Off; k > 0 {
			write = appendSpan(write, Span{s.Off, k})
			s.Off, s.Len = s.Off+k, s.Len-k
		}
		r.eachNonZero(s, func(off, n int) error { //nolint:errcheck // returns that of the function
			write = appendSpan(write, Span{off, n})
			return nil
		})
	}
	if len(write) == 0 {
		return nil
	}
	if err := r.file.update(r, write); err != nil {
		return err
	}
	r.copied = 0
	if used := write[len(write)-1].end(); used > r.backed || len(write) > manySpans {
		used = max(used, r.backed)
		if err := mapPrivate(r, r.file, used); err != nil {
			return err
		}
		r.backed = used
		return nil
	}
	for _, s := range write {
		if err := revert(r, s.Off, s.Len); err != nil {
			return err
		}
	}
	return nil
}

func (r *Region) image(d delta) *Image {
	i := &Image{size: r.size, committed: r.committed, used: r.backed, delta: d}
	if r.file != nil {
		i.base = r.file.retain()
	}
	return i
}

// privatise makes the region a private view of its own file, which is sealed.
func (r *Region) privatise() error {
	used := r.file.used(r.committed)
	// First what holds nothing: if the second step fails, there are zeros where there were zeros.
	if err := r.detachTail(used); err != nil {
		return err
	}
	if used > 0 {
		r.forget(used)
		if err := mapPrivate(r, r.file, used); err != nil {
			return err
		}
	}
	r.shared = false
	return r.file.seal() // on an error the region is private, which does no harm
}

// detachTail makes what lies behind used bytes, which holds nothing, anonymous memory. Each step leaves a region that is what it was.
func (r *Region) detachTail(used int) error {
	if end := max(r.committed, used); end < r.backed {
		if err := mapAnonymous(r, end, r.size-end, false); err != nil {
			return err
		}
		r.backed = end
	}
	if used < r.backed {
		if err := mapAnonymous(r, used, r.backed-used, true); err != nil {
			return err
		}
	}
	r.backed = used
	return nil
}

// flatten writes the whole content into a new file and makes the region a private view of it. dirty is what the present file, if any, does not have.
func (r *Region) flatten(dirty []Span) error {
	f, err := newFile(r.size)
	if err != nil {
		return err
	}
	f.keepWriter(r.size)
	spans := dirty
	if r.file != nil {
		spans = union(r.file.extents(r.backed), dirty)
	}
	used := 0
	for _, s := range spans {
		if err = r.eachNonZero(s, func(off, n int) error {
			used = off + n
			return f.write(r.bytes(off, n), off)
		}); err != nil {
			break
		}
	}
	if err == nil {
		err = f.seal()
	}
	if err == nil && used < r.backed {
		err = r.detachTail(used) // of zeros
	}
	if err == nil && used > 0 {
		err = mapPrivate(r, f, used)
	}
	if err != nil {
		f.drop()
		return err
	}
	r.file.drop()
	r.file, r.backed, r.shared, r.copied = f, used, false, 0
	return nil
}

// eachNonZero calls f for the runs of pages in a span that are not all zero.
func (r *Region) eachNonZero(s Span, f func(off, n int) error) error {
	page := PageSize()
	from := s.Off
	for at := s.Off; ; at += page {
		if at < s.end() && !isZero(r.bytes(at, page)) {
			continue
		}
		if from < at {
			if err := f(from, at-from); err != nil {
				return err
			}
		}
		if at >= s.end() {
			return nil
		}
		from = at + page
	}
}

var zeros [4096]byte

func isZero(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// capture copies pages. Those of zeros are left out where there is nothing below them.
func (r *Region) capture(dirty []Span) (d delta, err error) {
	add := func(off, n int) error { d.spans = appendSpan(d.spans, Span{off, n}); return nil }
	for _, s := range dirty {
		if k := min(s.end(), r.backed) - s.Off; k > 0 {
			add(s.Off, k) //nolint:errcheck // returns none
			s.Off, s.Len = s.Off+k, s.Len-k
		}
		if s.Len > 0 {
			r.eachNonZero(s, add) //nolint:errcheck // returns that of add
		}
	}
	d.pages = Pages(d.spans)
	if d.pages == 0 {
		return delta{}, nil
	}
	n := d.pages * PageSize()
	if d.data, err = Reserve(n); err != nil {
		return delta{}, err
	}
	if err := d.data.Commit(n); err != nil {
		return delta{}, errors.Join(err, d.data.Release())
	}
	d.data.populate(0, n)
	at := 0
	for _, s := range d.spans {
		copy(d.data.bytes(at, s.Len), r.bytes(s.Off, s.Len))
		at += s.Len
	}
	return d, nil
}

// Backed reports whether some of the region lies, or has lain, in a file: it was reserved forkable, frozen, or made of an image.
func (r *Region) Backed() bool { return r.file != nil }

// Dirty returns the pages of the committed part that the region does not share with an image, in order: those written since it was frozen or made of
// one. Of a region that is neither these are all pages that hold something. The error is errors.ErrUnsupported where the system does not tell.
func (r *Region) Dirty() ([]Span, error) {
	var spans []Span
	from, beside, err := r.beside()
	if r.shared {
		spans = r.file.extents(from)
	}
	return union(spans, beside), err
}

// beside returns the pages of the committed part that are the region's own and lie in no file, in order. None is below from: up to there the region writes to its file.
func (r *Region) beside() (from int, spans []Span, err error) {
	if r.shared {
		from = min(r.backed, r.committed)
	}
	if from < r.committed {
		spans, err = scan(r, from, r.committed-from)
	}
	return from, spans, err
}

// Forget gives the memory of n committed bytes from off back to the system, both whole pages, and reports whether they are zero now; otherwise they
// have some older content.
func (r *Region) Forget(off, n int) (zero bool, err error) {
	if err := r.checkRange(off, n); err != nil {
		return false, err
	}
	if k := min(n, r.backed-off); k > 0 && !r.shared {
		if err := revert(r, off, k); err != nil || k == n {
			return false, err
		}
		return false, discard(r, off+k, n-k)
	}
	return true, r.DiscardRange(off, n)
}
