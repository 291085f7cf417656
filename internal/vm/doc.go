// Package vm holds what every engine shares: stores, instances, linear memories, tables, globals, tags and exceptions, guest
// stacks, the safepoint word, blocking, and the rules of linking and instantiation.
//
// All guest state lives off the Go heap. The Go objects of this package describe it and can be rebuilt from it.
//
// Ownership: a Store, with its instances, belongs to one Thread. At any time at most one goroutine owns a Thread (Enter to
// Leave); only the owner touches the store. Shared memories belong to several stores and are safe for concurrent use.
//
// Lock order: Heap.mu, Heap.alloc, Heap.host, refTables.mu, Thread.mu, then Memory.mu, a wait queue's lock, a localSet's.
package vm
