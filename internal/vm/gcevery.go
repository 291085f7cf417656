package vm

import "sync/atomic"

// collectHere answers FlagCollect, which is always set on the threads of a heap with HeapConfig.EverySafepoint: a collection, of the young and of the whole
// heap by turns. Entries look at the stack limit instead of the flag, and look again until it lets them pass; so it lets them pass
// every other time.
func (t *Thread) collectHere() {
	if t.heap == nil || t.collecting {
		return
	}
	t.collecting = true
	defer func() { t.collecting = false }()
	t.turn = !t.turn
	t.heap.gc.Collect(t.mutator, t.turn) //nolint:errcheck // a heap that failed says so to the next allocation
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := uintptr(0)
	if t.turn && t.Ctx.Flag() == FlagCollect {
		limit = t.Ctx.stackNear
	}
	atomic.StoreUintptr(&t.Ctx.stackLimit, limit)
}
