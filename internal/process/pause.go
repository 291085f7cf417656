package process

import (
	"cmp"
	"context"
	"slices"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// holds are how many want the group's threads stopped, and for what; see vm.Thread.Hold. A thread that joins the group gets them before it runs, so that
// every thread of the group has at least the group's at any time under Group.mu.
type holds struct {
	pauses, dumps int
}

// hold adds to the holds of all threads, and returns those threads. What nobody holds cannot be taken back.
func (g *Group) hold(pauses, dumps int) []*vm.Thread {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held.pauses+pauses < 0 {
		return nil
	}
	g.held.pauses += pauses
	g.held.dumps += dumps
	ts := g.threadsLocked()
	for _, t := range ts {
		t.Hold(pauses, dumps)
	}
	return ts
}

// PauseOthers is Pause of all threads but one, which may be nil, and returns all. It is on behalf of that one, in a host function; ResumeOthers takes it back.
func (g *Group) PauseOthers(ctx context.Context, but *vm.Thread) ([]*vm.Thread, error) {
	ts := g.hold(1, 0)
	if but != nil {
		but.Hold(-1, 0)
	}
	for {
		for _, t := range ts {
			if t == but {
				continue
			}
			if err := t.AwaitPaused(ctx); err != nil {
				g.ResumeOthers(but)
				return nil, err
			}
		}
		// A thread on its way to its safepoint may have spawned another one, which is held too, but not among those.
		now := g.Threads()
		known := !slices.ContainsFunc(now, func(t *vm.Thread) bool { return !slices.Contains(ts, t) })
		if ts = now; known {
			break
		}
	}
	slices.SortFunc(ts, func(a, b *vm.Thread) int { return cmp.Compare(a.ID, b.ID) })
	return ts, nil
}

// ResumeOthers takes one PauseOthers back.
func (g *Group) ResumeOthers(but *vm.Thread) {
	if but != nil {
		but.Hold(1, 0)
	}
	g.hold(-1, 0)
}

// joinLocked gives a thread that joins the group what the others have.
func (g *Group) joinLocked(t *vm.Thread) {
	if g.held != (holds{}) {
		t.Hold(g.held.pauses, g.held.dumps)
	}
}

// Pause stops all threads at safepoints, and returns when they stand there; threads spawned meanwhile start stopped. Resume lets them go on. Pauses
// nest. Host functions in flight are waited for unless they block (vm.Thread.Block). If ctx is done first the pause is taken back
// and the error is its cause.
func (g *Group) Pause(ctx context.Context) error {
	for _, t := range g.hold(1, 0) {
		if err := t.AwaitPaused(ctx); err != nil {
			g.hold(-1, 0)
			return err
		}
	}
	return nil
}

// Resume takes one Pause back.
func (g *Group) Resume() { g.hold(-1, 0) }

// Inspect describes all threads as they are at one moment: while it looks none runs guest code, and none leaves a host function. In order of their tids.
// If ctx is done first, the threads that did not come to a safepoint are described without frames, and the error is ctx's cause.
func (g *Group) Inspect(ctx context.Context) ([]vm.ThreadInfo, error) {
	ts := g.hold(0, 1)
	defer g.hold(0, -1)
	var err error
	for _, t := range ts {
		// All must stand before the first is described, else a later one could run past what was said of an earlier one.
		if e := t.AwaitReadable(ctx); e != nil {
			err = e
		}
	}
	infos := make([]vm.ThreadInfo, 0, len(ts))
	for _, t := range ts {
		info, ok, e := t.Inspect(ctx)
		if e != nil {
			err = e
		}
		if ok {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b vm.ThreadInfo) int { return cmp.Compare(a.ID, b.ID) })
	return infos, err
}
