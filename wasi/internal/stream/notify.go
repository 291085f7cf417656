package stream

import (
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// waiters are who waits for events of one stream that this package feeds. The stream's lock guards it.
type waiters struct {
	set map[*waiter]struct{}
}

type waiter struct {
	ch     chan<- struct{}
	events vfs.Events
}

// add has ch told by the next fire of one of the events. mu is the stream's lock, held now, which taking it back takes again.
func (w *waiters) add(mu *sync.Mutex, e vfs.Events, ch chan<- struct{}) (cancel func()) {
	if w.set == nil {
		w.set = map[*waiter]struct{}{}
	}
	x := &waiter{ch, e}
	w.set[x] = struct{}{}
	return func() {
		mu.Lock()
		delete(w.set, x)
		mu.Unlock()
	}
}

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

// noCancel takes back what was told at once, or never will be.
func noCancel() {}
