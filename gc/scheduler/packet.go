package scheduler

import (
	"sync"
	"sync/atomic"
)

// Packet is a piece of a collection that one worker does. Run may add further packets.
type Packet interface {
	Run(w *Worker)
}

// Stage is a step of a collection; see the package doc.
type Stage int

// The stages, in their order. Those that a collection has no packets for open and pass at once.
const (
	// Unconstrained packets run at any time during a collection. The first one stops the mutators.
	Unconstrained Stage = iota
	Prepare
	PinningRoots // objects that roots pin must be found before anything moves
	Closure      // roots, and all that is reachable
	WeakRefs     // what a collection decides about unreachable objects; its sentinel runs until no more come alive
	Finalizers
	Forward // second trace of plans that decide about new places after liveness is known
	Compact
	Release // sweeping
	Final   // mutators run again
	numStages
)

func (s Stage) String() string {
	return [...]string{"Unconstrained", "Prepare", "PinningRoots", "Closure", "WeakRefs", "Finalizers", "Forward", "Compact", "Release", "Final"}[s]
}

// bucket holds the packets of a stage.
type bucket struct {
	open atomic.Bool // written under Scheduler.mu
	n    atomic.Int32

	mu       sync.Mutex
	packets  []Packet // guarded by mu
	sentinel Packet   // guarded by mu; runs when the bucket is drained, once for each time that it is set
}

func (b *bucket) add(ps ...Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.packets = append(b.packets, ps...)
	b.n.Add(int32(len(ps)))
}

// take moves up to max packets into to, newest first.
func (b *bucket) take(to []Packet, max int) []Packet {
	if b.n.Load() == 0 {
		return to
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := min(max, len(b.packets))
	rest := len(b.packets) - k
	to = append(to, b.packets[rest:]...)
	clear(b.packets[rest:])
	b.packets = b.packets[:rest]
	b.n.Add(-int32(k))
	return to
}

// rearm turns the sentinel into a packet, if there is one.
func (b *bucket) rearm() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sentinel == nil {
		return false
	}
	b.packets = append(b.packets, b.sentinel)
	b.n.Add(1)
	b.sentinel = nil
	return true
}
