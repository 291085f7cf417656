package vm

import "github.com/spindle-wasm/spindle/internal/wasm"

// FindStackPointer returns the global that points at a module's C stack in linear memory; see wasm.Module.StackPointer.
func FindStackPointer(m *wasm.Module) (global uint32, ok bool) { return m.StackPointer() }

// auxStack is where the C stack of an instance lies in its thread: frames are in [low, high).
type auxStack struct{ low, high uint64 }

// SetAuxStack says where the C stack of inst lies in this thread: its stack pointer begins at high and must not get below low. low 0 means
// that nothing is known but that addresses end there. It does nothing if the module has no known stack pointer. It does not write the stack pointer.
// Preconditions: the caller owns t; inst is in t's store.
func (t *Thread) SetAuxStack(inst *Instance, low, high uint64) {
	if _, ok := FindStackPointer(inst.Module); !ok {
		return
	}
	inst.aux = auxStack{low, high}
}
