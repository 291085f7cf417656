package wasi

import (
	"testing"
	"time"
)

// A wait that a child makes again lasts for what is left of a timeout, but up to the same moment if it is one of the clock's.
func TestPollAfterAFork(t *testing.T) {
	g := newGuest(t, Config{Monotonic: func() time.Duration { return time.Hour }})
	defer g.s.Close()
	g.elapsed = 2 * time.Hour
	const in, out = dataAt, dataAt + 0x1000
	sub := g.mem[in:][:sizeSubscription]
	sub[8] = eventClock
	le.PutUint32(sub[16:], clockMonotonic)
	le.PutUint64(sub[24:], uint64(2*time.Hour))
	g.want("a timeout that is over", g.call("poll_oneoff", in, out, 1, resultAt), success)
	if n := g.u32(resultAt); n != 1 {
		t.Errorf("%d events", n)
	}
	le.PutUint16(sub[40:], subClockAbstime) // an hour from now
	done := make(chan errno, 1)
	go func() { done <- g.call("poll_oneoff", in, out, 1, resultAt) }()
	select {
	case <-g.blocked:
	case en := <-done:
		t.Errorf("the wait for an hour is over at once: %v", en)
	}
	g.end()
	if len(done) == 0 {
		<-done
	}
}
