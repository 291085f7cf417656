package spindle_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"regexp"
	"runtime/pprof"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// labelled counts the goroutines by the labels that Go's goroutine profile shows, of those that have labels.
func labelled(t testing.TB) map[string]int {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^(\d+) @.*\n# labels: (.*)$`).FindAllSubmatch(b.Bytes(), -1) {
		var n int
		if _, err := fmt.Sscan(string(m[1]), &n); err != nil {
			t.Fatal(err)
		}
		counts[string(m[2])] += n
	}
	return counts
}

// waiters is a program with three threads that wait for ever, beside its caller.
const waiters = `(module
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(import "env" "there" (func $there))
	(memory 1 1 shared)
	(func $wait (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
	(func (export "wasi_thread_start") (param i32 i32) (call $there) (call $wait))
	(func $run (export "run") (drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0))) (drop (call $spawn (i32.const 0))) (call $there))
	(func (export "_start") (call $run) (call $wait)))`

func TestProfileLabels(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, waiters)
	there, inside := make(chan struct{}), make(chan map[string]int, 1)
	host := spindle.HostModule{"there": spindle.Proc0(func(c *spindle.Caller) {
		if c.Thread() != 0 {
			there <- struct{}{}
			return
		}
		for range 3 {
			<-there
		}
		inside <- labelled(t) // on the goroutine of the call
	})}
	const request, process = `{"request":"7"}`, `{"spindle.process":"app"}`
	thread := func(tid int) string { return fmt.Sprintf(`{"spindle.process":"app", "spindle.thread":"%d"}`, tid) }
	for _, c := range []struct {
		what     string
		name     string
		threads  bool
		start    bool // Start, else a call by the test's goroutine
		request  bool // in a context with a label
		expected map[string]int
	}{
		{"process", "app", false, true, false, map[string]int{process: 4}},
		{"threads", "app", true, true, false, map[string]int{thread(0): 1, thread(1): 1, thread(2): 1, thread(3): 1}},
		{"no name", "", false, true, false, map[string]int{}},
		{"no name, labelled context", "", false, true, true, map[string]int{request: 5}}, // the test's own goroutine, too
		{"labelled context", "app", false, true, true, map[string]int{request: 1, `{"request":"7", "spindle.process":"app"}`: 4}},
		// The goroutine of a call keeps its labels, and threads are not labelled with those of the call that spawned them.
		{"call", "app", true, false, false, map[string]int{thread(1): 1, thread(2): 1, thread(3): 1}},
		{"call in labelled context", "app", false, false, true, map[string]int{request: 1, process: 3}},
		{"call in labelled context, no name", "", false, false, true, map[string]int{request: 1}},
	} {
		t.Run(c.what, func(t *testing.T) {
			eventually(t, "no goroutine left of the test before", func() bool { return len(labelled(t)) == 0 })
			check := func(when string, got map[string]int) {
				if !maps.Equal(got, c.expected) {
					t.Errorf("%s: labels %v, want %v", when, got, c.expected)
				}
			}
			run := func(ctx context.Context) {
				cfg := spindle.Config{Name: c.name, ThreadLabels: c.threads, Imports: spindle.Imports{"wasi": wasi.Threads(), "env": host}}
				var p *spindle.Process
				var err error
				if c.start {
					if p, err = rt.Start(ctx, mod, cfg); err != nil {
						t.Error(err)
						return
					}
				} else {
					var inst *spindle.Instance
					if inst, err = rt.Instantiate(ctx, mod, cfg); err == nil {
						p = inst.Process()
						_, err = inst.Call(ctx, "run")
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
				check("during the call", <-inside)
				check("afterwards", labelled(t))
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
			if c.request {
				pprof.Do(context.Background(), pprof.Labels("request", "7"), run)
			} else {
				run(context.Background())
			}
		})
	}
}

func BenchmarkSpawnAndJoinLabelled(b *testing.B) {
	for _, perThread := range []bool{false, true} {
		b.Run(fmt.Sprintf("threads=%t", perThread), func(b *testing.B) {
			rt := newRuntime(b)
			inst := mustInstantiate(b, rt, fmt.Sprintf(spawnLoop, 1), spindle.Config{Name: "app", ThreadLabels: perThread, Imports: spindle.Imports{"wasi": wasi.Threads()}})
			f, err := inst.Func("run")
			if err != nil {
				b.Fatal(err)
			}
			const n = 1000
			for b.Loop() {
				if err := f.CallSlots(context.Background(), []uint64{n}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/thread")
		})
	}
}
