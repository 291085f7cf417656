package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spindle-wasm/spindle"
)

//go:embed fork.wat
var forkText string

const (
	rewind     = 1 << 16 // an answer of next: see fork.wat
	endOfGuest = -1
)

// forkGuest is fork.wat, compiled.
type forkGuest struct {
	rt      *spindle.Runtime
	mod     *spindle.Module
	threads int // beside the main one
}

// newForkGuest compiles the guest with so much memory, shared if it has threads.
func newForkGuest(ctx context.Context, mib, threads int) (*forkGuest, error) {
	limits := strconv.Itoa(mib * 16)
	if threads > 0 {
		limits += " 65536 shared"
	}
	text := strings.NewReplacer("{{LIMITS}}", limits, "{{BYTES}}", strconv.Itoa(mib<<20)).Replace(forkText)
	wasm, err := spindle.Assemble([]byte(text))
	if err != nil {
		return nil, err
	}
	g := &forkGuest{rt: spindle.NewRuntime(), threads: threads}
	if g.mod, err = g.rt.Compile(ctx, wasm); err != nil {
		return nil, errors.Join(err, g.rt.Close())
	}
	return g, nil
}

// forkRun is a Process of the guest, which asks what to do again and again, and tells its children what to do.
type forkRun struct {
	p       *spindle.Process
	threads int

	ready chan struct{} // a thread of the original is there, or its main one has done what it was told
	seen  sync.Map      // threads of the original that are there
	todo  chan int32    // for its main thread
	busy  bool          // that has something to do; its own

	answer int32          // what children are told
	firsts chan time.Time // the first calls of a child's threads, unless nil
	gate   chan struct{}  // children wait for its end before they are told, unless nil
	idle   atomic.Int64   // threads of children that wait
}

// start runs the guest until all of its memory is written and all threads are there.
func (g *forkGuest) start(ctx context.Context, begin func(spindle.Config) (*spindle.Process, error)) (*forkRun, error) {
	r := &forkRun{threads: g.threads, ready: make(chan struct{}, g.threads+1), todo: make(chan int32, 1), answer: endOfGuest}
	if begin == nil {
		begin = func(cfg spindle.Config) (*spindle.Process, error) { return g.rt.Start(ctx, g.mod, cfg) }
	}
	next := spindle.Func0(r.next).Named("next").Restartable()
	var err error
	if r.p, err = begin(spindle.Config{Forkable: true, Imports: spindle.Imports{"bench": spindle.HostModule{"next": next}}}); err != nil {
		return nil, err
	}
	for range g.threads + 1 {
		if err := r.wait(ctx); err != nil {
			return nil, errors.Join(err, r.p.Close())
		}
	}
	return r, nil
}

// next is the guest's only import of ours.
func (r *forkRun) next(c *spindle.Caller) int32 {
	if c.Process().Generation() > 0 {
		return r.child(c)
	}
	if _, there := r.seen.LoadOrStore(c.Thread(), true); !there {
		for range r.threads {
			if c.Thread() != 0 {
				break
			}
			if _, err := c.SpawnThread(0); err != nil {
				c.Fail(err)
				return endOfGuest
			}
		}
		r.ready <- struct{}{}
	}
	if c.Thread() != 0 {
		return 0
	}
	if r.busy {
		r.busy = false
		r.ready <- struct{}{}
	}
	select {
	case n := <-r.todo:
		r.busy = n >= 0
		return n
	default:
		return 0 // it runs on, so that a fork finds it running
	}
}

func (r *forkRun) child(c *spindle.Caller) int32 {
	if r.firsts != nil {
		r.firsts <- time.Now()
	}
	if r.gate != nil {
		r.idle.Add(1)
		err := c.Block(func() {
			select {
			case <-r.gate:
			case <-c.Stopped():
			}
		})
		r.idle.Add(-1)
		if err != nil {
			c.Fail(err)
		}
	}
	return r.answer
}

// wait waits for a sign of the original.
func (r *forkRun) wait(ctx context.Context) error {
	select {
	case <-r.ready:
		return nil
	case <-r.p.Done():
		return errors.Join(errors.New("the guest has ended"), r.p.Wait(ctx))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tell has the original do something, and waits until it is done.
func (r *forkRun) tell(ctx context.Context, n int32) error {
	r.todo <- n
	return r.wait(ctx)
}

// end has the original end.
func (r *forkRun) end(ctx context.Context) error {
	r.todo <- endOfGuest
	return errors.Join(r.p.Wait(ctx), r.p.Close())
}

// freeze gives an image of a new run, which has ended then, and how long the freeze took.
func (g *forkGuest) freeze(ctx context.Context, begin func(spindle.Config) (*spindle.Process, error)) (*forkRun, *spindle.Image, spindle.ForkStats, error) {
	r, err := g.start(ctx, begin)
	if err != nil {
		return nil, nil, spindle.ForkStats{}, err
	}
	img, stats, err := r.p.Freeze(ctx, spindle.FreezeOptions{})
	return r, img, stats, errors.Join(err, r.end(ctx))
}

// first measures from a call that makes a child to the first instruction of all of its threads, and has it end.
func (r *forkRun) first(ctx context.Context, fork func() (*spindle.Process, error)) (time.Duration, error) {
	r.firsts = make(chan time.Time, r.threads+1)
	if r.gate = nil; r.threads > 0 {
		r.gate = make(chan struct{}) // the first thread's end would be all others'
	}
	begin := time.Now()
	child, err := fork()
	if err != nil {
		return 0, err
	}
	var last time.Time
	seen := 0
	take := func(at time.Time) {
		if seen++; at.After(last) {
			last = at
		}
		if seen > r.threads && r.gate != nil {
			close(r.gate)
		}
	}
	for ended := false; !ended; {
		select {
		case at := <-r.firsts:
			take(at)
		case <-child.Done():
			ended = true
		}
	}
	for len(r.firsts) > 0 {
		take(<-r.firsts)
	}
	err = errors.Join(child.Wait(ctx), child.Close())
	if err == nil && seen != r.threads+1 {
		err = fmt.Errorf("%d of %d threads of the child began", seen, r.threads+1)
	}
	return last.Sub(begin), err
}

// cycle makes a child, which does what the run's answer says, and waits for its end.
func (r *forkRun) cycle(ctx context.Context, img *spindle.Image) error {
	child, err := img.Fork(ctx, spindle.ForkConfig{})
	if err != nil {
		return err
	}
	return errors.Join(child.Wait(ctx), child.Close())
}
