package process

import (
	"errors"
	"fmt"
	"sync"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// MaxTID is the largest thread identifier (wasi-threads: the top three bits of a tid are zero).
const MaxTID = 0x1FFFFFFF

// TIDRange is how many identifiers a group takes at a time (Config.TIDs); the first one of each is not used.
const TIDRange = 64

// TIDsOf returns what comes before the identifiers of range n. Ranges go round.
func TIDsOf(n uint32) uint32 { return n % (MaxTID / TIDRange) * TIDRange }

// Config configures a Group.
type Config struct {
	// MaxThreads bounds the threads beside the main one that live at the same time.
	MaxThreads int
	// StackSize is that of further threads' guest stacks; 0 means DefaultThreadStack.
	StackSize int
	// Limits are those of memories that each thread makes of its own.
	Limits vm.MemoryLimits
	// Adopt prepares a new thread for the embedding API, before its job does. May be nil.
	Adopt func(*vm.Thread)
	// Begin is called on the goroutine that is about to run a thread; fresh says that this is its first. May be nil.
	Begin func(tid uint32, fresh bool)
	// TIDs, if not nil, returns a number that no other group gets that it shares identifiers with: the next TIDRange of them are this group's.
	TIDs func() uint32
	// Instances, if not nil, is held while the plan is made: it keeps the main thread's set of instances as it is.
	Instances sync.Locker
}

const (
	// DefaultMaxThreads is used if Config.MaxThreads is 0.
	DefaultMaxThreads = 4096
	// DefaultThreadStack is used if Config.StackSize is 0.
	DefaultThreadStack = 1 << 20
)

var (
	// ErrEnding is returned by Spawn once the group has a cause to end.
	ErrEnding = errors.New("the process is ending")
	// ErrMainReturned stops the other threads when the main thread's entry has returned.
	ErrMainReturned = errors.New("the main thread has returned")
)

// LimitError says that a group has as many threads as it may.
type LimitError struct{ Max int }

func (e *LimitError) Error() string {
	return fmt.Sprintf("limit reached: threads: at most %d allowed", e.Max)
}

// Group is the threads of one Process. It is safe for concurrent use.
type Group struct {
	main *vm.Thread
	cfg  Config

	mu      sync.Mutex
	left    sync.Cond             // of mu: a thread has left
	threads map[uint32]*vm.Thread // guarded by mu; by tid, without main; nil for one that is being made
	lastTID uint32                // guarded by mu
	ever    bool                  // guarded by mu; a thread was spawned at some time
	ended   bool                  // guarded by mu: the latch
	cause   error                 // guarded by mu; nil for an end without error
	culprit uint32                // guarded by mu; tid of the thread that caused the end
	idle    []*worker             // guarded by mu; last used last
	workers int                   // guarded by mu; goroutines, idle ones too
	held    holds                 // guarded by mu
	adopted []*worker             // guarded by mu; until Start

	planOnce sync.Once
	plan     *vm.Plan
	planErr  error
}

// New makes the group of a main thread.
func New(main *vm.Thread, cfg Config) *Group {
	if cfg.MaxThreads == 0 {
		cfg.MaxThreads = DefaultMaxThreads
	}
	if cfg.StackSize == 0 {
		cfg.StackSize = DefaultThreadStack
	}
	g := &Group{main: main, cfg: cfg}
	g.left.L = &g.mu
	main.Trapped = g.hurry
	return g
}

// reserve takes a tid and a worker. Tids go round, so that one is not used again soon after its thread has left.
func (g *Group) reserve() (uint32, *worker, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.ended:
		return 0, nil, ErrEnding
	case len(g.threads) >= g.cfg.MaxThreads:
		return 0, nil, &LimitError{g.cfg.MaxThreads}
	}
	if g.threads == nil {
		g.threads = map[uint32]*vm.Thread{}
	}
	for {
		if g.lastTID++; g.lastTID > MaxTID {
			g.lastTID = 1
		}
		if g.lastTID%TIDRange == 0 && g.cfg.TIDs != nil {
			g.lastTID = TIDsOf(g.cfg.TIDs()) + 1
		}
		if _, live := g.threads[g.lastTID]; !live {
			break
		}
	}
	g.ever = true
	g.threads[g.lastTID] = nil
	if n := len(g.idle); n > 0 {
		w := g.idle[n-1]
		g.idle = g.idle[:n-1]
		return g.lastTID, w, nil
	}
	g.workers++
	return g.lastTID, &worker{}, nil
}

// End ends the group with a cause (nil: without error) on behalf of a thread. It reports whether this is the cause that counts.
// It does not wait for the threads.
func (g *Group) End(tid uint32, cause error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return false
	}
	g.ended, g.cause, g.culprit = true, cause, tid
	g.hurryLocked()
	stop := cause
	if stop == nil {
		stop = ErrMainReturned
	}
	for id, t := range g.threads {
		if t != nil && id != tid {
			t.Stop(stop)
		}
	}
	if tid != 0 {
		g.main.Stop(stop)
	}
	for _, w := range g.idle {
		w.next <- start{}
	}
	g.idle = nil
	return true
}

// hurry has all threads give way at their next safepoints. It comes before what ends them: whoever is at that may lose its processor on the way, and busy threads that have not been
// told yet would each have it for a time slice of Go's, 10 ms, until it gets it back.
func (g *Group) hurry() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hurryLocked()
}

func (g *Group) hurryLocked() {
	for _, t := range g.threads {
		if t != nil {
			t.Hurry()
		}
	}
	g.main.Hurry()
}

// Ended returns whether the group has a cause to end, and which.
func (g *Group) Ended() (cause error, ended bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause, g.ended
}

// Threaded reports whether a thread was ever spawned: from then on a trap of any call ends the whole Process.
func (g *Group) Threaded() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ever
}

// Wait waits until all threads beside the main one have left, and in a group that has ended also what was kept for further threads.
func (g *Group) Wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.threads) > 0 || g.ended && g.workers > 0 {
		g.left.Wait()
	}
}

// Len returns how many threads live, main and those that are being made included.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.threads) + 1
}

// Threads returns the live threads, main first, others by no order.
func (g *Group) Threads() []*vm.Thread {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.threadsLocked()
}

func (g *Group) threadsLocked() []*vm.Thread {
	ts := append(make([]*vm.Thread, 0, len(g.threads)+1), g.main)
	for _, t := range g.threads {
		if t != nil {
			ts = append(ts, t)
		}
	}
	return ts
}

// Close gives the plan back. Preconditions: Wait has returned, and nothing spawns any more.
func (g *Group) Close() {
	g.planOnce.Do(func() { g.planErr = ErrEnding })
	if g.plan != nil {
		g.plan.Close()
	}
}
