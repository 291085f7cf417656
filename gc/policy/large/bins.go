package large

import "math/bits"

// bins are free runs by length. Those of the last bin may be longer.
type bins struct {
	bin [64][]run // none of length 0
	set uint64    // a bit for each bin that is not empty
}

func (b *bins) put(o run) {
	if o.n == 0 {
		return
	}
	i := min(o.n, 63)
	b.bin[i] = append(b.bin[i], o)
	b.set |= 1 << i
}

// take takes one of the shortest runs that have n granules.
func (b *bins) take(n uint32) (run, bool) {
	set := b.set &^ (1<<min(n, 63) - 1)
	if set == 0 {
		return run{}, false
	}
	i := bits.TrailingZeros64(set)
	runs := b.bin[i]
	for k := len(runs) - 1; k >= 0; k-- {
		if o := runs[k]; o.n >= n {
			runs[k] = runs[len(runs)-1]
			if b.bin[i] = runs[:len(runs)-1]; len(runs) == 1 {
				b.set &^= 1 << i
			}
			return o, true
		}
	}
	return run{}, false
}

// drain empties the bins into a list.
func (b *bins) drain(to []run) []run {
	for i := range b.bin {
		to = append(to, b.bin[i]...)
		b.bin[i] = b.bin[i][:0]
	}
	b.set = 0
	return to
}
