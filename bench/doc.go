// Bench compares Spindle's interpreter with wazero's.
//
//	go run ./bench                      kernels, operations, programs
//	go run ./bench -filter SIMD,sha256  some kernels
//	go run ./bench -sections threads    guest threads against native ones
//	go run ./bench -sections gc         the memory-management toolkit by itself
//	go run ./bench -sections gcguests   guests with a garbage-collected heap
//	go run ./bench -md out.md -json out.json
//
// Three tables are made, and a fourth if it is asked for. "kernel": CPU-bound modules of our own (kernels/*.c,
// rebuilt by build.sh), whose checksums must agree on every engine.
// "operation": compiling, instantiating and the two directions of a call, by
// the public API of either side. "program": whole processes, the spindle
// command against wazero's with -interpreter. "threads": guest threads
// (threads.wat) against the same in C (peer/threads.c), which the system's C
// compiler compiles when the table is made; without one its column is empty.
//
// "gcguests": programs that live on the garbage-collected heap, against V8 (node
// of the npm registry) and wasmtime (peer/wasmtime, built when it is wanted).
//
// Contestants take turns, so that a slow minute of a shared machine falls on
// all alike; the minimum says what the code can do, the median what to quote,
// and a ratio is the median over pairs of runs that followed each other: how
// many times faster than the other we are.
//
// Bench is a module of its own, so that comparing with wazero does not make it
// a dependency of Spindle.
package main
