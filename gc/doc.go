// Package gc is a memory-management toolkit for virtual machines: plans (algorithms) put together from spaces, allocators and work packets,
// with parallel GC workers, after MMTk. It knows nothing of WebAssembly; Spindle's engine is one of its VMs (package vm says what a
// VM supplies), gc/mockvm and examples/lisp are others.
//
// There is one Heap for each VM instance, thousands in a program, and no state outside of them.
//
// In docs/gc, architecture.md is the map (regions, the steps of a collection, the scheduler, locks), tutorial.md writes three plans step by step (package
// gc/tutorial), and porting.md leads a VM's author from NoGC to a generational plan, with examples/lisp as its example.
package gc
