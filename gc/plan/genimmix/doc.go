// Package genimmix is generational Immix: objects are allocated in a nursery, a collection of the young copies what is alive there into an Immix space, and
// one of the whole heap marks that too (Blackburn and McKinley, PLDI 2008, section 4).
package genimmix
