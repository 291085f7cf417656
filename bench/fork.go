package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

//go:embed peer/fork.c
var forkPeer []byte

// forkBench is what the rows of the fork table share.
type forkBench struct {
	forkSizes
	peer *peer  // nil: no C compiler
	self string // this program, for rows that want a new process
	tmp  string
	runs int
}

// forkSizes are the measured quantities; tests have small ones.
type forkSizes struct {
	mib, large, snapshot int // sizes of guests
	batch                int // forks of a run
	dirty                int // pages written before a live fork
	idle, many           int // children at once
}

var fullFork = forkSizes{mib: 64, large: 1024, snapshot: 256, batch: 50, dirty: 256, idle: 1000, many: 10_000}

// runFork measures forks of guests against fork(2): fork.wat against peer/fork.c.
func runFork(ctx context.Context, sizes forkSizes, runs int, filter string, progress func(string)) (*Section, error) {
	tmp, err := os.MkdirTemp("", "spindle-bench-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	b := &forkBench{forkSizes: sizes, tmp: tmp, runs: runs}
	var missing error
	b.peer, missing = compilePeer(ctx, tmp, "fork.c", forkPeer)
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	sec := &Section{Title: "fork", Columns: []string{"spindle", "C fork(2)", "C fork(2), huge pages"}, Clock: "wall time"}
	parts := []part{
		{"first instruction", b.first},
		{"threads", b.threads},
		{"freeze", b.freeze},
		{"live", b.live},
		{"processes", b.processes},
		{"snapshot", b.restore},
		{"throughput", b.throughput},
		{"idle children", b.children},
	}
	if err := sec.measure(ctx, parts, filter, progress); err != nil {
		return nil, err
	}
	if missing != nil {
		sec.Rows = append(sec.Rows, &Row{Name: "(no C)", Samples: samples(3), Note: missing.Error()})
	}
	return sec, nil
}

// firstOf measures, batch by batch, from a fork of an image to the child's first instruction.
func (b *forkBench) firstOf(r *forkRun, img *spindle.Image) batch {
	return func(ctx context.Context) (times []time.Duration, cpu time.Duration, err error) {
		for range b.batch {
			took, err := r.first(ctx, func() (*spindle.Process, error) { return img.Fork(ctx, spindle.ForkConfig{}) })
			if err != nil {
				return nil, 0, err
			}
			times = append(times, took)
		}
		return times, 0, nil
	}
}

// image freezes a guest of that size.
func (b *forkBench) image(ctx context.Context, mib, threads int, wasi bool) (r *forkRun, img *spindle.Image, done func(), err error) {
	g, err := newForkGuest(ctx, mib, threads)
	if err != nil {
		return nil, nil, nil, err
	}
	r, img, _, err = g.freeze(ctx, g.begin(ctx, wasi))
	if err != nil {
		return nil, nil, nil, errors.Join(err, g.rt.Close())
	}
	return r, img, func() { img.Close(); g.rt.Close() }, nil
}

// begin says how the guest is started: with WASI, it has files and clocks that a fork copies, too.
func (g *forkGuest) begin(ctx context.Context, withWASI bool) func(spindle.Config) (*spindle.Process, error) {
	return func(cfg spindle.Config) (*spindle.Process, error) {
		if withWASI {
			return wasi.Start(ctx, g.rt, g.mod, wasi.Config{}, cfg)
		}
		return g.rt.Start(ctx, g.mod, cfg)
	}
}

// first has rows of a child's first instruction, by size.
func (b *forkBench) first(ctx context.Context) (rows []*Row, err error) {
	for _, t := range []struct {
		name string
		mib  int
		wasi bool
		note string
	}{
		{"", b.mib, false, "bar 60 µs median"},
		{", with WASI", b.mib, true, ""},
		{"", b.large, false, "bar 1.5 times the smaller one's, and 100 times faster than C"},
	} {
		r, img, done, err := b.image(ctx, t.mib, 0, t.wasi)
		if err != nil {
			return nil, err
		}
		s, err := takeTurns(ctx, b.runs, b.firstOf(r, img), b.peer.batch("first", t.mib, 0, b.batch), b.peer.batch("first", t.mib, 1, b.batch))
		done()
		if err != nil {
			return nil, err
		}
		row := &Row{Name: fmt.Sprintf("%d MiB frozen: fork → first instruction%s", t.mib, t.name), Samples: s, Note: t.note}
		if n := len(rows); n > 0 && !t.wasi {
			row.Note += fmt.Sprintf("; %.2f times that of %d MiB", float64(s[0].median())/float64(rows[0].Samples[0].median()), b.mib)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// threads has children of eight threads, all of which go on.
func (b *forkBench) threads(ctx context.Context) ([]*Row, error) {
	r, img, done, err := b.image(ctx, b.mib, 7, false)
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := takeTurns(ctx, b.runs, b.firstOf(r, img), nil, nil)
	if err != nil {
		return nil, err
	}
	return []*Row{{Name: "8 threads, all forked: fork → first instruction of the last", Samples: s, Note: "bar 300 µs"}}, nil
}

// freeze has the first freeze of a forkable guest, all of whose pages are written.
func (b *forkBench) freeze(ctx context.Context) ([]*Row, error) {
	g, err := newForkGuest(ctx, b.mib, 0)
	if err != nil {
		return nil, err
	}
	defer g.rt.Close()
	s, err := takeTurns(ctx, 2*b.runs, func(ctx context.Context) ([]time.Duration, time.Duration, error) {
		_, img, stats, err := g.freeze(ctx, nil)
		if err != nil {
			return nil, 0, err
		}
		return []time.Duration{stats.Stop + stats.Copy}, 0, img.Close()
	}, nil, nil)
	if err != nil {
		return nil, err
	}
	return []*Row{{Name: fmt.Sprintf("freeze of %d MiB", b.mib), Samples: s, Note: "bar 5 ms"}}, nil
}

// live forks a guest that runs, and has written pages since it was frozen.
func (b *forkBench) live(ctx context.Context) (rows []*Row, err error) {
	for _, t := range []struct {
		name string
		from int32
		keep bool // the first image is in use all the time
	}{{"the same %d pages", rewind, false}, {"other %d pages", 0, false}, {"the same %d pages, older children", rewind, true}, {"other %d pages, older children", 0, true}} {
		g, err := newForkGuest(ctx, b.mib, 0)
		if err != nil {
			return nil, err
		}
		r, err := g.start(ctx, nil)
		if err != nil {
			return nil, errors.Join(err, g.rt.Close())
		}
		img, _, err := r.p.Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			return nil, errors.Join(err, g.rt.Close())
		}
		if !t.keep {
			if err := img.Close(); err != nil {
				return nil, err
			}
		}
		var stopped []time.Duration
		few := max(1, b.batch/5)
		ours := func(ctx context.Context) (times []time.Duration, cpu time.Duration, err error) {
			for range few {
				if err := r.tell(ctx, int32(b.dirty)|t.from); err != nil {
					return nil, 0, err
				}
				took, err := r.first(ctx, func() (*spindle.Process, error) {
					child, stats, err := r.p.Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
					stopped = append(stopped, stats.Stop+stats.Copy)
					return child, err
				})
				if err != nil {
					return nil, 0, err
				}
				times = append(times, took)
			}
			return times, 0, nil
		}
		s, err := takeTurns(ctx, b.runs, ours, b.peer.batch("first", b.mib, 0, few), b.peer.batch("first", b.mib, 1, few))
		if err = errors.Join(err, r.end(ctx), img.Close(), g.rt.Close()); err != nil {
			return nil, err
		}
		x := &Sample{Times: stopped}
		rows = append(rows, &Row{
			Name: "live fork, " + fmt.Sprintf(t.name, b.dirty) + " → first instruction", Samples: s,
			Note: fmt.Sprintf("bar 2 ms; p99 %s; the guest stood for %s (median)", duration(s[0].percentile(99)), duration(x.median())),
		})
	}
	return rows, nil
}

// restore opens a snapshot in a new Runtime; its pages are in the system's cache.
func (b *forkBench) restore(ctx context.Context) ([]*Row, error) {
	r, img, done, err := b.image(ctx, b.snapshot, 0, false)
	if err != nil {
		return nil, err
	}
	defer done()
	f, err := os.Create(filepath.Join(b.tmp, "guest.snap"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := img.WriteTo(f); err != nil {
		return nil, err
	}
	cfg := spindle.OpenConfig{Config: spindle.Config{Imports: spindle.Imports{"bench": spindle.HostModule{"next": spindle.Func0(r.next)}}}}
	s, err := takeTurns(ctx, 3*b.runs, func(ctx context.Context) ([]time.Duration, time.Duration, error) {
		rt := spindle.NewRuntime()
		var img *spindle.Image
		took, err := r.first(ctx, func() (_ *spindle.Process, err error) {
			if img, err = rt.OpenImage(ctx, f, cfg); err != nil {
				return nil, err
			}
			return img.Fork(ctx, spindle.ForkConfig{})
		})
		if err != nil {
			return nil, 0, err
		}
		return []time.Duration{took}, 0, errors.Join(img.Close(), rt.Close())
	}, nil, nil)
	if err != nil {
		return nil, err
	}
	return []*Row{{Name: fmt.Sprintf("snapshot of %d MiB: open → first instruction", b.snapshot), Samples: s, Note: "bar 10 ms; the file is in the page cache"}}, nil
}

// throughput makes children, waits for their ends, and closes them, with one goroutine and with two.
func (b *forkBench) throughput(ctx context.Context) (rows []*Row, err error) {
	r, img, done, err := b.image(ctx, b.mib, 0, false)
	if err != nil {
		return nil, err
	}
	defer done()
	const writes = 100
	for _, t := range []struct {
		name          string
		writes, procs int
	}{{"fork, end, wait", 0, 1}, {"fork, end, wait, 2 goroutines", 0, 2}, {fmt.Sprintf("fork, write %d pages, end, wait", writes), writes, 1}} {
		r.answer, r.firsts, r.gate = int32(-1-t.writes), nil, nil
		ours := func(ctx context.Context) ([]time.Duration, time.Duration, error) {
			each := max(1, b.batch/t.procs)
			errs := make([]error, t.procs)
			var all sync.WaitGroup
			cpu, _ := cpuTime()
			begin := time.Now()
			for k := range t.procs {
				all.Go(func() {
					for range each {
						errs[k] = errors.Join(errs[k], r.cycle(ctx, img))
					}
				})
			}
			all.Wait()
			n := time.Duration(each * t.procs)
			took := time.Since(begin) / n
			after, _ := cpuTime()
			return []time.Duration{took}, (after - cpu) / n, errors.Join(errs...)
		}
		few := max(1, b.batch/10)
		sides := []batch{ours, b.peer.batch("cycle", b.mib, t.writes, few), nil}
		if t.procs > 1 {
			sides[1] = nil
		}
		s, err := takeTurns(ctx, 3*b.runs, sides...)
		if err != nil {
			return nil, err
		}
		rows = append(rows, &Row{Name: t.name, Samples: s, Note: fmt.Sprintf("%.0f a second (median); processor time of ours %s", 1e9/float64(s[0].median()), duration(median(s[0].CPU)))})
	}
	return rows, nil
}

// children has many of them at once that have nothing to do, in a new process on either side.
func (b *forkBench) children(ctx context.Context) (rows []*Row, err error) {
	for _, n := range []int{b.idle, b.many} {
		ours := func(ctx context.Context) ([]time.Duration, time.Duration, error) {
			return idleFigures(ctx, b.self, n, b.mib)
		}
		theirs := b.peer.batch("idle", b.mib, n)
		runs := b.runs
		if n > b.idle {
			theirs, runs = nil, max(1, b.runs/3) // so many processes would take the system's
		}
		s, err := takeTurns(ctx, runs, ours, theirs, nil)
		if err != nil {
			return nil, err
		}
		var parts [4][]*Sample // bytes, making, ending, page tables; C's are bytes, making, ending
		for k := range parts {
			parts[k] = samples(3)
		}
		for side, x := range s[:2] {
			for run := range slices.Chunk(x.Times, 4+(1-side)) {
				for k, v := range run[1:] {
					if k == 1 || k == 2 {
						v /= run[0]
					}
					parts[k][side].add(v)
				}
			}
		}
		name := fmt.Sprintf("%d idle children of %d MiB", n, b.mib)
		rows = append(rows,
			&Row{Name: name + ": private memory each, page tables included", Unit: "B", Samples: parts[0],
				Note: fmt.Sprintf("bar 65536; page tables of ours %d B; one process, its Go heap counted", int64(parts[3][0].median()))},
			&Row{Name: name + ": making each", Samples: parts[1]},
			&Row{Name: name + ": ending each", Samples: parts[2]})
	}
	return rows, nil
}
