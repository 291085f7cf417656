package forktest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

var (
	forks = flag.Int("forks", 3, "at how many safepoints each run is frozen")
	seed  = flag.Uint64("seed", 1, "seed of the choice of safepoints")
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// gate is an input that comes when it is open.
type gate struct {
	open chan struct{}
	r    io.Reader
}

func (g *gate) Read(p []byte) (int, error) {
	<-g.open
	return g.r.Read(p)
}

// trial is one run of a guest that is frozen at some safepoints.
type trial struct {
	w         *World
	ctx       context.Context
	transport *Transport
	opts      spindle.FreezeOptions
	gate      *gate

	mu     sync.Mutex
	idle   sync.Cond                 // of mu: a due is not busy any more
	rnd    *rand.Rand                // guarded by mu
	at     map[*spindle.Process]*due // guarded by mu
	moment []int                     // of the original
	total  int                       // safepoints of a run
	made   []Outcome                 // guarded by mu
	errs   []error                   // guarded by mu
}

// due is at which safepoints of a Process it is frozen.
type due struct {
	count   int
	moments []int
	busy    bool
}

func (r *trial) fail(err error) {
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.errs = append(r.errs, err)
	}
}

// generations is how many forks one run's deepest descendant is away from it.
const generations = 3

// safepoint is Config.AtSafepoint. While one thread makes a fork the others stand where they come here.
func (r *trial) safepoint(p *spindle.Process) {
	r.mu.Lock()
	d := r.at[p]
	for d != nil && d.busy {
		r.idle.Wait()
	}
	if d == nil {
		d = &due{}
		if p.Generation() == 0 {
			d.moments = r.moment
		} else if p.ParentPID() == 0 && p.Generation() < generations && r.w.Guest.Until == 0 && r.w.Guest.Stdin == "" && r.rnd.IntN(2) == 0 {
			d.moments = []int{1 + r.rnd.IntN(r.total)}
		}
		r.at[p] = d
	}
	d.count++
	now := len(d.moments) > 0 && d.count >= d.moments[0] && (!r.w.Guest.shaped() || d.count%16 == 0)
	if now {
		d.busy = true
	}
	r.mu.Unlock()
	if !now {
		return
	}
	done := r.w.Ready(r.ctx, p)
	if done {
		r.fail(r.fork(p))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d.busy = false
	r.idle.Broadcast()
	if done {
		if d.moments = d.moments[1:]; len(d.moments) == 0 && p.Generation() == 0 {
			close(r.gate.open)
			r.w.Hold.Store(false)
		}
	}
}

// errLooked ends a fork that is made for a look.
var errLooked = errors.New("looked at")

// content returns the memories that an image has.
func content(ctx context.Context, img *spindle.Image, mods map[string]*spindle.Module) (pages Pages, err error) {
	_, err = img.Fork(ctx, spindle.ForkConfig{Before: func(p *spindle.Process) error {
		if pages, err = PagesOf(p, mods); err != nil {
			return err
		}
		return errLooked
	}})
	if !errors.Is(err, errLooked) {
		return nil, err
	}
	return pages, nil
}

// fork makes a copy of p, one thread of which stands, and has it run to its end.
func (r *trial) fork(p *spindle.Process) error {
	mods, single := r.w.Mods, !r.w.Guest.Threads && !r.w.Guest.shaped()
	img, stats, err := p.Freeze(r.ctx, r.opts)
	if err != nil {
		if dump, e := p.ThreadDump(r.ctx); e == nil && dump.Ending {
			return nil // another thread has ended it meanwhile
		}
		return err
	}
	defer img.Close() //nolint:errcheck // the tests of modules tell
	if n := len(stats.Gone); r.opts.CallerOnly && n != r.w.Guest.Vanish || !r.opts.CallerOnly && n > 0 {
		return fmt.Errorf("%d threads are gone", n)
	}
	before, err := content(r.ctx, img, mods)
	if err != nil {
		return err
	}
	// same compares what the image has with what is somewhere else: in the parent, too, if all of it stands.
	same := func(where string, with *spindle.Process) error {
		pages, err := PagesOf(with, mods)
		if err != nil {
			return err
		}
		if d := before.Diff(pages); d != "" {
			return fmt.Errorf("another content %s: %s", where, d)
		}
		return nil
	}
	if single {
		if err := same("in the image than in the parent", p); err != nil {
			return err
		}
	}
	o, err := r.transport.Go(r.ctx, r.w, img, r.w.Printed(p), func(child *spindle.Process) error {
		if child.Generation() != p.Generation()+1 {
			return fmt.Errorf("generation %d of %d", child.Generation(), p.Generation())
		}
		return same("in a child at its begin", child)
	})
	if err != nil {
		return err
	}
	if single {
		if err := same("in the parent after a child's run", p); err != nil {
			return err
		}
	}
	after, err := content(r.ctx, img, mods)
	if err != nil {
		return err
	}
	if d := before.Diff(after); d != "" {
		return errors.New("another content in the image after the run of a child: " + d)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = append(r.made, o)
	return nil
}

// reference runs a guest that nobody forks.
func reference(ctx context.Context, t *testing.T, g *Guest, cfg spindle.Config) (o Outcome, safepoints int) {
	t.Helper()
	w, err := NewWorld(ctx, g, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	cfg.AtSafepoint = func(*spindle.Process) {
		mu.Lock()
		defer mu.Unlock()
		safepoints++
	}
	p, err := w.Start(ctx, cfg, strings.NewReader(g.Stdin))
	if err != nil {
		t.Fatal(err)
	}
	o, err = w.Wait(ctx, p)
	if err := errors.Join(err, p.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	return o, safepoints
}

// try runs a guest and freezes it, and compares what its copies do with what it does itself, and with a run that nobody forked.
func try(t *testing.T, g *Guest, tr *Transport, opts spindle.FreezeOptions, cfg spindle.Config) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	want, total := reference(ctx, t, g, cfg)
	if want.End == "exit 0" == g.Trapping {
		t.Fatalf("a run that nobody forks ends with %s", want.End)
	}
	if g.Until > 0 {
		total = g.Until
	}
	h := fnv.New64a()
	io.WriteString(h, t.Name()) //nolint:errcheck // returns none
	w, err := NewWorld(ctx, g, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &trial{
		w: w, ctx: ctx, transport: tr, opts: opts, gate: &gate{make(chan struct{}), strings.NewReader(g.Stdin)}, total: total,
		rnd: rand.New(rand.NewPCG(*seed, h.Sum64())), at: map[*spindle.Process]*due{},
	}
	r.idle.L = &r.mu
	w.Hold.Store(true)
	for k := range *forks {
		r.moment = append(r.moment, 1+(k*total+r.rnd.IntN(total))/(*forks+1))
	}
	if g.Threads || g.shaped() { // how many safepoints there are differs from run to run
		r.moment[0] = 1
	}
	cfg.AtSafepoint = r.safepoint
	p, err := w.Start(ctx, cfg, r.gate)
	if err != nil {
		t.Fatal(err)
	}
	o, err := w.Wait(ctx, p)
	if err := errors.Join(err, p.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	if d := want.Diff(o); d != "" && !g.Varies {
		t.Errorf("a run that is forked %s", d)
	}
	for k, c := range r.made {
		if d := o.Diff(c); d != "" {
			t.Errorf("copy %d %s", k, d)
		}
	}
	if len(r.made) == 0 {
		t.Error("there was no fork")
	}
	for _, err := range r.errs {
		t.Error(err)
	}
}

func TestConformance(t *testing.T) {
	left := CountLeft()
	t.Run("transports", func(t *testing.T) {
		for _, tr := range Transports() {
			for mode, opts := range map[string]spindle.FreezeOptions{"all": {}, "caller": {CallerOnly: true}} {
				for _, g := range Guests() {
					if tr.Linux && runtime.GOOS != "linux" || g.GC || g.Threads && opts.CallerOnly {
						continue // see TestPlans; and what needs its threads does not go on without
					}
					t.Run(strings.Join([]string{tr.Name, mode, g.Name}, "/"), func(t *testing.T) {
						try(t, g, &tr, opts, spindle.Config{Forkable: len(g.Name)%2 == 0})
					})
				}
			}
		}
	})
	if more := left.More(); more != "" {
		t.Error(more)
	}
}

// A garbage-collected heap is forked under every plan.
func TestPlans(t *testing.T) {
	left := CountLeft()
	for _, tr := range Transports() {
		for _, plan := range spindle.GCPlans() {
			for _, warm := range []bool{false, true} {
				if !tr.GC || tr.Linux && runtime.GOOS != "linux" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/warmup %v", tr.Name, plan, warm), func(t *testing.T) {
					cfg := spindle.Config{Forkable: true}
					cfg.GC = spindle.GCConfig{Plan: plan, Workers: 2, Stress: 97, Sanity: true}
					try(t, &Objects, &tr, spindle.FreezeOptions{Warmup: warm}, cfg)
				})
			}
		}
	}
	if more := left.More(); more != "" {
		t.Error(more)
	}
}
