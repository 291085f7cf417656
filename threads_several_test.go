package spindle_test

import (
	"errors"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// notes is a host module whose function note adds to a list, for each thread.
type notes struct {
	mu sync.Mutex
	of map[uint32][]uint32
}

func (n *notes) module() spindle.HostModule {
	return spindle.HostModule{"note": spindle.Proc1(func(c *spindle.Caller, what uint32) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.of == nil {
			n.of = map[uint32][]uint32{}
		}
		n.of[c.Thread()] = append(n.of[c.Thread()], what)
	})}
}

func (n *notes) check(t *testing.T, tid uint32, want ...uint32) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if got := n.of[tid]; !slices.Equal(got, want) {
		t.Errorf("thread %d noted %v, want %v", tid, got, want)
	}
}

func TestThreadsOfSeveralModules(t *testing.T) {
	rt := newRuntime(t)
	var n notes
	p, err := rt.NewProcess(spindle.Config{Imports: spindle.Imports{"wasi": wasi.Threads(), "test": n.module()}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var main *spindle.Instance
	for _, name := range []string{"lib", "main"} {
		text, err := os.ReadFile("testdata/threads/several/" + name + ".wat")
		if err != nil {
			t.Fatal(err)
		}
		if main, err = p.Instantiate(t.Context(), mustCompile(t, rt, string(text)), name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := main.Call(t.Context(), "run"); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	n.check(t, 0, 1, 2)    // start functions
	n.check(t, 1, 1, 2, 4) // and main's entry
	n.check(t, 2, 1, 2, 3) // and lib's
}

// A reactor's _initialize runs in the main thread only; what its threads share it need not run again. They live on between calls, until the Process is closed.
func TestThreadsOfAReactor(t *testing.T) {
	rt := newRuntime(t)
	var n notes
	inst := mustInstantiate(t, rt, `(module
		(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
		(import "test" "note" (func $note (param i32)))
		(memory 1 1 shared)
		(func (export "_initialize") (call $note (i32.const 1)))
		(func (export "wasi_thread_start") (param i32 i32)
			(call $note (i32.const 2))
			(loop $l
				(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
				(i32.atomic.store (i32.const 0) (i32.const 0))
				(i32.atomic.store (i32.const 4) (i32.const 1))
				(drop (memory.atomic.notify (i32.const 4) (i32.const 1)))
				(br $l)))
		(func (export "spawn") (result i32) (call $spawn (i32.const 0)))
		(func (export "ask")
			(i32.atomic.store (i32.const 4) (i32.const 0))
			(i32.atomic.store (i32.const 0) (i32.const 1))
			(drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
			(loop $l (if (i32.eqz (i32.atomic.load (i32.const 4))) (then
				(drop (memory.atomic.wait32 (i32.const 4) (i32.const 0) (i64.const -1))) (br $l))))))`,
		spindle.Config{Imports: spindle.Imports{"wasi": wasi.Threads(), "test": n.module()}})
	if res, err := inst.Call(t.Context(), "spawn"); err != nil || res[0] != 1 {
		t.Fatalf("spawn: %v, %v", res, err)
	}
	for range 100 {
		if _, err := inst.Call(t.Context(), "ask"); err != nil {
			t.Fatal(err)
		}
	}
	if err := inst.Close(); err != nil {
		t.Error(err)
	}
	n.check(t, 0, 1)
	n.check(t, 1, 2)
	if _, err := inst.Call(t.Context(), "ask"); !errors.Is(err, spindle.ErrClosed) {
		t.Errorf("a call of a closed Process: %v", err)
	}
}

// A thread that ends a Process ends the call that is in it, and later calls meet the end, too.
func TestThreadEndsACall(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		ok   func(error) bool
	}{
		"trap":  {`(unreachable)`, func(err error) bool { return causedBy(err, spindle.TrapUnreachable, 1) }},
		"throw": {`(throw $e)`, func(err error) bool { var e *spindle.ExceptionError; return errors.As(err, &e) }},
		"exit":  {`(call $exit (i32.const 9))`, func(err error) bool { return exited(err, 9) }},
	} {
		t.Run(name, func(t *testing.T) {
			rt := newRuntime(t)
			inst, err := wasi.Instantiate(t.Context(), rt, mustCompile(t, rt, `(module
				(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
				(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
				(tag $e)
				(memory (export "memory") 1 1 shared)
				(func (export "wasi_thread_start") (param i32 i32) `+c.body+`)
				(func (export "nop"))
				(func (export "run") (drop (call $spawn (i32.const 0)))
					(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))`), wasi.Config{}, spindle.Config{})
			if err != nil {
				t.Fatal(err)
			}
			for _, export := range []string{"run", "nop", "run"} {
				if _, err := inst.Call(t.Context(), export); !c.ok(err) {
					t.Errorf("%s ended with %v", export, err)
				}
			}
			if err := inst.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// causedBy looks for a trap among an error's causes.
func causedBy(err error, code spindle.TrapCode, tid uint32) bool {
	for {
		var trap *spindle.TrapError
		if !errors.As(err, &trap) {
			return false
		}
		if trap.Code == code {
			return trap.Thread == tid
		}
		err = trap.Cause
	}
}

// perProcess makes an import for each Process.
type perProcess func(p *spindle.Process) (spindle.Extern, error)

func (f perProcess) Lookup(p *spindle.Process, _ string) (spindle.Extern, bool) {
	x, err := f(p)
	return x, err == nil
}

// Who imports what threads can neither share nor have of their own gets no threads, but runs.
func TestNoThreadsBesideUnsharedImports(t *testing.T) {
	rt := newRuntime(t)
	for decl, make := range map[string]perProcess{
		`(memory 1)`: func(p *spindle.Process) (spindle.Extern, error) {
			return p.NewMemory(spindle.MemoryType{Limits: spindle.Limits{Min: 1}})
		},
		`(table 1 funcref)`: func(p *spindle.Process) (spindle.Extern, error) {
			return p.NewTable(spindle.TableType{Limits: spindle.Limits{Min: 1}, Elem: spindle.TypeFuncRef}, 0)
		},
		`(global (mut i32))`: func(p *spindle.Process) (spindle.Extern, error) {
			return p.NewGlobal(spindle.GlobalType{Type: spindle.TypeI32, Mutable: true}, 1)
		},
	} {
		inst := mustInstantiate(t, rt, `(module
			(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
			(import "test" "x" `+decl+`)
			(func (export "wasi_thread_start") (param i32 i32))
			(func (export "run") (result i32) (call $spawn (i32.const 0))))`,
			spindle.Config{Imports: spindle.Imports{"wasi": wasi.Threads(), "test": make}})
		for range 2 {
			if res, err := inst.Call(t.Context(), "run"); err != nil || int32(res[0]) >= 0 {
				t.Errorf("%s: %v, %v", decl, res, err)
			}
		}
		if err := inst.Close(); err != nil {
			t.Error(err)
		}
	}
}
