// Package cells is the mark-sweep space: blocks of equal cells, by size class. There are no free lists: a cell that is not marked is free, and
// allocators go through the mark bits as they need cells (lazy sweeping; Hughes, 1982). So nothing is written into dead objects.
package cells

import "github.com/spindle-wasm/spindle/gc/heap"

// Sizes of cells: four classes for each doubling, so that less than a fifth of a cell is lost.
var sizes = makeSizes()

// Max is the largest object of the space.
const Max = heap.BlockSize / 4

const numClasses = 36

func makeSizes() (s [numClasses]uint32) {
	n := 0
	for size := uint32(8); size < 64; size += 8 {
		s[n] = size
		n++
	}
	for base := uint32(64); base < Max; base *= 2 {
		for k := range uint32(4) {
			s[n] = (base + k*base/4) &^ 7
			n++
		}
	}
	s[n] = Max
	return s
}

// classes has the class of each size, in units of 8 bytes.
var classes = makeClasses()

func makeClasses() (c [Max/8 + 1]uint8) {
	class := uint8(0)
	for i := range c {
		if uint32(i)*8 > sizes[class] {
			class++
		}
		c[i] = class
	}
	return c
}

// class returns the smallest class for an object of that size, at most Max.
func class(size uint32) int { return int(classes[(size+7)/8]) }
