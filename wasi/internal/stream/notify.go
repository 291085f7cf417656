package stream

import "github.com/spindle-wasm/spindle/wasi/internal/vfs"

// waiters are who waits for events of one stream that this package feeds. The stream's lock guards it.
type waiters struct {
	set map[*waiter]struct{}
}

type waiter struct {
	ch     chan<- struct{}
	events vfs.Events
}

func (w *waiters) add(e vfs.Events, ch chan<- struct{}) *waiter {
	if w.set == nil {
		w.set = map[*waiter]struct{}{}
	}
	x := &waiter{ch, e}
	w.set[x] = struct{}{}
	return x
}

func (w *waiters) remove(x *waiter) { delete(w.set, x) }

// fire tells those who wait for one of the events, once.
func (w *waiters) fire(e vfs.Events) {
	for x := range w.set {
		if x.events&e != 0 {
			token(x.ch)
			delete(w.set, x)
		}
	}
}

func token(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
