package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/tetratelabs/wazero"
)

type options struct {
	kernelDir string
	runs      int
	filter    string
	sections  string
	compiler  bool
	json, md  string
	spindle   string
	wazero    string
	minRatio  float64
	minMean   float64
	profile   string
	wall      bool
	blocked   int
	children  string
	gcGuest   string
	gc        gcOptions
}

func main() {
	serveStandby()
	var o options
	flag.StringVar(&o.kernelDir, "kernels", "", "read the kernels' .wasm files from this directory (default: the built-in ones)")
	flag.IntVar(&o.runs, "runs", 7, "counted runs of each kernel on each engine")
	flag.StringVar(&o.filter, "filter", "", "only kernels whose name or kind, and thread and fork figures and guests with objects whose name, contains one of these comma-separated words")
	flag.StringVar(&o.sections, "sections", "kernels,operations,programs", "which tables to make: these, threads, fork, gc and gcguests")
	flag.BoolVar(&o.compiler, "compiler", false, "add a column with wazero's compiler")
	flag.StringVar(&o.json, "json", "", "also write all figures as JSON to this file")
	flag.StringVar(&o.md, "md", "", "also write the tables as Markdown to this file")
	flag.StringVar(&o.spindle, "spindle", "", "the spindle command for whole-process rows (default: built from this tree)")
	flag.StringVar(&o.wazero, "wazero", "", "wazero's command for whole-process rows (default: built from this module's dependency)")
	flag.Float64Var(&o.minRatio, "min", 0, "fail if a kernel's ratio to wazero's interpreter is below this")
	flag.Float64Var(&o.minMean, "min-mean", 0, "fail if the kernels' geometric mean is below this")
	flag.BoolVar(&o.wall, "wall", false, "measure kernels and guests with objects by the clock instead of the processor time used")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the whole run to this file")
	flag.IntVar(&o.blocked, "blocked", 0, "only block so many guest threads, and print their number, the resident bytes of each, and the nanoseconds until all were woken and gone")
	flag.StringVar(&o.children, "children", "", "N,MIB: only make so many idle children of a guest of that size, and print their number, the private bytes of each, the nanoseconds until all were there and until all were gone, and the bytes of page tables")
	flag.StringVar(&o.gc.plan, "gc", "", "our plan for guests with objects (default: "+spindle.DefaultGCPlan+")")
	flag.IntVar(&o.gc.heap, "gc-heap", 0, "MiB of heap for guests with objects, for V8 as well (default: each engine's)")
	flag.StringVar(&o.gcGuest, "gcguest", "", "only make the calls that the standard input has, as JSON, in this module, and print their results")
	flag.Parse()
	if flag.NArg() > 0 || o.runs < 1 || o.blocked < 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, o options, out io.Writer) error {
	if o.blocked > 0 {
		f, err := blockGuests(ctx, o.blocked)
		if err == nil {
			fmt.Fprintln(out, f)
		}
		return err
	}
	if o.children != "" {
		n, mib, err := parseChildren(o.children)
		if err != nil {
			return err
		}
		line, err := idleChildren(ctx, n, mib)
		if err == nil {
			fmt.Fprintln(out, line)
		}
		return err
	}
	if o.gcGuest != "" {
		return gcGuest(ctx, o.gc, o.gcGuest, os.Stdin, out)
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	// Guests run under a context that cannot be cancelled: a call with one that
	// can has more to do here, and no effect in wazero as it is set up.
	guests := context.Background()
	engines := contestants(guests, o.compiler)
	defer func() {
		for _, e := range engines {
			e.Close(guests)
		}
	}()
	report := &Report{Machine: machine()}
	progress := func(what string) { fmt.Fprintln(os.Stderr, "bench:", what) }
	for name := range strings.SplitSeq(o.sections, ",") {
		var sec *Section
		var err error
		switch name {
		case "kernels":
			var list []Kernel
			if list, err = selectKernels(o.filter); err != nil {
				return err
			}
			sec, err = runKernels(guests, engines, list, o.kernelDir, o.runs, newStopwatch(o.wall), progress)
		case "operations":
			sec, err = runOps(guests, engines, o.runs, progress)
		case "programs":
			sec, err = runPrograms(ctx, o, progress)
		case "threads":
			sec, err = runThreads(guests, o.runs, o.filter, progress)
		case "fork":
			sec, err = runFork(guests, fullFork, o.runs, o.filter, progress)
		case "gc":
			sec, err = runToolkit(ctx, toolkitBench{runs: o.runs, filter: o.filter, objects: 4 << 20, many: 24 << 20, nursery: 32 << 20}, progress)
		case "gcguests":
			sec, err = runGC(guests, o, progress)
		default:
			err = fmt.Errorf("no section %q", name)
		}
		if err != nil {
			return err
		}
		report.Sections = append(report.Sections, sec)
	}
	report.writeText(out)
	return errors.Join(
		writeFile(o.json, report.writeJSON),
		writeFile(o.md, func(w io.Writer) error { report.writeMarkdown(w); return nil }),
		report.check(o.minRatio, o.minMean))
}

// contestants has ours first and the one that ratios refer to second.
func contestants(ctx context.Context, compiler bool) []Engine {
	list := []Engine{newSpindle(), newWazero(ctx, "wazero-int", wazero.NewRuntimeConfigInterpreter())}
	if compiler {
		list = append(list, newWazero(ctx, "wazero-comp", wazero.NewRuntimeConfigCompiler()))
	}
	return list
}

// check holds the kernels' ratios against the limits given.
func (r *Report) check(minRatio, minMean float64) error {
	var errs []error
	for _, s := range r.Sections {
		if !s.Geomean {
			continue
		}
		for _, row := range s.Rows {
			if x := row.ratio(1); x < minRatio {
				errs = append(errs, fmt.Errorf("%s: ratio %.2f is below %.2f", row.Name, x, minRatio))
			}
		}
		if g, _ := s.geomean(1); g < minMean {
			errs = append(errs, fmt.Errorf("geometric mean %.2f is below %.2f", g, minMean))
		}
	}
	return errors.Join(errs...)
}

// writeFile does nothing for an empty name.
func writeFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
