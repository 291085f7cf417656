package wasi

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

// TestForksOfWaits forks a guest in every call that waits, by its main thread or by another one, and a child of the child. The last one waits on in the same call, and gets what that is for,
// when the others are gone.
func TestForksOfWaits(t *testing.T) {
	const sleep = `
		(i32.store (i32.const 0x210) (i32.const 1)) ;; the monotonic clock
		(i64.store (i32.const 0x218) (i64.const 300000000))
		(call $check (call $poll (i32.const 0x200) (i32.const 0x300) (i32.const 1) (i32.const 0x84)))
		(i32.load16_u (i32.const 0x308))`
	const until = `
		(call $check (call $clock (i32.const 1) (i64.const 1) (i32.const 0x218)))
		(i64.store (i32.const 0x218) (i64.add (i64.load (i32.const 0x218)) (i64.const 300000000)))
		(i32.store (i32.const 0x210) (i32.const 1))
		(i32.store16 (i32.const 0x228) (i32.const 1)) ;; absolute
		(call $check (call $poll (i32.const 0x200) (i32.const 0x300) (i32.const 1) (i32.const 0x84)))
		(i32.load16_u (i32.const 0x308))`
	const futex = `(i32.shl (i32.ne (memory.atomic.wait32 (i32.const 0x50) (i32.const 0) (i64.const 300000000)) (i32.const 2)) (i32.const 5))`
	before := runtime.NumGoroutine()
	for _, thread := range []bool{false, true} {
		kinds := waitKinds(t)
		for name, waits := range map[string]string{"sleep": sleep, "sleep until": until, "futex": futex} {
			kinds[name] = func(*testing.T) waitKind { return waitKind{setup: `(i32.const 0)`, waits: waits, feed: func() {}} }
		}
		for name, kind := range kinds {
			if name == "write to a writer" {
				continue // Go code is in it, which nobody can make twice
			}
			t.Run(map[bool]string{false: "main thread: ", true: "another thread: "}[thread]+name, func(t *testing.T) {
				k := kind(t)
				if k.some {
					t.Skip("a call that has done a part of its work is not made again: a freeze waits for it")
				}
				start := `(call $waits (local.get $fd))`
				if thread {
					start = `(call $must (i32.gt_s (call $spawn (local.get $fd)) (i32.const 0)) (i32.const 100)) (call $join)`
				}
				text := threadGuest + strings.NewReplacer("%WAITS", k.waits, "%SETUP", k.setup, "%START", start).Replace(`
					(func $waits (param i32) (result i32) %WAITS)
					(func (export "_start") (local $fd i32)
						(local.set $fd (block (result i32) %SETUP))
						(call $begin)
						(call $exit (i32.add (i32.const 1) (block (result i32) %START)))))`)
				forkWait(t, k, text, thread)
			})
		}
	}
	settled(t, before)
}

func forkWait(t *testing.T, k waitKind, text string, thread bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	rt := spindle.NewRuntime()
	defer func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	}()
	m, err := rt.CompileText(ctx, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan time.Time, 1)
	nothing := spindle.Proc0(func(*spindle.Caller) {})
	p, err := Start(ctx, rt, m, k.cfg, spindle.Config{Forkable: true, Imports: spindle.Imports{ThreadModule: Threads(), "test": spindle.HostModule{
		"begin": spindle.Proc0(func(*spindle.Caller) { begun <- time.Now() }), "blocked": spindle.Proc1(func(*spindle.Caller, uint32) {}), "release": nothing, "feed": nothing,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	since := <-begun
	for range 2 {
		waits := func() bool {
			dump, err := p.ThreadDump(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(dump.Threads) == 0 {
				return false // it has left: see below
			}
			of := dump.Threads[len(dump.Threads)-1]
			return thread == (of.ID != 0) && (of.State == spindle.ThreadInHost || of.State == spindle.ThreadWaiting)
		}
		for !waits() && ctx.Err() == nil {
			select {
			case <-p.Done():
				t.Fatal("the wait is over already")
			default:
			}
			runtime.Gosched()
		}
		child, _, err := p.Fork(ctx, spindle.FreezeOptions{}, spindle.ForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		p = child
	}
	k.feed()
	err = p.Wait(ctx)
	var exit *spindle.ExitError
	if !errors.As(err, &exit) || exit.Code != 1 {
		t.Errorf("the child ended with %v", err)
	}
	if d := time.Since(since); strings.Contains(text, "300000000") && d < 300*time.Millisecond {
		t.Errorf("a wait of 0.3 s was over after %v", d)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
