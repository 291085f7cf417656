// Package mem reserves, commits and releases address space off the Go heap: for linear memories, tables, guest stacks, thread
// regions and garbage-collected heaps.
//
// It also copies regions on write. A region that will be copied is reserved by ReserveForkable: its pages lie in a file without a name. Freeze seals
// the file, maps it privately where the region is, and returns an Image; Image.Map makes further regions of that, at the cost of a
// mapping each, whatever their size:
//
//	| used: a private view of the file | committed since, or never used: anonymous | reserved |
//
// Only what has been used is mapped from the file: a touch of one of its holes would give the file a page, and a write one more to the region. A page that is written
// to becomes the region's own, and the system knows which ones are (Dirty). There is no mapping for a run of such pages: mappings are bounded
// (see Slots), so they are copied, into the child or into a new file, whichever is cheaper.
//
// Pages that nobody may touch can be hidden (Region.Hide): they hold no memory, and every access faults.
package mem
