package mockvm

import (
	"github.com/spindle-wasm/spindle/gc"
	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/gc/plan"
	"github.com/spindle-wasm/spindle/gc/weak"
)

// Thread is a mutator thread. Its references are on a shadow stack, where the collector finds and changes them.
type Thread struct {
	vm *VM
	*gc.Mutator
	// Stack holds references; the collector may change them at every safepoint.
	Stack []uint32
	// Pins are references that the thread holds where the collector cannot change them.
	Pins []uint32

	number  int
	barrier bool
	inbox   []weak.Candidate // guarded by VM.mu; objects that died, with this thread's tags
}

// NewThread makes a running thread of the calling goroutine, which calls Exit in the end.
func (v *VM) NewThread() *Thread {
	t := &Thread{vm: v}
	v.Enter()
	v.mu.Lock()
	t.number = len(v.all)
	v.all = append(v.all, nil)
	v.mu.Unlock()
	t.start(v.Heap.NewMutator(t))
	return t
}

func (t *Thread) start(m *gc.Mutator) {
	v := t.vm
	t.Mutator = m
	t.barrier = v.Heap.Constraints().Barrier == plan.ObjectBarrier
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.threads == nil {
		v.threads = map[*Thread]bool{}
	}
	v.threads[t], v.all[t.number] = true, t
}

// Exit ends the thread.
func (t *Thread) Exit() {
	t.Mutator.Destroy()
	t.vm.mu.Lock()
	delete(t.vm.threads, t)
	t.vm.all[t.number] = nil
	t.vm.mu.Unlock()
	t.vm.Leave()
}

// Safepoint lets a collection run if one is waiting, or if one is to be at every so many safepoints (plan.Options.Zeal).
func (t *Thread) Safepoint() error {
	t.vm.Safepoint()
	return t.Mutator.Safepoint()
}

// Wait waits for something that other threads do; collections go on meanwhile.
func (t *Thread) Wait(wait func()) { t.vm.Block(t, wait) }

// Write stores a reference into an object, with the barrier that the plan asks for.
func (t *Thread) Write(obj, off, ref uint32) {
	mem := t.vm.Heap.Mem
	*mem.Slot(obj + off) = ref
	if t.barrier && mem.Log.Test(obj) {
		t.Remember(obj)
	}
}

// boardShare is how many elements of the board each thread has.
const boardShare = 8

// MakeBoard makes the board: an array of references, global root 0, of which each of the VM's first n threads has a share that it alone writes and reads. The
// calling thread runs.
func (t *Thread) MakeBoard(refs gc.TypeID, n int) error {
	r, err := t.Alloc(refs, uint32(n*boardShare))
	if err == nil {
		t.vm.SetGlobal(0, r)
	}
	return err
}

// Board returns the board, 0 if the thread has no share of it, and the place of the thread's first element.
func (t *Thread) Board() (board, off uint32) {
	board = t.vm.Global(0)
	first := uint32(t.number * boardShare)
	if board == 0 || t.vm.Heap.Mem.Length(board) < first+boardShare {
		return 0, 0
	}
	return board, heap.HeaderSize + 4*first
}

// AddFinalizer registers an object: when it dies, Died returns it with the tag.
func (t *Thread) AddFinalizer(r uint32, tag uint32) {
	t.vm.Heap.AddFinalizer(r, uint64(t.number)<<32|uint64(tag))
}

// Died takes an object that has died from those with the thread's tags. It must be a root before the next safepoint.
func (t *Thread) Died() (r, tag uint32, ok bool) {
	v := t.vm
	v.mu.Lock()
	defer v.mu.Unlock()
	// Ready objects of all threads come in one queue.
	for {
		r, tag, ok := v.Heap.NextFinalizer()
		if !ok {
			break
		}
		if to := v.all[tag>>32]; to != nil {
			to.inbox = append(to.inbox, weak.Candidate{Ref: r, Tag: tag})
		}
	}
	if len(t.inbox) == 0 {
		return 0, 0, false
	}
	f := t.inbox[0]
	t.inbox = t.inbox[1:]
	return f.Ref, uint32(f.Tag), true
}
