package cells

import "testing"

// Every object goes into the smallest cells that it fits into.
func TestClasses(t *testing.T) {
	for size := uint32(1); size <= Max; size++ {
		c := class(size)
		if sizes[c] < size || c > 0 && sizes[c-1] >= size {
			t.Fatalf("an object of %d bytes gets a cell of %d", size, sizes[c])
		}
	}
}
