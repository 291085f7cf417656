package vm

import (
	"sync"
	"sync/atomic"
)

// World stops mutators that are goroutines: StopMutators, ResumeMutators and Block of a Binding, for a VM to embed. A thread runs between Enter and Leave,
// and polls Safepoint meanwhile; at any other time it stands, and must not touch the heap. The zero value is a world in which nobody runs.
//
// A thread must not wait for another one while it runs, nor hold a lock at a safepoint that the binding's other methods take: it would hold up the
// collection for ever. Block is for waiting.
type World struct {
	stopping atomic.Bool // written under mu

	mu      sync.Mutex
	changed sync.Cond // of mu: running or stopping
	running int       // guarded by mu; threads that do not stand
}

// Enter makes the calling goroutine's thread run, once mutators may. New threads call it before they make their Mutator.
func (w *World) Enter() {
	w.lock()
	defer w.mu.Unlock()
	for w.stopping.Load() {
		w.changed.Wait()
	}
	w.running++
}

// Leave makes it stand.
func (w *World) Leave() {
	w.lock()
	defer w.mu.Unlock()
	w.running--
	w.changed.Broadcast()
}

// Safepoint lets a collection run if one is waiting.
func (w *World) Safepoint() {
	if w.stopping.Load() {
		w.pause()
	}
}

func (w *World) pause() {
	w.Leave()
	w.Enter()
}

// Stopping reports whether threads are to stand: for engines that inline the test of Safepoint.
func (w *World) Stopping() bool { return w.stopping.Load() }

// StopMutators implements Binding.
func (w *World) StopMutators() {
	w.lock()
	defer w.mu.Unlock()
	w.stopping.Store(true)
	for w.running > 0 {
		w.changed.Wait()
	}
}

// ResumeMutators implements Binding.
func (w *World) ResumeMutators() {
	w.lock()
	defer w.mu.Unlock()
	w.stopping.Store(false)
	w.changed.Broadcast()
}

// Block implements Binding.
func (w *World) Block(_ Thread, wait func()) {
	w.Leave()
	defer w.Enter()
	wait()
}

// lock takes mu and makes the zero value's condition usable.
func (w *World) lock() {
	w.mu.Lock()
	if w.changed.L == nil {
		w.changed.L = &w.mu
	}
}
