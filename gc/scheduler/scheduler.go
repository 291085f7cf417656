package scheduler

import (
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures a Scheduler.
type Config struct {
	// Workers is how many workers there are, at least 1.
	Workers int
	// Begin adds a collection's first packets. It runs on a worker, with no lock held.
	Begin func(w *Worker)
	// Done is told that a collection is over, when all of its packets are done and before the next goal. No lock is held, all workers
	// but the calling one are parked.
	Done func()
	// Failed, if set, is told of a packet that panicked; the collection goes on without the rest of it, so that nobody waits for ever.
	Failed func(err error)
	// Trace, if set, is told of each packet that was done. It runs on the workers, at the same time.
	Trace func(worker int, packet string, start time.Time, took time.Duration)
}

// Errors of wrong orders of calls. They change nothing.
var (
	ErrStopped    = errors.New("gc: the workers are stopped")
	ErrNotStopped = errors.New("gc: the workers are not stopped")
)

// Scheduler runs the collections of one heap. It is safe for concurrent use.
type Scheduler struct {
	cfg     Config
	n       int
	workers []*Worker
	buckets [numStages]bucket

	parked atomic.Int32 // written under mu; read without to know whether a wake-up is due

	mu         sync.Mutex
	wake       sync.Cond // of mu: workers
	idle       sync.Cond // of mu: those that wait for the end of a collection
	running    int       // guarded by mu; goroutines
	requested  bool      // guarded by mu; the goal to collect
	stopping   bool      // guarded by mu; the goal to stop
	hold       func()    // guarded by mu; of a stop for a fork: brings the mutators to a stop first
	forking    bool      // guarded by mu; the stop is for a fork: collections may be requested until the mutators stand
	stopped    bool      // guarded by mu
	collecting bool      // guarded by mu
	finishing  bool      // guarded by mu; Config.Done runs, or hold
	stage      Stage     // guarded by mu; the last one that is open
	count      uint64    // guarded by mu; collections that are over

	exited sync.WaitGroup
}

// New makes a scheduler; no goroutine runs before the first collection.
func New(cfg Config) *Scheduler {
	s := &Scheduler{cfg: cfg, n: max(cfg.Workers, 1)}
	s.wake.L, s.idle.L = &s.mu, &s.mu
	for i := range s.n {
		s.workers = append(s.workers, &Worker{ID: i, s: s, stats: map[reflect.Type]PacketStats{}})
	}
	s.buckets[Unconstrained].open.Store(true)
	return s
}

// Workers returns the workers, for setting their Data and reading it outside of collections.
func (s *Scheduler) Workers() []*Worker { return s.workers }

// Add puts packets into a stage's bucket. Within a collection only packets add packets.
func (s *Scheduler) Add(stage Stage, ps ...Packet) {
	b := &s.buckets[stage]
	b.add(ps...)
	if b.open.Load() {
		s.wakeAll()
	}
}

// SetSentinel sets the packet that runs when a stage's bucket is drained, before the next stage opens. It may add packets to the stage, and set the sentinel again.
func (s *Scheduler) SetSentinel(stage Stage, p Packet) {
	b := &s.buckets[stage]
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sentinel = p
}

// Request asks for a collection, which begins as soon as the workers get to it, and returns its number: Wait for it. Requests made
// before it begins are for the same one. The error is ErrStopped.
func (s *Scheduler) Request() (number uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.stopping && !s.forking {
		return 0, ErrStopped
	}
	number = s.count + 1
	if s.collecting {
		number++ // the running one began before
	}
	s.requested = true
	s.startLocked()
	s.wake.Broadcast()
	return number, nil
}

// Wait waits until the collection of that number is over.
func (s *Scheduler) Wait(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.count < number {
		s.idle.Wait()
	}
}

// Collections returns how many collections are over.
func (s *Scheduler) Collections() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// startLocked starts the workers' goroutines unless they run.
func (s *Scheduler) startLocked() {
	if s.running > 0 || s.finishing {
		return
	}
	s.running = s.n
	s.exited.Add(s.n)
	for _, w := range s.workers {
		go w.run()
	}
}

// Stop finishes what is requested, ends the workers, and returns when their goroutines have ended. What is in the Workers stays.
// The error is ErrStopped if that was done already.
func (s *Scheduler) Stop() error { return s.stop(nil) }

// StopForFork is Stop for a program that goes on and may ask for collections meanwhile: when nothing is requested, hold is called to bring the mutators to a stop;
// what they have requested until then is done with the mutators standing; then the workers end. No lock is held and nothing is collected while hold runs, on a
// worker or, if none has ever been needed, on the caller.
func (s *Scheduler) StopForFork(hold func()) error { return s.stop(hold) }

func (s *Scheduler) stop(hold func()) error {
	s.mu.Lock()
	if s.stopped || s.stopping {
		s.mu.Unlock()
		return ErrStopped
	}
	s.stopping, s.hold, s.forking = true, hold, hold != nil
	if s.running == 0 {
		s.holdLocked()
		s.forking = s.requested
		if s.requested {
			s.startLocked()
		}
	}
	s.wake.Broadcast()
	s.mu.Unlock()
	s.exited.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping, s.forking, s.stopped = false, false, true
	return nil
}

// holdLocked brings the mutators to a stop, if that is asked for.
func (s *Scheduler) holdLocked() {
	hold := s.hold
	if hold == nil {
		return
	}
	s.hold, s.finishing = nil, true
	s.mu.Unlock()
	hold()
	s.mu.Lock()
	s.finishing = false
}

// Start takes a Stop back; goroutines start again at the next collection.
func (s *Scheduler) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		return ErrNotStopped
	}
	s.stopped = false
	return nil
}

// Inherit makes a scheduler that has not been used what another one was when it stopped: how many collections are over, and what its workers' packets took.
func (s *Scheduler) Inherit(from *Scheduler) {
	from.mu.Lock()
	s.count = from.count
	from.mu.Unlock()
	for _, w := range from.workers {
		to := s.workers[w.ID%s.n] // fewer workers here have the statistics of all
		for t, st := range w.stats {
			to.stats[t] = to.stats[t].plus(st)
		}
	}
}

// Continue makes a scheduler that has not been used count collections from that number on.
func (s *Scheduler) Continue(collections uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = collections
}

// Running returns how many goroutines the workers have.
func (s *Scheduler) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

func (s *Scheduler) wakeAll() {
	if s.parked.Load() > 0 {
		s.mu.Lock()
		s.wake.Broadcast()
		s.mu.Unlock()
	}
}

func (s *Scheduler) wakeOne() {
	if s.parked.Load() > 0 {
		s.mu.Lock()
		s.wake.Signal()
		s.mu.Unlock()
	}
}

// park returns when there may be a packet for w. The last worker to park decides what comes next. It reports false if the worker is to end.
func (s *Scheduler) park(w *Worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked.Add(1)
	// A worker that looks for packets is not parked: the last to park knows that nobody holds one.
	defer s.parked.Add(-1)
	for {
		if s.anyPacket() {
			return true
		}
		if int(s.parked.Load()) == s.running && !s.finishing {
			if s.nextLocked() {
				s.wake.Broadcast()
				return true
			}
			if s.stopping && !s.requested && s.hold != nil {
				s.holdLocked()
				continue
			}
			if s.stopping && !s.requested {
				s.forking = false // from here on requests come too late
				s.running--
				s.wake.Broadcast() // the next one is the last to park now
				return false
			}
			if s.requested {
				continue
			}
		}
		s.wake.Wait()
	}
}

// nextLocked opens the next stage that has packets, of this collection or of one that is requested. It reports false if there is none.
func (s *Scheduler) nextLocked() bool {
	if !s.collecting {
		if !s.requested {
			return false
		}
		s.requested, s.collecting, s.stage = false, true, Unconstrained
		s.buckets[Unconstrained].add(begin{})
		return true
	}
	for {
		if s.buckets[s.stage].rearm() {
			return true
		}
		if s.stage++; s.stage == numStages {
			break
		}
		b := &s.buckets[s.stage]
		b.open.Store(true)
		if b.n.Load() > 0 {
			return true
		}
	}
	for i := Prepare; i < numStages; i++ {
		s.buckets[i].open.Store(false)
	}
	s.finishing = true
	s.mu.Unlock()
	s.cfg.Done()
	s.mu.Lock()
	s.collecting, s.finishing = false, false
	s.count++
	s.idle.Broadcast()
	return false
}

func (s *Scheduler) anyPacket() bool {
	for i := range s.buckets {
		if b := &s.buckets[i]; b.open.Load() && b.n.Load() > 0 {
			return true
		}
	}
	for _, w := range s.workers {
		if w.n.Load() > 0 {
			return true
		}
	}
	return false
}

// begin is a collection's first packet.
type begin struct{}

func (begin) Run(w *Worker) { w.s.cfg.Begin(w) }

// PacketStats counts what packets of one type took.
type PacketStats struct {
	Count int
	Time  time.Duration
	Max   time.Duration
}

func (a PacketStats) plus(b PacketStats) PacketStats {
	return PacketStats{a.Count + b.Count, a.Time + b.Time, max(a.Max, b.Max)}
}

// Stats returns what the packets of each type took since the last ResetStats, over all workers. Call it outside of collections.
func (s *Scheduler) Stats() map[string]PacketStats {
	all := map[string]PacketStats{}
	for _, w := range s.workers {
		for t, st := range w.stats {
			all[t.String()] = all[t.String()].plus(st)
		}
	}
	return all
}

// ResetStats forgets the statistics. Call it outside of collections.
func (s *Scheduler) ResetStats() {
	for _, w := range s.workers {
		clear(w.stats)
	}
}
