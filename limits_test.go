package spindle_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// growers is a module that imports a shared memory and may have memories of its own. "grow" grows the shared one and returns the old size in pages, "spawn" starts
// a thread that waits until "release", and returns what thread-spawn returned.
const growers = `(module
	(import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
	(import "env" "memory" (memory $m 2 100 shared)) %s
	(func (export "grow") (param i32) (result i32) (memory.grow $m (local.get 0)))
	(func (export "spawn") (result i32) (call $spawn (i32.const 0)))
	(func (export "release")
		(i32.atomic.store $m (i32.const 0) (i32.const 1)) (drop (memory.atomic.notify $m (i32.const 0) (i32.const -1)))
		;; until all have left the wait
		(loop $l (br_if $l (i32.atomic.load $m (i32.const 4))))
		(i32.atomic.store $m (i32.const 0) (i32.const 0)))
	(func (export "wasi_thread_start") (param i32 i32)
		(drop (i32.atomic.rmw.add $m (i32.const 4) (i32.const 1)))
		(drop (memory.atomic.wait32 $m (i32.const 0) (i32.const 0) (i64.const -1)))
		(drop (i32.atomic.rmw.sub $m (i32.const 4) (i32.const 1)))))`

func mustShared(t *testing.T, rt *spindle.Runtime, pages uint64) *spindle.Memory {
	t.Helper()
	m, err := rt.NewSharedMemory(spindle.MemoryType{Limits: spindle.Limits{Min: pages, Max: 100, HasMax: true}, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func withMemory(m *spindle.Memory, pages uint64) spindle.Config {
	return spindle.Config{MaxMemory: pages * spindle.PageSize, Imports: spindle.Imports{"wasi": wasi.Threads(), "env": spindle.HostModule{"memory": m}}}
}

// i32call calls an export without or with one argument and returns its i32 result.
func i32call(t *testing.T, inst *spindle.Instance, name string, args ...uint64) int32 {
	t.Helper()
	res, err := inst.Call(context.Background(), name, args...)
	if err != nil {
		t.Fatalf("%s%v: %v", name, args, err)
	}
	if len(res) == 0 {
		return 0
	}
	return int32(res[0])
}

// However many threads map it, a shared memory takes up its size once.
func TestSharedMemoryCountsOnce(t *testing.T) {
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, fmt.Sprintf(growers, ""), withMemory(mustShared(t, rt, 2), 5))
	for range 20 {
		if tid := i32call(t, inst, "spawn"); tid <= 0 {
			t.Fatalf("spawn: %d", tid)
		}
	}
	for _, c := range []struct {
		pages uint64
		want  int32
	}{{4, -1}, {2, 2}, {0, 4}, {2, -1}, {1, 4}, {1, -1}} {
		if got := i32call(t, inst, "grow", c.pages); got != c.want {
			t.Errorf("grow by %d: %d, want %d", c.pages, got, c.want)
		}
	}
	i32call(t, inst, "release")
}

// Memories that each thread has of its own count for each thread, until it has left.
func TestThreadsOwnMemoriesCount(t *testing.T) {
	rt := newRuntime(t)
	mem := mustShared(t, rt, 2)
	inst := mustInstantiate(t, rt, fmt.Sprintf(growers, "(memory 3)"), withMemory(mem, 12)) // 2 + 3 for the main thread and two more, one over
	for round := range 3 {
		for range 2 {
			eventually(t, "a spawn", func() bool { return i32call(t, inst, "spawn") > 0 }) // those of the last round may not have left yet
		}
		if tid := i32call(t, inst, "spawn"); tid >= 0 {
			t.Errorf("round %d: a thread beyond the bound: %d", round, tid)
		}
		eventually(t, "threads waiting", func() bool { n, _ := mem.Uint32(4); return n == 2 })
		i32call(t, inst, "release")
	}
	if got := i32call(t, inst, "grow", 8); got != -1 {
		t.Errorf("grow by 8: %d", got)
	}
}

// A memory that Processes share is bounded by each of them, by however much of it the other has grown, and only while they have it.
func TestSharedMemoryInTwoProcesses(t *testing.T) {
	rt := newRuntime(t)
	mem := mustShared(t, rt, 2)
	mod := fmt.Sprintf(growers, "")
	large := mustInstantiate(t, rt, mod, withMemory(mem, 50))
	small := mustInstantiate(t, rt, mod, withMemory(mem, 4))
	unbounded := mustInstantiate(t, rt, mod, withMemory(mem, 0))
	for _, c := range []struct {
		inst  *spindle.Instance
		pages uint64
		want  int32
	}{{large, 3, -1}, {unbounded, 3, -1}, {large, 1, 2}, {small, 2, -1}, {unbounded, 1, 3}, {small, 1, -1}} {
		if got := i32call(t, c.inst, "grow", c.pages); got != c.want {
			t.Errorf("grow by %d: %d, want %d", c.pages, got, c.want)
		}
	}
	if err := small.Close(); err != nil {
		t.Fatal(err)
	}
	if got := i32call(t, large, "grow", 10); got != 4 {
		t.Errorf("grow by 10 without the small one: %d", got)
	}
	_, err := rt.Instantiate(context.Background(), mustCompile(t, rt, mod), withMemory(mem, 13))
	var link *spindle.LinkError
	var limit *spindle.LimitError
	if !errors.As(err, &link) || link.Name != "memory" || !errors.As(err, &limit) || limit.Max != 13 || limit.Got != 14 {
		t.Errorf("import of a memory that is too large by now: %v", err)
	}
	if got := i32call(t, unbounded, "grow", 36); got != 14 {
		t.Errorf("grow to the large one's bound: %d", got)
	}
	if got := i32call(t, unbounded, "grow", 1); got != -1 {
		t.Errorf("grow beyond it: %d", got)
	}
	if _, ok := mem.Grow(1); ok {
		t.Error("the host can grow it beyond it")
	}
}

// All memories of all instances count, and what the host makes for them.
func TestMaxMemoryIsOfAllMemories(t *testing.T) {
	rt := newRuntime(t, spindle.WithMaxMemory(10*spindle.PageSize))
	ctx := context.Background()
	inst := mustInstantiate(t, rt, `(module (memory $a 2) (memory $b 1)
		(func (export "a") (param i32) (result i32) (memory.grow $a (local.get 0)))
		(func (export "b") (param i32) (result i32) (memory.grow $b (local.get 0))))`, spindle.Config{})
	p := inst.Process()
	if _, err := p.Instantiate(ctx, mustCompile(t, rt, `(module (memory 3))`), ""); err != nil {
		t.Fatal(err)
	}
	var limit *spindle.LimitError
	if _, err := p.Instantiate(ctx, mustCompile(t, rt, `(module (memory 5))`), ""); !errors.As(err, &limit) || limit.Max != 10 || limit.Got != 11 {
		t.Errorf("%v", err)
	}
	if _, err := p.NewMemory(spindle.MemoryType{Limits: spindle.Limits{Min: 1}}); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name  string
		pages uint64
		want  int32
	}{{"a", 4, -1}, {"a", 2, 2}, {"b", 2, -1}, {"b", 1, 1}, {"a", 1, -1}} {
		if got := i32call(t, inst, c.name, c.pages); got != c.want {
			t.Errorf("%s by %d: %d, want %d", c.name, c.pages, got, c.want)
		}
	}
	// Another Process has a bound of its own; so has each memory that no Process has.
	mustInstantiate(t, rt, `(module (memory 10))`, spindle.Config{})
	mem := mustShared(t, rt, 10)
	if _, ok := mem.Grow(1); ok {
		t.Error("a shared memory grew beyond the Runtime's bound")
	}
	if _, err := rt.NewSharedMemory(spindle.MemoryType{Limits: spindle.Limits{Min: 11, Max: 11, HasMax: true}, Shared: true}); !errors.As(err, &limit) {
		t.Errorf("%v", err)
	}
}
