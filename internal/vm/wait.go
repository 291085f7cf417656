package vm

import (
	"sync"
	"sync/atomic"
	"time"
)

// waitQueues are the wait queues of a shared memory: FIFO for each offset, in shards, so that unrelated offsets do not meet
// in one lock. An offset without waiters has no entry.
type waitQueues struct {
	shards [16]waitShard
}

type waitShard struct {
	mu     sync.Mutex
	queues map[uint64]waitQueue // guarded by mu

	// How many are in the queues, or hold mu and are about to compare their cell; written under mu. A notify that reads 0 goes without mu: the holder may have
	// lost its processor, for many time slices on a busy machine, and programs notify at every unlock and end of a thread in case that somebody waits. Whoever has
	// nobody to wake must not wait for such a holder, and others' waits behind it must not pile up.
	waiters atomic.Int32
}

// nobody reports whether no thread waits in the shard that could have seen the cell as it was before what this thread has written. Adding nothing is a read-modify-write, of
// which there is one order: either the wait has counted itself first, and is seen, or it compares what was written before this. A load could overtake a plain store of the guest's.
func (s *waitShard) nobody() bool { return s.waiters.Add(0) == 0 }

// waitQueue is a doubly linked list, oldest first.
type waitQueue struct{ head, tail *waiter }

// waiter is a thread's place in a queue. A thread waits at one offset at a time, so each has one, and waiting allocates nothing.
//
// Whether a wait was notified or timed out is decided under the shard's lock, once: by who takes the waiter out of its queue. wake only
// says that there may be something to see. A token may be left in it by a stop or a notify that was seen without it; the next
// wait finds it, looks, and waits on.
type waiter struct {
	prev, next *waiter       // guarded by the shard's mu
	queued     atomic.Bool   // written under the shard's mu
	wake       chan struct{} // holds one token
	timer      *time.Timer   // of the last wait with a timeout; the owner's

	// Of a clone whose original waited, until it goes on: it is in the queue where that was, or was notified as that was; left is what remained of
	// its time in nanoseconds, negative for none.
	again bool
	left  int64

	// For dumps: where the thread waits, nil if it does not.
	at       atomic.Pointer[Memory]
	addr     atomic.Uint64
	deadline atomic.Int64 // an instant
}

func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *waitQueues) shard(addr uint64) *waitShard { return &w.shards[(addr>>2)%uint64(len(w.shards))] }

// Results of memory.atomic.wait (threads proposal, "Wait").
const (
	WaitOK       = 0
	WaitNotEqual = 1
	WaitTimedOut = 2
)

// AtomicWait blocks until notified at the byte offset addr, or until the timeout in nanoseconds (negative: none) is over. load
// re-reads the cell; it is compared under the queue's lock, and after the wait has been counted, so that a notify after the store of a new value is never lost.
// The address has been checked for bounds and alignment. The error is a trap (unshared memory) or the thread's stop.
func (t *Thread) AtomicWait(m *Memory, addr, expected uint64, load func() uint64, timeout int64) (uint32, error) {
	if !m.Type.Shared {
		return 0, NewTrap(TrapExpectedShared)
	}
	if t.Ctx.Flag() != 0 {
		if err := t.Poll(); err != nil {
			return 0, err
		}
	}
	w := &t.waiter
	if t.inner != nil {
		w = t.inner
	}
	s := m.waits.shard(addr)
	if w.again {
		w.again, timeout = false, w.left
	} else {
		s.mu.Lock()
		s.waiters.Add(1)
		equal := load() == expected
		if !equal || timeout == 0 {
			s.waiters.Add(-1)
			s.mu.Unlock()
			if !equal {
				return WaitNotEqual, nil
			}
			return WaitTimedOut, nil
		}
		s.enqueue(addr, w)
		s.mu.Unlock()
	}

	var expired <-chan time.Time
	w.addr.Store(addr)
	if timeout > 0 {
		w.deadline.Store(instantOf(time.Now().Add(time.Duration(timeout))))
		expired = w.expireAfter(time.Duration(timeout))
	}
	w.at.Store(m)
	t.setState(StateBlocked)
	w.block(expired, t.Ctx)
	t.state.Store(uint32(StateRunning))
	var err error
	if t.Asked() {
		err = t.Poll() // a thread that parks here still waits, for whoever clones it
	}
	w.at.Store(nil)
	w.deadline.Store(0)
	notified := !w.queued.Load()
	if !notified {
		s.mu.Lock()
		if notified = !w.queued.Load(); !notified {
			q := s.queues[addr]
			s.remove(addr, &q, w)
		}
		s.mu.Unlock()
	}
	switch {
	case err != nil:
		return 0, err
	case notified:
		return WaitOK, nil
	}
	return WaitTimedOut, nil
}

// expireAfter starts the waiter's timer. Its channel holds nothing of an earlier wait: Reset empties it.
func (w *waiter) expireAfter(d time.Duration) <-chan time.Time {
	if w.timer == nil {
		w.timer = time.NewTimer(d)
	} else {
		w.timer.Reset(d)
	}
	return w.timer.C
}

// block returns when the waiter was taken out of its queue, its time is over, or its thread is to stop. A pause needs no wake-up: a blocked
// thread counts as stopped.
func (w *waiter) block(expired <-chan time.Time, ctx *Context) {
	if expired == nil {
		for w.queued.Load() && ctx.Flag()&FlagTerminate == 0 {
			<-w.wake
		}
		return
	}
	defer w.timer.Stop()
	for w.queued.Load() && ctx.Flag()&FlagTerminate == 0 {
		select {
		case <-w.wake:
		case <-expired:
			return
		}
	}
}

// Wait is where a thread waits (memory.atomic.wait).
type Wait struct {
	Memory   *Memory
	Addr     uint64    // byte offset
	Deadline time.Time // zero: none
}

// Waiting returns where the thread waits; ok is false if it does not. For a thread that is not paused it is a guess.
func (t *Thread) Waiting() (wait Wait, ok bool) {
	w := &t.waiter
	if wait.Memory = w.at.Load(); wait.Memory == nil {
		return Wait{}, false
	}
	wait.Addr = w.addr.Load()
	if d := w.deadline.Load(); d != 0 {
		wait.Deadline = timeOf(d)
	}
	return wait, true
}

// AtomicNotify wakes up to count waiters at the offset, oldest first, and returns how many. On an unshared memory there are none.
func (t *Thread) AtomicNotify(m *Memory, addr uint64, count uint32) uint32 {
	if !m.Type.Shared {
		return 0
	}
	s := m.waits.shard(addr)
	if s.nobody() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[addr]
	var n uint32
	for n < count && q.head != nil {
		w := q.head
		s.remove(addr, &q, w)
		w.signal()
		n++
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

// add has w wait at addr, whatever the cell is.
func (s *waitShard) add(addr uint64, w *waiter) {
	s.waiters.Add(1)
	s.enqueue(addr, w)
}

// enqueue puts w, which has been counted, at the end of the queue of addr.
func (s *waitShard) enqueue(addr uint64, w *waiter) {
	if s.queues == nil {
		s.queues = map[uint64]waitQueue{}
	}
	q := s.queues[addr]
	if w.prev = q.tail; w.prev != nil {
		w.prev.next = w
		q.tail = w
	} else {
		q = waitQueue{w, w}
	}
	s.queues[addr] = q
	w.queued.Store(true)
}

// remove takes w out of q, which is the queue of addr as the caller read it, and brings the map up to date.
func (s *waitShard) remove(addr uint64, q *waitQueue, w *waiter) {
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
	w.prev, w.next = nil, nil
	if q.head == nil {
		delete(s.queues, addr)
	} else {
		s.queues[addr] = *q
	}
	w.queued.Store(false)
	s.waiters.Add(-1)
}
