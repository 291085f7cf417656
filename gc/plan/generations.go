package plan

import (
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/policy"
)

// Generations is how generational plans decide when to collect what. It is written while the world stands.
type Generations struct {
	live  int64 // blocks in use after the last collection of the whole heap
	after int64 // and after the last one of any kind
	first bool  // a collection of the whole heap has been
}

// NurseryFull reports whether the young have grown to that size, of that many blocks in use.
func (g *Generations) NurseryFull(inUse, nurseryBytes int64) bool {
	return (inUse-g.after)<<heap.LogBlock >= nurseryBytes
}

// Full reports whether the whole heap is due: when the old objects have taken half of what the last such collection left free.
func (g *Generations) Full(wanted bool, b *policy.Budget) bool {
	return wanted || !g.first || g.after-g.live > (b.Blocks()-g.live)/2
}

// Collected notes a collection, with the blocks in use after it.
func (g *Generations) Collected(full bool, inUse int64) {
	g.after = inUse
	if full {
		g.live, g.first = inUse, true
	}
}
