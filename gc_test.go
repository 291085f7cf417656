package spindle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/spindle-wasm/spindle"
)

func gcText(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/gc/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rootsImports are the host functions of roots.wat. Handles are by thread.
func rootsImports(t testing.TB) spindle.Imports {
	ref, ext := []spindle.ValueType{spindle.TypeAnyRef}, []spindle.ValueType{spindle.TypeExternRef}
	i32, exn := []spindle.ValueType{spindle.TypeI32}, []spindle.ValueType{spindle.TypeExnRef}
	var mu sync.Mutex
	kept := map[uint32]spindle.Handle{}
	objects := func(c *spindle.Caller) *spindle.Objects {
		o, err := c.Objects()
		if err != nil {
			t.Error(err)
		}
		return o
	}
	return spindle.Imports{"host": spindle.HostModule{
		"keep": spindle.RawFunc(spindle.FuncType{Params: ref}, func(c *spindle.Caller, s []uint64) {
			h, err := objects(c).Hold(s[0])
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			kept[c.Thread()] = h
		}),
		"kept": spindle.RawFunc(spindle.FuncType{Results: ref}, func(c *spindle.Caller, s []uint64) {
			mu.Lock()
			h := kept[c.Thread()]
			mu.Unlock()
			var err error
			if s[0], err = objects(c).Local(h); err != nil {
				t.Error(err)
			}
			if err := c.Process().Release(h); err != nil {
				t.Error(err)
			}
		}),
		"pass": spindle.RawFunc(spindle.FuncType{Params: ref, Results: ref}, func(c *spindle.Caller, s []uint64) {
			if _, err := c.Instance().Call(c.Context(), "churn"); err != nil {
				c.Fail(err)
			}
		}),
		"passexn": spindle.RawFunc(spindle.FuncType{Params: exn, Results: exn}, func(c *spindle.Caller, _ []uint64) {
			if _, err := c.Instance().Call(c.Context(), "churn"); err != nil {
				c.Fail(err)
			}
		}),
		"value": spindle.RawFunc(spindle.FuncType{Params: i32, Results: ext}, func(c *spindle.Caller, s []uint64) { s[0] = c.ExternRef(int32(s[0])) }),
		"number": spindle.RawFunc(spindle.FuncType{Params: ext, Results: i32}, func(c *spindle.Caller, s []uint64) {
			v, ok := c.ExternValue(s[0])
			if !ok {
				t.Error("a host value is gone")
			}
			n, _ := v.(int32)
			s[0] = spindle.I32(n * (n + 1) / 2)
		}),
	}}
}

// rootKinds are the exports of roots.wat with what they return; 0 stands for the sum of 1 to n.
var rootKinds = map[string]int32{
	"locals": 0, "operands": 0, "global": 0, "constants": 6 + 10 + 15 + 15 + 7, "elements": 16, "table": 0, "array": 0, "thrown": 0,
	"exnlocal": 0, "exnglobal": 0, "exnfield": 0, "exnarray": 0, "exnargument": 0, "hostfield": 0, "handle": 0, "argument": 0,
}

// gcModes are heaps that collect all the time, and look at what is left.
func gcModes() map[string]spindle.GCConfig {
	m := map[string]spindle.GCConfig{}
	for _, plan := range spindle.GCPlans() {
		m[plan+"/stress"] = spindle.GCConfig{Plan: plan, HeapBytes: 8 << 20, Workers: 2, Stress: 1, Sanity: true}
		m[plan+"/safepoint"] = spindle.GCConfig{Plan: plan, HeapBytes: 8 << 20, Workers: 1, EverySafepoint: true, Sanity: true}
	}
	return m
}

// checkRoots calls an export of roots.wat several times.
func checkRoots(call func(args ...uint64) ([]uint64, error), kind string) error {
	for _, n := range []int32{1, 5, 3} {
		got, err := call(spindle.I32(n))
		if err != nil {
			return fmt.Errorf("%s(%d): %w", kind, n, err)
		}
		want := rootKinds[kind]
		if want == 0 {
			want = n * (n + 1) / 2
		}
		if int32(got[0]) != want {
			return fmt.Errorf("%s(%d) = %d, want %d", kind, n, int32(got[0]), want)
		}
	}
	return nil
}

// TestRoots: under every plan, with collections everywhere, nothing is lost wherever the only reference to it stands.
func TestRoots(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, gcText(t, "roots.wat"))
	for name, cfg := range gcModes() {
		t.Run(name, func(t *testing.T) {
			inst, err := rt.Instantiate(t.Context(), mod, spindle.Config{Imports: rootsImports(t), GC: cfg})
			if err != nil {
				t.Fatal(err)
			}
			for kind := range rootKinds {
				f, err := inst.Func(kind)
				if err != nil {
					t.Fatal(err)
				}
				if err := checkRoots(func(args ...uint64) ([]uint64, error) { return f.Call(t.Context(), args...) }, kind); err != nil {
					t.Error(err)
				}
			}
			outside(t, inst)
			stats, ok := inst.Process().GCStats()
			if !ok || stats.Collections < 100 && !strings.HasPrefix(name, "nogc") {
				t.Errorf("%+v", stats)
			}
			if err := inst.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// outside checks references that the embedder has between calls.
func outside(t *testing.T, inst *spindle.Instance) {
	t.Helper()
	p := inst.Process()
	l, err := inst.Call(t.Context(), "make", 4)
	if err != nil {
		t.Fatal(err)
	}
	o, err := p.NewObjects()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	h, err := o.Hold(l[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CollectGarbage(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time the result of the first call is not valid any more, but the handle is
		ref, err := o.Local(h)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := o.Field(ref, 0); err != nil || v != 1 {
			t.Errorf("the first node has %d, %v", v, err)
		}
		s, err := inst.Call(t.Context(), "take", ref)
		if err != nil || s[0] != 10 {
			t.Errorf("sum %v, %v", s, err)
		}
	}
	if err := p.Release(h); err != nil {
		t.Error(err)
	}
	if _, err := o.Local(h); !isRefError(err, spindle.RefDead) {
		t.Errorf("a released handle: %v", err)
	}
	// The fields of an exception are local references, too.
	_, err = inst.Call(t.Context(), "throws", 4)
	var ex *spindle.ExceptionError
	if !errors.As(err, &ex) {
		t.Fatal(err)
	}
	if err := p.CollectGarbage(); err != nil {
		t.Fatal(err)
	}
	if s, err := inst.Call(t.Context(), "take", ex.Fields()[1]); err != nil || s[0] != 10 {
		t.Errorf("sum %v, %v", s, err)
	}
	if _, err := inst.Call(t.Context(), "take", ex.Fields()[1]); !isRefError(err, spindle.RefDead) {
		t.Errorf("an argument that is over: %v", err)
	}
}

func isRefError(err error, kind spindle.RefErrorKind) bool {
	var e *spindle.RefError
	return errors.As(err, &e) && e.Kind == kind
}

// TestRootsOfThreads: the same in several threads at once, each with objects of its own out of constant expressions, while others wait for ever in
// memory.atomic.wait and in a host function.
func TestRootsOfThreads(t *testing.T) {
	rt := newRuntime(t)
	text := strings.Replace(gcText(t, "roots.wat"), "(tag $t", `(import "host" "stay" (func $stay))
		(memory 1 1 shared)
		(export "stay" (func $stay))
		(func (export "wait") (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
		(tag $t`, 1)
	mod := mustCompile(t, rt, text)
	for _, plan := range []string{"semispace", "stickyimmix", "markcompact"} {
		t.Run(plan, func(t *testing.T) {
			imports := rootsImports(t)
			unblock, stays := make(chan struct{}), make(chan struct{})
			release := sync.OnceFunc(func() { close(unblock) })
			defer release()
			imports["host"].(spindle.HostModule)["stay"] = spindle.Proc0(func(*spindle.Caller) {
				close(stays)
				<-unblock
			})
			inst, err := rt.Instantiate(t.Context(), mod, spindle.Config{Imports: imports, GC: spindle.GCConfig{Plan: plan, HeapBytes: 32 << 20, Workers: 2, Stress: 50, Sanity: true}})
			if err != nil {
				t.Fatal(err)
			}
			p := inst.Process()
			waiting := mustSpawn(t, p, spindle.SpawnConfig{}, "wait")
			staying := mustSpawn(t, p, spindle.SpawnConfig{}, "stay")
			<-stays
			for range 3 { // rounds, so that threads are made of what others have left
				var threads []*spindle.Thread
				var kinds []string
				for kind := range rootKinds {
					kinds = append(kinds, kind)
					threads = append(threads, mustSpawn(t, p, spindle.SpawnConfig{}, kind, 5))
				}
				for kind := range rootKinds {
					f, err := inst.Func(kind)
					if err != nil {
						t.Fatal(err)
					}
					if err := checkRoots(func(args ...uint64) ([]uint64, error) { return f.Call(t.Context(), args...) }, kind); err != nil {
						t.Error(err)
					}
				}
				for i, th := range threads {
					got, err := wait(t, th)
					want := rootKinds[kinds[i]]
					if want == 0 {
						want = 15
					}
					if err != nil || int32(got[0]) != want {
						t.Errorf("%s in thread %d: %v, %v; want %d", kinds[i], th.ID(), got, err, want)
					}
				}
			}
			release()
			if _, err := wait(t, staying); err != nil {
				t.Error(err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if _, err := wait(t, waiting); err == nil {
				t.Error("the waiting thread returned")
			}
		})
	}
}

// TestHeapIsFull: what does not fit traps, with the limit in its words, and the guest can go on without what it held.
func TestHeapIsFull(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, `(module
		(type $node (struct (field (ref null $node)) (field i64 i64 i64)))
		(type $big (array (mut i64)))
		(func (export "fill") (local $l (ref null $node))
			(loop $more (local.set $l (struct.new $node (local.get $l) (i64.const 1) (i64.const 2) (i64.const 3))) (br $more)))
		(func (export "big") (param i32) (result i32) (array.len (array.new_default $big (local.get 0)))))`)
	for _, plan := range spindle.GCPlans() {
		t.Run(plan, func(t *testing.T) {
			inst, err := rt.Instantiate(t.Context(), mod, spindle.Config{GC: spindle.GCConfig{Plan: plan, HeapBytes: 4 << 20}})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				_, err := inst.Call(t.Context(), "fill")
				if !isTrap(err, spindle.TrapAllocation) || !strings.Contains(err.Error(), "4194304 bytes") {
					t.Fatalf("a full heap: %v", err)
				}
				if plan == "nogc" {
					break
				}
				for _, n := range []uint64{1 << 31, 1<<32 - 1, 1 << 20} {
					if _, err := inst.Call(t.Context(), "big", n); !isTrap(err, spindle.TrapAllocation) {
						t.Errorf("an array of %d elements: %v", n, err)
					}
				}
				if n, err := inst.Call(t.Context(), "big", 50_000); err != nil || n[0] != 50_000 {
					t.Errorf("an array that fits: %v, %v", n, err)
				}
			}
		})
	}
}

// TestHeapsLeaveNothing: Processes with heaps, collected, with threads, full or not, give everything back.
func TestHeapsLeaveNothing(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	rt := spindle.NewRuntime()
	mod := mustCompile(t, rt, strings.Replace(gcText(t, "roots.wat"), "(tag $t", "(memory 1 1 shared) (tag $t", 1))
	imports := rootsImports(t)
	plans := spindle.GCPlans()
	run := func(i int) {
		inst, err := rt.Instantiate(t.Context(), mod, spindle.Config{Imports: imports, GC: spindle.GCConfig{Plan: plans[i%len(plans)], HeapBytes: 4 << 20, Workers: 1 + i%3, Stress: 20}})
		if err != nil {
			t.Fatal(err)
		}
		p := inst.Process()
		var th *spindle.Thread
		if i%2 == 0 {
			th = mustSpawn(t, p, spindle.SpawnConfig{}, "locals", 3)
		}
		if s, err := inst.Call(t.Context(), "exnfield", 4); err != nil || s[0] != 10 {
			t.Fatal(s, err)
		}
		if th != nil && i%4 == 0 {
			if _, err := wait(t, th); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := p.CollectGarbage(); !errors.Is(err, spindle.ErrHeapClosed) {
			t.Fatal(err)
		}
	}
	for i := range 2 * len(plans) {
		run(i) // what a Runtime keeps for reuse
	}
	goroutines, mappings, fds := resources(t)
	for i := range rounds {
		run(i)
	}
	eventually(t, "everything is given back", func() bool {
		g, m, f := resources(t)
		return g <= goroutines && m <= mappings+8 && f <= fds
	})
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCollectionsWhileThreadsComeAndGo: threads begin and end all the time, and are stopped, while others collect.
func TestCollectionsWhileThreadsComeAndGo(t *testing.T) {
	rt := newRuntime(t)
	mod := mustCompile(t, rt, strings.Replace(gcText(t, "roots.wat"), "(tag $t", `(memory 1 1 shared)
		(func (export "forever") (loop $more (call $churn) (br $more)))
		(tag $t`, 1))
	inst, err := rt.Instantiate(t.Context(), mod, spindle.Config{Imports: rootsImports(t), GC: spindle.GCConfig{Plan: "semispace", HeapBytes: 32 << 20, Workers: 2, Stress: 30}})
	if err != nil {
		t.Fatal(err)
	}
	p := inst.Process()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				th, err := p.Spawn(t.Context(), "locals", 5)
				if err != nil {
					t.Error(err)
					return
				}
				if s, err := th.Wait(t.Context()); err != nil || s[0] != 15 {
					t.Error(s, err)
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				th, err := p.SpawnWith(ctx, spindle.SpawnConfig{Contain: true}, "forever")
				if err != nil {
					t.Error(err)
					cancel()
					return
				}
				if err := p.CollectGarbage(); err != nil {
					t.Error(err)
				}
				cancel()
				if _, err := th.Wait(t.Context()); err == nil {
					t.Error("it ended by itself")
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if err := p.Pause(t.Context()); err != nil {
				t.Error(err)
				return
			}
			if err := p.CollectGarbage(); err != nil { // all stand already
				t.Error(err)
			}
			p.Resume()
			if _, err := p.ThreadDump(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if s, _ := p.GCStats(); s.Collections < 100 || s.Full == 0 || s.MaxPause == 0 {
		t.Errorf("%+v", s)
	}
}

// TestGCTraceAndStats: each collection is told, counted, and an event of the trace.
func TestGCTraceAndStats(t *testing.T) {
	rt := newRuntime(t)
	var trace bytes.Buffer
	var told []spindle.GCCollection
	inst, err := rt.Instantiate(t.Context(), mustCompile(t, rt, gcText(t, "roots.wat")), spindle.Config{
		Imports: rootsImports(t),
		GC:      spindle.GCConfig{Stress: 7, Trace: &trace, Stats: func(c spindle.GCCollection) { told = append(told, c) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inst.Call(t.Context(), "locals", 100); err != nil {
		t.Fatal(err)
	}
	if err := inst.Process().CollectGarbage(); err != nil {
		t.Fatal(err)
	}
	s, ok := inst.Process().GCStats()
	if err := inst.Close(); err != nil || !ok {
		t.Fatal(err, ok)
	}
	if len(told) != s.Collections || s.Collections < 10 || s.Full < 5 || s.Plan != "StickyImmix" || s.MaxBytes != spindle.DefaultGCHeap || s.Objects == 0 || s.Held < s.InUse {
		t.Errorf("%d told, %+v", len(told), s)
	}
	var events []struct {
		Name string
		Args map[string]any
	}
	if err := json.Unmarshal(trace.Bytes(), &events); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range events {
		if e.Name == "collection" {
			n++
		}
	}
	if n != s.Collections {
		t.Errorf("%d collections in the trace, want %d", n, s.Collections)
	}
}

// TestGCConfig: what no heap can be made of is refused; modules without objects have none.
func TestGCConfig(t *testing.T) {
	rt := newRuntime(t)
	var plan *spindle.GCPlanError
	if _, err := rt.NewProcess(spindle.Config{GC: spindle.GCConfig{Plan: "refcount"}}); !errors.As(err, &plan) || plan.Name != "refcount" {
		t.Error(err)
	}
	for _, n := range []int64{-1, 1<<32 + 1} {
		var limit *spindle.LimitError
		for _, cfg := range []spindle.GCConfig{{HeapBytes: n}, {MinHeapBytes: n}, {NurseryBytes: n}} {
			if _, err := rt.NewProcess(spindle.Config{GC: cfg}); !errors.As(err, &limit) {
				t.Error(n, err)
			}
		}
	}
	inst := mustInstantiate(t, rt, `(module (func (export "f") (param anyref) (result anyref) (local.get 0)))`, spindle.Config{})
	p := inst.Process()
	if _, ok := p.GCStats(); ok {
		t.Error("a heap that nobody needs")
	}
	if _, err := p.NewObjects(); err == nil {
		t.Error("objects without a heap")
	}
	if err := p.CollectGarbage(); err != nil {
		t.Error(err)
	}
	if err := p.Release(1); !isRefError(err, spindle.RefDead) {
		t.Error(err)
	}
}
