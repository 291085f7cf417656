// Package pageprotect is the plan to find uses after free with (after MMTk's of that name): each object has pages of its own, nothing moves, and the pages
// of dead ones are made inaccessible and used again as late as possible. So a reference that the VM did not tell as a root faults where it is used: "unexpected
// fault address", with the stack of the culprit, or a panic under debug.SetPanicOnFault.
//
// An object of 16 bytes takes a page, so a heap must be some hundred times as large as with other plans; dead objects take no memory. Where the
// system cannot protect pages, in forkable heaps, and beyond some thousands of gaps between live objects, what is free holds heap.Poison in each byte.
package pageprotect
