package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/mockvm"
	"github.com/spindle-wasm/spindle/gc/plan"
)

// toolkitBench measures the memory-management toolkit by itself, on gc/mockvm: what a guest of any engine pays at least. Its two columns are one
// thing by two clocks: the processor time of this process, which other work on the machine changes little, and the wall's.
type toolkitBench struct {
	runs   int
	filter string
	// Objects of the heaps that are marked, and of the large one that two workers share; the nursery's bytes. Tests have fewer.
	objects, many int
	nursery       int64
}

// runToolkit measures all that the filter lets through.
func runToolkit(ctx context.Context, b toolkitBench, progress func(string)) (*Section, error) {
	sec := &Section{Title: "gc", Columns: []string{"processor", "wall"}, Clock: "both clocks"}
	parts := []part{
		{"allocation", b.allocation},
		{"marking", b.marking},
		{"two heaps", b.twoHeaps},
		{"pauses", b.pauses},
	}
	if err := sec.measure(ctx, parts, b.filter, progress); err != nil {
		return nil, err
	}
	return sec, nil
}

// toolkitHeap is a heap with one mutator.
type toolkitHeap struct {
	v    *mockvm.VM
	t    *mockvm.Thread
	node gc.TypeID
	last gc.Collection
}

func newToolkitHeap(name string, bytes int64, opts plan.Options) (*toolkitHeap, error) {
	h := &toolkitHeap{}
	opts.MaxBytes = bytes
	opts.Stats = func(c gc.Collection) { h.last = c }
	v, err := mockvm.New(gc.Config{Plan: name, Options: opts})
	if err != nil {
		return nil, err
	}
	if h.node, err = v.Heap.Mem.Types.Add(mockvm.Node); err != nil {
		v.Close()
		return nil, err
	}
	h.v, h.t = v, v.NewThread()
	return h, nil
}

func (h *toolkitHeap) close() {
	h.t.Exit()
	h.v.Close() //nolint:errcheck // measurements are over
}

// collect runs a collection.
func (h *toolkitHeap) collect(full bool) error { return h.v.Heap.Collect(h.t.Mutator, full) }

// toolkitPlans are the plans that are measured: those that collect, but for the one that is for debugging.
func toolkitPlans() (names []string) {
	for _, name := range gc.Plans() {
		if name != "nogc" && name != "pageprotect" {
			names = append(names, name)
		}
	}
	return names
}

// both measures f by the two clocks, divided by n, as columns of a row.
func both(s []*Sample, n int, f func() error) error {
	cpu, _ := cpuTime()
	start := time.Now()
	err := f()
	took := time.Since(start)
	after, _ := cpuTime()
	s[0].add((after - cpu) / time.Duration(n))
	s[1].add(took / time.Duration(n))
	return err
}

// allocation is a mutator that makes objects of 32 bytes and writes their fields; none lives. A thousand objects, since one takes a few nanoseconds.
func (b *toolkitBench) allocation(ctx context.Context) (rows []*Row, err error) {
	const batch = 1 << 20 // 32 MiB: with all that plans do between two collections
	var heaps []*toolkitHeap
	for _, name := range toolkitPlans() {
		h, err := newToolkitHeap(name, 64<<20, plan.Options{Workers: 1})
		if err != nil {
			return nil, err
		}
		defer h.close()
		heaps = append(heaps, h)
		rows = append(rows, &Row{Name: "allocate 1,000 objects of 32 bytes, " + name, Samples: samples(2)})
	}
	for round := range 10 * b.runs {
		for i, h := range heaps {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			s := rows[i].Samples
			if round == 0 {
				s = samples(2) // the first touch of the memory
			}
			if err := both(s, batch/1000, func() error { return mockvm.Cells(h.t, h.node, batch) }); err != nil {
				return nil, err
			}
		}
	}
	for _, r := range rows {
		r.Note = fmt.Sprintf("%.1f ns an object", float64(r.Samples[0].min())/1e3)
	}
	rows[len(rows)-1].Note += ", bar 6 (the default plan)"
	return rows, nil
}

// marking is collections of a whole heap that is a tree with random edges besides.
func (b *toolkitBench) marking(ctx context.Context) (rows []*Row, err error) {
	for _, name := range toolkitPlans() {
		for _, workers := range []int{1, 2} {
			h, err := newToolkitHeap(name, int64(b.objects)*100+8<<20, plan.Options{Workers: workers})
			if err != nil {
				return nil, err
			}
			row := &Row{Name: fmt.Sprintf("trace 1,000 objects, %s, workers: %d", name, workers), Samples: samples(2)}
			err = mockvm.Tree(h.t, h.node, b.objects, 1)
			for round := 0; err == nil && round < 2*b.runs+1; round++ {
				s := row.Samples
				if round == 0 {
					s = samples(2)
				}
				if err = both(s, max(b.objects/1000, 1), func() error { return h.collect(true) }); err == nil && h.last.Objects != uint64(b.objects) {
					err = fmt.Errorf("%s: %d objects alive, not %d", name, h.last.Objects, b.objects)
				}
				if err == nil {
					err = ctx.Err()
				}
			}
			h.close()
			if err != nil {
				return nil, err
			}
			row.Note = fmt.Sprintf("%.1f M objects/s by processor time, %.1f by the wall", rate(row.Samples[0]), rate(row.Samples[1]))
			if name == gc.DefaultPlan && workers == 1 {
				row.Note += ", bar 15"
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// rate is the best number of million objects per second, of samples for a thousand.
func rate(s *Sample) float64 { return 1e6 / float64(max(s.min(), 1)) }

// twoHeaps is two workers on one heap against one worker each on two heaps like it, at the same time: what sharing costs.
func (b *toolkitBench) twoHeaps(ctx context.Context) ([]*Row, error) {
	build := func(n int, workers int) (*toolkitHeap, error) {
		h, err := newToolkitHeap(gc.DefaultPlan, max(int64(n)*128/3, 8<<20), plan.Options{Workers: workers})
		if err == nil {
			if err = mockvm.Tree(h.t, h.node, n, 1); err != nil {
				h.close()
			}
		}
		return h, err
	}
	one, err := build(b.many, 2)
	if err != nil {
		return nil, err
	}
	defer one.close()
	var two [2]*toolkitHeap
	for i := range two {
		if two[i], err = build(b.many, 1); err != nil {
			return nil, err
		}
		defer two[i].close()
	}
	rows := []*Row{
		{Name: "trace 1,000 objects: one heap, two workers", Samples: samples(2)},
		{Name: "trace 1,000 objects: two heaps, a worker each", Samples: samples(2)},
	}
	thousands := b.many / 1000
	for round := range b.runs + 1 {
		s := [2][]*Sample{rows[0].Samples, rows[1].Samples}
		if round == 0 {
			s = [2][]*Sample{samples(2), samples(2)}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := both(s[0], thousands, func() error { return one.collect(true) }); err != nil {
			return nil, err
		}
		if err := both(s[1], 2*thousands, func() error {
			var wg sync.WaitGroup
			var errs [2]error
			for i, h := range two {
				wg.Go(func() { errs[i] = h.collect(true) })
			}
			wg.Wait()
			if errs[0] != nil {
				return errs[0]
			}
			return errs[1]
		}); err != nil {
			return nil, err
		}
	}
	wall := Row{Samples: []*Sample{rows[0].Samples[1], rows[1].Samples[1]}}
	cpu := Row{Samples: []*Sample{rows[0].Samples[0], rows[1].Samples[0]}}
	rows[0].Note = fmt.Sprintf("%.2f of what two heaps reach, bar 0.85; by processor time %.2f", wall.ratio(1), cpu.ratio(1))
	return rows, nil
}

// pauses are collections of the young after a nursery's worth of objects of which one in twenty lives on, and of the whole heap.
func (b *toolkitBench) pauses(ctx context.Context) (rows []*Row, err error) {
	for _, name := range []string{"genimmix", gc.DefaultPlan} {
		h, err := newToolkitHeap(name, 16*b.nursery, plan.Options{NurseryBytes: 2 * b.nursery})
		if err != nil {
			return nil, err
		}
		minor := &Row{Name: fmt.Sprintf("minor pause, %s, nursery %d MiB", name, b.nursery>>20), Samples: samples(2)}
		full := &Row{Name: "full pause, " + name, Samples: samples(2)}
		c, err := mockvm.NewChurn(h.t, 1)
		for round := 0; err == nil && round < 20*b.runs; round++ {
			if err = c.Run(int(b.nursery/32), 5); err != nil {
				break
			}
			s := samples(2)
			if err = both(s, 1, func() error { return h.collect(round%10 == 0) }); err == nil {
				err = ctx.Err()
			}
			row := minor
			if h.last.Full { // as asked, or since the plan finds it due
				row = full
			}
			if round >= 20 { // lists have their length
				row.Samples[0].add(s[0].Times[0])
				row.Samples[1].add(s[1].Times[0])
			}
		}
		h.close()
		if err != nil {
			return nil, err
		}
		for _, r := range []*Row{minor, full} {
			w := r.Samples[1]
			r.Note = fmt.Sprintf("%d pauses, by the wall: p99 %s, max %s", len(w.Times), duration(w.percentile(99)), duration(w.percentile(100)))
		}
		if name == gc.DefaultPlan {
			minor.Note = "bar 5 ms; " + minor.Note
		}
		rows = append(rows, minor, full)
	}
	return rows, nil
}
