// Package gc is a memory-management toolkit for virtual machines: plans (algorithms) put together from spaces, allocators and work packets,
// with parallel GC workers, after MMTk. It knows nothing of WebAssembly; Spindle's engine is one of its VMs (package vm says what a
// VM supplies), gc/mockvm another.
//
// There is one Heap for each VM instance, thousands in a program, and no state outside of them.
package gc
