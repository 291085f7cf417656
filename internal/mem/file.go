package mem

import "sync/atomic"

// file is anonymous shared memory (a memfd) that regions map: a shared mapping of one region while it is filled, private ones of any number of
// regions when it is sealed. It goes with its last user.
type file struct {
	fd    int
	start int64 // where in it the region begins
	refs  atomic.Int32
}

func (f *file) retain() *file {
	if f != nil {
		f.refs.Add(1)
	}
	return f
}

func (f *file) drop() {
	if f != nil && f.refs.Add(-1) == 0 {
		f.close()
	}
}

// maxExtents bounds how many runs of data are told apart: each costs two system calls. What lies behind counts as data.
const maxExtents = 1024

// used returns the end of the data within the first n bytes, whole pages.
func (f *file) used(n int) int {
	if d := f.extents(n); len(d) > 0 {
		return d[len(d)-1].end()
	}
	return 0
}
