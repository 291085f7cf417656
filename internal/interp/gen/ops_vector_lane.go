package main

import (
	"fmt"
	"strings"
)

// at is the i-th lane of a type at a pointer.
func at(ptr, typ string, i int) string {
	return fmt.Sprintf("*(*%s)(unsafe.Add(%s, %d))", typ, ptr, i*laneSize[typ])
}

var laneSize = map[string]int{"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "float32": 4,
	"int64": 8, "uint64": 8, "float64": 8}

// pack ors lanes of some bits each, given as expressions of unsigned types of that size, to the two halves of the result.
func pack(bits int, lanes []string) string {
	var b strings.Builder
	per := 64 / bits
	for i, l := range lanes {
		name := []string{"lo", "hi"}[i/per]
		switch i % per {
		case 0:
			fmt.Fprintf(&b, "%s := uint64(%s)\n", name, l)
		default:
			fmt.Fprintf(&b, "%s |= uint64(%s) << %d\n", name, l, bits*(i%per))
		}
	}
	return b.String() + "$a = lo\n$a.hi = hi"
}

// quarters adds an instruction whose body computes one 32-bit lane of the result from the lanes x (of b), y (of c) and z (of d),
// which it may change.
func quarters(name, typ, body string) { lanewise(name, typ, 32, body) }

// quartersK is quarters with forms for constants; see halvesK.
func quartersK(name string, commutes bool, typ, body string) {
	lanewiseK(name, commutes, typ, 32, body)
}

// lanewise is quarters for any lanes. typ is the operands' lane type, bits the size of the lanes of the result, which is an unsigned number.
func lanewise(name, typ string, bits int, body string) {
	hot(name, lanes("$b.ptr", "$c.ptr", typ, bits, body)+"$a = lo\n$a.hi = hi")
}

// lanewiseK is lanewise with forms for constants; see halvesK.
func lanewiseK(name string, commutes bool, typ string, bits int, body string) {
	lanewise(name, typ, bits, body)
	hot(name+"K", lanes("$b.ptr", immPtr, typ, bits, body)+"$a = lo\n$a.hi = hi")
	if !commutes {
		hot(name+"RK", lanes(immPtr, "$b.ptr", typ, bits, body)+"$a = lo\n$a.hi = hi")
	}
}

const immPtr = "unsafe.Add(pc, 8)"

// lanes is lanewise's body up to the halves of the result, lo and hi, for operands x and y at the given places.
func lanes(xs, ys, typ string, bits int, body string) string {
	var b strings.Builder
	operands := [][3]string{{"x", "p", xs}, {"y", "q", ys}, {"z", "o", "$d.ptr"}}
	for _, v := range operands {
		if usesWord(body, v[0]) {
			fmt.Fprintf(&b, "%s := %s\n", v[1], v[2])
		}
	}
	b.WriteString("var lo, hi uint64\n")
	per := 64 / bits
	for i := range 128 / bits {
		b.WriteString("{\n")
		for _, v := range operands {
			if !usesWord(body, v[0]) {
				continue
			}
			from := i
			if v[2] == immPtr { // half a vector, for both halves
				from = i % (8 / laneSize[typ])
			}
			fmt.Fprintf(&b, "%s := %s\n", v[0], at(v[1], typ, from))
		}
		half, shift := []string{"lo", "hi"}[i/per], i%per*bits
		// Everything up to the end of the line is the result.
		before, result, _ := strings.Cut(body, "RESULT ")
		result, after, _ := strings.Cut(result, "\n")
		fmt.Fprintf(&b, "%s%s |= uint64(%s) << %d\n%s\n}\n", before, half, result, shift, after)
	}
	return b.String()
}

// below8000 saturates an int32 v that is at most 0x8000, by arithmetic: Go orders comparisons behind all loads of a block, which would
// need too many registers.
const below8000 = "v -= v >> 15 &^ (v >> 16)\n"

// vectorLanes: instructions that change the lanes' size, and products.
func vectorLanes() {
	lanewise("I16x8Mul", "uint16", 16, "RESULT x * y")
	lanewise("I16x8Q15mulrSatS", "int16", 16, "v := (int32(x)*int32(y) + 0x4000) >> 15\n"+below8000+"RESULT uint16(v)")

	widen := []struct {
		from, to, name string
		bits           int
	}{
		{"int8", "int16", "I16x8%sI8x16S", 16}, {"uint8", "uint16", "I16x8%sI8x16U", 16},
		{"int16", "int32", "I32x4%sI16x8S", 32}, {"uint16", "uint32", "I32x4%sI16x8U", 32},
		{"int32", "int64", "I64x2%sI32x4S", 64}, {"uint32", "uint64", "I64x2%sI32x4U", 64},
	}
	for _, w := range widen {
		unsigned := "uint" + fmt.Sprint(w.bits)
		n := 128 / w.bits
		for k, part := range []string{"Low", "High"} {
			var ext, mul []string
			for i := range n {
				x, y := at("p", w.from, k*n+i), at("q", w.from, k*n+i)
				ext = append(ext, unsigned+"("+x+")")
				mul = append(mul, unsigned+"("+w.to+"("+x+")*"+w.to+"("+y+"))")
			}
			if w.from == "int8" || w.from == "uint8" {
				hot(fmt.Sprintf(w.name, "Extend"+part), spread(at("p", "uint32", 2*k), at("p", "uint32", 2*k+1), w.from)+"$a = lo\n$a.hi = hi")
			} else {
				hot(fmt.Sprintf(w.name, "Extend"+part), "p := $b.ptr\n"+pack(w.bits, ext))
			}
			hot(fmt.Sprintf(w.name, "Extmul"+part), "p, q := $b.ptr, $c.ptr\n"+pack(w.bits, mul))
		}
	}

	// Sums of neighbours. The signed ones are biased to be positive: x + 2^(n-1) is x ^ 2^(n-1).
	halves("I16x8ExtaddPairwiseI8x16U", "RESULT x&0x00FF00FF00FF00FF + x>>8&0x00FF00FF00FF00FF")
	halves("I16x8ExtaddPairwiseI8x16S", `
		x ^= 0x8080808080808080
		x = x&0x00FF00FF00FF00FF + x>>8&0x00FF00FF00FF00FF
		RESULT ((x | 0x8000800080008000) - 0x0100010001000100) ^ 0x8000800080008000`)
	halves("I32x4ExtaddPairwiseI16x8U", "RESULT x&0x0000FFFF0000FFFF + x>>16&0x0000FFFF0000FFFF")
	halves("I32x4ExtaddPairwiseI16x8S", `
		x ^= 0x8000800080008000
		x = x&0x0000FFFF0000FFFF + x>>16&0x0000FFFF0000FFFF
		RESULT ((x | 0x8000000080000000) - 0x0001000000010000) ^ 0x8000000080000000`)

	var dot []string
	for i := range 4 {
		dot = append(dot, fmt.Sprintf("uint32(int32(%s)*int32(%s) + int32(%s)*int32(%s))", at("p", "int16", 2*i), at("q", "int16", 2*i), at("p", "int16", 2*i+1), at("q", "int16", 2*i+1)))
	}
	hot("I32x4DotI16x8S", "p, q := $b.ptr, $c.ptr\n"+pack(32, dot))
	// Relaxed dot products (specification: Execution, Relaxed Operations), here always signed by signed with the sum of a pair saturated:
	// only four times -128 exceeds 16 bits.
	const pair = "v := int32(%s)*int32(%s) + int32(%s)*int32(%s)\n" + below8000
	var b strings.Builder
	b.WriteString("p, q := $b.ptr, $c.ptr\nvar lo, hi uint64\n")
	for i := range 8 {
		fmt.Fprintf(&b, "{\n"+pair, at("p", "int8", 2*i), at("q", "int8", 2*i), at("p", "int8", 2*i+1), at("q", "int8", 2*i+1))
		fmt.Fprintf(&b, "%s |= uint64(uint16(v)) << %d\n}\n", []string{"lo", "hi"}[i/4], i%4*16)
	}
	hot("I16x8RelaxedDotI8x16I7x16S", b.String()+"$a = lo\n$a.hi = hi")
	b.Reset()
	b.WriteString("p, q, o := $b.ptr, $c.ptr, $d.ptr\nvar lo, hi uint64\n")
	for i := range 4 {
		fmt.Fprintf(&b, "{\ns := %s\n", at("o", "int32", i))
		for j := 4 * i; j < 4*i+4; j += 2 {
			fmt.Fprintf(&b, "{\n"+pair+"s += v\n}\n", at("p", "int8", j), at("q", "int8", j), at("p", "int8", j+1), at("q", "int8", j+1))
		}
		fmt.Fprintf(&b, "%s |= uint64(uint32(s)) << %d\n}\n", []string{"lo", "hi"}[i/2], i%2*32)
	}
	hot("I32x4RelaxedDotI8x16I7x16AddS", b.String()+"$a = lo\n$a.hi = hi")

	narrow()
	vectorFused()
}

// vectorFused are sums with what was just computed for them; see vectorForms of package interp. Those of floats are relaxed_madd and
// relaxed_nmadd.
func vectorFused() {
	lanewise("I16x8MulAdd", "uint16", 16, "RESULT x*y + z")
	quarters("I32x4MulAdd", "uint32", "RESULT x*y + z")
	// b extended, plus c
	sum := replace(swarSum, "TOPS", swarTypes[1].h, "REST", swarTypes[1].m)
	for part, name := range []string{"Low", "High"} {
		for _, t := range [][2]string{{"uint8", "U"}, {"int8", "S"}} {
			typ, sign := t[0], t[1]
			body := spread(at("p", "uint32", 2*part), at("p", "uint32", 2*part+1), typ) + "p = $c.ptr\n"
			for i, half := range []string{"lo", "hi"} {
				body += replace("{\nx, y := V, Y\n"+sum+"V = s\n}\n", "V", half, "Y", at("p", "uint64", i))
			}
			hot("I16x8AddExtend"+name+"I8x16"+sign, body+"$a = lo\n$a.hi = hi")
		}
	}
	var b strings.Builder
	b.WriteString("p, q, o := $b.ptr, $c.ptr, $d.ptr\nvar lo, hi uint64\n")
	for i := range 4 {
		fmt.Fprintf(&b, "%s |= uint64(uint32(int32(%s)*int32(%s) + int32(%s)*int32(%s) + %s)) << %d\n", []string{"lo", "hi"}[i/2],
			at("p", "int16", 2*i), at("q", "int16", 2*i), at("p", "int16", 2*i+1), at("q", "int16", 2*i+1), at("o", "int32", i), i%2*32)
	}
	hot("I32x4DotAdd", b.String()+"$a = lo\n$a.hi = hi")
}

// spread extends the four bytes of each of two 32-bit words to 16 bits, in lo and hi. The operand's address becomes p.
func spread(w0, w1, typ string) string {
	body := "p := $b.ptr\n"
	for i, w := range []string{w0, w1} {
		body += []string{"lo", "hi"}[i] + " := uint64(" + w + ")\n"
	}
	return body + spreadHalf("lo", typ) + spreadHalf("hi", typ)
}

// spreadHalf extends the low four bytes of v.
func spreadHalf(v, typ string) string {
	body := replace("V = (V | V<<16) & 0x0000FFFF0000FFFF\nV = (V | V<<8) & 0x00FF00FF00FF00FF\n", "V", v)
	if typ == "int8" {
		body += replace("{\ns := V & 0x0080008000800080\nV |= s<<9 - s<<1\n}\n", "V", v)
	}
	return body
}

// narrow: halves of the size, with signed saturation of the operands to the signed or unsigned result.
func narrow() {
	// Both halves of an operand at once: e has the low and o the high bytes of their lanes, alternating. Signed: where o is not
	// the sign of e, the result is 0x7F or 0x80. Unsigned: 0xFF where o is positive, 0 where it is negative. At last all bytes from
	// even places go to the lower 32 bits.
	const s = `
		b := e & TOPS
		b = b<<1 - b>>7
		b ^= o
		b = (b&REST + REST | b) & TOPS
		b = b<<1 - b>>7
		o = REST + o>>7&ONES
		e ^= (e ^ o) & b`
	const u = `
		b := (o&REST + REST) & TOPS
		b = b<<1 - b>>7
		o &= TOPS
		o = o<<1 - o>>7
		e = (e | b) &^ o`
	for _, how := range [][2]string{{"S", s}, {"U", u}} {
		body := "var lo, hi uint64\n"
		for _, h := range [][2]string{{"lo", "$b"}, {"hi", "$c"}} {
			body += replace(`{
			x, y := IN, IN.hi
			e := x&0x00FF00FF00FF00FF | y&0x00FF00FF00FF00FF<<8
			o := x>>8&0x00FF00FF00FF00FF | y&0xFF00FF00FF00FF00`+how[1]+`
			b = (e ^ e>>8) & 0x0000FF000000FF00
			e ^= b ^ b<<8
			b = (e ^ e>>16) & 0xFFFF0000
			OUT = e ^ b ^ b<<16
			}
			`, "IN", h[1], "OUT", h[0], "TOPS", swarTypes[0].h, "REST", swarTypes[0].m, "ONES", swarTypes[0].l)
		}
		hot("I8x16NarrowI16x8"+how[0], body+"$a = lo\n$a.hi = hi")
	}
	for _, r := range [][3]string{{"S", "-0x8000", "0x7FFF"}, {"U", "0", "0xFFFF"}} {
		loop := replace("v := *(*int32)(p)\nif v < MIN {\nv = MIN\n}\nif v > MAX {\nv = MAX\n}\nR = R>>16 | uint64(v)<<48", "MIN", r[1], "MAX", r[2])
		hot("I16x8NarrowI32x4"+r[0], narrowing(4, 4, loop))
	}
}

// narrowing runs a loop's body n times for each operand; it shifts what it makes of the bytes at p into R from above.
func narrowing(n, bytes int, loop string) string {
	body := ""
	for _, half := range [][2]string{{"lo", "$b.ptr"}, {"hi", "$c.ptr"}} {
		body += fmt.Sprintf("%s := uint64(0)\nfor n, p := %d, %s; n > 0; n-- {\n%s\np = unsafe.Add(p, %d)\n}\n",
			half[0], n, half[1], replace(loop, "R", half[0]), bytes)
	}
	return body + "$a = lo\n$a.hi = hi"
}
