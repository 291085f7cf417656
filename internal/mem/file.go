package mem

import "sync/atomic"

// file is anonymous shared memory (a memfd) that regions map: a shared mapping of one region while it is filled, private ones of any number of
// regions when it is sealed. It goes with its last user.
type file struct {
	fd    int
	start int64 // where in it the region begins
	refs  atomic.Int32
	lent  atomic.Bool // others have descriptors of it

	// writer is a shared mapping of the whole file from before it was sealed, which nothing can be accessed in except while update runs; nil if there is none.
	writer *Region
}

func (f *file) retain() *file {
	if f != nil {
		f.refs.Add(1)
	}
	return f
}

func (f *file) drop() {
	if f != nil && f.refs.Add(-1) == 0 {
		if f.writer != nil {
			f.writer.Release() //nolint:errcheck // address space is lost, no more
		}
		f.close()
	}
}

// sole reports whether the only user is the one who asks, so that its content may change although it is sealed. There will be no other: a user comes from
// another one.
func (f *file) sole() bool {
	return f != nil && f.writer != nil && f.refs.Load() == 1 && !f.lent.Load()
}

// update writes a region's pages to the same places of a file that nobody else uses. On an error the file may have some of them, which the region has, too.
func (f *file) update(r *Region, spans []Span) error {
	if len(spans) == 0 {
		return nil
	}
	from, to := spans[0].Off, spans[len(spans)-1].end()
	if err := f.writer.open(from, to-from); err != nil {
		return err
	}
	for _, s := range spans {
		copy(f.writer.bytes(s.Off, s.Len), r.bytes(s.Off, s.Len))
	}
	return f.writer.shut(from, to-from)
}

// maxExtents bounds how many runs of data are told apart: each costs two system calls. What lies behind counts as data.
const maxExtents = 1024

// used returns the end of the data within the first n bytes, whole pages. It is searched for by halves: the system tells at once whether there is data behind a place, but
// walks through all pages of a run to tell where that ends, 1.3 ms for 64 MiB.
func (f *file) used(n int) int {
	from, to := 0, roundUp(n, PageSize()) // there is data up to from, and none from to on
	for from < to {
		at := (from + to) / 2 / PageSize() * PageSize()
		data, ok, err := f.data(at)
		switch {
		case err != nil:
			return roundUp(n, PageSize()) // it may be anywhere
		case ok && data < to:
			from = roundUp(data+1, PageSize())
		default:
			to = at
		}
	}
	return from
}
