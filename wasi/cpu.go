package wasi

import (
	"sync"
	"time"
)

// cpuClock is the time that a guest has not spent waiting in calls, all of its threads at once. The host's own CPU clocks say nothing about one
// guest of many, whose threads wander between the system's. While one thread waits another may compute, of which nothing is heard: then
// the clock goes on, as a thread may well be waiting for it to.
type cpuClock struct {
	mu      sync.Mutex
	waiting int           // guarded by mu: threads in calls that wait
	idle    bool          // guarded by mu: all of them
	since   time.Duration // guarded by mu: when that began
	waited  time.Duration // guarded by mu: how long it lasted before
	last    time.Duration // guarded by mu: the last time told, which never goes back
}

// begin notes that a thread of a guest with so many waits from now on, until end.
func (c *cpuClock) begin(now time.Duration, threads int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting++; c.waiting >= threads && !c.idle {
		c.idle, c.since = true, now
	}
}

func (c *cpuClock) end(now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	if c.idle {
		c.waited += max(0, now-c.since)
		c.idle = false
	}
}

// time reads the clock, in nanoseconds.
func (c *cpuClock) time(now time.Duration) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, now-c.waited)
	return uint64(c.last)
}
