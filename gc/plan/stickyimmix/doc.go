// Package stickyimmix is generational Immix without a nursery of its own (Blackburn and McKinley, PLDI 2008, section 4; after Demers
// et al., POPL 1990): mark bits stick, so that what is marked is old. Young objects lie in the holes between old ones; a collection of the young traces
// from the roots and from the old objects that were written to, and stops at marks. Nothing moves.
package stickyimmix
