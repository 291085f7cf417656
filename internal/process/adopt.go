package process

import (
	"context"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// LastTID returns the identifier that the last new thread got.
func (g *Group) LastTID() uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lastTID
}

// Restore brings a new group to where another one was: new threads' identifiers go on after lastTID, and ever says that there were threads.
func (g *Group) Restore(lastTID uint32, ever bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lastTID, g.ever = lastTID, ever
}

// Adopt makes a thread, which has its identifier, one of the group's. It runs from Start on. It counts in MaxThreads and may exceed it.
func (g *Group) Adopt(t *vm.Thread, job Job) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.threads == nil {
		g.threads = map[uint32]*vm.Thread{}
	}
	g.ever, t.Trapped = true, g.main.Trapped
	g.threads[t.ID] = t
	g.workers++
	g.joinLocked(t)
	w := &worker{next: make(chan start, 1)}
	w.next <- start{t, context.Background(), job}
	g.adopted = append(g.adopted, w)
}

// Start runs the adopted threads.
func (g *Group) Start() {
	g.mu.Lock()
	ws := g.adopted
	g.adopted = nil
	g.mu.Unlock()
	for _, w := range ws {
		go g.work(w)
	}
}
