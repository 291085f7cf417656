package process

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spindle-wasm/spindle/internal/interp"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// newGroup makes a group whose main thread has one instance of a module.
func newGroup(t *testing.T, text string, cfg Config) (*Group, *vm.Pools) {
	t.Helper()
	b, err := wat.Assemble([]byte(text), wat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatal(err)
	}
	ts := wasm.NewTypeSpace()
	if err := wasm.Validate(m, ts, wasm.ValidateOptions{}); err != nil {
		t.Fatal(err)
	}
	engine := interp.New()
	code, err := engine.Compile(m, ts)
	if err != nil {
		t.Fatal(err)
	}
	pools := vm.NewPools()
	main, err := vm.NewThread(engine, pools, vm.ThreadConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vm.Instantiate(main, m, code, func(*wasm.Import) (vm.Extern, bool, error) { return vm.Extern{}, false, nil }, vm.MemoryLimits{}); err != nil {
		t.Fatal(err)
	}
	g := New(main, cfg)
	t.Cleanup(func() {
		g.End(0, errors.New("test over"))
		g.Wait()
		main.Shutdown(nil)
		g.Close()
		if n := pools.Live(); n != 0 {
			t.Errorf("%d regions still in use", n)
		}
		pools.Close()
	})
	return g, pools
}

// spawn starts a thread that runs f.
func spawn(g *Group, f Main) (tid uint32, err error) { return g.Spawn(context.Background(), f) }

// untilStopped is a thread that lives until the group ends.
func untilStopped(t *vm.Thread) error {
	return t.Block(func() { <-t.Stopped() })
}

func TestFirstCauseWins(t *testing.T) {
	for range 50 {
		g, _ := newGroup(t, `(module)`, Config{})
		start := make(chan struct{})
		var claimed sync.Map
		for i := range 8 {
			cause := fmt.Errorf("cause %d", i)
			if _, err := spawn(g, func(th *vm.Thread) error {
				<-start
				if g.End(th.ID, cause) {
					claimed.Store(cause, true)
				}
				return cause
			}); err != nil {
				t.Fatal(err)
			}
		}
		close(start)
		g.Wait()
		got, ended := g.Ended()
		if !ended {
			t.Fatal("not ended")
		}
		n := 0
		claimed.Range(func(k, _ any) bool {
			if n++; k != got { //nolint:errorlint // identity
				t.Errorf("the cause is %v, but %v was told that it is the one", got, k)
			}
			return true
		})
		if n > 1 {
			t.Errorf("%d threads were told that theirs is the cause", n)
		}
	}
}

func TestEndingRefusesSpawns(t *testing.T) {
	g, _ := newGroup(t, `(module)`, Config{MaxThreads: 100})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				_, err := spawn(g, untilStopped)
				var limit *LimitError
				switch {
				case err == nil || errors.As(err, &limit):
				case errors.Is(err, ErrEnding):
					return
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	for len(g.Threads()) < 50 {
	}
	g.End(0, nil)
	wg.Wait()
	g.Wait()
	if n, m := len(g.Threads()), g.Len(); n != 1 || m != 1 {
		t.Errorf("%d and %d threads left, want the main one", n, m)
	}
}

func TestThreadLimit(t *testing.T) {
	g, _ := newGroup(t, `(module)`, Config{MaxThreads: 3})
	for i := range 3 {
		if n := g.Len(); n != 1+i {
			t.Errorf("%d threads, want %d", n, 1+i)
		}
		if _, err := spawn(g, untilStopped); err != nil {
			t.Fatal(err)
		}
	}
	var limit *LimitError
	if _, err := spawn(g, untilStopped); !errors.As(err, &limit) || limit.Max != 3 {
		t.Errorf("a fourth thread: %v", err)
	}
}

// Identifiers go up and around, and skip those in use: the one that has just left is the last to come again.
func TestTIDsAreNotReusedSoon(t *testing.T) {
	g, _ := newGroup(t, `(module)`, Config{})
	long, err := spawn(g, untilStopped)
	if err != nil || long != 1 {
		t.Fatalf("first tid %d, %v", long, err)
	}
	spawn := func() uint32 {
		done := make(chan struct{})
		tid, err := spawn(g, func(*vm.Thread) error { close(done); return nil })
		if err != nil {
			t.Fatal(err)
		}
		<-done
		return tid
	}
	for want := uint32(2); want < 100; want++ {
		if tid := spawn(); tid != want {
			t.Fatalf("tid %d, want %d", tid, want)
		}
	}
	g.mu.Lock()
	g.lastTID = MaxTID - 1
	g.mu.Unlock()
	for _, want := range []uint32{MaxTID, 2} {
		if tid := spawn(); tid != want {
			t.Errorf("tid %#x, want %#x", tid, want)
		}
	}
}

// A thread has globals, tables, unshared memories and segments of its own, fresh from the module, and the shared memory of all.
func TestThreadsStartFresh(t *testing.T) {
	const module = `(module
		(memory $shared 1 1 shared) (memory $own 1) (data $own (memory $own) (i32.const 0) "own") (data $passive "abc")
		(global $g (mut i32) (i32.const 5))
		(table $t 3000 funcref) (elem (table $t) (i32.const 0) func $f) (elem $e func $f) (func $f)
		(func (export "change")
			(global.set $g (i32.const 6))
			(table.set $t (i32.const 0) (ref.null func)) (table.set $t (i32.const 2999) (ref.func $f))
			(i32.store $own (i32.const 0) (i32.const 0)) (i32.store $shared (i32.const 0) (i32.const 77))
			(data.drop $passive) (elem.drop $e))
		(func (export "check") (param $shared i32)
			(if (i32.ne (global.get $g) (i32.const 5)) (then unreachable))
			(if (ref.is_null (table.get $t (i32.const 0))) (then unreachable))
			(if (i32.eqz (ref.is_null (table.get $t (i32.const 2999)))) (then unreachable))
			(call_indirect $t (i32.const 0))
			(if (i32.ne (i32.load8_u $own (i32.const 0)) (i32.const 111)) (then unreachable))
			(if (i32.ne (i32.load $shared (i32.const 0)) (local.get $shared)) (then unreachable))
			(memory.init $own $passive (i32.const 0) (i32.const 0) (i32.const 3))
			(table.init $t $e (i32.const 1) (i32.const 0) (i32.const 1))))`
	g, _ := newGroup(t, module, Config{})
	call := func(th *vm.Thread, name string, args ...uint64) error {
		inst := th.Store.Instances[0]
		fn, ok := inst.Module.FindExport(name, wasm.ExternFunc)
		if !ok {
			return fmt.Errorf("no %s", name)
		}
		return th.Engine.Call(th, inst, fn, args)
	}
	if err := g.main.EnterBackground(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := call(g.main, "check", 0); err != nil {
		t.Fatal(err)
	}
	if err := call(g.main, "change"); err != nil {
		t.Fatal(err)
	}
	g.main.Leave()
	// Each thread checks, and then changes what only it must see.
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		if _, err := spawn(g, func(th *vm.Thread) error {
			defer wg.Done()
			if err := call(th, "check", 77); err != nil {
				return err
			}
			return call(th, "change")
		}); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	g.Wait()
	if cause, ended := g.Ended(); ended {
		t.Errorf("a thread failed: %v", cause)
	}
}

// What a thread cannot have of its own and cannot share is an error that names the import.
func TestUnsharableImport(t *testing.T) {
	g, _ := newGroup(t, `(module)`, Config{})
	mem, err := g.main.Store.AddMemory(wasm.MemoryType{Limits: wasm.Limits{Min: 1}}, vm.MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := wat.Assemble([]byte(`(module (import "env" "memory" (memory 1)))`), wat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatal(err)
	}
	if err := wasm.Validate(m, g.main.Store.Types(), wasm.ValidateOptions{}); err != nil {
		t.Fatal(err)
	}
	code, err := g.main.Engine.Compile(m, g.main.Store.Types())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vm.Instantiate(g.main, m, code, func(*wasm.Import) (vm.Extern, bool, error) {
		return vm.Extern{Kind: wasm.ExternMemory, Memory: mem}, true, nil
	}, vm.MemoryLimits{}); err != nil {
		t.Fatal(err)
	}
	var plan *vm.PlanError
	if _, err := spawn(g, untilStopped); !errors.As(err, &plan) || plan.Module != "env" || plan.Name != "memory" {
		t.Errorf("%v", err)
	}
}

// Groups that share identifiers take ranges of them: no two threads of theirs have the same one.
func TestTIDsOfSeveralGroups(t *testing.T) {
	var ranges atomic.Uint32
	seen := map[uint32]bool{}
	for k := range 3 {
		g, _ := newGroup(t, `(module)`, Config{TIDs: func() uint32 { return ranges.Add(1) }})
		if k > 0 {
			g.Restore(TIDsOf(ranges.Add(1)), false)
		}
		for range TIDRange + TIDRange/2 {
			tid, w, err := g.reserve()
			if err != nil {
				t.Fatal(err)
			}
			if seen[tid] || tid == 0 || tid > MaxTID {
				t.Fatalf("group %d: tid %d", k, tid)
			}
			seen[tid] = true
			g.dismiss(w, tid)
		}
	}
	for _, n := range []uint32{0, 1, MaxTID / TIDRange, 1 << 31, 1<<32 - 1} {
		if tid := TIDsOf(n); tid%TIDRange != 0 || tid+TIDRange-1 > MaxTID {
			t.Errorf("range %d begins at %d", n, tid)
		}
	}
}
