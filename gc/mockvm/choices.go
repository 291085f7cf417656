package mockvm

import (
	"bytes"
	"math/rand/v2"
)

// Choices is where a program's decisions come from: Random or Bytes.
type Choices interface {
	// IntN returns a number from 0 to n-1.
	IntN(n int) int
	// Clone copies what decides the numbers to come.
	Clone() Choices
}

// Random makes decisions of a seed.
type Random struct {
	*rand.Rand
	pcg *rand.PCG
}

// NewRandom makes one.
func NewRandom(seed, stream uint64) *Random {
	pcg := rand.NewPCG(seed, stream)
	return &Random{rand.New(pcg), pcg}
}

// Clone implements Choices.
func (r *Random) Clone() Choices {
	pcg := *r.pcg
	return &Random{rand.New(&pcg), &pcg}
}

// Bytes makes decisions of bytes: as many as each takes, and 0 when there are no more. So each byte of a fuzzer's input means something.
type Bytes struct{ Data []byte }

// Clone implements Choices.
func (b *Bytes) Clone() Choices { return &Bytes{bytes.Clone(b.Data)} }

// IntN implements Choices.
func (b *Bytes) IntN(n int) int {
	v := 0
	for m := n - 1; m > 0; m >>= 8 {
		v <<= 8
		if len(b.Data) > 0 {
			v |= int(b.Data[0])
			b.Data = b.Data[1:]
		}
	}
	return v % n
}

// Done reports whether all bytes are used up.
func (b *Bytes) Done() bool { return len(b.Data) == 0 }
