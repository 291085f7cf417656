// Package mem reserves, commits and releases address space off the Go heap: for linear memories, tables, guest stacks and
// thread regions.
package mem
