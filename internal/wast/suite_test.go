package wast

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wat"
)

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

// TestSuite runs the official suites: every command does what its script expects.
func TestSuite(t *testing.T) {
	root := suiteRoot(t)
	var passed atomic.Int64
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
					for _, r := range runFile(t, file, d.off) {
						if r.Err != nil {
							t.Errorf("%s:%d: %v: %v", name, r.Pos.Line, r.Kind, r.Err)
							continue
						}
						passed.Add(1)
					}
				})
			}
		}
	})
	t.Logf("%d commands passed", passed.Load())
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
