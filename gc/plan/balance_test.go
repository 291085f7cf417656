package plan

import (
	"math"
	"testing"
)

// With steady rates the limit is the paper's; after a change of a rate it gets there by the weight of what was before.
func TestBalancer(t *testing.T) {
	const c = 64 << 20
	want := func(live, g, s float64) float64 { return live + math.Sqrt(live*c*g/s) }
	var b balancer
	if got := b.limit(1000, c); got != 1000 {
		t.Errorf("the limit of a heap of which nothing is known is %g", got)
	}
	feed := func(g, s float64) {
		b.allocated.add(keepAllocated, g*0.25, 0.25)
		b.collected.add(keepCollected, s*0.01, 0.01)
	}
	const live, g, s = 50 << 20, 300e6, 700e6
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > want*1e-9 {
			t.Errorf("%s: %g, want %g", what, got, want)
		}
	}
	for range 5 {
		feed(g, s)
		near("steady", b.limit(live, c), want(live, g, s))
	}
	for k := 1; k < 100; k++ {
		feed(4*g, s/3)
		wg, ws := math.Pow(keepAllocated, float64(k)), math.Pow(keepCollected, float64(k))
		near("after a change", b.limit(live, c), want(live, wg*g+(1-wg)*4*g, ws*s+(1-ws)*s/3))
	}
	// Four times the live bytes are worth twice the room.
	near("live bytes", b.limit(4*live, c)-4*live, 2*(b.limit(live, c)-live))
	near("balance", b.limit(live, 9*c)-live, 3*(b.limit(live, c)-live))
}
