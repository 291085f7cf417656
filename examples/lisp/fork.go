package main

import (
	"errors"
	"maps"
	"slices"

	"github.com/spindle-wasm/spindle/gc"
)

// Image is a VM as it was when it was frozen. VMs are made of it, as many as one likes, until it is closed; their heaps share its pages until they write
// to them.
type Image struct {
	*gc.Ticket
	v *VM // the state that is not in the heap; nobody runs on it
}

// Warmup collects the heap and puts together what is alive, for a VM that is ready to be frozen. The caller is no running thread.
func (v *VM) Warmup() error { return v.heap.Warmup() }

// Freeze makes an image of a VM with Options.Forkable, which goes on. Its threads stand meanwhile; the caller is none of them.
func (v *VM) Freeze() (*Image, error) {
	ticket, err := v.heap.PrepareToFork()
	if err != nil {
		return nil, err
	}
	image := &Image{ticket, v.copy()}
	if err := ticket.Resume(); err != nil {
		return nil, errors.Join(err, ticket.Close())
	}
	return image, nil
}

// New makes a VM that is what the frozen one was, without its threads.
func (i *Image) New() (*VM, error) {
	v := i.v.copy()
	h, _, err := i.Child(v, gc.ChildConfig{Options: func(o *gc.Options) { o.Stats = v.count(nil) }})
	if err != nil {
		return nil, err
	}
	v.heap, v.mem = h, h.Mem
	return v, nil
}

// errThread is what a thread that was running has come to, where there is only a copy of the VM.
var errThread = &Error{Msg: "the thread is in another process"}

// copy copies what a VM has besides its heap. It holds offsets in the heap only, which are the same in a copy of that. What the prelude and the program have defined
// is there, so a copy need not be booted.
func (v *VM) copy() *VM {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := &VM{
		pair: v.pair, symbol: v.symbol, str: v.str, vector: v.vector, closure: v.closure, weak: v.weak,
		barrier: v.barrier, stackWords: v.stackWords, maxSteps: v.maxSteps, out: v.out,
		symbols: maps.Clone(v.symbols), globals: slices.Clone(v.globals), reserve: v.reserve,
	}
	for _, th := range v.threads {
		copied := &thread{word: null, err: errThread, done: make(chan struct{}), joined: true}
		close(copied.done)
		select {
		case <-th.done:
			copied.word, copied.err = th.word, th.err
		default:
		}
		c.threads = append(c.threads, copied)
	}
	return c
}
