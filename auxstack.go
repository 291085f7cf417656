package spindle

import (
	"math"
	"slices"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// setAuxStack says where the C stack of inst lies in t: to the engine, which traps when it is overrun, and to the module, if it exports
// __set_stack_limits. low and high are as vm.Thread.SetAuxStack has them.
// Preconditions: those of vm.Thread.SetAuxStack.
func (p *Process) setAuxStack(t *vm.Thread, inst *vm.Instance, low, high uint64) error {
	t.SetAuxStack(inst, low, high)
	return p.tellAuxStack(t, inst)
}

// tellAuxStack tells a module the bounds of its C stack in t if it wants to know. Its code takes every stack pointer for an overrun until it is
// told, so it is told even if nothing is known or no checks are wanted: then its own checks pass always.
func (p *Process) tellAuxStack(t *vm.Thread, inst *vm.Instance) error {
	x := inst.Module.CStack().SetLimits
	if x < 0 {
		return nil
	}
	return p.callIn(t, inst, uint32(x), p.stackLimits(t, inst))
}

// tellCalls appends the calls that tell the modules of a new thread, but those that are told by auxBlock.use.
func tellCalls(t *vm.Thread, but []*auxStack, steps []call) []call {
	for _, inst := range t.Store.Instances {
		x := inst.Module.CStack().SetLimits
		if x >= 0 && !slices.ContainsFunc(but, func(a *auxStack) bool { return a.inst == inst.Index }) {
			steps = append(steps, call{inst: inst.Index, fn: uint32(x), limits: true})
		}
	}
	return steps
}

// stackLimits returns the arguments for __set_stack_limits.
func (p *Process) stackLimits(t *vm.Thread, inst *vm.Instance) []uint64 {
	low, high, ok := t.AuxStack(inst)
	if !ok {
		low, high = 0, math.MaxUint64
	}
	if inst.Module.FuncType(uint32(inst.Module.CStack().SetLimits)).Params[0] == wasm.I32 {
		high = min(high, math.MaxUint32)
	}
	return []uint64{high, low}
}

// findAuxStack finds the C stack of a thread that the guest spawned from inst's module; arg is what the thread's entry will get.
func findAuxStack(t *vm.Thread, inst *vm.Instance, arg uint32) {
	if low, high, ok := vm.ThreadStack(inst, arg); ok {
		t.SetAuxStack(inst, low, high)
	}
}
