// Package tutorial has the plans that docs/gc/tutorial.md writes step by step: NoGC, SemiSpace, and GenCopy, which is generational. They are complete and are
// tested like the plans of package gc, but are there to be read: use those.
//
// Unlike them they share one kind of space of their own, Space, so that the whole of a collector is in four files.
package tutorial
