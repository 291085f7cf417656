package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/modgen"
)

// Forks has a run frozen at some safepoints of its calls, which are counted. Each image becomes a Process that goes on to the end of the call; so do images of that.
// What they do there and what they have at the end must be what the run itself does and has.
type Forks struct {
	Seed  uint64
	Max   int  // of one run
	Files bool // images go through files
}

// How far apart freezes are, and how deep children are forked.
const (
	maxForkGap   = 60
	maxForkDepth = 3
)

// forks is the state of Forks in a run.
type forks struct {
	cfg  *Forks
	mods []*spindle.Module

	mu   sync.Mutex
	rnd  *rand.Rand                       // guarded by mu
	left int                              // guarded by mu
	runs map[*spindle.Process]*spindleRun // guarded by mu
	gap  map[*spindle.Process]int         // guarded by mu; safepoints until the next freeze
	made []*copied                        // guarded by mu; in this call
	n    int                              // guarded by mu; in all
}

// copied is a copy that has come to the call's end.
type copied struct {
	mark  int   // the trace's length when it was made
	trace Trace // from there on, with the state at the end
}

func newForks(cfg *Forks, mods ...*spindle.Module) *forks {
	return &forks{
		cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 5)), left: cfg.Max, runs: map[*spindle.Process]*spindleRun{}, gap: map[*spindle.Process]int{},
		mods: slices.DeleteFunc(mods, func(m *spindle.Module) bool { return m == nil }),
	}
}

// safepoint is Config.AtSafepoint.
func (f *forks) safepoint(p *spindle.Process) {
	f.mu.Lock()
	r := f.runs[p]
	if r == nil || r.calling == nil || f.left == 0 || r.depth == maxForkDepth {
		f.mu.Unlock()
		return
	}
	gap, ok := f.gap[p]
	if !ok {
		gap = f.rnd.IntN(maxForkGap)
	}
	f.gap[p] = gap - 1
	if gap > 0 {
		f.mu.Unlock()
		return
	}
	f.gap[p] = f.rnd.IntN(maxForkGap)
	f.left--
	f.mu.Unlock()
	if err := f.fork(r); err != nil {
		r.fail(fmt.Errorf("a fork: %w", err))
	}
}

// fork has a copy of a run, which stands at a safepoint, go on to the end of its call.
func (f *forks) fork(of *spindleRun) error {
	ctx := context.Background()
	img, _, err := of.p.Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		return err
	}
	r := &spindleRun{rt: of.rt, mod: of.mod, calls: of.calls, callback: of.callback, opts: of.opts, forks: f, calling: of.calling, name: of.name, depth: of.depth + 1, root: of.root}
	if r.root == nil {
		r.root = of
	}
	mark := len(of.trace)
	if of.root != nil {
		mark += of.mark
	}
	r.mark = mark
	before := func(p *spindle.Process) error {
		r.p, r.inst = p, p.Instance(mainName)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.runs[p] = r
		return nil
	}
	imports := spindle.Imports{modgen.HostName: r}
	var p *spindle.Process
	if f.cfg.Files {
		p, err = f.throughFile(ctx, img, of, imports, before)
	} else {
		p, err = img.Fork(ctx, spindle.ForkConfig{Imports: imports, Before: before})
	}
	if err := errors.Join(err, img.Close()); err != nil {
		var cannot *spindle.SnapshotError
		if errors.As(err, &cannot) && f.cfg.Files {
			return nil // values of the host, for one thing
		}
		return err
	}
	err = p.Wait(ctx)
	r.returned(p.Results(), err)
	r.state()
	if err := errors.Join(r.err, p.Close()); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.runs, p)
	f.made = append(f.made, &copied{mark, r.trace})
	f.n++
	return nil
}

func (f *forks) throughFile(ctx context.Context, img *spindle.Image, of *spindleRun, imports spindle.Imports, before func(*spindle.Process) error) (*spindle.Process, error) {
	file, err := os.CreateTemp("", "oracle")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name()) //nolint:errcheck // it stays, no more
	defer file.Close()           //nolint:errcheck // it has been read
	if _, err := img.WriteTo(file); err != nil {
		return nil, err
	}
	cfg := spindle.Config{GC: of.opts.GC, Imports: imports, AtSafepoint: f.safepoint, Forkable: true}
	opened, err := of.rt.OpenImage(ctx, file, spindle.OpenConfig{Config: cfg, Modules: f.mods, Check: true})
	if err != nil {
		return nil, err
	}
	p, err := opened.Fork(ctx, spindle.ForkConfig{Before: before})
	return p, errors.Join(err, opened.Close())
}

// ended compares the copies that were made in a call with what the run itself did.
func (f *forks) ended(r *spindleRun) {
	f.mu.Lock()
	made := f.made
	f.made = nil
	f.mu.Unlock()
	if len(made) == 0 {
		return
	}
	n := len(r.trace)
	r.state()
	all := slices.Clone(r.trace)
	r.trace = r.trace[:n]
	for k, c := range made {
		if d := Diff(all[c.mark:], c.trace); d != "" {
			r.fail(fmt.Errorf("copy %d of %d, made at line %d: %s", k, len(made), c.mark, d))
		}
	}
}
