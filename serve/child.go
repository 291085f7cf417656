package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/warm"
	"github.com/spindle-wasm/spindle/wasi"
)

// child is a fork that answers one request. An heir, when it has, is frozen at its point.
type child struct {
	s     *Server
	p     *spindle.Process
	of    lineage
	what  string // the request, for people
	begun time.Time

	back   <-chan struct{}  // of an heir that comes back to a wait: closed when it is there
	frozen chan warm.Frozen // of an heir that says snapshot()
	output func(error)      // ends what it prints

	ctx    context.Context // ends the guest
	cancel context.CancelCauseFunc
	unhook func() bool // has it outlive its request
	passed atomic.Bool // it was ended for something that the guest can do nothing about

	ended chan struct{} // closed when the Process is closed
	err   error         // how it ended; read after ended
	image warm.Frozen   // of an heir; read after ended
}

// errLate ends an heir that does not come back.
var errLate = errors.New("it did not come to its point again in time")

// fault ends a child that has given a wrong answer.
type fault struct{ error }

// errEnds means that a guest answers one request.
var errEnds = errors.New("the guest ended after the request, and does not come to its point again")

// streams are what a child is connected to.
type streams struct {
	options *wasi.ForkOptions
	back    <-chan struct{}
	output  func(error)
	over    func() // if set: the guest does nothing any more
	// slow tells, when the time of a request is over, whether it is the guest that took it.
	slow func() bool
}

// fork makes a child, which ends when ctx does. connect is told whether it is an heir. It runs from the start; wait, or abandon, has to follow.
func (s *Server) fork(ctx context.Context, what string, connect func(heir bool) streams) (*child, error) {
	of, err := s.source()
	if err != nil {
		return nil, err
	}
	c := &child{s: s, of: of, what: what, begun: time.Now(), ended: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	to := connect(of.heir)
	unhook := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		_, wrong := cause.(fault)
		c.passed.Store(!wrong && !(errors.Is(cause, errTimeout) && to.slow()))
		c.cancel(cause)
	})
	unhookServer := context.AfterFunc(s.serving, func() {
		c.passed.Store(true)
		c.cancel(errClosed)
	})
	c.unhook = unhook
	c.back, c.output = to.back, to.output
	cfg := spindle.ForkConfig{Options: map[string]any{wasi.ModuleName: to.options}}
	if of.heir && s.cfg.At == PointFork {
		c.frozen = make(chan warm.Frozen, 1)
		cfg.Before = func(p *spindle.Process) error {
			s.points.set(p, func(call *spindle.Caller) {
				c.output(nil) // what it has printed is the answer
				warm.Snapshot(c.ctx, call, c.frozen)
			})
			return nil
		}
	}
	begin := time.Now()
	if c.p, err = of.img.Fork(c.ctx, cfg); err != nil {
		unhook()
		unhookServer()
		c.cancel(err)
		if of.heir {
			s.settle(warm.Frozen{Err: errPassed})
		}
		s.leave(of.gen)
		return nil, err
	}
	s.metrics.forked(time.Since(begin))
	of.gen.forks.Add(1)
	s.kids.add(c)
	go func() {
		defer close(c.ended)
		c.err = c.run()
		if to.over != nil {
			to.over()
		}
		how := c.err
		if !of.heir {
			c.output(how)
		}
		s.sample(c)
		c.err = errors.Join(c.err, c.p.Close())
		if of.heir {
			c.output(how) // not before: it would wake the guest, which waits at its point
		}
		s.points.set(c.p, nil)
		s.kids.remove(c)
		unhook()
		unhookServer()
		if of.heir {
			c.image.Err = c.blame()
			s.settle(c.image)
		}
		c.cancel(errDone)
		s.leave(of.gen)
	}()
	return c, nil
}

// run runs a child until it has ended, or an heir until it is frozen.
func (c *child) run() error {
	cfg := &c.s.cfg
	_, export := cfg.At.export()
	switch {
	case !c.of.heir:
		return finish(c.ctx, c.p, cfg)
	case cfg.Guest != nil || export:
		if err := finish(c.ctx, c.p, cfg); err != nil {
			return err
		}
		c.output(nil)
		c.image = warm.Freeze(c.ctx, c.p)
		return c.image.Err
	}
	select {
	case <-c.p.Done():
		select {
		case c.image = <-c.frozen: // before that
			return c.image.Err
		default:
		}
		return c.p.Wait(context.Background())
	case <-c.back:
		c.image = warm.Freeze(c.ctx, c.p)
	case c.image = <-c.frozen:
		c.image.Measure(c.p)
	}
	return c.image.Err
}

// blame says why there is no image of an heir, nil if there is one.
func (c *child) blame() error {
	switch {
	case c.image.Image != nil:
		return nil
	case c.passed.Load():
		return errPassed
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case c.err == nil:
		return errEnds
	}
	return fmt.Errorf("the guest: %w", c.err)
}

// release lets a child whose answer is out go on without its request's context, until that time. Stop the timer when it has ended.
func (c *child) release(until time.Time) (late *time.Timer) {
	c.unhook()
	return time.AfterFunc(time.Until(until), func() { c.cancel(errLate) })
}

// kids are the children that live.
type kids struct {
	mu  sync.Mutex
	all map[*child]struct{} // guarded by mu
}

func (k *kids) add(c *child) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all[c] = struct{}{}
	c.s.metrics.live.Add(1)
}

func (k *kids) remove(c *child) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.all, c)
	c.s.metrics.live.Add(-1)
}

func (k *kids) list() []*child {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]*child, 0, len(k.all))
	for c := range k.all {
		all = append(all, c)
	}
	return all
}

// hooks are what snapshot() does in Processes where it does something.
type hooks struct {
	mu sync.Mutex
	of map[*spindle.Process]func(*spindle.Caller) // guarded by mu
}

func (h *hooks) set(of *spindle.Process, f func(*spindle.Caller)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f == nil {
		delete(h.of, of)
	} else {
		h.of[of] = f
	}
}

func (h *hooks) get(of *spindle.Process) func(*spindle.Caller) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of[of]
}

// sampleEvery is how many children there are for one whose memory is looked at when it ends.
const sampleEvery = 16

// sample looks at the memory of some of the children that end.
func (s *Server) sample(c *child) {
	if s.metrics.sampled.Add(1)%sampleEvery != 1 {
		return
	}
	if u, err := c.p.MemoryUse(); err == nil {
		s.metrics.private.add(float64(u.Private), memoryBuckets)
	}
}
