package modgen

import "encoding/binary"

// choices is a stream of decisions. An exhausted stream gives zeros: alternative 0 of every decision must be one that ends.
type choices struct {
	data []byte
}

func (c *choices) byte() byte {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return b
}

func (c *choices) exhausted() bool { return len(c.data) == 0 }

// n returns a number in [0, n).
func (c *choices) n(n int) int {
	switch {
	case n <= 1:
		return 0
	case n <= 256:
		return int(c.byte()) % n
	}
	return (int(c.byte())<<8 | int(c.byte())) % n
}

// span returns a number in [lo, hi].
func (c *choices) span(lo, hi int) int { return lo + c.n(hi-lo+1) }

// oneIn is true in one of n cases, and never for an exhausted stream.
func (c *choices) oneIn(n int) bool {
	if c.exhausted() {
		return false
	}
	return c.n(n) == n-1
}

func (c *choices) u64() uint64 {
	var b [8]byte
	c.data = c.data[copy(b[:], c.data):]
	return binary.LittleEndian.Uint64(b[:])
}

// Seed returns the choices that a number stands for.
func Seed(seed uint64) []byte {
	// splitmix64
	next := func() uint64 {
		seed += 0x9E37_79B9_7F4A_7C15
		z := seed
		z = (z ^ z>>30) * 0xBF58_476D_1CE4_E5B9
		z = (z ^ z>>27) * 0x94D0_49BB_1331_11EB
		return z ^ z>>31
	}
	// Sizes are spread over orders of magnitude: 64 bytes to 16 KiB.
	n := 64 << (next() % 8)
	n += int(next() % uint64(n))
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, next())
	}
	return b
}

func pick[T any](c *choices, list []T) T { return list[c.n(len(list))] }
