// Package interp is the portable engine: it lowers each function at its first call to instructions of a register machine, and
// runs those in one dispatch loop. It starts instantly and is the oracle for the compiler.
//
// # From Wasm to instructions
//
// An instruction (Instr) has 16 bytes: operation, three slot numbers, 64 bits of immediate. The lowerer reads a body once. It models
// the operand stack, but an operand gets into the frame only when somebody needs it there: reading a local or a constant emits nothing,
// an operation names locals as its sources, and an assignment changes the destination of the instruction that computed the value. What
// an operation or access can take in of its operands' computation it takes in (fuse.go), pairs of instructions become one. The rules are
// rows of tables, by Wasm instruction (rules*.go).
//
// Invariants of lowering:
//   - Every operand has home slots, given by what is below it on the stack. At labels and calls operands are in their homes: operands
//     in locals are put there when a block begins (an assignment inside would have to save them on one path only), block parameters and
//     results when control flow joins.
//   - Before a local is assigned, operands that still live in it are saved to their homes.
//   - Nothing before lowerer.barrier changes any more, as branches may lead there.
//   - An i32 is zero-extended in its slot. Only an operand marked dirty may be otherwise, and it never leaves the lowerer as such.
//   - Code holds no address of an instance: instances and threads share it. Addresses of its own functions' descriptors are fine.
//
// # Frames
//
// Slots have 8 bytes, v128 takes two; fp points at slot 0; frames grow upwards and overlap:
//
//	caller's frame │ params │ header │ locals │ operands … arg0 arg1│
//	callee's frame                                        │params   │ header │ locals │ operands …
//	                                                      └ callee's fp = caller's fp + 8·a
//
// Arguments are evaluated straight into the callee's parameter slots, so a call moves nothing. The header is the return address and the
// distance back to the caller's fp: nothing absolute but code addresses lies on a guest stack. Results are written to the callee's slots
// 0 and up, which are the caller's operand homes, after the header has been read (they may lie over it). A call compares the frame's
// end with the context's stack limit, which also serves requests to stop. Locals that may be read before they are set, or may not
// be set at a safepoint though they are of reference types, are zeroed by the callee's entry. A tail call moves its arguments down to the own slot 0.
//
// A call to another instance goes through a bridge (handlers_call.go): a few slots between arguments and callee that tell how to get
// back. The callee returns to a stub, where the driver restores the instance. A tail call from a frame that returns through a bridge needs
// no second one, so chains of them use constant stack.
//
// # Loop and driver
//
// run (run_generated.go, written by gen; the one file with unsafe code that does not say so in its name) is frameless: it has no CALL,
// so Go spills nothing around the dispatch, and the dispatch is within its first 32 bytes. That makes a third of the speed, and
// TestLoopMachineCode guards it. Whatever needs more than a few instructions of Go stores pc and fp in the context and returns to the
// driver (drive), one Go frame per call from the host, never per guest call; handlers serve the instruction and the loop is entered anew,
// with the memory's base and length as they are then.
//
// Memory access is to the current memory, whose base and length are the loop's parameters: memory 0 with 32-bit addresses. For other
// memories and 64-bit addresses MemAddr makes a window of the memory current for just the next instruction; MemReset ends it. An access
// that seems out of bounds asks the driver, which looks whether another thread has grown the memory meanwhile.
//
// # Objects
//
// A reference is an offset in the Process's GC heap (vm.Ref); the Context has the heap's address and where the thread allocates. An allocation is one
// instruction: it moves the thread's cursor, writes the header, and stores up to three first fields. What it does not store, instructions
// right behind it do, without checks and without the barrier: nothing comes between, and the rest of a new object is zero. If there is no room,
// the driver makes the object, which may collect and move others, and reads the operands again. Field offsets and the numbers of canonical types are
// in the code, which is fine: both are the Runtime's.
//
// Reads and writes check null and bounds. A write of a reference looks at the object's Log bit, and leaves to the driver if it is set, after the store.
// Casts compare the word at the type's depth in the display of the object's type (vm/gclayout.go) with the type; a final type only the header. What static types
// tell is not asked (lowerer.ask). The display may lack function types, and shows 15 levels: the driver knows the rest.
//
// # Safepoints
//
// Loop headers (polled by the taken backward branch), function entries (at the call, when the limit trips), host calls, allocations, and instructions
// of the driver. Maps (maps.go) tell the reference slots at each: all locals of reference types, and the operands that are in their
// homes. Tests, casts, reads and writes are none: what they leave to the driver neither collects nor waits. A call has two: before the call, and while the callee runs and owns the arguments. Arguments of a host function in flight
// are the host's. Frames are walked by return address: address → function by search, function → header.
//
// Exceptions cost nothing until thrown: try_table emits no instruction, its clauses are in a table by code range (throw.go).
// Offsets of backtraces are found by lowering the function again; where several Wasm instructions became one it is that of the first or the
// last of them.
//
// Platforms: little-endian, as Wasm memory is. The machine code is looked after on amd64 only.
//
// Lock order: Code.mu is a leaf; it is held while a function is lowered.
package interp
