package interp

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
	"testing"
)

// vec is a v128, or in its first element a scalar, as slots hold it.
type vec [2]uint64

// get reads lane i of a width in bits, zero-extended.
func (v vec) get(width, i int) uint64 {
	at := width * i
	return v[at/64] >> (at % 64) & (1<<(width-1)<<1 - 1)
}

// gets reads a lane sign-extended.
func (v vec) gets(width, i int) int64 {
	return int64(v.get(width, i)<<(64-width)) >> (64 - width)
}

func (v *vec) set(width, i int, x uint64) {
	at, mask := width*i, uint64(1<<(width-1)<<1-1)
	v[at/64] = v[at/64]&^(mask<<(at%64)) | x&mask<<(at%64)
}

func (v vec) f32(i int) float32 { return math.Float32frombits(uint32(v.get(32, i))) }
func (v vec) f64(i int) float64 { return math.Float64frombits(v.get(64, i)) }

// reference is what an instruction computes, written lane by lane from the specification, without a look at gen. Where it leaves the bits of
// a NaN open the result is to be compared with sameFloats.
type reference func(a []vec, lane int) vec

// eachLane makes a reference of a function of one lane's number.
func eachLane(width int, f func(a []vec, i int) uint64) reference {
	return func(a []vec, _ int) (r vec) {
		for i := range 128 / width {
			r.set(width, i, f(a, i))
		}
		return r
	}
}

func clamp(x, lo, hi int64) uint64 { return uint64(min(max(x, lo), hi)) }

func mask(b bool) uint64 {
	if b {
		return ^uint64(0)
	}
	return 0
}

// integerReferences holds the operations of integer shapes by their name after the shape. s and u read operand k's lane.
func integerReference(width int, op string) reference {
	lane := func(f func(s func(int) int64, u func(int) uint64) uint64) reference {
		return eachLane(width, func(a []vec, i int) uint64 {
			return f(func(k int) int64 { return a[k].gets(width, i) }, func(k int) uint64 { return a[k].get(width, i) })
		})
	}
	low, high := int64(-1)<<(width-1), int64(1)<<(width-1)-1
	full := int64(uint64(1)<<(width-1)<<1 - 1) // not for 64
	type S = func(int) int64
	type U = func(int) uint64
	shift := func(f func(x vec, n, i int) uint64) reference {
		return eachLane(width, func(a []vec, i int) uint64 { return f(a[0], int(uint32(a[1][0]))&(width-1), i) })
	}
	switch op {
	case "add":
		return lane(func(s S, u U) uint64 { return u(0) + u(1) })
	case "sub":
		return lane(func(s S, u U) uint64 { return u(0) - u(1) })
	case "mul":
		return lane(func(s S, u U) uint64 { return u(0) * u(1) })
	case "neg":
		return lane(func(s S, u U) uint64 { return -u(0) })
	case "abs":
		return lane(func(s S, u U) uint64 { return uint64(max(s(0), -s(0))) })
	case "popcnt":
		return lane(func(s S, u U) uint64 { return uint64(bits.OnesCount64(u(0))) })
	case "add_sat_s":
		return lane(func(s S, u U) uint64 { return clamp(s(0)+s(1), low, high) })
	case "add_sat_u":
		return lane(func(s S, u U) uint64 { return clamp(int64(u(0)+u(1)), 0, full) })
	case "sub_sat_s":
		return lane(func(s S, u U) uint64 { return clamp(s(0)-s(1), low, high) })
	case "sub_sat_u":
		return lane(func(s S, u U) uint64 { return clamp(int64(u(0))-int64(u(1)), 0, full) })
	case "avgr_u":
		return lane(func(s S, u U) uint64 { return (u(0) + u(1) + 1) / 2 })
	case "q15mulr_sat_s", "relaxed_q15mulr_s":
		return lane(func(s S, u U) uint64 { return clamp((s(0)*s(1)+0x4000)>>15, low, high) })
	case "min_s":
		return lane(func(s S, u U) uint64 { return uint64(min(s(0), s(1))) })
	case "max_s":
		return lane(func(s S, u U) uint64 { return uint64(max(s(0), s(1))) })
	case "min_u":
		return lane(func(s S, u U) uint64 { return min(u(0), u(1)) })
	case "max_u":
		return lane(func(s S, u U) uint64 { return max(u(0), u(1)) })
	case "eq":
		return lane(func(s S, u U) uint64 { return mask(u(0) == u(1)) })
	case "ne":
		return lane(func(s S, u U) uint64 { return mask(u(0) != u(1)) })
	case "lt_s":
		return lane(func(s S, u U) uint64 { return mask(s(0) < s(1)) })
	case "lt_u":
		return lane(func(s S, u U) uint64 { return mask(u(0) < u(1)) })
	case "gt_s":
		return lane(func(s S, u U) uint64 { return mask(s(0) > s(1)) })
	case "gt_u":
		return lane(func(s S, u U) uint64 { return mask(u(0) > u(1)) })
	case "le_s":
		return lane(func(s S, u U) uint64 { return mask(s(0) <= s(1)) })
	case "le_u":
		return lane(func(s S, u U) uint64 { return mask(u(0) <= u(1)) })
	case "ge_s":
		return lane(func(s S, u U) uint64 { return mask(s(0) >= s(1)) })
	case "ge_u":
		return lane(func(s S, u U) uint64 { return mask(u(0) >= u(1)) })
	case "shl":
		return shift(func(x vec, n, i int) uint64 { return x.get(width, i) << n })
	case "shr_s":
		return shift(func(x vec, n, i int) uint64 { return uint64(x.gets(width, i) >> n) })
	case "shr_u":
		return shift(func(x vec, n, i int) uint64 { return x.get(width, i) >> n })
	case "relaxed_laneselect":
		return bitselect
	case "splat":
		return eachLane(width, func(a []vec, _ int) uint64 { return a[0][0] })
	case "all_true":
		return func(a []vec, _ int) (r vec) {
			r[0] = 1
			for i := range 128 / width {
				if a[0].get(width, i) == 0 {
					r[0] = 0
				}
			}
			return r
		}
	case "bitmask":
		return func(a []vec, _ int) (r vec) {
			for i := range 128 / width {
				r[0] |= a[0].get(width, i) >> (width - 1) << i
			}
			return r
		}
	case "extract_lane", "extract_lane_u":
		return func(a []vec, lane int) vec { return vec{a[0].get(width, lane)} }
	case "extract_lane_s":
		return func(a []vec, lane int) vec { return vec{uint64(uint32(a[0].gets(width, lane)))} }
	case "replace_lane":
		return func(a []vec, lane int) vec {
			r := a[0]
			r.set(width, lane, a[1][0])
			return r
		}
	}
	return widthReference(width, op)
}

// widthReference has what changes the size of lanes.
func widthReference(width int, op string) reference {
	from := width / 2
	if strings.HasPrefix(op, "narrow") {
		from = width * 2
	}
	signed := strings.HasSuffix(op, "_s")
	read := func(v vec, i int) int64 {
		if signed {
			return v.gets(from, i)
		}
		return int64(v.get(from, i))
	}
	start := 0
	if strings.Contains(op, "_high_") {
		start = 128 / width
	}
	verb, _, _ := strings.Cut(op, "_")
	switch verb {
	case "narrow":
		n := 128 / from
		lo, hi := int64(0), int64(1)<<width-1
		if signed {
			lo, hi = -1<<(width-1), 1<<(width-1)-1
		}
		return eachLane(width, func(a []vec, i int) uint64 { return clamp(a[i/n].gets(from, i%n), lo, hi) })
	case "extend":
		return eachLane(width, func(a []vec, i int) uint64 { return uint64(read(a[0], start+i)) })
	case "extmul":
		return eachLane(width, func(a []vec, i int) uint64 { return uint64(read(a[0], start+i) * read(a[1], start+i)) })
	case "extadd":
		return eachLane(width, func(a []vec, i int) uint64 { return uint64(read(a[0], 2*i) + read(a[0], 2*i+1)) })
	case "dot":
		return eachLane(width, func(a []vec, i int) uint64 {
			return uint64(a[0].gets(16, 2*i)*a[1].gets(16, 2*i) + a[0].gets(16, 2*i+1)*a[1].gets(16, 2*i+1))
		})
	}
	pair := func(a []vec, i int) int64 {
		return int64(clamp(a[0].gets(8, 2*i)*a[1].gets(8, 2*i)+a[0].gets(8, 2*i+1)*a[1].gets(8, 2*i+1), -0x8000, 0x7FFF))
	}
	switch op {
	case "relaxed_dot_i8x16_i7x16_s":
		return eachLane(16, func(a []vec, i int) uint64 { return uint64(pair(a, i)) })
	case "relaxed_dot_i8x16_i7x16_add_s":
		return eachLane(32, func(a []vec, i int) uint64 { return uint64(pair(a, 2*i) + pair(a, 2*i+1) + a[2].gets(32, i)) })
	case "swizzle", "relaxed_swizzle":
		return eachLane(8, func(a []vec, i int) uint64 {
			if k := a[1].get(8, i); k < 16 {
				return a[0].get(8, int(k))
			}
			return 0
		})
	}
	// i32x4.trunc_sat_f64x2_u_zero and the like
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(op, "relaxed_"), "trunc_"); ok {
		rest, zero := strings.CutSuffix(strings.TrimPrefix(rest, "sat_"), "_zero")
		lo, hi := float64(0), float64(math.MaxUint32)
		if strings.HasSuffix(rest, "_s") {
			lo, hi = math.MinInt32, math.MaxInt32
		}
		return eachLane(32, func(a []vec, i int) uint64 {
			var x float64
			switch {
			case zero && i >= 2:
				return 0
			case zero:
				x = a[0].f64(i)
			default:
				x = float64(a[0].f32(i))
			}
			if x != x {
				return 0
			}
			return uint64(int64(math.Trunc(min(max(x, lo), hi))))
		})
	}
	return nil
}

// bitselect takes the bits of the first operand where the third has ones.
func bitselect(a []vec, _ int) vec {
	return vec{a[0][0]&a[2][0] | a[1][0]&^a[2][0], a[0][1]&a[2][1] | a[1][1]&^a[2][1]}
}

func logic(f func(x, y uint64) uint64) reference {
	return func(a []vec, _ int) vec {
		a = append(a, vec{})
		return vec{f(a[0][0], a[1][0]), f(a[0][1], a[1][1])}
	}
}

var logicReferences = map[string]reference{
	"v128.not":       logic(func(x, _ uint64) uint64 { return ^x }),
	"v128.and":       logic(func(x, y uint64) uint64 { return x & y }),
	"v128.andnot":    logic(func(x, y uint64) uint64 { return x &^ y }),
	"v128.or":        logic(func(x, y uint64) uint64 { return x | y }),
	"v128.xor":       logic(func(x, y uint64) uint64 { return x ^ y }),
	"v128.bitselect": bitselect,
	"v128.any_true":  func(a []vec, _ int) vec { return vec{mask(a[0][0]|a[0][1] != 0) & 1} },
}

// referenceFor finds an instruction's reference and the width of the result's lanes if those are floats, whose NaNs are not
// determined.
func referenceFor(name string) (ref reference, floats int) {
	if r := logicReferences[name]; r != nil {
		return r, 0
	}
	shape, op, _ := strings.Cut(name, ".")
	width, err := strconv.Atoi(strings.Split(shape[1:], "x")[0])
	if err != nil {
		return nil, 0
	}
	if shape[0] == 'i' {
		return integerReference(width, op), 0
	}
	switch op {
	case "splat", "extract_lane", "replace_lane":
		return integerReference(width, op), 0
	case "abs":
		return eachLane(width, func(a []vec, i int) uint64 { return a[0].get(width, i) &^ (1 << (width - 1)) }), 0
	case "neg":
		return eachLane(width, func(a []vec, i int) uint64 { return a[0].get(width, i) ^ 1<<(width-1) }), 0
	}
	read := func(v vec, i int) float64 {
		if width == 32 {
			return float64(v.f32(i))
		}
		return v.f64(i)
	}
	// A float64 holds an f32 sum, product, quotient or root exactly enough for rounding twice to be rounding once.
	write := func(x float64) uint64 {
		if width == 32 {
			return uint64(math.Float32bits(float32(x)))
		}
		return math.Float64bits(x)
	}
	less := map[string]func(x, y float64) bool{
		"eq": func(x, y float64) bool { return x == y }, "ne": func(x, y float64) bool { return x != y },
		"lt": func(x, y float64) bool { return x < y }, "gt": func(x, y float64) bool { return x > y },
		"le": func(x, y float64) bool { return x <= y }, "ge": func(x, y float64) bool { return x >= y },
	}
	if f := less[op]; f != nil {
		return eachLane(width, func(a []vec, i int) uint64 { return mask(f(read(a[0], i), read(a[1], i))) }), 0
	}
	switch op {
	case "pmin":
		return eachLane(width, func(a []vec, i int) uint64 { return a[btoi(read(a[1], i) < read(a[0], i))].get(width, i) }), 0
	case "pmax":
		return eachLane(width, func(a []vec, i int) uint64 { return a[btoi(read(a[0], i) < read(a[1], i))].get(width, i) }), 0
	}
	one := map[string]func(x float64) float64{
		"ceil": math.Ceil, "floor": math.Floor, "trunc": math.Trunc, "nearest": math.RoundToEven, "sqrt": math.Sqrt,
	}
	if f := one[op]; f != nil {
		return eachLane(width, func(a []vec, i int) uint64 { return write(f(read(a[0], i))) }), width
	}
	two := map[string]func(x, y float64) float64{
		"add": func(x, y float64) float64 { return x + y }, "sub": func(x, y float64) float64 { return x - y },
		"mul": func(x, y float64) float64 { return x * y }, "div": func(x, y float64) float64 { return x / y },
		"min": math.Min, "max": math.Max, "relaxed_min": math.Min, "relaxed_max": math.Max,
	}
	if f := two[op]; f != nil {
		nan := strings.HasSuffix(op, "min") || strings.HasSuffix(op, "max") // math's prefer infinities to NaNs
		return eachLane(width, func(a []vec, i int) uint64 {
			x, y := read(a[0], i), read(a[1], i)
			if nan && (x != x || y != y) {
				return write(math.NaN())
			}
			return write(f(x, y))
		}), width
	}
	switch op {
	case "relaxed_madd":
		return eachLane(width, func(a []vec, i int) uint64 {
			return write(roundTo(width, read(a[0], i)*read(a[1], i)) + read(a[2], i))
		}), width
	case "relaxed_nmadd":
		return eachLane(width, func(a []vec, i int) uint64 {
			return write(roundTo(width, -read(a[0], i)*read(a[1], i)) + read(a[2], i))
		}), width
	case "convert_i32x4_s":
		return eachLane(32, func(a []vec, i int) uint64 { return write(float64(a[0].gets(32, i))) }), 0
	case "convert_i32x4_u":
		return eachLane(32, func(a []vec, i int) uint64 { return write(float64(a[0].get(32, i))) }), 0
	case "convert_low_i32x4_s":
		return eachLane(64, func(a []vec, i int) uint64 { return write(float64(a[0].gets(32, i))) }), 0
	case "convert_low_i32x4_u":
		return eachLane(64, func(a []vec, i int) uint64 { return write(float64(a[0].get(32, i))) }), 0
	case "promote_low_f32x4":
		return eachLane(64, func(a []vec, i int) uint64 { return write(float64(a[0].f32(i))) }), 64
	case "demote_f64x2_zero":
		return eachLane(32, func(a []vec, i int) uint64 {
			if i >= 2 {
				return 0
			}
			return write(a[0].f64(i))
		}), 32
	}
	return nil, 0
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// roundTo rounds to the width's precision. The conversion also keeps Go from fusing what comes next.
func roundTo(width int, x float64) float64 {
	if width == 32 {
		return float64(float32(x))
	}
	return float64(x)
}

// sameFloats compares lanes. A NaN's sign and payload are free, but it must be an arithmetic NaN, and the canonical one if
// no operand is another NaN (specification: Execution, Floating-Point Operations, "NaN Propagation").
func sameFloats(width int, got, want vec, args []vec, argWidth int) bool {
	top := map[int]uint64{32: 1 << 22, 64: 1 << 51}
	payload := func(width int, x uint64) uint64 { return x & (top[width]*2 - 1) }
	isNaN := func(width int, x uint64) bool {
		exp := map[int]uint64{32: 0x7F800000, 64: 0x7FF0000000000000}[width]
		return x&exp == exp && payload(width, x) != 0
	}
	canonical := true
	for _, a := range args {
		for i := range 128 / argWidth {
			if x := a.get(argWidth, i); isNaN(argWidth, x) && payload(argWidth, x) != top[argWidth] {
				canonical = false
			}
		}
	}
	for i := range 128 / width {
		g, w := got.get(width, i), want.get(width, i)
		switch {
		case !isNaN(width, w):
			if g != w {
				return false
			}
		case !isNaN(width, g) || g&top[width] == 0:
			return false
		case canonical && payload(width, g) != top[width]:
			return false
		}
	}
	return true
}

// TestReferences checks the references on a few results written out by hand.
func TestReferences(t *testing.T) {
	for _, c := range []struct {
		name string
		args []vec
		want vec
	}{
		{"i8x16.add_sat_s", []vec{{0x7F80}, {0x0180}}, vec{0x7F80}},
		{"i8x16.sub_sat_u", []vec{{0x0105}, {0x0203}}, vec{0x0002}},
		{"i16x8.q15mulr_sat_s", []vec{{0x8000}, {0x8000}}, vec{0x7FFF}},
		{"i8x16.avgr_u", []vec{{0xFF01}, {0xFE02}}, vec{0xFF02}},
		{"i8x16.narrow_i16x8_u", []vec{{0x0100_FFFF_007F}, {0x0080}}, vec{0xFF_00_7F, 0x80}},
		{"i16x8.extmul_high_i8x16_s", []vec{{0, 0xFF}, {0, 0x02}}, vec{0xFFFE}},
		{"i32x4.trunc_sat_f64x2_u_zero", []vec{{0xBFF0000000000000, 0x41F0000000000000}}, vec{0xFFFFFFFF_00000000}},
		{"f32x4.nearest", []vec{{0x40200000_3F000000}}, vec{0x40000000_00000000}},
		{"i8x16.swizzle", []vec{{0x0403020100}, {0x10_04}}, vec{0x0004, 0}},
	} {
		ref, _ := referenceFor(c.name)
		got := ref(c.args, 0)
		if c.name == "i8x16.swizzle" {
			got = vec{got[0] & 0xFFFF, 0} // the other indices are 0, which pick the byte 0
		}
		if got != c.want {
			t.Errorf("%s%x = %x, want %x", c.name, c.args, got, c.want)
		}
	}
}
