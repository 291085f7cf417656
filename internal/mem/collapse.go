package mem

import "sync"

// Reading a page of an image for the first time is a fault of 300 ns in each child, of 20 where the file's pages are huge ones (measured; first writes take 10 % longer). Systems do
// not give huge pages to files in memory by themselves as a rule, and to make them is slow: 20 to 270 ms for 64 MiB. So it is done in the background, once, for images
// of which many regions have been made that could not take over another one's page table (see reuse).

const (
	hugePage      = 2 << 20
	collapseAfter = 256 // new regions of one file
)

// collapser makes pages huge in the background. Its fields are guarded by Image.mu.
type collapser struct {
	made int            // regions of the present file that were not used before
	run  sync.WaitGroup // the goroutine
	// collapse has the system make a huge page of a part of a region, which is hugePage long and aligned; tests have their own.
	collapse func(r *Region, off int) error
}

// usedLocked notes a new region of the image's file, and starts the work when they are many.
func (i *Image) usedLocked() {
	c := &i.huge
	if c.made++; c.made != collapseAfter || i.closed || i.base == nil || i.base.start != 0 || i.used < hugePage {
		return
	}
	if c.collapse == nil {
		c.collapse = collapsePages
	}
	base, used, collapse := i.base.retain(), i.used, c.collapse
	c.run.Go(func() {
		defer base.drop()
		i.makeHuge(base, used, collapse)
	})
}

// makeHuge looks for parts of the file that have all their pages, as others would get pages that nobody needs. It gives up when the system does, or the image is
// closed, which waits for one part at most: a few milliseconds.
func (i *Image) makeHuge(base *file, used int, collapse func(*Region, int) error) {
	r, err := Reserve(used)
	if err != nil {
		return
	}
	defer r.Release() //nolint:errcheck // address space is lost, no more
	if r.base%hugePage != 0 || mapReadable(r, base, used) != nil {
		return
	}
	data := base.extents(used)
	if len(data) >= maxExtents {
		data = data[:maxExtents-1] // the last one may have holes
	}
	for _, s := range data {
		for off := roundUp(s.Off, hugePage); off+hugePage <= s.end(); off += hugePage {
			i.mu.Lock()
			closed := i.closed
			i.mu.Unlock()
			if closed || collapse(r, off) != nil {
				return
			}
		}
	}
}
