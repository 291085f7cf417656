package spindle_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// treeGuest forks children that write what they are told to.
const treeGuest = `(module
	(import "host" "fork" (func $fork (result i32)))
	(import "host" "wait" (func $wait))
	(import "host" "hang" (func $hang))
	(memory (export "m") 64 200)
	(func (export "write") (param $bytes i32) (memory.fill (i32.const 0) (i32.const 7) (local.get $bytes)))
	(func (export "fork") (param $bytes i32) (result i32) (local $pid i32)
		(if (i32.eqz (local.tee $pid (call $fork))) (then
			(memory.fill (i32.const 0) (i32.const 9) (local.get $bytes))
			(call $hang)))
		(local.get $pid))
	(func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
	(func (export "wait") (call $wait)))`

type treeHost struct {
	ready chan *spindle.Process // a child has written
	end   chan struct{}
	mu    sync.Mutex
	err   error // of the last fork
}

func newTreeHost() *treeHost {
	return &treeHost{ready: make(chan *spindle.Process, 100), end: make(chan struct{})}
}

func (h *treeHost) imports() spindle.Imports {
	return spindle.Imports{"host": spindle.HostModule{
		"fork": spindle.Func0(func(c *spindle.Caller) int32 {
			pid, err := c.Fork(false, spindle.Answer{Results: []uint64{0}})
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.err = err; err != nil {
				return -1
			}
			return int32(pid)
		}),
		"wait": spindle.Proc0(func(c *spindle.Caller) {
			if _, _, err := c.WaitChild(0, true); err != nil {
				c.Fail(err)
			}
		}),
		"hang": spindle.Proc0(func(c *spindle.Caller) {
			h.ready <- c.Process()
			if c.Block(func() {
				select {
				case <-h.end:
				case <-c.Stopped():
				}
			}) == nil {
				c.Fail(&spindle.ExitError{})
			}
		}),
	}}
}

// What the Processes of a tree write is bounded together; what they share counts once, and what their original has not at all.
func TestTreePrivateBytes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system does not tell what was written")
	}
	ctx := t.Context()
	rt := checkedRuntime(t)
	mod := compileText(t, rt, treeGuest)
	const mib = 1 << 20
	for name, forked := range map[string]bool{"started": false, "forked by the embedder": true} {
		t.Run(name, func(t *testing.T) {
			h := newTreeHost()
			inst, err := rt.Instantiate(ctx, mod, spindle.Config{Name: "a", Forkable: true, Tree: spindle.TreeLimits{PrivateBytes: 5 * mib}, Imports: h.imports()})
			if err != nil {
				t.Fatal(err)
			}
			defer inst.Close()
			call := func(name string, args ...uint64) int32 {
				t.Helper()
				inst.Process().ForgetTreeCount()
				res, err := inst.Call(ctx, name, args...)
				if err != nil {
					t.Fatal(err)
				}
				if len(res) == 0 {
					return 0
				}
				return int32(res[0])
			}
			refused := func() {
				t.Helper()
				var limit *spindle.TreeLimitError
				if !errors.As(h.err, &limit) || limit.Limit != spindle.TreeLimitPrivate || limit.Max != 5*mib {
					t.Errorf("a fork beyond the limit: %v", h.err)
				}
			}
			call("write", 3*mib)
			if forked {
				p, _, err := inst.Process().Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				inst = p.Instance("a")
				call("write", 3*mib)
			}
			for k := range 20 { // children that write little: what they share counts once
				if pid := call("fork", 4096); pid <= 0 {
					t.Fatalf("fork %d: %v", k, h.err)
				}
				<-h.ready
			}
			if pid := call("fork", 3*mib); pid <= 0 {
				t.Fatal(h.err)
			}
			<-h.ready
			if pid := call("fork", 0); pid != -1 {
				t.Errorf("a fork beyond the limit gave %d", pid)
			}
			refused()
			if n := call("grow", 16); n != -1 {
				t.Errorf("a growth beyond the limit gave %d", n)
			}
			for range 21 {
				h.end <- struct{}{}
				call("wait")
			}
			if n := call("grow", 16); n != 64 {
				t.Errorf("a growth within the limit gave %d", n)
			}
			if n := call("grow", 48); n != -1 {
				t.Errorf("a growth beyond the limit gave %d", n)
			}
			if pid := call("fork", 0); pid <= 0 {
				t.Errorf("a fork within the limit: %v", h.err)
			}
			<-h.ready
		})
	}
}

// When the context is done that a guest was started with, all that it has forked ends.
func TestTreeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	rt := checkedRuntime(t)
	h := newTreeHost()
	p, err := rt.Start(ctx, compileText(t, rt, `(module
		(import "host" "fork" (func $fork (result i32)))
		(import "host" "wait" (func $wait))
		(import "host" "hang" (func $hang))
		(func (export "_start")
			(if (call $fork) (then (call $wait))) ;; three generations
			(if (call $fork) (then (call $wait)))
			(call $hang)))`), spindle.Config{Forkable: true, Imports: h.imports()})
	if err != nil {
		t.Fatal(err)
	}
	last := <-h.ready
	why := errors.New("time is up")
	cancel(why)
	if err := last.Wait(t.Context()); !errors.Is(err, why) {
		t.Errorf("the last one ended with %v", err)
	}
	if err := p.Wait(t.Context()); !errors.Is(err, why) {
		t.Errorf("the first one ended with %v", err)
	}
}
