package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// endsWhats are what testdata/threads/ends.wat lets other threads do.
var endsWhats = []string{
	"busy", "calls", "bulk", "waiting", "polling", "pollin", "reading", "yielding", "spawning", "starting", "startbusy", "host",
}

// endsHows are the ways of testdata/threads/ends.wat to end, with what Wait must return if thread tid does it.
var endsHows = map[string]func(err error, tid uint32) bool{
	"exit":     func(err error, _ uint32) bool { return exited(err, 99) },
	"zero":     func(err error, _ uint32) bool { return err == nil },
	"return":   func(err error, tid uint32) bool { return tid == 0 && err == nil || tid != 0 && exited(err, 7) },
	"trap":     func(err error, tid uint32) bool { return trapped(err, spindle.TrapUnreachable, tid) },
	"exhaust":  func(err error, tid uint32) bool { return trapped(err, spindle.TrapStackExhausted, tid) },
	"indirect": func(err error, tid uint32) bool { return trapped(err, spindle.TrapTableOutOfBounds, tid) },
	"throw": func(err error, _ uint32) bool {
		var e *spindle.ExceptionError
		return errors.As(err, &e) && len(e.Fields()) == 1 && e.Fields()[0] == 5 && len(e.Backtrace()) > 0
	},
}

func exited(err error, code uint32) bool {
	var e *spindle.ExitError
	return errors.As(err, &e) && e.Code == code
}

func trapped(err error, code spindle.TrapCode, tid uint32) bool {
	var e *spindle.TrapError
	return errors.As(err, &e) && e.Code == code && e.Thread == tid && len(e.Frames) > 0
}

// endsModule compiles testdata/threads/ends.wat with a host function that waits for the end of its context.
func endsModule(t *testing.T, rt *spindle.Runtime) (*spindle.Module, spindle.Imports) {
	t.Helper()
	text, err := os.ReadFile("testdata/threads/ends.wat")
	if err != nil {
		t.Fatal(err)
	}
	const place = `(func $host (unreachable))`
	if !strings.Contains(string(text), place) {
		t.Fatalf("no %s in ends.wat", place)
	}
	mod := mustCompile(t, rt, strings.Replace(string(text), place, `(func $host (import "test" "host"))`, 1))
	var n int
	var mu sync.Mutex
	host := spindle.Proc0(func(c *spindle.Caller) {
		mu.Lock()
		n++
		block := n%2 == 0
		mu.Unlock()
		if block {
			if err := c.Block(func() { <-c.Stopped() }); err == nil {
				t.Error("Block returns no error though the guest is to stop")
			}
		} else {
			<-c.Context().Done()
		}
		if c.Context().Err() == nil || context.Cause(c.Context()) == nil {
			t.Error("a context that is done has no error")
		}
		if _, err := c.SpawnThread(3); !errors.Is(err, spindle.ErrEnding) {
			t.Errorf("a spawn in a Process that ends: %v, want ErrEnding", err)
		}
		c.Fail(&spindle.ExitError{Code: 13}) // too late: there is a cause
	})
	return mod, spindle.Imports{"test": spindle.HostModule{"host": host}}
}

// startEnds starts the program with a standard input that never has anything.
func startEnds(t *testing.T, ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, imports spindle.Imports, stdout io.Writer, args ...string) *spindle.Process {
	t.Helper()
	stdin, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	p, err := wasi.Start(ctx, rt, mod, wasi.Config{Args: append([]string{"ends"}, args...), Stdin: stdin, Stdout: stdout},
		spindle.Config{Imports: imports, MaxThreads: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// Whatever threads are at, an end by any of them ends all, and its cause is the Process's.
func TestAnyThreadEndsAll(t *testing.T) {
	rt := newRuntime(t)
	mod, imports := endsModule(t, rt)
	for tid, who := range []string{"main", "thread"} {
		for how, ok := range endsHows {
			if testing.Short() && (how == "zero" || how == "exhaust" || how == "indirect") {
				continue
			}
			for _, what := range endsWhats {
				t.Run(fmt.Sprintf("%s %s while others are %s", who, how, what), func(t *testing.T) {
					p := startEnds(t, t.Context(), rt, mod, imports, nil, who, how, what)
					if err := p.Wait(t.Context()); !ok(err, uint32(tid)) {
						t.Errorf("ended with %v", err)
					}
				})
			}
		}
	}
}

// The embedder ends it: by the context of Start, by a deadline, or by Close.
func TestEmbedderEndsAllThreads(t *testing.T) {
	rt := newRuntime(t)
	mod, imports := endsModule(t, rt)
	enough := errors.New("enough")
	for _, what := range endsWhats {
		for how, cause := range map[string]error{"cancel": enough, "close": spindle.ErrClosed, "runtime": spindle.ErrClosed} {
			t.Run(how+" while they are "+what, func(t *testing.T) {
				rt, mod := rt, mod
				if how == "runtime" {
					rt = spindle.NewRuntime()
					mod, imports = endsModule(t, rt)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				there := make(signalWriter)
				p := startEnds(t, ctx, rt, mod, imports, there, "nobody", "exit", what)
				select {
				case <-there:
				case <-p.Done():
					t.Fatalf("ended before all threads were there: %v", p.Wait(t.Context()))
				}
				switch how {
				case "cancel":
					cancel(enough)
				case "close":
					if err := p.Close(); err != nil {
						t.Error(err)
					}
				case "runtime":
					if err := rt.Close(); err != nil {
						t.Error(err)
					}
				}
				err := p.Wait(t.Context())
				var trap *spindle.TrapError
				if !errors.As(err, &trap) || trap.Code != spindle.TrapInterrupted || !errors.Is(err, cause) {
					t.Errorf("ended with %v, want an interruption by %v", err, cause)
				} else if how == "cancel" && len(trap.Frames) == 0 {
					t.Errorf("ended with %v, without a backtrace of the main thread", err)
				}
			})
		}
	}
}

// signalWriter is closed by the first Write.
type signalWriter chan struct{}

func (s signalWriter) Write(b []byte) (int, error) {
	close(s)
	return len(b), nil
}
