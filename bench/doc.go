// Bench compares Spindle's interpreter with wazero's.
//
//	go run ./bench                      all tables
//	go run ./bench -filter SIMD,sha256  some kernels
//	go run ./bench -md out.md -json out.json
//
// Three tables are made. "kernel": CPU-bound modules of our own (kernels/*.c,
// rebuilt by build.sh), whose checksums must agree on every engine.
// "operation": compiling, instantiating and the two directions of a call, by
// the public API of either side. "program": whole processes, the spindle
// command against wazero's with -interpreter.
//
// Contestants take turns, so that a slow minute of a shared machine falls on
// all alike; the minimum says what the code can do, the median what to quote,
// and a ratio is the median over pairs of runs that followed each other: how
// many times faster than the other we are.
//
// Bench is a module of its own, so that comparing with wazero does not make it
// a dependency of Spindle.
package main
