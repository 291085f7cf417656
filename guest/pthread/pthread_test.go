// Package pthread_test runs the pthread layer's own tests: C and C++ programs whose modules are checked in beside their
// sources (tests/build.sh rebuilds them). Most check themselves and end with a line "ok".
package pthread_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// limit is far above what any of the programs takes.
const limit = 3 * time.Minute

// run runs a program to its end and returns what it printed. Its memory is imported, as for all programs that are built with this layer.
func run(t *testing.T, name string, args ...string) (output string, err error) {
	t.Helper()
	return runWith(t, nil, name, args...)
}

// runWith is run in a Runtime with options.
func runWith(t *testing.T, opts []spindle.Option, name string, args ...string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	rt, mod := compile(t, ctx, opts, name)
	imports := spindle.Imports{}
	for im := range mod.Imports() {
		if im.Kind != spindle.KindMemory {
			continue
		}
		mem, err := rt.NewSharedMemory(*im.Memory)
		if err != nil {
			t.Fatal(err)
		}
		defer mem.Close()
		imports[im.Module] = spindle.HostModule{im.Name: mem}
	}
	var out strings.Builder // one writer for both: calls of Write do not overlap
	p, err := wasi.Start(ctx, rt, mod, wasi.Config{Args: append([]string{name}, args...), Stdout: &out, Stderr: &out},
		spindle.Config{Imports: imports, MaxThreads: 200})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Wait(ctx)
	if ctx.Err() != nil {
		t.Fatalf("not done after %v: %v\n%s", limit, err, &out)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	return out.String(), err
}

func TestPrograms(t *testing.T) {
	sources, err := filepath.Glob(filepath.Join("tests", "*.c*"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := []string{"ends", "everywhere", "overrun", "guard", "stack", "stdio", "host", "hostlib"} // have tests of their own
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
		if slices.Contains(elsewhere, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if out, err := run(t, name); err != nil || out != "ok\n" {
				t.Errorf("ended with %v and printed %q", err, out)
			}
		})
	}
}

// Lines that eight threads print on standard output are whole, and each thread's are in order.
func TestStandardOutput(t *testing.T) {
	const threads, lines = 8, 200
	out, err := run(t, "stdio")
	out, ok := strings.CutSuffix(out, "ok\n")
	if err != nil || !ok {
		t.Fatalf("ended with %v and printed …%q", err, out[max(0, len(out)-500):])
	}
	var next [threads]int
	for line := range strings.Lines(out) {
		var who, which int
		if _, err := fmt.Sscanf(line, "thread %d line %d", &who, &which); err != nil || who < 0 || who >= threads {
			t.Fatalf("line %q", line)
		}
		if want := fmt.Sprintf("thread %d line %d%s;\n", who, next[who], strings.Repeat(".", next[who]%40)); line != want {
			t.Fatalf("line %q, want %q", line, want)
		}
		next[who]++
	}
	for who, n := range next {
		if n != lines {
			t.Errorf("thread %d printed %d lines", who, n)
		}
	}
}

// exit and trap are ways to have ended.
func exit(code uint32) func(error) bool {
	return func(err error) bool {
		var e *spindle.ExitError
		return errors.As(err, &e) && e.Code == code
	}
}

func trap(code spindle.TrapCode) func(error) bool {
	return func(err error) bool {
		var e *spindle.TrapError
		return errors.As(err, &e) && e.Code == code
	}
}

// Whoever ends the program, and however, while others are busy, waiting, asleep: that is the Process's end, and what was printed before a
// proper end has been written.
func TestEnds(t *testing.T) {
	for _, who := range []string{"main", "thread"} {
		for how, ok := range map[string]func(error) bool{
			"exit": exit(33), "_exit": exit(34), "return": exit(7),
			"abort": trap(spindle.TrapUnreachable), "trap": trap(spindle.TrapUnreachable),
			"null":   trap(spindle.TrapUninitializedElement),
			"atexit": trap(spindle.TrapUnreachable), // after main has returned
		} {
			t.Run(who+" "+how, func(t *testing.T) {
				if out, err := run(t, "ends", who, how); !ok(err) || out != "ending\n" {
					t.Errorf("ended with %v and printed %q", err, out)
				}
			})
		}
	}
}

// A thread can end the program from anywhere: with locks held, in a callback of the library, when others wait for it.
func TestEndsEverywhere(t *testing.T) {
	for _, where := range []string{"nested", "locked", "once", "key", "cleanup", "cond", "barrier", "stream", "detached", "rwlock"} {
		for how, ok := range map[string]func(error) bool{
			"exit": exit(33), "_exit": exit(34), "abort": trap(spindle.TrapUnreachable), "trap": trap(spindle.TrapUnreachable),
		} {
			t.Run(where+" "+how, func(t *testing.T) {
				if out, err := run(t, "everywhere", where, how); !ok(err) || out != "" {
					t.Errorf("ended with %v and printed %q", err, out)
				}
			})
		}
	}
}

// A thread that overruns its stack does not get away with it: under a host that watches the stack pointer and says so, nor under one that does not.
func TestOverrun(t *testing.T) {
	for _, name := range []string{"overrun", "guard"} {
		for _, opts := range [][]spindle.Option{nil, {spindle.WithoutStackCheck()}} {
			t.Run(fmt.Sprintf("%s, %d options", name, len(opts)), func(t *testing.T) {
				out, err := runWith(t, opts, name)
				var trap *spindle.TrapError
				if !errors.As(err, &trap) || strings.Contains(out, "survived") || (trap.Code == spindle.TrapStackOverrun) == (opts != nil) || trap.Thread != 1 {
					t.Errorf("ended with %v and printed %q", err, out)
				}
			})
		}
	}
}

// Stacks can be used up to their end, and the function that goes beyond it is the one that traps.
func TestStack(t *testing.T) {
	for thread, who := range []string{"main", "thread"} {
		t.Run(who+" fits", func(t *testing.T) {
			if out, err := run(t, "stack", who, "fits"); err != nil || out != "ok\n" {
				t.Errorf("ended with %v and printed %q", err, out)
			}
		})
		for how, name := range map[string]string{"recurse": "recurse", "large": "large", "alloca": "alloca_"} {
			t.Run(who+" "+how, func(t *testing.T) {
				out, err := run(t, "stack", who, how)
				var trap *spindle.TrapError
				if !errors.As(err, &trap) || trap.Code != spindle.TrapStackOverrun || trap.Thread != uint32(thread) || trap.Frames[0].Name != name || out != "" {
					t.Errorf("ended with %v and printed %q", err, out)
				}
			})
		}
	}
}
