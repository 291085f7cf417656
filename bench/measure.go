package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"
)

// A stopwatch measures a stretch of work: by the processor time of the process
// if cpu is set and the system tells it, else by the clock. Kernels use one
// thread, so both are the same on an idle machine; on a busy one only the
// clock counts the time that others had.
type stopwatch struct{ cpu bool }

func newStopwatch(wall bool) stopwatch {
	_, ok := cpuTime()
	return stopwatch{cpu: ok && !wall}
}

func (s stopwatch) now() time.Duration {
	if s.cpu {
		t, _ := cpuTime()
		return t
	}
	return time.Since(processStart)
}

func (s stopwatch) String() string {
	if s.cpu {
		return "processor time"
	}
	return "wall time"
}

var processStart = time.Now()

// part is one thing that a section tells about.
type part struct {
	name string
	rows func(context.Context) ([]*Row, error)
}

// measure adds the rows of the parts whose names match the filter; that there are none is an error.
func (sec *Section) measure(ctx context.Context, parts []part, filter string, progress func(string)) error {
	for _, part := range parts {
		if !matches(filter, part.name) {
			continue
		}
		progress(part.name)
		rows, err := part.rows(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		sec.Rows = append(sec.Rows, rows...)
	}
	if len(sec.Rows) == 0 {
		return fmt.Errorf("no part of the table matches %q", filter)
	}
	return nil
}

// runKernels measures each kernel on all engines in turn, A B C A B C …, so
// that a slow minute of the machine falls on every column alike. It fails if
// two checksums differ. One run of each, not counted, comes first.
func runKernels(ctx context.Context, engines []Engine, list []Kernel, dir string, runs int, watch stopwatch, progress func(string)) (*Section, error) {
	sec := &Section{Title: "kernel", Columns: names(engines), Clock: watch.String(), Geomean: true}
	for _, k := range list {
		progress(k.Name)
		row, err := runKernel(ctx, engines, k, dir, runs, watch)
		if err != nil {
			return nil, fmt.Errorf("kernel %s: %w", k.Name, err)
		}
		sec.Rows = append(sec.Rows, row)
	}
	return sec, nil
}

func runKernel(ctx context.Context, engines []Engine, k Kernel, dir string, runs int, watch stopwatch) (*Row, error) {
	wasm, err := k.load(dir)
	if err != nil {
		return nil, err
	}
	row := &Row{Name: k.Name, Kind: k.Kind, Samples: samples(len(engines))}
	instances := make([]Instance, len(engines))
	for i, e := range engines {
		inst, err := e.Load(ctx, wasm)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		defer inst.Close(ctx)
		instances[i] = inst
	}
	var want int64
	for round := -1; round < runs; round++ {
		for i, inst := range instances {
			n := k.N
			if round < 0 {
				n = k.Check
			}
			start := watch.now()
			got, err := inst.Run(ctx, n)
			took := watch.now() - start
			if err != nil {
				return nil, fmt.Errorf("%s: %w", engines[i].Name(), err)
			}
			if i == 0 && round <= 0 {
				want = got
			}
			if got != want {
				return nil, fmt.Errorf("run(%d): %s gives checksum %#x, %s gives %#x",
					n, engines[0].Name(), uint64(want), engines[i].Name(), uint64(got))
			}
			if round >= 0 {
				row.Samples[i].add(took)
			}
		}
	}
	row.Check = fmt.Sprintf("%#016x", uint64(want))
	return row, nil
}

// An op is something short, measured in batches: do(n) does it n times.
type op struct {
	name string
	bar  string // the project's own limit, for the note
	// open prepares it on one engine.
	open func(ctx context.Context, e Engine) (do func(n int) error, done func() error, err error)
}

func each(step func() error) func(int) error {
	return func(n int) error {
		for range n {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}
}

func ops() ([]op, error) {
	small, err := modules.ReadFile("calls/small.wasm")
	if err != nil {
		return nil, err
	}
	calls, err := modules.ReadFile("calls/calls.wasm")
	if err != nil {
		return nil, err
	}
	nothing := func() error { return nil }
	return []op{
		{"compile + start 1 KiB", "100 µs", func(ctx context.Context, e Engine) (func(int) error, func() error, error) {
			return each(func() error { return e.CompileStart(ctx, small) }), nothing, nil
		}},
		{"instantiate + close", "15 µs", func(ctx context.Context, e Engine) (func(int) error, func() error, error) {
			step, done, err := e.Instantiator(ctx, small)
			return each(step), done, err
		}},
		{"host → guest call", "60 ns", func(ctx context.Context, e Engine) (func(int) error, func() error, error) {
			return e.HostToGuest(ctx, calls)
		}},
		{"guest → host call", "60 ns", func(ctx context.Context, e Engine) (func(int) error, func() error, error) {
			return e.GuestToHost(ctx, calls)
		}},
	}, nil
}

// batchTime is how long one measured batch of a short operation should take:
// long against the clock and a scheduler's tick, short against a noisy minute.
const batchTime = 20 * time.Millisecond

// runOps measures the short operations: nanoseconds and allocations each.
func runOps(ctx context.Context, engines []Engine, runs int, progress func(string)) (*Section, error) {
	sec := &Section{Title: "operation", Columns: names(engines), Clock: "wall time"}
	list, err := ops()
	if err != nil {
		return nil, err
	}
	for _, o := range list {
		progress(o.name)
		row, err := runOp(ctx, engines, o, runs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		sec.Rows = append(sec.Rows, row)
	}
	return sec, nil
}

func runOp(ctx context.Context, engines []Engine, o op, runs int) (*Row, error) {
	row := &Row{Name: o.name, Kind: "bar " + o.bar, Samples: samples(len(engines))}
	do := make([]func(int) error, len(engines))
	batch := make([]int, len(engines))
	allocs := make([]float64, len(engines))
	for i, e := range engines {
		var done func() error
		var err error
		if do[i], done, err = o.open(ctx, e); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		defer done()
		if batch[i], err = calibrate(do[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		if allocs[i], err = allocations(do[i], min(batch[i], 1000)); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	// Batches are short, so more of them than of a kernel's runs.
	for range 3 * runs {
		for i := range engines {
			start := time.Now()
			if err := do[i](batch[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", engines[i].Name(), err)
			}
			row.Samples[i].add(time.Since(start) / time.Duration(batch[i]))
		}
	}
	row.Note = fmt.Sprintf("bar %s; allocations", o.bar)
	for i := range engines {
		row.Note += fmt.Sprintf(" %.0f", allocs[i])
	}
	return row, nil
}

// calibrate finds the batch size that takes about batchTime. The shortest of three runs tells: one that has lost its processor for a while is no batch, and what a small batch has to
// do once would count as an operation's.
func calibrate(do func(int) error) (int, error) {
	for n := 1; ; n *= 4 {
		took := time.Duration(math.MaxInt64)
		for try := 0; try < 3 && took > batchTime/8; try++ {
			start := time.Now()
			if err := do(n); err != nil {
				return 0, err
			}
			took = min(took, time.Since(start))
		}
		if took > batchTime/8 {
			return max(1, int(float64(n)*float64(batchTime)/float64(took))), nil
		}
	}
}

// allocations counts Go heap allocations per operation. The count is of the
// whole program, so it is exact only while nothing else runs.
func allocations(do func(int) error, n int) (float64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := do(n)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n), err
}

func names(engines []Engine) []string {
	out := make([]string, len(engines))
	for i, e := range engines {
		out[i] = e.Name()
	}
	return out
}

func samples(n int) []*Sample {
	out := make([]*Sample, n)
	for i := range out {
		out[i] = new(Sample)
	}
	return out
}
