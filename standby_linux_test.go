package spindle_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/spindle-wasm/spindle"
	"golang.org/x/sys/unix"
)

// wire is a host module of functions that tell numbers through a pipe, which goes with a guest wherever it is forked.
type wire struct {
	spindle.HostModule
	to *os.File
}

func newWire(to *os.File) *wire {
	w := &wire{to: to}
	w.HostModule = spindle.HostModule{
		"tell": spindle.Proc1(func(c *spindle.Caller, n uint64) {
			if err := w.tell(n); err != nil {
				c.Fail(err)
			}
		}),
		"time": spindle.Proc0(func(c *spindle.Caller) {
			if err := w.tell(clock()); err != nil {
				c.Fail(err)
			}
		}),
		"mix":  spindle.Func1(func(_ *spindle.Caller, n uint64) uint64 { return n*31 + 7 }),
		"fail": spindle.Proc0(func(c *spindle.Caller) { c.Fail(io.ErrUnexpectedEOF) }),
		"exit": spindle.Proc1(func(c *spindle.Caller, code uint32) { c.Fail(&spindle.ExitError{Code: code}) }),
		"pid":  spindle.Func0(func(c *spindle.Caller) uint64 { return uint64(c.Process().PID()) }),
		// It waits once, in the Process that was started: a child makes the call again.
		"wait": spindle.Proc0(func(c *spindle.Caller) {
			if c.Process().Generation() == 0 {
				c.Block(func() { <-c.Stopped() })
			}
		}).Restartable(),
		"go": spindle.Proc0(func(c *spindle.Caller) {
			if c.Process().Generation() > 0 {
				return
			}
			if err := w.tell(1); err != nil {
				c.Fail(err)
				return
			}
			c.Block(func() { <-c.Stopped() })
		}).Restartable(),
		// A fork into an OS process from within a guest: 0 in the child, otherwise the child's identifier, once it has ended.
		"nest": spindle.RawFunc(spindle.FuncType{Results: []spindle.ValueType{spindle.TypeI64}}, func(c *spindle.Caller, slots []uint64) {
			img, _, err := c.Freeze(c.Context(), spindle.FreezeOptions{}, spindle.Answer{Results: []uint64{0}})
			if err != nil {
				c.Fail(err)
				return
			}
			defer img.Close()
			child, err := img.ForkProcess(c.Context(), spindle.ProcessForkConfig{})
			if err == nil {
				err = child.Wait(c.Context())
			}
			if err != nil {
				c.Fail(err)
				return
			}
			slots[0] = uint64(child.GuestPID())
		}),
		"hang": spindle.Proc0(func(c *spindle.Caller) { c.Block(func() { <-c.Stopped() }) }).Restartable(),
	}
	return w
}

func (w *wire) tell(n uint64) error {
	_, err := w.to.Write(binary.LittleEndian.AppendUint64(nil, n))
	return err
}

// clock is the same in all processes.
func clock() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return uint64(ts.Nano())
}

func (w *wire) Freeze(*spindle.Process) (spindle.FrozenModule, error) { return w, nil }

func (w *wire) Fork(_ *spindle.Process, opts any) (spindle.ImportModule, error) {
	if p, ok := opts.(*spindle.Passed); ok {
		if len(p.Files) != 1 {
			return nil, errors.Join(errors.New("a wire has one file"), p.Close())
		}
		return newWire(p.Files[0]), nil
	}
	return newWire(w.to), nil
}

func (w *wire) Close() error { return nil }

func (w *wire) Pass() (*spindle.Passed, error) {
	fd, err := unix.FcntlInt(w.to.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &spindle.Passed{Files: []*os.File{os.NewFile(uintptr(fd), "wire")}}, nil
}

func (w *wire) OpenPassed(p *spindle.Passed) (spindle.FrozenModule, error) {
	if len(p.Files) != 1 {
		return nil, errors.Join(errors.New("a wire has one file"), p.Close())
	}
	return newWire(p.Files[0]), nil
}

// standbyHost is what the test's standby processes supply.
var standbyHost = spindle.StandbyHost{
	Imports: func(name string, mods []*spindle.Module) (spindle.Imports, error) {
		switch name {
		case "refuse":
			return nil, errors.New("no imports for this one")
		case "nothing":
			return nil, nil
		}
		w := newWire(nil)
		return spindle.Imports{"wire": w, "host": w, "wasi": threadSpawn()}, nil
	},
	Before: func(p *spindle.Process) error {
		if p.Instance("veto") != nil {
			return errors.New("vetoed")
		}
		return nil
	},
}

func TestMain(m *testing.M) {
	if os.Getenv("SPINDLE_TEST_NO_STANDBY") == "" {
		spindle.ServeStandby(standbyHost)
	}
	if os.Getenv("SPINDLE_TEST_PARENT") != "" {
		os.Exit(parentOfTest())
	}
	os.Exit(m.Run())
}

// listener reads what a wire tells.
type listener struct{ r *os.File }

func listenTo(t testing.TB) (*listener, *wire) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return &listener{r}, newWire(w)
}

func (l *listener) next(t testing.TB) uint64 {
	t.Helper()
	var b [8]byte
	if _, err := io.ReadFull(l.r, b[:]); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(b[:])
}

// frozenGuest starts a guest, which tells 1 and then calls wire.wait, and freezes it between the two.
func frozenGuest(t testing.TB, l *listener, w *wire, rt *spindle.Runtime, src string, cfg spindle.Config, opts spindle.FreezeOptions) *spindle.Image {
	t.Helper()
	cfg.Forkable, cfg.Imports = true, spindle.Imports{"wire": w, "host": w, "wasi": threadSpawn()}
	p, err := rt.Start(context.Background(), compileText(t, rt, src), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if n := l.next(t); n != 1 {
		t.Fatalf("the guest tells %d", n)
	}
	img, _, err := p.Freeze(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		img.Close()
		p.Close()
	})
	return img
}

func leakFree(t testing.TB) *spindle.Runtime { return checkedRuntime(t) }

func TestForkProcess(t *testing.T) {
	ctx := t.Context()
	l, w := listenTo(t)
	rt := leakFree(t)
	img := frozenGuest(t, l, w, rt, `(module
		(import "wire" "tell" (func $tell (param i64)))
		(import "wire" "wait" (func $wait))
		(import "wire" "pid" (func $pid (result i64)))
		(memory 2)
		(func (export "_start")
			(i64.store (i32.const 70000) (i64.const 41))
			(call $tell (i64.const 1))
			(call $wait)
			(call $tell (i64.add (i64.load (i32.const 70000)) (i64.const 1)))
			(call $tell (call $pid))))`, spindle.Config{}, spindle.FreezeOptions{})
	seen := map[uint64]bool{}
	for range 3 {
		c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if n := l.next(t); n != 42 {
			t.Fatal(n)
		}
		pid := l.next(t)
		if err := c.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if seen[pid] || pid != uint64(c.GuestPID()) {
			t.Errorf("pid %d, %d", pid, c.GuestPID())
		}
		seen[pid] = true
	}
}
