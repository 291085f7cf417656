package vm

import (
	"sync"
	"time"
)

// waitQueues are the wait queues of a shared memory: FIFO for each offset, in shards, so that unrelated offsets do not meet
// in one lock. An offset without waiters has no entry.
type waitQueues struct {
	shards [16]waitShard
}

type waitShard struct {
	mu     sync.Mutex
	queues map[uint64]*waitQueue // guarded by mu
}

// waitQueue is a doubly linked list, oldest first.
type waitQueue struct{ head, tail *waiter }

// waiter is one blocked thread. Whether it was notified or timed out is decided under the shard's lock, once.
type waiter struct {
	prev, next *waiter
	queued     bool
	wake       chan struct{} // closed by notify
}

func (w *waitQueues) shard(addr uint64) *waitShard { return &w.shards[(addr>>2)%uint64(len(w.shards))] }

// Results of memory.atomic.wait (threads proposal, "Wait").
const (
	WaitOK       = 0
	WaitNotEqual = 1
	WaitTimedOut = 2
)

// AtomicWait blocks until notified at the byte offset addr, or until the timeout in nanoseconds (negative: none) is over. load
// re-reads the cell; it is compared under the queue's lock, so that a notify after the store of a new value is never lost.
// The address has been checked for bounds and alignment. The error is a trap (unshared memory) or the thread's stop.
func (t *Thread) AtomicWait(m *Memory, addr, expected uint64, load func() uint64, timeout int64) (uint32, error) {
	if !m.Type.Shared {
		return 0, NewTrap(TrapExpectedShared)
	}
	if f := t.Ctx.Flag(); f != 0 {
		if err := t.Poll(); err != nil {
			return 0, err
		}
	}
	s := m.waits.shard(addr)
	s.mu.Lock()
	if load() != expected {
		s.mu.Unlock()
		return WaitNotEqual, nil
	}
	w := &waiter{wake: make(chan struct{})}
	s.add(addr, w)
	s.mu.Unlock()

	var expired <-chan time.Time
	if timeout >= 0 {
		timer := time.NewTimer(time.Duration(timeout))
		defer timer.Stop()
		expired = timer.C
	}
	stopped := t.Stopped()
	err := t.Block(func() {
		select {
		case <-w.wake:
		case <-expired:
		case <-stopped:
		}
	})
	s.mu.Lock()
	notified := !w.queued
	if w.queued {
		s.remove(addr, w)
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		return 0, err
	case notified:
		return WaitOK, nil
	}
	return WaitTimedOut, nil
}

// AtomicNotify wakes up to count waiters at the offset, oldest first, and returns how many. On an unshared memory there are none.
func (t *Thread) AtomicNotify(m *Memory, addr uint64, count uint32) uint32 {
	if !m.Type.Shared {
		return 0
	}
	s := m.waits.shard(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	var n uint32
	for q := s.queues[addr]; n < count && q != nil && q.head != nil; n++ {
		w := q.head
		s.remove(addr, w)
		close(w.wake)
	}
	return n
}

// Waiters counts the threads that wait on the memory; for tests and dumps.
func (m *Memory) Waiters() int {
	n := 0
	for i := range m.waits.shards {
		s := &m.waits.shards[i]
		s.mu.Lock()
		for _, q := range s.queues {
			for w := q.head; w != nil; w = w.next {
				n++
			}
		}
		s.mu.Unlock()
	}
	return n
}

func (s *waitShard) add(addr uint64, w *waiter) {
	if s.queues == nil {
		s.queues = map[uint64]*waitQueue{}
	}
	q := s.queues[addr]
	if q == nil {
		q = &waitQueue{}
		s.queues[addr] = q
	}
	w.queued = true
	if w.prev = q.tail; w.prev != nil {
		w.prev.next = w
	} else {
		q.head = w
	}
	q.tail = w
}

func (s *waitShard) remove(addr uint64, w *waiter) {
	q := s.queues[addr]
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.head = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.tail = w.prev
	}
	w.queued, w.prev, w.next = false, nil, nil
	if q.head == nil {
		delete(s.queues, addr)
	}
}
