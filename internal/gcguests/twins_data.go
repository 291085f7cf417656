package gcguests

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// The algorithms of trees.wat, strings.wat, lists.wat and arrays.wat.

type tree struct{ left, right *tree }

func makeTree(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{makeTree(depth - 1), makeTree(depth - 1)}
}

func (t *tree) count() int64 {
	if t == nil {
		return 0
	}
	return 1 + t.left.count() + t.right.count()
}

func trees(n int32) int64 {
	sum := makeTree(int(n) + 1).count()
	long := makeTree(int(n))
	for depth := 4; depth <= int(n); depth += 2 {
		for range 1 << (int(n) - depth + 4) {
			sum += makeTree(depth).count()
		}
	}
	return sum + long.count()
}

// stringMap uses Go's map: how many bits hashes have makes no difference.
func stringMap(n, keys, _ int32) int64 {
	key := func(k uint32) string {
		digits := []byte(strconv.Itoa(int(k)))
		slices.Reverse(digits)
		return "key:" + string(digits)
	}
	m := map[string]int64{}
	for i := range uint32(n) {
		m[key(i*0x9E3779B1%uint32(keys))] += int64(i)
		if i%7 == 0 {
			delete(m, key(i*31%uint32(keys)))
		}
	}
	sum := int64(len(m))
	for k := range uint32(keys) {
		if v, ok := m[key(k)]; ok {
			sum = mix(sum, v)
		}
	}
	return sum
}

func buildString(n int32) int64 {
	s := make([]uint16, n)
	for i := range s {
		s[i] = uint16(i * 40503)
	}
	slices.Reverse(s)
	sum := int64(0)
	for _, c := range s {
		sum = mix(mix(sum, int64(int16(c))), int64(c))
	}
	return sum
}

// fold sums up f(0) to f(n-1).
func fold(n int32, f func(i int32) int32) (h int64) {
	for i := range n {
		h = mix(h, int64(f(i)))
	}
	return h
}

func prepended(n int32) int64 { return fold(n, func(i int32) int32 { return i + 1 }) }
func appended(n int32) int64  { return fold(n+1, func(i int32) int32 { return i }) }
func spine(n int32) int64     { return fold(n, func(i int32) int32 { return (i + 1) * 4 }) }
func nested(n int32) int64    { return fold(n, func(i int32) int32 { return (n-1-i)&3 + 1 }) }

func reversed(n, times int32) int64 {
	if times%2 == 1 {
		return fold(n, func(i int32) int32 { return i })
	}
	return fold(n, func(i int32) int32 { return n - 1 - i })
}

func slide(n, steps int32) int64 {
	a := make([]*int32, n)
	box := func(v int32) *int32 { return &v }
	seven := box(7)
	for i := range a {
		a[i] = seven
	}
	for i := range steps {
		from, to := int(uint32(i)*0x9E3779B1%uint32(n)), int(uint32(i)*0x85EBCA77%uint32(n))
		size := int(n) - max(from, to)
		copy(a[to:to+size], a[from:from+size])
		a[from] = box(i)
		fill := func(part []*int32, with *int32) {
			for k := range part {
				part[k] = with
			}
		}
		if i&15 == 0 {
			fill(a[to:to+size>>2], box(-i))
		}
		if i&63 == 0 {
			fill(a[from:from+size>>3], nil)
		}
	}
	return sumBoxes(0, a)
}

func sumBoxes(h int64, a []*int32) int64 {
	for _, b := range a {
		v := int32(-1)
		if b != nil {
			v = *b
		}
		h = mix(h, int64(v))
	}
	return h
}

func sorted(n, seed int32) int64 {
	a := make([]int32, n)
	for i := range a {
		seed = seed*1664525 + 1013904223
		a[i] = seed >> 8
	}
	slices.Sort(a)
	return fold(n, func(i int32) int32 { return a[i] })
}

func segments(rounds int32) (h int64) {
	noise := []byte("\x00\x7f\x80\xff\x01\xfe\x10\x32\x54\x76\x98\xba\xdc\xef\xa5\x5a")
	items := []int32{11, -1, 22, 33, 0} // -1 is null
	for r := rounds; r > 0; r-- {
		b := slices.Clone(noise[r&7 : r&7+8])
		copy(b[3:], noise[12:16])
		s := func(i int32) uint16 { return binary.LittleEndian.Uint16(noise[1+2*i:]) }
		l := [4]int64{-1, -1, -1, -1}
		l[1] = int64(binary.LittleEndian.Uint64(noise[r&3:]))
		x := slices.Clone(items)
		copy(x[r&1:], items[1:4])
		for _, v := range x {
			h = mix(h, int64(v))
		}
		h = mix(h, int64(int8(b[r&7])))
		h = mix(h, int64(b[1]))
		h = mix(h, int64(int16(s(r%7))))
		h = mix(h, int64(s(2)))
		h = mix(h, l[r&3])
		h = mix(h, int64(binary.LittleEndian.Uint64(noise[6:])))
		h = mix(h, int64(r))
		h = mix(h, 1)
	}
	return h
}

func matrix(n int32) (h int64) {
	for i := range n {
		x := 0.0
		for k := range n {
			a := 1.5
			if i == k {
				a = float64(i)
			}
			// Two roundings: the conversion keeps the product from being fused with the sum.
			x += float64(a * float64(k))
		}
		h = mix(h, int64(math.Float64bits(x)))
	}
	return h
}

func large(n, rounds int32) (h int64) {
	fill := func(a []int64, v int64) []int64 {
		for i := range a {
			a[i] = v
		}
		return a
	}
	a := fill(make([]int64, n), 3)
	for i := range rounds {
		b := make([]int64, n)
		fill(b[i:i+n>>1], int64(i))
		copy(b[n>>2:], a[:n>>2])
		h = mix(mix(mix(h, b[i*3]), b[n>>2]), b[n-1])
		if i%3 == 0 {
			a = b
		}
	}
	return h
}
