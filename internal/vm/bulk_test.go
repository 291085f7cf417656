package vm

import (
	"errors"
	"runtime"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// Overlapping copies of references that span several pieces must behave as if through a buffer.
func TestTableCopyOverlapsAcrossChunks(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	const n = 2*refChunk + 5
	tb, err := th.Store.NewTable(wasm.TableType{Limits: wasm.Limits{Min: 4 * refChunk}, Elem: wasm.FuncRef}, NullRef)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ d, s uint64 }{{1, 0}, {0, 1}, {refChunk + 3, 0}, {0, refChunk + 3}, {7, 7}} {
		refs := tb.Refs()
		for i := range refs {
			refs[i] = Ref(i)
		}
		want := append([]Ref(nil), refs...)
		copy(want[c.d:c.d+n], want[c.s:c.s+n])
		if err := th.TableCopy(tb, tb, c.d, c.s, n); err != nil {
			t.Fatal(err)
		}
		for i, v := range tb.Refs() {
			if v != want[i] {
				t.Fatalf("copy %d to %d: element %d is %d, want %d", c.s, c.d, i, v, want[i])
			}
		}
	}
}

// bulkWorld is a thread with what bulk operations work on.
type bulkWorld struct {
	th   *Thread
	m, o *Memory
	a, b *Table
	inst *Instance
}

func newBulkWorld(t *testing.T) *bulkWorld {
	th := newTestThread(t, &idleEngine{})
	w := &bulkWorld{th: th}
	for _, m := range []**Memory{&w.m, &w.o} {
		var err error
		if *m, err = th.Store.AddMemory(wasm.MemoryType{Limits: wasm.Limits{Min: 1024, Is64: true}}, MemoryLimits{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tb := range []**Table{&w.a, &w.b} {
		var err error
		if *tb, err = th.Store.NewTable(wasm.TableType{Limits: wasm.Limits{Min: maxTable - 1}, Elem: wasm.FuncRef}, NullRef); err != nil {
			t.Fatal(err)
		}
	}
	w.inst = &Instance{Store: th.Store, Module: &wasm.Module{
		Datas: []wasm.DataSegment{{Init: make([]byte, w.m.Len())}},
		Elems: []wasm.ElemSegment{{Funcs: make([]uint32, w.a.Size())}}, DeclaredFuncs: []uint32{0},
	}, refBase: 1, dropped: make([]bool, 1), elems: make([]elemState, 1)}
	for i := range w.inst.Module.Datas[0].Init {
		w.inst.Module.Datas[0].Init[i] = 1
	}
	return w
}

// TestStopEndsBulkOperations stops each operation when it has begun: it ends before its time, with the stop's error.
func TestStopEndsBulkOperations(t *testing.T) {
	if testing.Short() {
		t.Skip("works on some 100 MB")
	}
	enough := errors.New("enough")
	memEnds := func(w *bulkWorld) (first, last bool) { b := w.m.Bytes(); return b[0] != 0, b[len(b)-1] != 0 }
	tableEnds := func(w *bulkWorld) (first, last bool) { r := w.a.Refs(); return r[0] != 0, r[len(r)-1] != 0 }
	for name, op := range map[string]struct {
		prepare func(w *bulkWorld)
		run     func(w *bulkWorld) error
		ends    func(w *bulkWorld) (first, last bool)
	}{
		"memory.fill": {nil, func(w *bulkWorld) error { return w.th.MemoryFill(w.m, 0, 1, w.m.Len()) }, memEnds},
		"memory.copy": {func(w *bulkWorld) { fillBytes(w.o.Bytes(), 1) },
			func(w *bulkWorld) error { return w.th.MemoryCopy(w.m, w.o, 0, 0, w.m.Len()) }, memEnds},
		"memory.init": {nil, func(w *bulkWorld) error { return w.th.MemoryInit(w.inst, 0, w.m, 0, 0, w.m.Len()) }, memEnds},
		"table.fill":  {nil, func(w *bulkWorld) error { return w.th.TableFill(w.a, 0, 1, w.a.Size()) }, tableEnds},
		"table.copy": {func(w *bulkWorld) { fillRefs(w.b.Refs(), 1) },
			func(w *bulkWorld) error { return w.th.TableCopy(w.a, w.b, 0, 0, w.a.Size()) }, tableEnds},
		"table.init": {nil, func(w *bulkWorld) error { return w.th.TableInit(w.inst, 0, w.a, 0, 0, w.a.Size()) }, tableEnds},
	} {
		t.Run(name, func(t *testing.T) {
			// The stop may come too late where the machine is busy.
			for range 20 {
				w := newBulkWorld(t)
				if op.prepare != nil {
					op.prepare(w)
				}
				over := make(chan struct{})
				done := make(chan struct{})
				go func() {
					defer close(done)
					for {
						if first, _ := op.ends(w); first {
							break
						}
						select {
						case <-over:
							return
						default:
							runtime.Gosched()
						}
					}
					w.th.Stop(enough)
				}()
				err := op.run(w)
				close(over)
				<-done
				if err == nil {
					continue
				}
				if !errors.Is(err, enough) {
					t.Fatal(err)
				}
				if first, last := op.ends(w); !first || last {
					t.Errorf("stopped: begun %v, finished %v", first, last)
				}
				return
			}
			t.Error("it was never stopped")
		})
	}
}

// TestStopEndsGrowing: an operation that adds something to a memory or table has not happened if it is stopped.
func TestStopEndsGrowing(t *testing.T) {
	th := newTestThread(t, &idleEngine{})
	m, err := th.Store.AddMemory(wasm.MemoryType{Limits: wasm.Limits{Min: 1, Max: 100, HasMax: true, Is64: true}}, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	// A reservation that is full already makes the memory move.
	full, err := th.pools.get(wasm.PageSize, wasm.PageSize)
	if err != nil {
		t.Fatal(err)
	}
	th.pools.put(m.region, int(m.Len()))
	m.region, m.Desc.Base = full, full.Base()
	m.Bytes()[5] = 77
	tb, err := th.Store.NewTable(wasm.TableType{Limits: wasm.Limits{Min: 2}, Elem: wasm.FuncRef}, 3)
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	th.Stop(enough)
	base := m.Desc.Base
	if old, ok := m.Grow(1); ok || old != 1 || m.Pages() != 1 || m.Desc.Base != base || m.Bytes()[5] != 77 {
		t.Errorf("a stopped thread's memory moved: %d, %v, %d pages", old, ok, m.Pages())
	}
	if old, ok, err := th.TableGrow(tb, 5000, 4); ok || old != 2 || tb.Size() != 2 || !errors.Is(err, enough) {
		t.Errorf("a stopped thread's table grew: %d, %v, %v, %d elements", old, ok, err, tb.Size())
	}
	th.clearStop()
	if _, ok := m.Grow(1); !ok || m.Desc.Base == base || m.Bytes()[5] != 77 || m.Bytes()[wasm.PageSize+5] != 0 {
		t.Error("the memory did not move afterwards")
	}
	if _, ok, err := th.TableGrow(tb, 5000, 9); !ok || err != nil {
		t.Errorf("the table did not grow afterwards: %v, %v", ok, err)
	}
	for i, r := range tb.Refs() {
		if want := Ref(3); i < 2 && r != want || i >= 2 && r != 9 {
			t.Fatalf("element %d is %d", i, r)
		}
	}
}

// TestTablesOfAPlanAreCopied: a large table is the same memory in all threads until one of them changes it, by whatever operation; the others, and
// those that are made later, never see that.
func TestTablesOfAPlanAreCopied(t *testing.T) {
	bin, err := wat.Assemble([]byte(`(module (table $a 3000 funcref) (table $b 3000 funcref) (func $f) (func $g)
		(elem (table $a) (i32.const 0) func $f $f $f $f) (elem $passive func $g $g))`), wat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	main := newTestThread(t, &idleEngine{})
	m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		t.Fatal(err)
	}
	if err := wasm.Validate(m, main.Store.types, wasm.ValidateOptions{}); err != nil {
		t.Fatal(err)
	}
	inst, err := Instantiate(main, m, idleCode{}, func(*wasm.Import) (Extern, bool, error) { return Extern{}, false, nil }, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	f, g := inst.FuncRef(0), inst.FuncRef(1)
	plan, err := NewPlan(main, MemoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	thread := func() *Thread {
		th, err := plan.NewThread(ThreadConfig{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { th.Shutdown(errors.New("test over")) })
		return th
	}
	witness := thread()
	original := func(th *Thread) bool {
		a, b := th.Store.Instances[0].Tables[0], th.Store.Instances[0].Tables[1]
		for i, r := range a.Refs() {
			if want := f; i < 4 && r != want || i >= 4 && r != NullRef {
				return false
			}
		}
		for _, r := range b.Refs() {
			if r != NullRef {
				return false
			}
		}
		return a.Size() == 3000 && b.Size() == 3000
	}
	for name, op := range map[string]func(th *Thread, a, b *Table) error{
		"set":  func(_ *Thread, a, _ *Table) error { a.Set(2, g); return nil },
		"fill": func(th *Thread, a, _ *Table) error { return th.TableFill(a, 1, g, 10) },
		"copy": func(th *Thread, a, b *Table) error { return th.TableCopy(b, a, 5, 0, 4) },
		"init": func(th *Thread, a, _ *Table) error { return th.TableInit(th.Store.Instances[0], 1, a, 1, 0, 2) },
		"grow": func(th *Thread, a, _ *Table) error {
			_, ok, err := th.TableGrow(a, 100, g)
			if !ok {
				t.Error("the table did not grow")
			}
			return err
		},
	} {
		th := thread()
		if !original(th) {
			t.Fatalf("%s: a new thread's tables are not those of the module", name)
		}
		inst := th.Store.Instances[0]
		if err := op(th, inst.Tables[0], inst.Tables[1]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if original(th) {
			t.Errorf("%s changed nothing", name)
		}
		if !original(witness) || !original(thread()) || !original(main) {
			t.Fatalf("%s is seen in other threads", name)
		}
	}
}
