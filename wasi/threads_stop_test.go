package wasi

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

// settled waits until no more goroutines run than before, and complains if some never end.
func settled(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		runtime.Gosched() // they are about to end
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// TestStopUnderThreads has three threads wait in the same way, and the guest end in every way.
func TestStopUnderThreads(t *testing.T) {
	const start = `
		(func $waits (param i32) (result i32) %WAITS)
		(func (export "_start") (local $fd i32)
			(local.set $fd (block (result i32) %SETUP))
			(call $begin)
			(call $must (i32.gt_s (call $spawn (local.get $fd)) (i32.const 0)) (i32.const 100))
			(call $must (i32.gt_s (call $spawn (local.get $fd)) (i32.const 0)) (i32.const 100))
			(call $must (i32.gt_s (call $spawn (local.get $fd)) (i32.const 0)) (i32.const 100))
			(call $blocked (i32.const 3))
			(call $feed)
			%ACTION))`
	why := errors.New("enough")
	interrupted := func(cause error) func(error) bool {
		return func(err error) bool {
			var trap *spindle.TrapError
			return errors.As(err, &trap) && trap.Code == spindle.TrapInterrupted && errors.Is(err, cause)
		}
	}
	before := runtime.NumGoroutine()
	for what, a := range map[string]struct {
		action string
		end    func(p *spindle.Process, cancel context.CancelCauseFunc)
		ok     func(error) bool
	}{
		"exit": {`(call $exit (i32.const 7))`, nil, func(err error) bool {
			var e *spindle.ExitError
			return errors.As(err, &e) && e.Code == 7
		}},
		"trap": {`unreachable`, nil, func(err error) bool {
			var trap *spindle.TrapError
			return errors.As(err, &trap) && trap.Code == spindle.TrapUnreachable
		}},
		"return": {``, nil, func(err error) bool { return err == nil }},
		"cancel": {`(drop (call $join))`, func(_ *spindle.Process, cancel context.CancelCauseFunc) { cancel(why) }, interrupted(why)},
		"close":  {`(drop (call $join))`, func(p *spindle.Process, _ context.CancelCauseFunc) { p.Close() }, interrupted(spindle.ErrClosed)},
	} {
		t.Run(what, func(t *testing.T) {
			kinds := waitKinds(t)
			kinds["sleep"] = func(t *testing.T) waitKind {
				return waitKind{setup: `(i32.const 0)`, waits: `
					(i64.store (i32.const 0x218) (i64.const -1))
					(call $poll (i32.const 0x200) (i32.const 0x300) (i32.const 1) (i32.const 0x84))`}
			}
			kinds["poll of everything"] = func(t *testing.T) waitKind {
				r, _ := readerKind(t)
				return waitKind{cfg: Config{Stdin: r, Listeners: []net.Listener{listen(t, "host"), listen(t, "generic")}}, setup: `(i32.const 0)`, waits: `
					(i64.store (i32.const 0x218) (i64.const -1))
					(i32.store8 (i32.const 0x238) (i32.const 1))
					(i32.store8 (i32.const 0x268) (i32.const 1)) (i32.store (i32.const 0x270) (i32.const 3))
					(i32.store8 (i32.const 0x298) (i32.const 1)) (i32.store (i32.const 0x2a0) (i32.const 4))
					(call $poll (i32.const 0x200) (i32.const 0x300) (i32.const 4) (i32.const 0x84))`}
			}
			for name, kind := range kinds {
				t.Run(name, func(t *testing.T) {
					k := kind(t)
					text := threadGuest + strings.NewReplacer("%WAITS", k.waits, "%SETUP", k.setup, "%ACTION", a.action).Replace(start)
					rt := spindle.NewRuntime()
					defer rt.Close()
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					there := make(chan struct{})
					p := startThreads(ctx, t, rt, newSpy(t, k.cfg), text, func() { close(there) })
					<-there
					if a.end != nil {
						a.end(p, cancel)
					}
					if err := p.Wait(t.Context()); !a.ok(err) {
						t.Errorf("ended with %v", err)
					}
					if err := p.Close(); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
	settled(t, before)
}
