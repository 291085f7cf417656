package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/dump"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/trace"
)

func main() {
	var cfg Config
	flag.StringVar(&cfg.Plan, "plan", gc.DefaultPlan, "how to collect: "+strings.Join(gc.Plans(), ", "))
	size := flag.String("heap", "64M", "the largest heap")
	flag.IntVar(&cfg.Workers, "workers", 0, "GC workers; 0: one for each processor")
	flag.IntVar(&cfg.Stress, "stress", 0, "collect at every so many allocations of a thread")
	flag.IntVar(&cfg.Zeal, "zeal", 0, "collect at every so many steps of a thread")
	flag.BoolVar(&cfg.Sanity, "sanity", false, "check the heap before and after each collection")
	flag.BoolVar(&cfg.Poison, "poison", false, "fill free memory with a pattern")
	source := flag.String("e", "", "a program in place of files; without either, lines are read and evaluated")
	stats := flag.Bool("stats", false, "tell of each collection, and at the end of all of them and of what is alive")
	traceTo := flag.String("trace", "", "a file for a timeline of collections, to be opened in Perfetto")
	flag.Parse()

	var err error
	if cfg.MaxBytes, err = bytes(*size); err != nil {
		exit(err)
	}
	cfg.Out = os.Stdout
	closeTrace := func() error { return nil }
	if *traceTo != "" {
		f, err := os.Create(*traceTo)
		if err != nil {
			exit(err)
		}
		cfg.Trace = trace.New(f)
		closeTrace = func() error { return errors.Join(cfg.Trace.Close(), f.Close()) }
	}
	var all summary
	cfg.Stats = func(c gc.Collection) {
		all.add(c)
		if *stats {
			fmt.Fprintln(os.Stderr, line(c))
		}
	}
	v, err := New(cfg)
	if err != nil {
		exit(err)
	}
	err = v.run(*source, flag.Args())
	if *stats {
		err = errors.Join(err, v.census(os.Stderr))
	}
	err = errors.Join(err, v.Close(), closeTrace())
	if *stats {
		fmt.Fprintln(os.Stderr, all)
	}
	if err != nil {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// run evaluates a program, files, or what is typed.
func (v *VM) run(source string, files []string) error {
	t := v.NewThread()
	defer t.Exit()
	if source != "" {
		_, err := t.Eval(source)
		return err
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := t.Eval(string(src)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(files) > 0 {
		return nil
	}
	return t.repl(os.Stdin, os.Stdout)
}

// repl evaluates each line that is typed. While it waits for one, the thread stands.
func (t *Thread) repl(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for {
		more := false
		t.v.Block(t, func() {
			fmt.Fprint(out, "> ")
			more = lines.Scan()
		})
		if !more {
			fmt.Fprintln(out)
			return lines.Err()
		}
		if val, err := t.Eval(lines.Text()); err != nil {
			fmt.Fprintln(out, err)
		} else if val != void {
			fmt.Fprintln(out, t.show(val))
		}
	}
}

// census tells how many objects of each type are alive.
func (v *VM) census(out io.Writer) error {
	return v.heap.Inspect(nil, func(view *plan.View) {
		for _, c := range dump.Census(view) {
			fmt.Fprintf(out, "%8d %-14s %8d bytes\n", c.Count, c.Name, c.Bytes)
		}
	})
}

// bytes reads a size: a number, and K, M or G.
func bytes(s string) (int64, error) {
	unit := int64(1)
	if i := strings.IndexAny(s, "KMG"); i == len(s)-1 && i > 0 {
		unit = 1 << (10 * (1 + strings.IndexByte("KMG", s[i])))
		s = s[:i]
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("heap: %w", err)
	}
	return n * unit, nil
}

// summary sums up collections. Nobody adds to it at the same time.
type summary struct {
	full, young    int
	pause, longest time.Duration
}

func (s *summary) add(c gc.Collection) {
	if c.Full {
		s.full++
	} else {
		s.young++
	}
	s.pause += c.Pause
	s.longest = max(s.longest, c.Pause)
}

func (s summary) String() string {
	return fmt.Sprintf("%d collections of the young, %d of the heap; pauses %v together, %v the longest", s.young, s.full, s.pause, s.longest)
}

func line(c gc.Collection) string {
	what := "young"
	if c.Full {
		what = "full"
	}
	return fmt.Sprintf("gc %d %s: pause %v, %d objects of %d bytes alive, %d KiB before, %d KiB after",
		c.Number, what, c.Pause, c.Objects, c.Bytes, c.Before<<(heap.LogBlock-10), c.After<<(heap.LogBlock-10))
}
