package plan

import (
	"math"
	"time"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// balancer decides how large a heap may be until the next collection of the whole heap: MemBalancer (Kirisame, Shen and Panchekha, Optimal Heap Limits for Reducing Browser
// Memory Use, OOPSLA 2022, section 3). With live bytes L, allocation rate g and collection speed s, the limit L + sqrt(L·c·g/s) is where a byte more
// saves as much collection time in every heap of a program that has the same c, so that heaps which profit most get most.
//
// It is written while the world stands.
type balancer struct {
	allocated, collected rate
	promoted             int64     // blocks allocated since the last collection of the whole heap, but for those that one of the young gave back
	running              float64   // seconds that mutators have run in that time
	resumed              time.Time // when the last collection was over
}

// rate is bytes and seconds, the more recent ones counting more.
type rate struct{ bytes, seconds float64 }

// The weights of what was before, of allocation and of collection (the paper's section 5: the one smooths over programs' phases, the other over noise).
const (
	keepAllocated = 0.95
	keepCollected = 0.5
)

func (r *rate) add(keep, bytes, seconds float64) {
	if r.seconds == 0 {
		keep = 0
	}
	r.bytes, r.seconds = keep*r.bytes+(1-keep)*bytes, keep*r.seconds+(1-keep)*seconds
}

func (r rate) perSecond() float64 { return r.bytes / max(r.seconds, 1e-9) }

// limit returns the bytes that a heap may have, of which live are alive.
func (b *balancer) limit(live, balance float64) float64 {
	if b.collected.seconds == 0 || b.allocated.seconds == 0 {
		return live
	}
	return live + math.Sqrt(live*balance*b.allocated.perSecond()/max(b.collected.perSecond(), 1))
}

// Reserver is a Plan that keeps room for copies.
type Reserver interface {
	Plan
	// Reserve returns how many blocks are kept for copies when so many hold objects.
	Reserve(blocks int64) int64
}

// DefaultBalance is used if Options.Balance is 0: with as much allocated as collected in a second, a heap of 128 MiB of live objects may grow to twice that, one of 2 MiB to 18.
const DefaultBalance = 128 << 20

func (b *Base) now() time.Time {
	if b.Opts.Now != nil {
		return b.Opts.Now()
	}
	return time.Now()
}

// balance sets the heap's limit, after a collection has given back what is dead.
func (b *Base) balance() {
	l := &b.balancer
	c := &b.current
	if !l.resumed.IsZero() {
		l.running += c.Start.Sub(l.resumed).Seconds()
	}
	inUse := b.Mem.InUse()
	if !c.Full {
		l.promoted += max(inUse-b.after.Load(), 0)
		return
	}
	l.promoted += max(c.Before-b.after.Load(), 0)
	var traced uint64
	for _, w := range b.Sched.Workers() {
		traced += policy.Of(w).Bytes
	}
	if l.running > 0 {
		l.allocated.add(keepAllocated, float64(l.promoted<<heap.LogBlock), l.running)
	}
	if traced > 0 { // of a forked heap all that lives may be in its image, which is not gone through
		l.collected.add(keepCollected, float64(traced), (b.now().Sub(c.Start) - c.Stop).Seconds())
	}
	l.promoted, l.running = 0, 0
	if b.Opts.MinBytes > 0 {
		image := b.image.Blocks()
		b.setLimit(image + int64(l.limit(float64((inUse-image)<<heap.LogBlock), b.Opts.Balance))>>heap.LogBlock)
	}
}

// setLimit lets so many blocks hold objects, and further ones copies, within the heap's bounds.
func (b *Base) setLimit(blocks int64) {
	if r, ok := b.plan.(Reserver); ok {
		blocks += r.Reserve(blocks)
	}
	least := min(max(b.Opts.MinBytes>>heap.LogBlock, 1), b.Mem.Limit())
	b.Budget.Set(min(max(blocks, least), b.Mem.Limit()))
}

// grow makes room for an object in a heap that a collection of the whole heap has just gone through, and reports whether it could.
func (b *Base) grow(size uint32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.Budget.Blocks()
	if have == b.Mem.Limit() {
		return false
	}
	b.Budget.Set(min(have+have/8+int64(size>>heap.LogBlock)+1, b.Mem.Limit()))
	return true
}
