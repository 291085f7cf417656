package wast

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wat"
)

var update = flag.Bool("update", false, "rewrite testdata/skip.txt with what fails because it waits for the GC toolkit")

// suiteDirs are the wanted parts of the official test data, with the features that they do not know: the core of the threads
// proposal's older suite has one table and one 32-bit memory only.
var suiteDirs = []struct {
	dir string
	off spindle.Features
}{
	{"spec", 0},
	{"spec/custom", 0},
	{"spec/proposals/threads", feature("multi-memory") | feature("memory64") | feature("reference-types")},
	{"threads-core", 0},
}

func feature(name string) spindle.Features {
	f, err := spindle.ParseFeature(name)
	if err != nil {
		panic(err)
	}
	return f
}

// fileTimeout is for one script; the longest takes a few seconds.
const fileTimeout = 2 * time.Minute

// TestSuite runs the official suites. What testdata/skip.txt names must fail, and for the one reason that it may name: instructions
// that wait for the GC toolkit.
func TestSuite(t *testing.T) {
	root := suiteRoot(t)
	list, err := readSkipList("testdata/skip.txt")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var candidates []skip // of -update
	passed, skipped := 0, 0
	t.Run("files", func(t *testing.T) {
		for _, d := range suiteDirs {
			files, err := filepath.Glob(filepath.Join(root, d.dir, "*.wast"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%s: no scripts (%v)", d.dir, err)
			}
			for _, file := range files {
				name := d.dir + "/" + filepath.Base(file)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					results := runFile(t, file, d.off)
					mu.Lock()
					defer mu.Unlock()
					for _, r := range results {
						at := place{name, r.Pos.Line}
						switch reason := list.take(at); {
						case r.Err == nil && reason == "":
							passed++
						case r.Err == nil && !*update:
							t.Errorf("%v passes, but testdata/skip.txt has it (%s)", at, reason)
						case NeedsGC(r.Err) && *update:
							candidates = append(candidates, skip{at, gcReason})
						case NeedsGC(r.Err) && reason == gcReason:
							skipped++
						case r.Err != nil:
							t.Errorf("%v: %v: %v", at, r.Kind, r.Err)
						}
					}
				})
			}
		}
	})
	t.Logf("%d commands passed, %d skipped", passed, skipped)
	if *update {
		if err := writeSkipList("testdata/skip.txt", candidates); err != nil {
			t.Fatal(err)
		}
		return
	}
	if flag.Lookup("test.run").Value.String() != "" {
		return // not all files ran
	}
	for _, s := range list.rest() {
		t.Errorf("testdata/skip.txt: %v: there is no such command", s.place)
	}
}

func runFile(t *testing.T, file string, off spindle.Features) (results []Result) {
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	script, err := wat.ParseScript(src)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), fileTimeout)
	defer cancel()
	Run(ctx, script, Config{Off: off, Report: func(r Result) { results = append(results, r) }})
	if err := ctx.Err(); err != nil {
		t.Errorf("not done after %v", fileTimeout)
	}
	return results
}

// suiteRoot finds the official test data, or skips the test.
func suiteRoot(t *testing.T) string {
	for _, dir := range []string{os.Getenv("SPINDLE_TESTSUITE"), "../../../shared/testsuite"} {
		if dir != "" {
			if _, err := os.Stat(filepath.Join(dir, "spec")); err == nil {
				return dir
			}
		}
	}
	t.Skip("no official test data: neither $SPINDLE_TESTSUITE nor ../shared/testsuite is there")
	return ""
}

// place is the line on which a command begins, in a file named from the test data's root.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

type skip struct {
	place
	reason string
}

// gcReason is the only reason that there may be. The test finds out by itself whether a command fails for it.
const gcReason = "needs the GC toolkit"

const skipHeader = `# Commands of the official suites that must fail for now, and why. An entry whose command passes, fails for another reason, or does
# not exist fails the test. Rewrite with: go test ./internal/wast -run TestSuite -update
`

type skipList struct{ entries map[place]*skipEntry }

type skipEntry struct {
	reason string
	taken  bool
}

func readSkipList(file string) (*skipList, error) {
	l := &skipList{entries: map[place]*skipEntry{}}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at, reason, _ := strings.Cut(line, " ")
		colon := strings.LastIndexByte(at, ':')
		p := place{}
		if colon > 0 {
			p.file = at[:colon]
			if _, err := fmt.Sscanf(at[colon+1:], "%d", &p.line); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
			}
		}
		if p.file == "" || reason != gcReason || l.entries[p] != nil {
			return nil, fmt.Errorf("%s:%d: want one file:line and %q, not %q", file, i+1, gcReason, line)
		}
		l.entries[p] = &skipEntry{reason: reason}
	}
	return l, nil
}

// take returns the reason of a place that is on the list, otherwise "".
func (l *skipList) take(p place) string {
	e := l.entries[p]
	if e == nil {
		return ""
	}
	e.taken = true
	return e.reason
}

// rest returns what was not taken.
func (l *skipList) rest() (rest []skip) {
	for p, e := range l.entries {
		if !e.taken {
			rest = append(rest, skip{p, e.reason})
		}
	}
	sortSkips(rest)
	return rest
}

func sortSkips(s []skip) {
	slices.SortFunc(s, func(a, b skip) int {
		if c := strings.Compare(a.file, b.file); c != 0 {
			return c
		}
		return a.line - b.line
	})
}

func writeSkipList(file string, s []skip) error {
	sortSkips(s)
	var b strings.Builder
	b.WriteString(skipHeader)
	for _, s := range s {
		fmt.Fprintf(&b, "%v %s\n", s.place, s.reason)
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
