package mem

// Making a region takes three system calls and unmaking it one, all of which change the process's mappings and so wait for each other. Most children are
// made of an image that has just lost one, so regions that come back are made what they were, and wait for the next: that takes a scan of what was written.
// What was written is usually written by the next child too, so such pages stay the region's own, with the image's content, as long as they are not too many.

const (
	maxIdle  = 32       // regions of an image that wait
	maxOwn   = 16 << 20 // bytes of pages of their own that these have together
	minOwn   = 256 << 10
	manyRuns = 4096 // beyond so many runs of pages nothing is kept: each is a system call
	maxUses  = 64   // of a region before it gives everything back: pages that one child in many writes are not to add up
)

// idleRegion is a region of an image as Map gives it.
type idleRegion struct {
	r   Region
	own int // bytes of pages that are not the file's
}

// reuse returns a region that waits, or nil. If fresh is set it has no pages of its own.
func (i *Image) reuse(fresh bool) *Region {
	i.mu.Lock()
	n := len(i.idle)
	if n == 0 {
		i.mu.Unlock()
		return nil
	}
	last := i.idle[n-1] // whose pages are the warmest
	i.idle, i.own = i.idle[:n-1], i.own-last.own
	i.mu.Unlock()
	r := last.r
	r.uses++
	if fresh && last.own > 0 {
		if err := revert(&r, 0, i.committed); err != nil {
			r.from = nil
			r.Release() //nolint:errcheck // address space is lost, no more
			return nil
		}
		r.uses = 0
	}
	return &r
}

// takeBack has a region that nobody uses any more wait for the next Map. It reports false if the region is to be released.
func (i *Image) takeBack(r *Region) bool {
	i.mu.Lock()
	ok := !i.closed && i.base != nil && r.file == i.base && r.backed == i.used && r.hidden == 0 && i.delta.pages == 0 && len(i.idle) < maxIdle
	room := min(maxOwn-i.own, max(minOwn, i.used/8)) // most stays shared
	if r.uses >= maxUses || r.fresh {
		room = 0
	}
	if ok {
		i.users++
	}
	i.mu.Unlock()
	if !ok {
		return false
	}
	own, err := r.restore(i.committed, room)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.users--
	ok = err == nil && !i.closed && r.file == i.base && len(i.idle) < maxIdle && i.own+own <= maxOwn
	if ok {
		i.idle, i.own = append(i.idle, idleRegion{*r, own}), i.own+own
	}
	i.settleLocked() //nolint:errcheck // address space is lost, no more
	return ok
}

// restore makes a region of an image with nothing on top of its file what it was when it was made, with that many bytes committed. own says how many bytes are
// pages that stay the region's own: room at most.
func (r *Region) restore(committed, room int) (own int, err error) {
	if n := r.committed - committed; n > 0 {
		if err := mapAnonymous(r, committed, n, false); err != nil {
			return 0, err
		}
		r.committed = committed
	}
	if committed == 0 {
		return 0, nil
	}
	if room == 0 {
		r.uses = 0
		return 0, revert(r, 0, committed)
	}
	dirty, err := scanQuick(r, 0, committed)
	if own = Pages(dirty) * PageSize(); err != nil || own > room || len(dirty) > manyRuns {
		r.uses = 0
		return 0, revert(r, 0, committed)
	}
	for _, s := range dirty {
		if k := min(s.end(), r.backed) - s.Off; k > 0 {
			if err := r.file.read(r.bytes(s.Off, k), s.Off); err != nil {
				return 0, err
			}
			s.Off, s.Len = s.Off+k, s.Len-k
		}
		clear(r.bytes(s.Off, s.Len))
	}
	return own, nil
}

// idleLocked takes the regions that wait from the image. They must be released.
func (i *Image) idleLocked() (list []idleRegion) {
	list, i.idle, i.own = i.idle, nil, 0
	return list
}
