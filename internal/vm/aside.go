package vm

import (
	"context"
	"fmt"
)

// redZone is how much memory below its stack pointer a C function may use that calls no other one (LLVM, WebAssemblyFrameLowering: RedZoneSize): at a
// safepoint in its midst there is something of its own there.
const redZone = 128

// cStackAlign is what C expects of a stack pointer (tool-conventions, BasicCABI).
const cStackAlign = 16

// Keep makes a clone (Image.Fork) that has not gone on one that nobody can enter, but by Aside; Free takes it back. A call from outside would begin where the frames
// that the thread is to go on with are.
func (t *Thread) Keep() { t.owned.Store(true) }

// Free takes Keep back.
func (t *Thread) Free() { t.release() }

// Aside runs f, which may call guest code on t (Engine.Call): a clone that is kept (Keep), or one without frames. That code finds the clone's frames below its own, and
// none of them sees it: the guest stack begins above them; C stacks in linear memory are lowered, and put back; a host call that the clone is to make
// again, and a wait that it is to go on with, are left alone. ctx stops the guest when it is done.
func (t *Thread) Aside(ctx context.Context, f func() error) error {
	kept := len(t.Activations) > 0
	if kept {
		t.Free()
	}
	leave, err := t.Enter(ctx)
	if err != nil {
		if kept {
			t.Keep()
		}
		return err
	}
	defer func() {
		leave()
		if kept {
			t.Keep()
		}
	}()
	top, err := t.Engine.Extent(t)
	if err != nil {
		return err
	}
	restore, err := t.lowerCStacks()
	if err != nil {
		return err
	}
	defer restore()
	again, arg, below := t.again, t.Ctx.Arg, t.Top
	t.again, t.Top = nil, top
	t.setInner(&waiter{wake: make(chan struct{}, 1)})
	defer func() {
		t.setInner(nil)
		t.again, t.Ctx.Arg, t.Top = again, arg, below
	}()
	return f()
}

func (t *Thread) setInner(w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inner = w
	if w != nil && t.stopCause != nil {
		w.signal()
	}
}

// lowerCStacks takes the red zones of the thread's C stacks out of the reach of new frames, until restore is called.
func (t *Thread) lowerCStacks() (restore func(), err error) {
	type pointer struct {
		at  uintptr
		old uint64
	}
	var pointers []pointer
	restore = func() {
		for _, p := range pointers {
			*slotAt(p.at) = p.old
		}
	}
next:
	for _, inst := range t.Store.Instances {
		x, ok := FindStackPointer(inst.Module)
		if !ok {
			continue
		}
		at := inst.globalAddr(x)
		for _, p := range pointers {
			if p.at == at {
				continue next // instances that share a stack
			}
		}
		old := *slotAt(at)
		sp := old
		if !inst.Module.Memories[0].Is64 {
			sp = uint64(uint32(old))
		}
		if sp == 0 {
			continue // the module has not set its stack up
		}
		low := (int64(sp) - redZone) &^ (cStackAlign - 1)
		if low < max(inst.view.aux.floor, 0) {
			restore()
			return nil, fmt.Errorf("the C stack of instance %d has no room: %w", inst.Index, NewTrap(TrapStackOverrun))
		}
		pointers = append(pointers, pointer{at, old})
		*slotAt(at) = uint64(low)
	}
	return restore, nil
}
