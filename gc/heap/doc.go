// Package heap is the memory of one garbage-collected heap: blocks, objects, types and the metadata beside the objects.
//
// A heap is one reservation of address space, and all positions in it are offsets: it can be mapped again elsewhere, which is what a fork
// does. References (Ref) are 32-bit offsets of objects from the start of the object area.
//
//	| metadata, by block, line and 8 bytes of the object area | object area: block 0 (never used), block 1, ... |
//
// An object is a header of 8 bytes and its fields. The header holds the type and, of an array, the length; nothing in it changes while the object is alive.
// All that a collector notes about an object is a bit on the side, so that a collection in a forked heap dirties no page of objects; only
// a copy leaves its new place in the header of the dead original.
//
// Blocks of 32 KiB are the unit in which spaces take memory; Immix and large objects know 128 lines of 256 bytes in each (Blackburn and
// McKinley, Immix, PLDI 2008).
package heap
