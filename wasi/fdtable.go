package wasi

import (
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// fdTable maps numbers to descriptions. See the package doc for its lock discipline.
type fdTable struct {
	mu    sync.RWMutex
	slots []*slot // guarded by mu
	low   int     // guarded by mu: all numbers below are taken
	max   int
	done  bool // guarded by mu: closed for good
}

// slot is a number's place. It stays when the number is free.
type slot struct {
	d    *desc        // guarded by fdTable.mu; nil if the number is free
	pins atomic.Int32 // calls in flight that were made with this number: it is not given out again before they end
}

// handle is a description in use by a call.
type handle struct {
	*desc
	slot *slot
}

// get returns the description of fd for one call, which ends with put. The rights are those that the call needs.
func (t *fdTable) get(fd uint64, need rights) (handle, errno) {
	n := uint64(uint32(fd))
	t.mu.RLock()
	if n >= uint64(len(t.slots)) || t.slots[n].d == nil {
		t.mu.RUnlock()
		return handle{}, vfs.EBADF
	}
	h := handle{t.slots[n].d, t.slots[n]}
	h.refs.Add(1) // the table holds one: it is not 0 yet
	h.slot.pins.Add(1)
	t.mu.RUnlock()
	if h.lacks(need) {
		h.put()
		return handle{}, vfs.ENOTCAPABLE
	}
	return h, success
}

func (h handle) put() {
	_ = h.unref() // an error of closing has nobody left to go to
	h.slot.pins.Add(-1)
}

// number is a free number that is kept for a description which is still to be made: what is made then has a place. It ends with fill or free.
type number struct {
	n    uint32
	slot *slot // pinned
}

// reserve keeps the lowest free number.
func (t *fdTable) reserve() (number, errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return number{}, vfs.EBADF
	}
	for t.low < len(t.slots) && t.slots[t.low].d != nil {
		t.low++
	}
	for i := t.low; i < len(t.slots); i++ {
		if s := t.slots[i]; s.d == nil && s.pins.Load() == 0 { // while d is nil pins only grow here
			s.pins.Add(1)
			return number{uint32(i), s}, success
		}
	}
	if len(t.slots) >= t.max {
		return number{}, vfs.EMFILE
	}
	s := &slot{}
	s.pins.Store(1)
	t.slots = append(t.slots, s)
	return number{uint32(len(t.slots) - 1), s}, success
}

func (r number) free() { r.slot.pins.Add(-1) }

// fill makes d what the number means. If the table is closed meanwhile it closes d.
func (t *fdTable) fill(r number, d *desc) errno {
	defer r.free()
	t.mu.Lock()
	done := t.done
	if !done {
		r.slot.d = d
	}
	t.mu.Unlock()
	if done {
		_ = d.close()
		return vfs.EBADF
	}
	return success
}

// add gives d the lowest free number.
func (t *fdTable) add(d *desc) (uint32, errno) {
	r, en := t.reserve()
	if en != success {
		return 0, en
	}
	return r.n, t.fill(r, d)
}

// close frees a number.
func (t *fdTable) close(fd uint64) errno {
	n := uint64(uint32(fd))
	t.mu.Lock()
	if n >= uint64(len(t.slots)) || t.slots[n].d == nil {
		t.mu.Unlock()
		return vfs.EBADF
	}
	d := t.slots[n].d
	t.slots[n].d = nil
	t.low = min(t.low, int(n))
	t.mu.Unlock()
	return vfs.ErrnoOf(d.close())
}

// renumber makes to the number of what from refers to, and frees from, in one step.
func (t *fdTable) renumber(from, to uint64) errno {
	f, n := uint64(uint32(from)), uint64(uint32(to))
	t.mu.Lock()
	if max(f, n) >= uint64(len(t.slots)) || t.slots[f].d == nil || t.slots[n].d == nil {
		t.mu.Unlock()
		return vfs.EBADF
	}
	if f == n {
		t.mu.Unlock()
		return success
	}
	old := t.slots[n].d
	t.slots[n].d, t.slots[f].d = t.slots[f].d, nil
	t.low = min(t.low, int(f))
	t.mu.Unlock()
	_ = old.close()
	return success
}

// closeAll frees all numbers for good.
func (t *fdTable) closeAll() {
	t.mu.Lock()
	t.done = true
	slots := t.slots
	t.slots = nil
	t.mu.Unlock()
	for _, s := range slots {
		if s.d != nil {
			_ = s.d.close()
		}
	}
}

// share returns what the numbers refer to, as descs for another table; nil where a number is free.
func (t *fdTable) share() []*desc {
	t.mu.RLock()
	defer t.mu.RUnlock()
	ds := make([]*desc, len(t.slots))
	for n, s := range t.slots {
		if s.d != nil {
			ds[n] = s.d.share()
		}
	}
	return ds
}

// restore fills a fresh table.
func (t *fdTable) restore(ds []*desc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slots = make([]*slot, len(ds))
	for n, d := range ds {
		t.slots[n] = &slot{d: d}
	}
}

// put makes d what a number means, in a table that nobody uses yet.
func (t *fdTable) put(n int, d *desc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n >= len(t.slots) {
		t.slots = append(t.slots, &slot{})
	}
	if old := t.slots[n].d; old != nil {
		_ = old.close()
	}
	t.slots[n].d = d
}
