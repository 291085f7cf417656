// Package markcompact is the plan that marks what is alive and then slides it together (Lisp-2). It needs no room for copies, keeps objects in the
// order of their allocation, and goes through the heap three times: for heaps that are collected once, before a fork.
package markcompact
