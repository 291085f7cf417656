// Package process is the thread group of a Process: which threads live, what ended it, and in which order it shuts down.
//
// The protocol of ending (wasi-threads: a trap or proc_exit in any thread ends all of them; a return from the main
// thread's entry is proc_exit(0)):
//
//  1. The cause is recorded under Group.mu; the first one wins.
//  2. With it the group is latched: a spawn that has not registered its thread yet is refused.
//  3. Every registered thread is told to stop. It unwinds at its next safepoint, or out of what it is blocked in.
//  4. A thread that has left is closed and taken out of the group, and idle workers end. Wait returns when all have left.
//
// A pause and a dump hold every thread of the group, and those that join it meanwhile (Group.hold); a thread that is told to stop is not held any more.
//
// Threads run on workers: goroutines which, until the group ends, keep what a thread leaves for the next one.
//
// Lock order: Group.mu, then vm.Thread.mu.
package process
