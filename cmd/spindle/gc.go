package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/spindle-wasm/spindle"
)

// gcFlags are the flags for the guest's garbage-collected heap.
type gcFlags struct {
	plan    string
	heap    sizeFlag
	workers int
	stats   bool
	trace   string
	flags   *pflag.FlagSet
}

func (f *gcFlags) add(cmd *cobra.Command, flags *pflag.FlagSet) {
	f.addHeap(cmd, flags)
	flags.BoolVar(&f.stats, "gc-stats", false, "print to standard error, at the end, what the collector did")
	flags.StringVar(&f.trace, "gc-trace", "", "write each collection to `FILE`, for ui.perfetto.dev")
}

// addHeap adds those that say what heap there is.
func (f *gcFlags) addHeap(cmd *cobra.Command, flags *pflag.FlagSet) {
	f.flags = flags
	flags.StringVar(&f.plan, "gc", spindle.DefaultGCPlan, "collect garbage by this `PLAN`: "+strings.Join(spindle.GCPlans(), ", "))
	flags.Var(&f.heap, "gc-heap", "largest `SIZE` of the garbage-collected heap, up to 4GiB (256MiB if not given)")
	flags.IntVar(&f.workers, "gc-workers", 0, "collect with `N` threads of execution (0: one for each processor)")
	_ = cmd.RegisterFlagCompletionFunc("gc", cobra.FixedCompletions(spindle.GCPlans(), cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"gc-heap", "gc-workers"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// maxHeap is what 32-bit references reach.
const maxHeap = 4 << 30

func (f *gcFlags) check() error {
	switch {
	case !slices.Contains(spindle.GCPlans(), strings.ToLower(f.plan)):
		return usagef("--gc: there is no plan %q, but %s", f.plan, strings.Join(spindle.GCPlans(), ", "))
	case f.heap > maxHeap:
		return usagef("--gc-heap %v is more than 4 GiB", &f.heap)
	case f.workers < 0:
		return usagef("--gc-workers %d is negative", f.workers)
	}
	return nil
}

// checkSnapshot refuses what a heap out of a file cannot have any more.
func (f *gcFlags) checkSnapshot() error {
	if f.flags.Changed("gc") {
		return usagef("--gc is not for a snapshot: its heap goes on under the plan that it was made with")
	}
	if f.trace != "" {
		return usagef("--gc-trace is not for a snapshot")
	}
	f.plan = ""
	return nil
}

func (f *gcFlags) heapConfig() spindle.GCConfig {
	return spindle.GCConfig{Plan: f.plan, HeapBytes: int64(f.heap), Workers: f.workers}
}

// config opens the trace's file. done ends the Process, writes what was asked for to w, and reports what of that failed; it must be called
// when the guest has ended. Until then p is to be set, if there is a Process.
func (f *gcFlags) config(w io.Writer, p **spindle.Process) (cfg spindle.GCConfig, done func() error, err error) {
	cfg = f.heapConfig()
	var file *os.File
	if f.trace != "" {
		if file, err = os.Create(f.trace); err != nil {
			return cfg, nil, fmt.Errorf("--gc-trace: %w", err)
		}
		cfg.Trace = file
	}
	return cfg, func() error {
		if *p != nil {
			if f.stats {
				writeGCStats(w, *p)
			}
			if file != nil {
				err = (*p).Close()
			}
		}
		if file != nil {
			if err = errors.Join(err, file.Close()); err != nil {
				return fmt.Errorf("--gc-trace: %w", err)
			}
		}
		return nil
	}, nil
}

func writeGCStats(w io.Writer, p *spindle.Process) {
	s, ok := p.GCStats()
	if !ok {
		fmt.Fprintln(w, "gc: no heap: the program has no structs or arrays")
		return
	}
	fmt.Fprintf(w, "gc: plan %s, heap of at most %s\n", s.Plan, formatSize(uint64(s.MaxBytes)))
	fmt.Fprintf(w, "gc: %d collections, %d of the whole heap\n", s.Collections, s.Full)
	fmt.Fprintf(w, "gc: %v in pauses, %v in the longest one; %v of it until all threads stood\n", round(s.Stop+s.Pause), round(s.MaxPause), round(s.Stop))
	fmt.Fprintf(w, "gc: %s in use at the end, %s at most", formatSize(uint64(s.InUse)), formatSize(uint64(s.Peak)))
	if s.Full > 0 {
		fmt.Fprintf(w, "; the last collection of the whole heap left %d objects of %s", s.Objects, formatSize(s.Bytes))
	}
	fmt.Fprintln(w)
}

func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
