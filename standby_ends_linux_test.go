package spindle_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// endsGuest tells 1, waits (frozenGuest), and does what is filled in.
const endsGuest = `(module
	(import "wire" "tell" (func $tell (param i64)))
	(import "wire" "wait" (func $wait))
	(import "wire" "exit" (func $exit (param i32)))
	(import "wire" "fail" (func $fail))
	(import "wire" "hang" (func $hang))
	(tag $e (param i32))
	(memory 1)
	(func $inner unreachable)
	(func (export "_start")
		(call $tell (i64.const 1))
		(call $wait)
		%s))`

// How a guest ends comes back as it does from a child in this process, error type by error type.
func TestForkProcessEnds(t *testing.T) {
	ctx := t.Context()
	for body, check := range map[string]func(here, there error) bool{
		``:                           func(here, there error) bool { return here == nil && there == nil },
		`(call $exit (i32.const 0))`: func(here, there error) bool { return here == nil && there == nil },
		`(call $exit (i32.const 300))`: func(here, there error) bool {
			var a, b *spindle.ExitError
			return errors.As(here, &a) && errors.As(there, &b) && *a == *b && a.Code == 300
		},
		`(call $inner)`: func(here, there error) bool {
			var a, b *spindle.TrapError
			return errors.As(here, &a) && errors.As(there, &b) && b.Code == spindle.TrapUnreachable && len(b.Frames) == 2 && a.Backtrace() == b.Backtrace() && a.Error() == b.Error()
		},
		`(drop (i32.load (i32.const 100000)))`: func(here, there error) bool {
			var a, b *spindle.TrapError
			return errors.As(here, &a) && errors.As(there, &b) && a.Code == b.Code && b.Code == spindle.TrapMemoryOutOfBounds
		},
		`(call $fail)`: func(here, there error) bool {
			var a, b *spindle.TrapError
			var r *spindle.RemoteError
			return errors.As(here, &a) && errors.As(there, &b) && b.Code == spindle.TrapHost && a.Detail == b.Detail && errors.As(b.Cause, &r) && r.Text == io.ErrUnexpectedEOF.Error() && a.Error() == b.Error()
		},
		`(throw $e (i32.const 7))`: func(here, there error) bool {
			var a *spindle.ExceptionError
			var b *spindle.RemoteError
			return errors.As(here, &a) && errors.As(there, &b) && a.Error() == b.Error() && fmt.Sprint(a.Backtrace()) == fmt.Sprint(b.Frames) && len(b.Frames) == 1
		},
	} {
		l, w := listenTo(t)
		img := frozenGuest(t, l, w, leakFree(t), fmt.Sprintf(endsGuest, body), spindle.Config{}, spindle.FreezeOptions{})
		p, err := img.Fork(ctx, spindle.ForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		here := p.Wait(ctx)
		c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if there := c.Wait(ctx); !check(here, there) {
			t.Errorf("%q: in this process %v; in another one %v (%T)", body, here, there, there)
		}
		p.Close() //nolint:errcheck // checked by leakFree
	}
}

// A child that hangs ends by its context, by Stop, by signals, and with its Runtime.
func TestForkProcessStops(t *testing.T) {
	ctx := t.Context()
	l, w := listenTo(t)
	rt := leakFree(t)
	img := frozenGuest(t, l, w, rt, fmt.Sprintf(endsGuest, `(call $tell (i64.const 2)) (call $hang)`), spindle.Config{}, spindle.FreezeOptions{})
	start := func(ctx context.Context) *spindle.ChildProcess {
		t.Helper()
		c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if n := l.next(t); n != 2 {
			t.Fatal(n)
		}
		return c
	}
	mine := errors.New("mine")
	cctx, cancel := context.WithCancelCause(ctx)
	c := start(cctx)
	cancel(mine)
	var trap *spindle.TrapError
	if err := c.Wait(ctx); !errors.As(err, &trap) || trap.Code != spindle.TrapInterrupted || !errors.Is(err, mine) {
		t.Errorf("its context is done: %v", err)
	}
	dctx, dcancel := context.WithTimeout(ctx, 1) // while it starts, or after
	defer dcancel()
	if c, err := img.ForkProcess(dctx, spindle.ProcessForkConfig{}); err == nil {
		err = c.Wait(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a deadline: %v", err)
		}
	} else if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline at the start: %v", err)
	}
	c = start(ctx)
	select {
	case <-c.Done():
		t.Error("the child has ended")
	default:
	}
	if c.Results() != nil {
		t.Error("results of a child that runs")
	}
	if err := c.Stop(mine); err != nil {
		t.Error(err)
	}
	if err := c.Wait(ctx); !errors.As(err, &trap) || !errors.Is(err, mine) {
		t.Errorf("stopped: %v", err)
	}
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		c := start(ctx)
		if err := c.Signal(s); err != nil {
			t.Error(err)
		}
		var se *spindle.SignalError
		if err := c.Wait(ctx); !errors.As(err, &se) || se.Signal != s || se.PID != c.PID() {
			t.Errorf("signal %v: %v", s, err)
		}
		if err := c.Signal(s); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("a signal to one that has ended: %v", err)
		}
		if err := c.Stop(mine); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("a stop of one that has ended: %v", err)
		}
	}
	// SIGSTOP and SIGCONT: an order that comes in between is followed afterwards.
	c = start(ctx)
	if err := errors.Join(c.Signal(syscall.SIGSTOP), c.Stop(mine), c.Signal(syscall.SIGCONT)); err != nil {
		t.Error(err)
	}
	if err := c.Wait(ctx); !errors.Is(err, mine) {
		t.Errorf("stopped by a signal, and by us: %v", err)
	}
	c = start(ctx)
	detached := start(ctx)
	if err := detached.Detach(ctx); err != nil {
		t.Fatal(err)
	}
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
	var se *spindle.SignalError
	if err := c.Wait(ctx); !errors.As(err, &se) {
		t.Errorf("the Runtime is closed: %v", err)
	}
	select {
	case <-detached.Done():
		t.Errorf("the detached child ended with the Runtime: %v", detached.Wait(ctx))
	default:
	}
	if err := detached.Close(); err != nil {
		t.Error(err)
	}
	if err := detached.Wait(ctx); !errors.As(err, &se) || se.Signal != syscall.SIGKILL {
		t.Errorf("the detached child is closed: %v", err)
	}
}

// An image that stands nowhere is called; one that stood in a call from outside goes on with it.
func TestForkProcessCalls(t *testing.T) {
	ctx := t.Context()
	rt := leakFree(t)
	inst, err := rt.Instantiate(ctx, compileText(t, rt, warmPlugin), spindle.Config{Name: "plugin", Forkable: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inst.Call(ctx, "add", 5); err != nil {
		t.Fatal(err)
	}
	img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	for n := range uint64(3) {
		c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Call: "add", Args: []uint64{n}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(ctx); err != nil || len(c.Results()) != 1 || c.Results()[0] != 5+n {
			t.Errorf("the call gives %v, %v", c.Results(), err)
		}
	}
	var fe *spindle.ForkError
	if _, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{}); !errors.As(err, &fe) {
		t.Errorf("nothing to call: %v", err)
	}
	if _, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Call: "none"}); !errors.As(err, &fe) {
		t.Errorf("an export that is not there: %v", err)
	}
	c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Call: "add"}) // without its argument
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(ctx); err == nil {
		t.Error("a call without its argument succeeds")
	}
}

// What keeps a child from being made is told by its type, and leaves no process.
func TestForkProcessRefusals(t *testing.T) {
	ctx := t.Context()
	rt := leakFree(t)
	freeze := func(src string, cfg spindle.Config) *spindle.Image {
		t.Helper()
		cfg.Forkable = true
		inst, err := rt.Instantiate(ctx, compileText(t, rt, src), cfg)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := inst.Process().Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { img.Close() })
		return img
	}
	_, w := listenTo(t)
	imports := spindle.Imports{"wire": w}
	src := `(module (import "wire" "pid" (func (result i64))) (func (export "f")))`
	var remote *spindle.RemoteError
	if _, err := freeze(src, spindle.Config{Name: "refuse", Imports: imports}).ForkProcess(ctx, spindle.ProcessForkConfig{Call: "f"}); !errors.As(err, &remote) || !strings.Contains(err.Error(), "no imports for this one") {
		t.Errorf("imports that fail: %v", err)
	}
	var fe *spindle.ForkError
	if _, err := freeze(src, spindle.Config{Name: "nothing", Imports: imports}).ForkProcess(ctx, spindle.ProcessForkConfig{Call: "f"}); !errors.As(err, &fe) || !strings.Contains(err.Error(), `"wire"`) {
		t.Errorf("a module with state that is not there: %v", err)
	}
	var le *spindle.LinkError
	stateless := spindle.Imports{"other": w.HostModule}
	if _, err := freeze(`(module (import "other" "pid" (func (result i64))) (func (export "f")))`, spindle.Config{Imports: stateless}).ForkProcess(ctx, spindle.ProcessForkConfig{Call: "f"}); !errors.As(err, &le) || le.Module != "other" {
		t.Errorf("a module that is not there: %v", err)
	}
	if _, err := freeze(`(module (func (export "f")))`, spindle.Config{Name: "veto"}).ForkProcess(ctx, spindle.ProcessForkConfig{Call: "f"}); !errors.As(err, &fe) || !strings.Contains(err.Error(), "vetoed") {
		t.Errorf("a hook that fails: %v", err)
	}
	plain := `(module (func (export "f")))`
	if _, err := freeze(plain, spindle.Config{Imports: spindle.Imports{"m": stateful{}}}).ForkProcess(ctx, spindle.ProcessForkConfig{Call: "f"}); !errors.As(err, &fe) || !strings.Contains(fe.Reason, `"m"`) {
		t.Errorf("state that cannot go: %v", err)
	}
	img := freeze(plain, spindle.Config{})
	if _, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Call: "f", Options: map[string]any{"m": 5}}); !errors.As(err, &fe) {
		t.Errorf("options that cannot go: %v", err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := img.ForkProcess(done, spindle.ProcessForkConfig{Call: "f"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
	// A program that does not call ServeStandby.
	t.Setenv("SPINDLE_TEST_NO_STANDBY", "1")
	t.Setenv("SPINDLE_TEST_PARENT", "exit")
	var se *spindle.StandbyError
	if _, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Call: "f"}); !errors.As(err, &se) || !strings.Contains(err.Error(), "code 9") {
		t.Errorf("no ServeStandby: %v", err)
	}
	img.Close()
	if _, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Call: "f"}); err == nil {
		t.Error("a closed image")
	}
	noChildren(t)
}

// noChildren checks that there is no process left that this one would have to wait for.
func noChildren(t testing.TB) {
	t.Helper()
	var info syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &info, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("there is a child left: %d, %v", pid, err)
	}
}

// parentOfTest is a process that forks two children, one of them detached, tells their process identifiers, and waits to be killed. The children have its standard input.
func parentOfTest() int {
	if os.Getenv("SPINDLE_TEST_PARENT") == "exit" {
		if _, err := spindle.NewStandbys(spindle.StandbysConfig{}); err == nil {
			return 8 // it would start processes that start processes
		}
		return 9
	}
	ctx := context.Background()
	rt := spindle.NewRuntime()
	b, err := spindle.Assemble([]byte(fmt.Sprintf(endsGuest, `(call $tell (i64.const 2)) (call $hang)`)))
	if err != nil {
		return 1
	}
	mod, err := rt.Compile(ctx, b)
	if err != nil {
		return 2
	}
	w := newWire(os.Stdin)
	p, err := rt.Start(ctx, mod, spindle.Config{Forkable: true, Imports: spindle.Imports{"wire": w}})
	if err != nil {
		return 3
	}
	img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
	if err != nil {
		return 4
	}
	pool, err := spindle.NewStandbys(spindle.StandbysConfig{Size: 2})
	if err != nil || pool.Warm(ctx, img) != nil {
		return 5
	}
	for k := range 3 {
		c, err := img.ForkProcess(ctx, spindle.ProcessForkConfig{Standbys: pool, Detach: k == 1})
		if err != nil || k == 2 && c.Detach(ctx) != nil {
			return 6
		}
		fmt.Println(c.PID())
	}
	select {}
}

// A parent that is killed takes its children with it, and processes that wait, but for the detached ones. None of them has anything to say about that.
func TestForkProcessParentDies(t *testing.T) {
	r, w, err := os.Pipe() // what children tell: it ends when the last of them has
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	said, err := os.Create(filepath.Join(t.TempDir(), "stderr")) // a file: no goroutine copies it, so it is all there in the end
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "SPINDLE_TEST_PARENT=1")
	cmd.Stdin, cmd.Stderr = w, said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	lines := bufio.NewScanner(out)
	var pids []int
	for len(pids) < 3 && lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) < 3 {
		t.Fatalf("the parent gave up: %v", cmd.Wait())
	}
	l := &listener{r}
	for n := 0; n < 3; { // the parent's guest may tell 1 again in a child
		switch l.next(t) {
		case 1:
		case 2:
			n++
		default:
			t.Fatal("the children tell something else")
		}
	}
	first, err := os.FindProcess(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // killed
	// It is not our child: whether it is there is asked until it is not, or only waits for init.
	for gone := false; !gone; {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pids[0]))
		gone = err != nil || strings.Contains(string(b), ") Z ")
		if t.Context().Err() != nil {
			t.Fatal("the child is still there")
		}
	}
	first.Release() //nolint:errcheck // it is gone
	for _, pid := range pids[1:] {
		if err := syscall.Kill(pid, 0); err != nil {
			t.Errorf("a detached child has gone: %v", err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 { // ends when nobody has the pipe any more: no standby either
		t.Errorf("%d bytes more, %v", len(rest), err)
	}
	if b, err := os.ReadFile(said.Name()); err != nil || len(b) > 0 {
		t.Errorf("standard error has %q, %v", b, err)
	}
}
