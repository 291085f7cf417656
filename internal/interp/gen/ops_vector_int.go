package main

// Integer lanes within a 64-bit half. TOPS has the top bit of every lane, REST the other bits, ONES the lowest bit, TOPBIT is
// the number of the top bit. A sum of lanes without
// their top bits, or a difference from lanes with it, carries into no other lane; the top bits come from an xor.
// See Warren, "Hacker's Delight", 2-18 and 2-13.

type laneType struct {
	name    string
	h, m, l string
	top     string // number of the top bit of a lane
}

var swarTypes = []laneType{
	{"I8x16", "0x8080808080808080", "0x7F7F7F7F7F7F7F7F", "0x0101010101010101", "7"},
	{"I16x8", "0x8000800080008000", "0x7FFF7FFF7FFF7FFF", "0x0001000100010001", "15"},
}

// Pieces of bodies. FULL turns a top bit b in every lane into a lane full of ones: 2^n - 1 = (b<<1) - (b>>(n-1)).
const (
	swarSum  = "s := (x&REST + y&REST) ^ (x^y)&TOPS\n"
	swarDiff = "t := (x | TOPS) - y&REST\ns := t ^ (x^^y)&TOPS\n"
	swarLtS  = "t := (x | TOPS) - y&REST\nb := (x&^y | ^(x^y)&^t) & TOPS\n"
	swarLtU  = "t := (x | TOPS) - y&REST\nb := (^x&y | ^(x^y)&^t) & TOPS\n"
	swarNe   = "t := x ^ y\nb := (t&REST + REST | t) & TOPS\n"
	swarFull = "b = b<<1 - b>>TOPBIT\n"
	// Where b is set the signed sum s has overflowed: the result is the largest, or with s positive the smallest value.
	swarSat = swarFull + "RESULT s ^ (s^(TOPS-s&TOPS>>TOPBIT))&b"
)

func vectorIntegers() {
	for _, t := range swarTypes {
		r := func(name, body string) {
			halves(t.name+name, body, "TOPS", t.h, "REST", t.m, "ONES", t.l, "TOPBIT", t.top)
		}
		// k: with forms for constants. Others need too many registers.
		k := func(name string, commutes bool, body string) {
			halvesK(t.name+name, commutes, body, "TOPS", t.h, "REST", t.m, "ONES", t.l, "TOPBIT", t.top)
		}
		k("Add", true, swarSum+"RESULT s")
		k("Sub", false, swarDiff+"RESULT s")
		r("Neg", "RESULT (TOPS - x&REST) ^ ^x&TOPS")
		r("Abs", "b := x & TOPS\nn := b >> TOPBIT\nb = b<<1 - n\nRESULT (x ^ b) + n")
		k("Eq", true, swarNe+swarFull+"RESULT ^b")
		k("Ne", true, swarNe+swarFull+"RESULT b")
		k("LtS", false, swarLtS+swarFull+"RESULT b")
		k("LtU", false, swarLtU+swarFull+"RESULT b")
		k("GeS", false, swarLtS+swarFull+"RESULT ^b")
		k("GeU", false, swarLtU+swarFull+"RESULT ^b")
		r("MinS", swarLtS+swarFull+"RESULT y ^ (x^y)&b")
		r("MinU", swarLtU+swarFull+"RESULT y ^ (x^y)&b")
		r("MaxS", swarLtS+swarFull+"RESULT x ^ (x^y)&b")
		r("MaxU", swarLtU+swarFull+"RESULT x ^ (x^y)&b")
		k("AvgrU", true, "RESULT (x | y) - (x^y)&^ONES>>1")
		r("AddSatS", "b := (x ^ y) & TOPS\ns := (x&REST + y&REST) ^ b\nb = (x ^ s) &^ b & TOPS\n"+swarSat)
		r("AddSatU", swarSum+"b := (x&y | (x|y)&^s) & TOPS\n"+swarFull+"RESULT s | b")
		r("SubSatS", "b := (x ^ y) & TOPS\nt := (x | TOPS) - y&REST\ns := t ^ b ^ TOPS\nb &= x ^ s\n"+swarSat)
		r("SubSatU", swarDiff+"b := (^x&y | ^(x^y)&^t) & TOPS\n"+swarFull+"RESULT s &^ b")
		hot(t.name+"AllTrue", "x, y := $b, $b.hi\nv := uint64(0)\nif (x&REST+REST|x)&(y&REST+REST|y)&TOPS == TOPS {\nv = 1\n}\n$a = v",
			"TOPS", t.h, "REST", t.m)
	}
	halves("I8x16Popcnt", `
		x -= x >> 1 & 0x5555555555555555
		x = x&0x3333333333333333 + x>>2&0x3333333333333333
		RESULT (x + x>>4) & 0x0F0F0F0F0F0F0F0F`)
	// The products move each lane's top bit to its place in the topmost bits, and no two bits to the same place.
	hot("I8x16Bitmask", "x, y := $b, $b.hi\nx = (x >> 7 & 0x0101010101010101) * 0x0102040810204080 >> 56\n"+
		"y = (y >> 7 & 0x0101010101010101) * 0x0102040810204080 >> 56\n$a = x | y<<8")
	hot("I16x8Bitmask", "x, y := $b, $b.hi\nx = (x >> 15 & 0x0001000100010001) * 0x0001000200040008 >> 48 & 15\n"+
		"y = (y >> 15 & 0x0001000100010001) * 0x0001000200040008 >> 48 & 15\n$a = x | y<<4")
	hot("I32x4Bitmask", "x, y := $b, $b.hi\n$a = x>>31&1 | x>>63<<1 | y>>31&1<<2 | y>>63<<3")
	hot("I64x2Bitmask", "$a = $b>>63 | $b.hi>>63<<1")
	hot("I32x4AllTrue", "p := $b.ptr\nv := uint64(0)\nif Z0 != 0 && Z1 != 0 && Z2 != 0 && Z3 != 0 {\nv = 1\n}\n$a = v",
		"Z0", at("p", "uint32", 0), "Z1", at("p", "uint32", 1), "Z2", at("p", "uint32", 2), "Z3", at("p", "uint32", 3))
	hot("I64x2AllTrue", "v := uint64(0)\nif $b != 0 && $b.hi != 0 {\nv = 1\n}\n$a = v")

	halvesK("I64x2Add", true, "RESULT x + y")
	halvesK("I64x2Sub", false, "RESULT x - y")
	halvesK("I64x2Mul", true, "RESULT x * y")
	halves("I64x2Neg", "RESULT -x")
	halves("I64x2Abs", "s := uint64(int64(x) >> 63)\nRESULT (x ^ s) - s")
	halvesK("I64x2Eq", true, "n := uint64(0)\nif x == y {\nn = 1\n}\nRESULT -n")
	halvesK("I64x2Ne", true, "n := uint64(0)\nif x != y {\nn = 1\n}\nRESULT -n")
	halvesK("I64x2LtS", false, "n := uint64(0)\nif int64(x) < int64(y) {\nn = 1\n}\nRESULT -n")
	halvesK("I64x2GeS", false, "n := uint64(0)\nif int64(x) >= int64(y) {\nn = 1\n}\nRESULT -n")

	// Two lanes of 32 bits in a half
	quartersK("I32x4Add", true, "uint32", "RESULT x + y")
	quartersK("I32x4Sub", false, "uint32", "RESULT x - y")
	quartersK("I32x4Mul", true, "uint32", "RESULT x * y")
	quarters("I32x4Neg", "uint32", "RESULT -x")
	quarters("I32x4Abs", "int32", "s := x >> 31\nRESULT uint32((x ^ s) - s)")
	// In 64 bits, by signs and not by comparisons, which Go orders behind all loads of a block: too many registers.
	for _, w := range [][2]string{{"S", "int32"}, {"U", "uint32"}} {
		const d = "d := int64(y) - int64(x)\n"
		quartersK("I32x4Lt"+w[0], false, w[1], "d := int64(x) - int64(y)\nRESULT uint32(d >> 63)")
		quartersK("I32x4Ge"+w[0], false, w[1], "d := int64(y) - int64(x) - 1\nRESULT uint32(d >> 63)")
		quartersK("I32x4Min"+w[0], true, w[1], d+"RESULT uint32(int64(x) + d&(d>>63))")
		quartersK("I32x4Max"+w[0], true, w[1], d+"RESULT uint32(int64(x) + d&^(d>>63))")
	}
	quartersK("I32x4Eq", true, "uint32", "RESULT uint32((int64(x^y) - 1) >> 63)")
	quartersK("I32x4Ne", true, "uint32", "RESULT uint32(-int64(x^y) >> 63)")
}

// vectorShifts: by slot c, or (suffix K) by the constant c with the mask of the bits to keep in imm.
func vectorShifts() {
	for _, t := range swarTypes {
		full := map[string]string{"7": "uint32(0xFF)", "15": "uint32(0xFFFF)"}[t.top]
		r := func(name, mask, how string) {
			args := []string{"TOPS", t.h, "ONES", t.l, "TOPBIT", t.top, "FULL", full}
			halves(t.name+name, replace("k := $c.u32 & TOPBIT\nm := uint64("+mask+") * ONES\n"+how, args...))
			halves(t.name+name+"K", replace("k := $c.n & TOPBIT\nm := $imm\n"+how, args...))
		}
		r("Shl", "FULL<<k&FULL", "RESULT x << k & m")
		r("ShrU", "FULL>>k", "RESULT x >> k & m")
		// The ones that come in from the left: 2^n - 2^(n-1-k) in every lane whose top bit is set.
		r("ShrS", "FULL>>k", "b := x & TOPS\nRESULT x>>k&m | (b<<1 - b>>k)")
	}
	for _, k := range []string{"", "K"} {
		n := "$c.u32"
		if k != "" {
			n = "$c.n"
		}
		for _, s := range [][3]string{{"Shl", "uint32", "<<"}, {"ShrU", "uint32", ">>"}, {"ShrS", "int32", ">>"}} {
			quarters("I32x4"+s[0]+k, s[1], "RESULT uint32(x "+s[2]+" ("+n+" & 31))")
		}
		halves("I64x2Shl"+k, "RESULT x << ("+n+" & 63)")
		halves("I64x2ShrU"+k, "RESULT x >> ("+n+" & 63)")
		halves("I64x2ShrS"+k, "RESULT uint64(int64(x) >> ("+n+" & 63))")
	}
}
