package vm

import (
	"sync"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// Pools keeps reservations for reuse, so that starting and ending an instance costs no system call. One per Runtime; safe for concurrent use.
type Pools struct {
	mu     sync.Mutex
	free   map[poolKey][]*mem.Region // guarded by mu
	slots  map[int]*mem.Slots        // guarded by mu; of stacks, by size
	arenas *mem.Slots                // of threads' regions; nil if each has a mapping of its own
	idle   int                       // guarded by mu; bytes of memory that idle regions may hold
	closed bool                      // guarded by mu
	// Live counts the regions handed out and not yet returned; tests check that it falls to zero.
	live int // guarded by mu

	mappings mappings // guarded by mu
}

// poolKey tells regions apart that can serve in place of each other: stacks come back with what guests left in them, so they must
// never become anything else.
type poolKey struct {
	size     int // reserved
	stack    bool
	together bool // a thread's region that shares a mapping with others, which cannot be frozen
}

// maxIdle bounds the memory that a Runtime keeps for reuse, and maxKeep the regions of one size.
const (
	maxIdle = 64 << 20
	maxKeep = 64
	// keepCommitted is how much of a returned region stays committed.
	keepCommitted = 256 << 10
)

// NewPools makes empty pools.
func NewPools() *Pools {
	p := &Pools{free: map[poolKey][]*mem.Region{}, slots: map[int]*mem.Slots{}}
	if regionsTogether > 0 {
		p.arenas = mem.NewSlotsBy(regionSize, regionsTogether)
	}
	return p
}

// get returns a zeroed region of exactly size reserved bytes (rounded to pages) with at least commit bytes accessible.
func (p *Pools) get(size, commit int) (*mem.Region, error) { return p.take(size, commit, false) }

// getStack is get for a guest stack, whose contents are arbitrary.
func (p *Pools) getStack(size int) (*mem.Region, error) { return p.take(size, size, true) }

func (p *Pools) take(size, commit int, stack bool) (*mem.Region, error) {
	size = (size + mem.PageSize() - 1) / mem.PageSize() * mem.PageSize()
	key := poolKey{size: size, stack: stack}
	p.mu.Lock()
	p.live++
	if l := p.free[key]; len(l) > 0 {
		r := l[len(l)-1]
		p.free[key] = l[:len(l)-1]
		p.idle -= held(r, stack)
		p.mu.Unlock()
		if err := r.Commit(commit); err != nil {
			p.drop(r)
			return nil, err
		}
		return r, nil
	}
	if !stack {
		if err := p.mappings.admit(p.live); err != nil {
			p.live--
			p.mu.Unlock()
			return nil, err
		}
	}
	slots := p.slots[size]
	if stack && slots == nil {
		slots = mem.NewStacks(size, nearStack)
		p.slots[size] = slots
	}
	p.mu.Unlock()
	var r *mem.Region
	var err error
	if stack {
		r, err = slots.Get()
	} else if r, err = mem.Reserve(size); err == nil {
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

// getArena is get for a thread's region.
func (p *Pools) getArena(commit int) (*mem.Region, error) {
	if p.arenas == nil {
		return p.get(regionSize, commit)
	}
	key := poolKey{size: regionSize, together: true}
	p.mu.Lock()
	if l := p.free[key]; len(l) > 0 {
		r := l[len(l)-1]
		p.free[key] = l[:len(l)-1]
		p.idle -= held(r, false)
		p.live++
		p.mu.Unlock()
		return r, nil
	}
	p.mu.Unlock()
	r, err := p.arenas.Together()
	if err != nil {
		return p.get(regionSize, commit) // the system does not give so much at once
	}
	p.mu.Lock()
	p.live++
	p.mu.Unlock()
	return r, nil
}

// getForkable is get for memory that will be frozen (mem.ReserveForkable). It is not kept for reuse.
func (p *Pools) getForkable(size, commit int) (*mem.Region, error) {
	return p.count(func() (*mem.Region, error) {
		r, err := mem.ReserveForkable(size)
		if err != nil {
			return nil, err
		}
		if err := r.Commit(commit); err != nil {
			r.Release() //nolint:errcheck // the commit's error is the one to report
			return nil, err
		}
		return r, nil
	})
}

// count makes a region, and counts it.
func (p *Pools) count(make func() (*mem.Region, error)) (*mem.Region, error) {
	p.mu.Lock()
	err := p.mappings.admit(p.live)
	if err == nil {
		p.live++
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r, err := make()
	if err != nil {
		p.mu.Lock()
		p.live--
		p.mu.Unlock()
	}
	return r, err
}

// put takes a region back. Bytes from used on are known to be zero.
func (p *Pools) put(r *mem.Region, used int) {
	if r.Backed() {
		p.drop(r)
		return
	}
	if used > 0 && p.open() {
		if used <= keepCommitted {
			clear(r.Bytes(min(used, r.Committed())))
		} else if r.Discard(0) != nil {
			p.drop(r)
			return
		}
	}
	p.keep(r, false)
}

// putStack takes a guest stack back; deep tells whether more than its first nearStack bytes may
// have been written. It needs no clearing, as its next user never reads what it has not written.
func (p *Pools) putStack(r *mem.Region, deep bool) {
	// Untouched pages cost nothing and touched ones are given back, so the whole stack may stay accessible.
	if deep && r.Discard(nearStack) != nil || !p.open() {
		p.drop(r)
		return
	}
	p.keep(r, true)
}

func (p *Pools) keep(r *mem.Region, stack bool) {
	key := poolKey{r.Size(), stack, !stack && r.Together()}
	p.mu.Lock()
	cost := held(r, stack)
	if p.closed || len(p.free[key]) >= maxKeep || p.idle+cost > maxIdle {
		p.mu.Unlock()
		p.drop(r)
		return
	}
	p.live--
	p.idle += cost
	p.free[key] = append(p.free[key], r)
	p.mu.Unlock()
}

// held is what an idle region is reckoned to keep in memory.
func held(r *mem.Region, stack bool) int {
	if stack {
		return nearStack
	}
	if r.Together() {
		return commitStep
	}
	return min(r.Committed(), keepCommitted)
}

// open reports whether what comes back may be handed out again. Once it may not, keep drops everything.
func (p *Pools) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed
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
	p.free = map[poolKey][]*mem.Region{}
}
