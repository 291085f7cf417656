package large

import (
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Runs allocates objects as runs of granules in blocks of one space. What an object leaves of its last block is for others, so that little is lost but
// the rest of a granule for each. It is safe for concurrent use.
type Runs struct {
	ID  heap.SpaceID
	Mem *heap.Memory
	// Log is the granule: 1<<Log bytes, at most a block.
	Log uint8
	// Hide makes the memory of dead objects inaccessible, and has it used again as late as possible. Granules are multiples of heap.HideUnit.
	Hide bool

	mu      sync.Mutex
	objects []run // guarded by mu
	free    bins  // guarded by mu; with Hide, all of it is hidden
	fresh   bins  // guarded by mu; with Hide: what has held no object since the block was taken
}

// run is n granules from granule number at.
type run struct{ at, n uint32 }

func (r *Runs) ref(o run) heap.Ref     { return o.at << r.Log }
func (r *Runs) bytes(o run) uint32     { return o.n << r.Log }
func (r *Runs) perBlock() uint32       { return heap.BlockSize >> r.Log }
func (r *Runs) block(at uint32) uint32 { return at >> (heap.LogBlock - r.Log) }

// Alloc returns zeroed memory of size bytes, more than 0. Errors are the taker's, and the system's.
func (r *Runs) Alloc(size uint32, t policy.Taker) (heap.Ref, error) {
	n := uint32((uint64(size) + 1<<r.Log - 1) >> r.Log)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Hide {
		if o, ok := r.fresh.take(n); ok {
			return r.cut(o, n, &r.fresh), nil
		}
	} else if o, ok := r.free.take(n); ok {
		return r.reuse(o, n)
	}
	at, err := r.grow(n, size, t)
	if err == nil || !r.Hide {
		return at, err
	}
	if o, ok := r.free.take(n); ok {
		return r.reuse(o, n)
	}
	return 0, err
}

// grow takes blocks for an object of size bytes in n granules: so many that at most a tenth is lost if others of its size follow, or fewer if there
// are not so many.
func (r *Runs) grow(n, size uint32, t policy.Taker) (heap.Ref, error) {
	const most = 9 // objects of a little more than a block fill nine of ten blocks
	per := r.perBlock()
	objects := uint32(1)
	for objects < most && !r.Hide {
		if all := uint64((objects*n+per-1)/per) << heap.LogBlock; 10*(all-uint64(objects*size)) <= all {
			break
		}
		objects++
	}
	for {
		k := (objects*n + per - 1) / per
		b, zero, err := t.Take(k, r.ID)
		if err == nil {
			spare := &r.free
			if r.Hide {
				spare = &r.fresh
			}
			if used := n; !zero {
				if r.Hide {
					used = k * per // what is fresh is zero
				}
				clear(r.Mem.Bytes(b<<heap.LogBlock, int(used)<<r.Log)) // otherwise what is left over is when it is used
			}
			return r.cut(run{b * per, k * per}, n, spare), nil
		}
		if objects--; objects == 0 {
			return 0, err
		}
	}
}

// reuse makes the first n granules of a free run an object, zeroed.
func (r *Runs) reuse(o run, n uint32) (heap.Ref, error) {
	at, size := r.ref(o), n<<r.Log
	if r.Hide {
		if err := r.Mem.Show(at, size); err != nil {
			r.free.put(o)
			return 0, err
		}
	}
	clear(r.Mem.Bytes(at, int(size)))
	return r.cut(o, n, &r.free), nil
}

// cut makes the first n granules of a run an object; the rest goes to bins.
func (r *Runs) cut(o run, n uint32, rest *bins) heap.Ref {
	r.objects = append(r.objects, run{o.at, n})
	rest.put(run{o.at + n, o.n - n})
	return r.ref(o)
}

// Each calls f for every object. Nothing else may be done meanwhile.
func (r *Runs) Each(f func(heap.Ref)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.objects {
		f(r.ref(o))
	}
}

// Sweep frees the objects that live says no of, and gives back blocks without any. It costs what there are of objects, not of memory.
func (r *Runs) Sweep(live func(heap.Ref) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var dead []run
	kept := r.objects[:0]
	for _, o := range r.objects {
		if live(r.ref(o)) {
			kept = append(kept, o)
		} else {
			dead = append(dead, o)
			if r.Mem.Poisons {
				r.Mem.Fill(r.ref(o), r.bytes(o))
			}
		}
	}
	r.objects = kept
	dead = r.fresh.drain(dead)
	if r.Hide {
		for _, o := range dead {
			r.Mem.Hide(r.ref(o), r.bytes(o))
		}
	}
	dead = r.free.drain(dead)
	slices.SortFunc(dead, func(a, b run) int { return int(int64(a.at) - int64(b.at)) })
	for len(dead) > 0 {
		o := dead[0]
		for dead = dead[1:]; len(dead) > 0 && dead[0].at == o.at+o.n; dead = dead[1:] {
			o.n += dead[0].n
		}
		r.gap(o)
	}
}

// gap notes that a run is free, and gives back the whole blocks in it.
func (r *Runs) gap(o run) {
	to := o.at + o.n
	first, last := r.block(o.at+r.perBlock()-1), r.block(to)
	if first >= last {
		r.free.put(o)
		return
	}
	r.Mem.Give(first, last-first)
	r.free.put(run{o.at, first*r.perBlock() - o.at})
	r.free.put(run{last * r.perBlock(), to - last*r.perBlock()})
}
