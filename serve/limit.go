package serve

import (
	"context"
	"errors"
	"sync/atomic"
)

// errBusy is for requests that find the queue full.
var errBusy = errors.New("too many requests at the same time")

// slots bound what runs at the same time, and what waits for that. Who has waited longest is next.
type slots struct {
	free   chan struct{} // an element for each that is taken
	queue  int64
	queued *atomic.Int64
}

func newSlots(n, queue int) slots {
	return slots{make(chan struct{}, n), int64(queue), new(atomic.Int64)}
}

// take waits for a slot, which put gives back.
func (s *slots) take(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		return nil
	default:
	}
	defer s.queued.Add(-1)
	if s.queued.Add(1) > s.queue {
		return errBusy
	}
	select {
	case s.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *slots) put() { <-s.free }
