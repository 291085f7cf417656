package main

import (
	_ "embed"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// VM is a Lisp with its heap. It implements vm.Binding; vm.World is the half of it that stops threads.
type VM struct {
	vm.World
	heap *gc.Heap
	mem  *heap.Memory

	pair, symbol, str, vector, closure, weak gc.TypeID

	barrier    bool // writes of references into objects are to be noted
	stackWords int  // of a thread
	maxSteps   int  // of a thread's evaluations; 0: no limit
	out        *output

	// Nobody is at a safepoint with mu held: the collector takes it, and would wait for ever.
	mu      sync.Mutex
	symbols map[string]word // guarded by mu; weak: a symbol that nothing refers to and that has no value goes
	globals []word          // guarded by mu; symbols with a value
	reserve word            // guarded by mu; what is dropped when memory is out, so that a handler has some
	threads []*thread       // guarded by mu; that spawn has made, by number
	wait    sync.WaitGroup  // for them

	full, young atomic.Int64 // collections
}

// Config configures a VM.
type Config struct {
	gc.Config
	// Out takes what display writes.
	Out io.Writer
	// StackWords is the size of a thread's stack; 0 means DefaultStackWords.
	StackWords int
	// MaxSteps bounds how long each evaluation of a thread is; 0 does not.
	MaxSteps int
}

// DefaultStackWords makes stacks of 1 MiB. Pages that are never used take no memory.
const DefaultStackWords = 1 << 18

// prelude has the functions that are written in Lisp.
//
//go:embed prelude.lisp
var prelude string

// New makes a VM.
func New(cfg Config) (*VM, error) {
	v := &VM{symbols: map[string]word{}, out: &output{w: cfg.Out}, stackWords: cfg.StackWords, maxSteps: cfg.MaxSteps}
	if v.stackWords == 0 {
		v.stackWords = DefaultStackWords
	}
	if v.out.w == nil {
		v.out.w = io.Discard
	}
	cfg.Stats = v.count(cfg.Stats)
	h, err := gc.New(v, cfg.Config)
	if err != nil {
		return nil, err
	}
	v.heap, v.mem = h, h.Mem
	v.barrier = h.Constraints().Barrier == gc.ObjectBarrier
	if err := errors.Join(v.addTypes(), v.boot()); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return v, nil
}

// count counts collections, and tells told of them if it is set.
func (v *VM) count(told func(gc.Collection)) func(gc.Collection) {
	return func(c gc.Collection) {
		if c.Full {
			v.full.Add(1)
		} else {
			v.young.Add(1)
		}
		if told != nil {
			told(c)
		}
	}
}

// addTypes tells the heap what objects there are, and where the references in them.
func (v *VM) addTypes() error {
	for _, t := range []struct {
		id *gc.TypeID
		gc.Type
	}{
		{&v.pair, gc.Type{Name: "pair", Size: 16, Refs: []uint32{carAt, cdrAt}}},
		{&v.symbol, gc.Type{Name: "symbol", Size: 16, Refs: []uint32{symName, symValue}}},
		{&v.str, gc.Type{Name: "string", Elem: 1}},
		{&v.vector, gc.Type{Name: "vector", Elem: 4, ElemRef: true}},
		{&v.closure, gc.Type{Name: "closure", Size: 24, Refs: []uint32{fnParams, fnBody, fnEnv, fnName}}},
		{&v.weak, gc.Type{Name: "weak reference", Size: 16, Weak: []uint32{weakRef}}},
	} {
		id, err := v.mem.Types.Add(t.Type)
		if err != nil {
			return err
		}
		*t.id = id
	}
	return nil
}

// Close waits for the VM's threads and ends it. The error is of threads that failed and that nobody has waited for, or of the heap.
func (v *VM) Close() error {
	v.wait.Wait()
	var all []error
	for _, th := range v.threads {
		if !th.joined {
			all = append(all, th.err)
		}
	}
	return errors.Join(append(all, v.heap.Close())...)
}

// Roots implements vm.Binding: a thread's stack and registers. Words that are no references are left alone by the collector.
func (v *VM) Roots(th vm.Thread, s vm.Slots) {
	t := th.(*Thread)
	for i := range t.stack {
		s.Slot(&t.stack[i])
	}
	s.Slot(&t.expr)
	s.Slot(&t.env)
	s.Slot(&t.val)
}

// GlobalRoots implements vm.Binding.
func (v *VM) GlobalRoots(s vm.Slots) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.globals {
		s.Slot(&v.globals[i])
	}
	for _, th := range v.threads {
		s.Slot(&th.word)
	}
	s.Slot(&v.reserve)
}

// WeakRefs implements vm.Binding: symbols that are nowhere else leave the table, others are where the collector has put them.
func (v *VM) WeakRefs(live func(uint32) bool, trace func(uint32) uint32) (again bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name, sym := range v.symbols {
		if live(sym) {
			v.symbols[name] = trace(sym)
		} else {
			delete(v.symbols, name)
		}
	}
	return false
}

func (v *VM) symbolCount() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.symbols)
}

// Foreign implements vm.Binding. No field refers to anything outside of the heap.
func (v *VM) Foreign(uint8, uint32) {}
