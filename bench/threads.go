package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/spindle-wasm/spindle"
)

const (
	additions  = 1_000_000 // to one word, by all threads together
	manyGuests = 100_000   // blocked at the same time
	// One thread traps so many times, in batches, while others are busy, waiting and reading; fewer if there are fewer than 7 runs.
	trapRounds = 210
	trapBatch  = 10
)

var trapMix = [3]int{64, 64, 4}

// A batch measures one stretch of work on one side: most give one time, that of one operation. nil is a side that is not there.
type batch func(ctx context.Context) (times []time.Duration, cpu time.Duration, err error)

// takeTurns measures batches in turn, so that a slow minute of the machine falls on every side alike.
func takeTurns(ctx context.Context, rounds int, sides ...batch) ([]*Sample, error) {
	out := samples(len(sides))
	for range rounds {
		for i, measure := range sides {
			if measure == nil {
				continue
			}
			times, cpu, err := measure(ctx)
			if err != nil {
				return nil, err
			}
			out[i].Times = append(out[i].Times, times...)
			out[i].CPU = append(out[i].CPU, cpu)
		}
	}
	return out, nil
}

// threadBench is what the rows of the threads table share.
type threadBench struct {
	small, large *threadGuest // tables of few and of many entries
	peer         *peer        // nil: no C compiler
	self         string       // this program, for rows that want a new process
	runs         int
}

// runThreads measures guest threads against native ones: threads.wat against peer/threads.c.
func runThreads(ctx context.Context, runs int, filter string, progress func(string)) (*Section, error) {
	tmp, err := os.MkdirTemp("", "spindle-bench-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	b := &threadBench{runs: runs}
	var missing error
	b.peer, missing = compilePeer(ctx, tmp, "threads.c", threadsPeer)
	if b.small, err = newThreadGuest(ctx, 6); err != nil {
		return nil, err
	}
	defer b.small.Close()
	if b.large, err = newThreadGuest(ctx, 10_000); err != nil {
		return nil, err
	}
	defer b.large.Close()
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	sec := &Section{Title: "threads", Columns: []string{"spindle", "C"}, Clock: "wall time"}
	parts := []part{
		{"spawn", b.spawn},
		{"ping-pong", b.pingPong},
		{"atomic additions", b.add},
		{"trap", b.trap},
		{"blocked threads", b.blocked},
	}
	if err := sec.measure(ctx, parts, filter, progress); err != nil {
		return nil, err
	}
	if missing != nil {
		sec.Rows = append(sec.Rows, &Row{Name: "(no C)", Samples: samples(2), Note: missing.Error()})
	}
	return sec, nil
}

// guestBatch is a function of the guest, called with a number of operations that takes about batchTime.
func guestBatch(ctx context.Context, inst *spindle.Instance, name string) (batch, error) {
	do := func(n int) error {
		_, err := inst.Call(ctx, name, uint64(n))
		return err
	}
	n, err := calibrate(do)
	if err != nil {
		return nil, err
	}
	return func(context.Context) ([]time.Duration, time.Duration, error) {
		cpu, _ := cpuTime()
		start := time.Now()
		err := do(n)
		took := time.Since(start)
		after, _ := cpuTime()
		return []time.Duration{took / time.Duration(n)}, (after - cpu) / time.Duration(n), err
	}, nil
}

// short measures a function of the guest against the peer's of the same name.
func (b *threadBench) short(ctx context.Context, g *threadGuest, name string) ([]*Sample, error) {
	inst, err := g.instance(ctx)
	if err != nil {
		return nil, err
	}
	defer inst.Close()
	ours, err := guestBatch(ctx, inst, name)
	if err != nil {
		return nil, err
	}
	theirs, err := b.peer.short(ctx, name)
	if err != nil {
		return nil, err
	}
	return takeTurns(ctx, 3*b.runs, ours, theirs)
}

// cpuNote tells what the clock does not: the processor time of an operation, whatever else the machine does.
func cpuNote(s []*Sample) string {
	note := "processor time"
	for _, x := range s {
		if len(x.CPU) > 0 {
			note += " " + duration(median(x.CPU))
		}
	}
	return note
}

func (b *threadBench) spawn(ctx context.Context) (rows []*Row, err error) {
	for _, t := range []struct {
		name string
		g    *threadGuest
	}{{"spawn + join", b.small}, {"spawn + join, table of 10,000", b.large}} {
		s, err := b.short(ctx, t.g, "spawn")
		if err != nil {
			return nil, err
		}
		rows = append(rows, &Row{Name: t.name, Samples: s, Note: "bar 3 µs and 10; " + cpuNote(s)})
	}
	return rows, nil
}

func (b *threadBench) pingPong(ctx context.Context) ([]*Row, error) {
	s, err := b.short(ctx, b.small, "pingpong")
	if err != nil {
		return nil, err
	}
	return []*Row{{Name: "wait/notify round trip", Samples: s, Note: "bar 2 µs and 2; " + cpuNote(s)}}, nil
}

// add has two and eight threads do the same number of additions.
func (b *threadBench) add(ctx context.Context) ([]*Row, error) {
	inst, err := b.small.instance(ctx)
	if err != nil {
		return nil, err
	}
	defer inst.Close()
	guest := func(threads uint64) batch {
		return func(context.Context) ([]time.Duration, time.Duration, error) {
			cpu, _ := cpuTime()
			start := time.Now()
			sum, err := inst.Call(ctx, "add", threads, additions/threads)
			took := time.Since(start)
			after, _ := cpuTime()
			if err == nil && sum[0] != additions {
				err = fmt.Errorf("%d threads: the sum is %d, not %d", threads, sum[0], additions)
			}
			return []time.Duration{took}, after - cpu, err
		}
	}
	s, err := takeTurns(ctx, 3*b.runs, guest(2), b.peer.batch("add", 2, additions), guest(8), b.peer.batch("add", 8, additions))
	if err != nil {
		return nil, err
	}
	two := Row{Samples: []*Sample{s[0], s[2]}}
	return []*Row{
		{Name: "1,000,000 additions, 2 threads", Samples: s[:2], Note: cpuNote(s[:2])},
		{Name: "1,000,000 additions, 8 threads", Samples: s[2:], Note: fmt.Sprintf("%.2f of the time of 2 threads, bar 1; %s", two.ratio(1), cpuNote(s[2:]))},
	}, nil
}

// trap is the time from a trap of one thread to the end of all.
func (b *threadBench) trap(ctx context.Context) ([]*Row, error) {
	ours := func(ctx context.Context) (times []time.Duration, cpu time.Duration, err error) {
		for range trapBatch {
			took, err := b.small.trapWhile(ctx, trapMix)
			if err != nil {
				return nil, 0, err
			}
			times = append(times, took)
		}
		return times, 0, nil
	}
	s, err := takeTurns(ctx, trapRounds/trapBatch*min(b.runs, 7)/7, ours, b.peer.batch("exit", trapBatch, trapMix[0], trapMix[1], trapMix[2]))
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("bar 5 ms at p99; %d traps, p99 of them", len(s[0].Times))
	for _, x := range s {
		if len(x.Times) > 0 {
			note += " " + duration(x.percentile(99))
		}
	}
	return []*Row{{Name: fmt.Sprintf("trap beside %d busy, %d waiting, %d reading", trapMix[0], trapMix[1], trapMix[2]), Samples: s, Note: note}}, nil
}

// blocked is about many threads that wait: how much memory each takes, and how soon they have ended once they are woken. Both sides are
// new processes, whose memory holds nothing else.
func (b *threadBench) blocked(ctx context.Context) ([]*Row, error) {
	var made [2]time.Duration
	side := func(i int, exe string, args ...string) batch {
		return func(ctx context.Context) ([]time.Duration, time.Duration, error) {
			v, _, err := figures(exec.CommandContext(ctx, exe, args...))
			if err == nil && (len(v) != 3 || v[0] < 1) {
				err = fmt.Errorf("%s: figures %v", exe, v)
			}
			if err != nil {
				return nil, 0, err
			}
			made[i] = v[0]
			return []time.Duration{v[1], v[2] / v[0]}, 0, nil
		}
	}
	many := fmt.Sprint(manyGuests)
	sides := []batch{side(0, b.self, "-blocked", many), nil}
	if b.peer != nil {
		sides[1] = side(1, b.peer.exe, "blocked", many)
	}
	s, err := takeTurns(ctx, b.runs, sides...)
	if err != nil {
		return nil, err
	}
	bytes, wake := samples(2), samples(2)
	for i, x := range s {
		for pair := range slices.Chunk(x.Times, 2) {
			bytes[i].add(pair[0])
			wake[i].add(pair[1])
		}
	}
	note := fmt.Sprintf("bar 12 KiB; %d threads", made[0])
	if b.peer != nil {
		note += fmt.Sprintf(", C %d", made[1])
	}
	return []*Row{
		{Name: "blocked thread: resident", Unit: "B", Samples: bytes, Note: note},
		{Name: "blocked thread: wake and end", Samples: wake,
			Note: fmt.Sprintf("bar 2 s for %d: took %s", made[0], duration(wake[0].median()*made[0]))},
	}, nil
}
