// Lisp is a small Lisp on package gc: how a language VM binds to the toolkit, in a program to be read.
//
//	go run ./examples/lisp -e '(display (map (lambda (x) (* x x)) (list 1 2 3)))'
//	go run ./examples/lisp -plan semispace -heap 4M -stress 10 -sanity -stats examples/lisp/testdata/trees.lisp
//
// Everything that a Lisp program makes lives in the heap: pairs, symbols, strings, vectors, closures, environments, and its code,
// which is lists. What the evaluator would keep on Go's stack it keeps on a stack of its own, so that the collector finds every reference and
// may change it. The files, in the order of reading:
//
//   - word.go: what a word of the stack or of a field can be
//   - vm.go: the VM, its types, and its half of the interface (vm.Binding): roots and the symbol table, whose references are weak
//   - thread.go: a mutator: stack, allocation, write barrier, waiting
//   - eval.go, forms.go: the evaluator, a loop over expressions and frames; special forms
//   - prims.go, prelude.lisp: functions that are written in Go, and in Lisp
//   - read.go, print.go: text to objects and back
//   - fork.go: many VMs of one that is ready
//   - main.go: the command
//
// The language: integers of 31 bits; define, set!, lambda, if, cond, and, or, let, begin, quote; tail calls take no stack; try catches errors; spawn and join
// run closures on threads of their own, in parallel. docs/gc/porting.md leads through binding a VM to the toolkit, with this one as its example.
package main
