// Package immix is the mark-region plan (Blackburn and McKinley, PLDI 2008): one space of blocks and lines, allocated by bumping, collected by
// marking lines.
package immix
