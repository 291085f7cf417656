package vm

import "github.com/spindle-wasm/spindle/internal/wasm"

// Engine turns modules into code and runs it. Engines hold no guest state: that is on guest stacks and in stores.
type Engine interface {
	// Compile prepares the code of a validated module. The result is immutable from outside (functions may be lowered at
	// their first call, under the Code's own lock) and shared by all threads and Processes of the Runtime.
	Compile(m *wasm.Module, ts *wasm.TypeSpace) (Code, error)

	// Call runs a defined function of inst on t's guest stack, above t's innermost frame, until it returns.
	// slots holds the arguments in 8-byte slots (v128 takes two, low half first) and receives the results; its length is at least
	// the larger of both. A trap, an uncaught exception, an exit or a stop request is returned as the error, with t's
	// stack unwound to where it was.
	//
	// Preconditions: the caller owns t (Thread.Enter).
	Call(t *Thread, inst *Instance, fn uint32, slots []uint64) error

	// Rewind puts t, a clone that stood in a host call, before that call, so that its arguments are operands again, which the maps tell of.
	Rewind(t *Thread)

	// Resume goes on with the one activation of t, a clone (Image.Fork) of a thread that stood at a safepoint, and returns as the Call would have
	// that began it; slots receives the results. A host call that was in flight is made again (see Answer).
	//
	// Preconditions: the caller owns t.
	Resume(t *Thread, slots []uint64) error

	// Extent returns the first address of t's guest stack that no live frame uses.
	// Preconditions: as for Frames.
	Extent(t *Thread) (uintptr, error)

	// Frames calls visit for each guest frame of t, innermost first, until visit returns false.
	// Preconditions: t is not in guest code (it is parked, blocked, in a host function, or stopped at a trap).
	Frames(t *Thread, visit func(Frame) bool)

	// StackRefs calls visit with the address of each live reference slot on t's guest stack, and with its static type
	// (canonical). Exact: every live reference, nothing else. visit may change the reference in place.
	// Preconditions: as for Frames.
	StackRefs(t *Thread, visit func(slot *uint64, typ wasm.ValType))
}

// Code is an engine's form of one module.
type Code interface {
	// FuncAddr returns the address for FuncDesc.Code of a defined function (function index, imports included).
	FuncAddr(fn uint32) uintptr
}

// Frame is one guest frame of a backtrace.
type Frame struct {
	Instance *Instance
	Func     uint32 // function index
	Offset   uint32 // of the instruction in the module's binary; 0 if unknown
}
