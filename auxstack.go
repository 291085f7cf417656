package spindle

import (
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// stackLimits is the export by which a module learns the bounds of the thread's C stack: Binaryen's --stack-check adds it, with the
// highest address as the first parameter and the lowest as the second.
const stackLimits = "__set_stack_limits"

// setAuxStack says where the C stack of inst lies in t: to the checks of the engine, and to the module if it wants to know.
// Preconditions: those of vm.Thread.SetAuxStack.
func (p *Process) setAuxStack(t *vm.Thread, inst *vm.Instance, low, high uint64) error {
	t.SetAuxStack(inst, low, high)
	x, ok := inst.Module.FindExport(stackLimits, wasm.ExternFunc)
	if !ok || !takesBounds(inst.Module.FuncType(x)) {
		return nil
	}
	return p.callIn(t, inst, x, []uint64{high, low})
}

func takesBounds(ft *wasm.FuncType) bool {
	return len(ft.Results) == 0 && len(ft.Params) == 2 && ft.Params[0] == ft.Params[1] && (ft.Params[0] == wasm.I32 || ft.Params[0] == wasm.I64)
}
