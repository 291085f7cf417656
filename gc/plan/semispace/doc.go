// Package semispace is the copying plan (Fenichel and Yochelson, 1969; Cheney, 1970): objects are allocated in one of two spaces, and a
// collection copies what is alive into the other one. It needs twice the memory, and moves every small object each time: the plan to find
// missing roots with.
package semispace
