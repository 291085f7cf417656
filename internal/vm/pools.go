package vm

import (
	"sync"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// Pools keeps reservations for reuse, so that starting and ending an instance costs no system call. One per Runtime; safe for concurrent use.
type Pools struct {
	mu     sync.Mutex
	free   map[int][]*mem.Region // guarded by mu; by reserved size
	idle   int                   // guarded by mu; bytes of committed memory held
	closed bool                  // guarded by mu
	// Live counts the regions handed out and not yet returned; tests check that it falls to zero.
	live int // guarded by mu
}

// maxIdle bounds the committed memory that a Runtime keeps for reuse, and maxKeep the regions of one size.
const (
	maxIdle = 64 << 20
	maxKeep = 64
	// keepCommitted is how much of a returned region stays committed.
	keepCommitted = 256 << 10
)

// NewPools makes empty pools.
func NewPools() *Pools { return &Pools{free: map[int][]*mem.Region{}} }

// get returns a zeroed region of exactly size reserved bytes (rounded to pages) with at least commit bytes accessible.
func (p *Pools) get(size, commit int) (*mem.Region, error) {
	size = (size + mem.PageSize() - 1) / mem.PageSize() * mem.PageSize()
	p.mu.Lock()
	p.live++
	if l := p.free[size]; len(l) > 0 {
		r := l[len(l)-1]
		p.free[size] = l[:len(l)-1]
		p.idle -= r.Committed()
		p.mu.Unlock()
		if err := r.Commit(commit); err != nil {
			p.put(r, 0)
			return nil, err
		}
		return r, nil
	}
	p.mu.Unlock()
	r, err := mem.Reserve(size)
	if err == nil {
		if err = r.Commit(commit); err != nil {
			r.Release() //nolint:errcheck // the commit's error is the one to report
		}
	}
	if err != nil {
		p.mu.Lock()
		p.live--
		p.mu.Unlock()
		return nil, err
	}
	return r, nil
}

// put takes a region back. Bytes from used on are known to be zero; used < 0 means that the region's contents need no clearing, as
// its next user (a guest stack) never reads what it has not written.
func (p *Pools) put(r *mem.Region, used int) {
	if used > 0 {
		if used <= keepCommitted {
			clear(r.Bytes(min(used, r.Committed())))
		} else if r.Discard(0) != nil {
			p.drop(r)
			return
		}
	} else if used < 0 && r.Committed() > keepCommitted {
		// Untouched pages cost nothing and touched ones are given back, so the whole stack may stay accessible.
		if r.Discard(keepCommitted) != nil {
			p.drop(r)
			return
		}
	}
	p.mu.Lock()
	cost := min(r.Committed(), keepCommitted)
	if p.closed || len(p.free[r.Size()]) >= maxKeep || p.idle+cost > maxIdle {
		p.mu.Unlock()
		p.drop(r)
		return
	}
	p.live--
	p.idle += r.Committed()
	p.free[r.Size()] = append(p.free[r.Size()], r)
	p.mu.Unlock()
}

func (p *Pools) drop(r *mem.Region) {
	r.Release() //nolint:errcheck // nothing to be done about it; the address space is lost
	p.mu.Lock()
	p.live--
	p.mu.Unlock()
}

// Live returns the number of regions in use.
func (p *Pools) Live() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live
}

// Close releases what is idle; regions that come back later are released at once.
func (p *Pools) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, l := range p.free {
		for _, r := range l {
			r.Release() //nolint:errcheck // see drop
		}
	}
	p.free = map[int][]*mem.Region{}
}
