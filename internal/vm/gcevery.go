package vm

import "sync/atomic"

// SetSafepoint has f called by the thread at each safepoint of guest code that is not below a host function. The thread counts as stopped meanwhile: f may freeze it.
// Preconditions: the thread does not run.
func (t *Thread) SetSafepoint(f func()) {
	if f == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.atSafepoint = f
	t.setFlagLocked(FlagEvery)
}

// every answers FlagEvery, which is always set on a thread with SetSafepoint, and on the threads of a heap with HeapConfig.EverySafepoint: they make a collection, of the
// young and of the whole heap by turns. Entries look at the stack limit instead of the flag, and look again until it lets them pass; so it lets them pass
// every other time.
func (t *Thread) every() {
	if t.inEvery {
		return
	}
	t.inEvery = true
	defer func() { t.inEvery = false }()
	t.turn = !t.turn
	if t.atSafepoint != nil && len(t.Activations) > 0 && !t.hostInFlight() && t.waiter.at.Load() == nil {
		t.setState(StateBlocked)
		t.atSafepoint()
		t.state.Store(uint32(StateRunning))
		t.dumpEdge()
	}
	if t.heap != nil && t.heap.every {
		t.heap.gc.Collect(t.mutator, t.turn) //nolint:errcheck // a heap that failed says so to the next allocation
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := uintptr(0)
	if t.turn && t.Ctx.Flag() == FlagEvery {
		limit = t.Ctx.stackNear
	}
	atomic.StoreUintptr(&t.Ctx.stackLimit, limit)
}
