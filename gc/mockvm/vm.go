// Package mockvm is a small VM on the toolkit, for tests and for readers: threads with shadow stacks, safepoints by a flag, global roots, weak
// references and foreign handles.
package mockvm

import (
	"sync"

	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/vm"
)

// VM is one virtual machine with its heap. It implements vm.Binding.
type VM struct {
	vm.World
	Heap *gc.Heap

	mu      sync.Mutex
	globals []uint32  // written by running threads under mu
	all     []*Thread // by number, nil when they have exited; written by running threads under mu
	weak    []Weak    // guarded by mu
	foreign map[uint32]bool
	threads map[*Thread]bool // written by running threads under mu
}

// Weak is a weak reference: the collector clears Ref when nothing else keeps the object alive.
type Weak struct{ Ref uint32 }

// New makes a VM.
func New(cfg gc.Config) (*VM, error) {
	v := &VM{}
	h, err := gc.New(v, cfg)
	if err != nil {
		return nil, err
	}
	v.Heap = h
	return v, nil
}

// Roots implements vm.Binding.
func (v *VM) Roots(t vm.Thread, s vm.Slots) {
	th := t.(*Thread)
	for i := range th.Stack {
		s.Slot(&th.Stack[i])
	}
	for _, r := range th.Pins {
		s.Pinned(r)
	}
}

// GlobalRoots implements vm.Binding.
func (v *VM) GlobalRoots(s vm.Slots) {
	for i := range v.globals {
		s.Slot(&v.globals[i])
	}
	for t := range v.threads {
		for i := range t.inbox {
			s.Slot(&t.inbox[i].Ref)
		}
	}
}

// Global reads a global root, 0 if it was never written.
func (v *VM) Global(i int) uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if i >= len(v.globals) {
		return 0
	}
	return v.globals[i]
}

// SetGlobal writes a global root, of which there are as many as have been written. Only running threads call it.
func (v *VM) SetGlobal(i int, r uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(v.globals) <= i {
		v.globals = append(v.globals, 0)
	}
	v.globals[i] = r
}

// NewWeak makes a weak reference and returns its number. Only running threads call it.
func (v *VM) NewWeak(r uint32) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.weak = append(v.weak, Weak{r})
	return len(v.weak) - 1
}

// Weak reads a weak reference; 0 if its object is gone.
func (v *VM) Weak(i int) uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.weak[i].Ref
}

// WeakRefs implements vm.Binding.
func (v *VM) WeakRefs(live func(uint32) bool, trace func(uint32) uint32) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.weak {
		if w := &v.weak[i]; w.Ref == 0 {
			continue
		} else if live(w.Ref) {
			w.Ref = trace(w.Ref)
		} else {
			w.Ref = 0
		}
	}
	return false
}

// Foreign implements vm.Binding.
func (v *VM) Foreign(_ uint8, word uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.foreign == nil {
		v.foreign = map[uint32]bool{}
	}
	v.foreign[word] = true
}

// TakeForeign returns the foreign words that collections have met since the last call.
func (v *VM) TakeForeign() map[uint32]bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.foreign
	v.foreign = nil
	return f
}

// Close ends the VM; its threads have exited.
func (v *VM) Close() error { return v.Heap.Close() }
