package vm

import (
	"sync"

	"github.com/spindle-wasm/spindle/gc"
	gcvm "github.com/spindle-wasm/spindle/gc/vm"
)

// heapImage is the GC heap of an Image.
type heapImage struct {
	mu   sync.Mutex
	warm *Image // guarded by mu; see Image.warmed

	ticket *gc.Ticket
	types  *gcTypes
	pools  *Pools
	every  bool
	refs   *refTables

	// What the ticket knows the mutators by; nothing if it comes from a file.
	host    *gc.Mutator // the original's mutator of host code
	threads []*Thread   // the originals, in the order of the image's threads
	own     []*gc.Mutator
}

// freezeHeap begins a freeze of a heap, whose threads stand: pending collections are over, no worker runs, and the pages are sealed. Until thaw is called no
// thread can allocate for long, and no host code touches objects.
func (h *Heap) freezeHeap(threads []*Thread) (img *heapImage, thaw func() error, err error) {
	ticket, err := h.gc.PrepareToFork()
	if err != nil {
		return nil, nil, err
	}
	img = &heapImage{ticket: ticket, types: h.types, pools: h.pools, every: h.every, refs: newRefTables(h.pools), host: h.mutator, threads: threads}
	for _, t := range threads {
		img.own = append(img.own, t.mutator)
	}
	img.refs.shared = true
	if err = img.refs.clone(h.refs); err == nil {
		if _, err = h.types.hold(h.pools, false); err == nil {
			return img, ticket.Resume, nil
		}
	}
	img.refs.drop()
	ticket.Resume() //nolint:errcheck // it has not been called before
	ticket.Close()  //nolint:errcheck // likewise
	return nil, nil, err
}

// fork gives the threads of a fork, in the image's order, a heap of their own. Host code has no handles in it.
func (img *heapImage) fork(threads []*Thread, refs *refTables, told func(gc.Collection)) error {
	supers, err := img.types.hold(img.pools, false)
	if err != nil {
		return err
	}
	h := &Heap{types: img.types, pools: img.pools, main: threads[0], every: img.every, refs: refs}
	refs.shared = true
	child := make(map[*Thread]*Thread, len(threads))
	for k, t := range img.threads {
		child[t] = threads[k]
	}
	heap, mutators, err := img.ticket.Child(h, gc.ChildConfig{
		Thread: func(parent gcvm.Thread) (gcvm.Thread, bool) {
			t, ok := parent.(*Thread)
			if !ok {
				return parent, true // host code's
			}
			n, ok := child[t]
			return n, ok
		},
		Options: func(o *gc.Options) {
			o.Trace = nil // the original's, which ends with it
			o.Stats = func(c gc.Collection) {
				h.stats.add(c)
				if told != nil {
					told(c)
				}
			}
		},
	})
	if err != nil {
		img.types.drop(img.pools)
		return err
	}
	h.gc, h.mem = heap, heap.Mem
	if img.own == nil {
		h.mutator = heap.NewMutator(hostCode{})
		for _, t := range threads {
			h.adopt(t, heap.NewMutator(t), supers)
		}
		return nil
	}
	h.mutator = mutators[img.host]
	for k, t := range threads {
		h.adopt(t, mutators[img.own[k]], supers)
	}
	return nil
}

// close gives the image up.
func (img *heapImage) close() {
	if img.warm != nil {
		img.warm.Close()
	}
	if img.ticket != nil { // of a file that was refused it may be
		img.ticket.Close() //nolint:errcheck // address space is lost, no more
	}
	img.types.drop(img.pools)
	img.refs.drop()
}
