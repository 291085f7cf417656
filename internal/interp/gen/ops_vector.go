package main

import (
	"fmt"
	"strings"
)

// vectors: v128 instructions, on two slots each, low half first. Lanes of 8 and 16 bits are computed many at a time within a half
// (SWAR: ops_vector_int.go); others lane by lane.
//
// Slots of source and destination may overlap in any way, so every body reads all of its operands before it writes. A half is
// written as one 64-bit store and never in pieces: loads of a whole half from pieces cannot be forwarded by processors.
func vectors() {
	vectorLogic()
	vectorMoves()
	vectorIntegers()
	vectorShifts()
	vectorLanes()
	vectorFloats()
	vectorConversions()
	vectorMemory()
}

// halves adds an instruction whose body computes the half r of the result from the same halves x (of b), y (of c), z (of d).
func halves(name, body string, args ...string) {
	halvesOf(name, "$b", "$c", strings.NewReplacer(args...).Replace(body))
}

// halvesK is halves for two operands, with forms for a constant whose halves are alike, in imm: name with K appended for y and,
// unless the operation is commutative, with RK for x.
func halvesK(name string, commutes bool, body string, args ...string) {
	body = strings.NewReplacer(args...).Replace(body)
	halvesOf(name, "$b", "$c", body)
	halvesOf(name+"K", "$b", "$imm", body)
	if !commutes {
		halvesOf(name+"RK", "$imm", "$b", body)
	}
}

func halvesOf(name, xs, ys, body string) {
	out := "var lo, hi uint64\n"
	for _, h := range [][2]string{{"lo", ""}, {"hi", ".hi"}} {
		out += "{\n"
		for _, v := range [][2]string{{"x", xs}, {"y", ys}, {"z", "$d"}} {
			if !usesWord(body, v[0]) {
				continue
			}
			out += v[0] + " := " + v[1]
			if v[1] != "$imm" {
				out += h[1]
			}
			out += "\n"
		}
		out += strings.ReplaceAll(body, "RESULT", h[0]+" =") + "\n}\n"
	}
	hot(name, out+"$a = lo\n$a.hi = hi")
}

// usesWord reports whether a one-letter variable occurs in a body.
func usesWord(body, v string) bool {
	for i := 0; i < len(body); i++ {
		if body[i] == v[0] && (i == 0 || !identByte(body[i-1])) && (i+1 == len(body) || !identByte(body[i+1])) {
			return true
		}
	}
	return false
}

func identByte(c byte) bool {
	return c == '_' || c == '.' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// vectorLogic: instructions without lanes.
func vectorLogic() {
	halves("V128Not", "RESULT ^x")
	halvesK("V128And", true, "RESULT x & y")
	halvesK("V128Andnot", false, "RESULT x &^ y")
	halvesK("V128Or", true, "RESULT x | y")
	halvesK("V128Xor", true, "RESULT x ^ y")
	halves("V128Bitselect", "RESULT y ^ (x^y)&z") // x where z has ones, y elsewhere
	hot("V128AnyTrue", "v := uint64(0)\nif $b|$b.hi != 0 {\nv = 1\n}\n$a = v")
}

// vectorMoves: splats, lanes in and out, shuffles. What only moves halves needs no instruction but Mov and Pair.
func vectorMoves() {
	hot("Pair", "lo, hi := $b, $c\n$a = lo\n$a.hi = hi")
	hot("Splat8", "v := uint64(uint8($b.u32)) * 0x0101010101010101\n$a = v\n$a.hi = v")
	hot("Splat16", "v := uint64(uint16($b.u32)) * 0x0001000100010001\n$a = v\n$a.hi = v")
	hot("Splat32", "v := uint64($b.u32)\nv |= v << 32\n$a = v\n$a.hi = v")

	// c: offset of the lane in bytes
	const lane = "(unsafe.Add($b.ptr, $c.n))"
	hot("Extract8S", "$a = uint64(uint32(*(*int8)"+lane+"))")
	hot("Extract8U", "$a = uint64(*(*uint8)"+lane+")")
	hot("Extract16S", "$a = uint64(uint32(*(*int16)"+lane+"))")
	hot("Extract16U", "$a = uint64(*(*uint16)"+lane+")")
	// b with the lane from bit imm of its low or high half on replaced by c
	for _, w := range []string{"8", "16", "32"} {
		v := "s := $imm & 63\nv := uint64(uint" + w + "($c.u32)) << s\nm := uint64(1<<" + w + "-1) << s\nlo, hi := $b, $b.hi\n"
		hot("Replace"+w+"Lo", v+"lo = lo&^m | v\n$a = lo\n$a.hi = hi")
		hot("Replace"+w+"Hi", v+"hi = hi&^m | v\n$a = lo\n$a.hi = hi")
	}

	// Shuffles by lanes of 32 bits: d to g are the lanes' distances from fp in units of 4 bytes.
	hot("Shuffle32", `
		lo := uint64(LD) | uint64(LE)<<32
		hi := uint64(LF) | uint64(LG)<<32
		$a = lo
		$a.hi = hi`, "LD", quarter("d"), "LE", quarter("e"), "LF", quarter("f"), "LG", quarter("g"))
	// Shuffles by lanes of 16 and 8 bits: likewise, in units of their size; the lanes go on after b to g in the places a to g of one or
	// two ShuffleMore that follow and are never executed.
	cold("ShuffleMore")
	// Any shuffle of b and c, for the driver: the lanes' numbers in imm and in the imm of the ShuffleMore that follows.
	cold("ShuffleFar")
	shuffle := func(bits, lanes int) string {
		body := ""
		at := 4 // field b
		for i := range lanes {
			if at%16 == 0 {
				at += 2 // the opcode of a ShuffleMore
			}
			l := fmt.Sprintf("uint64(*(*uint%d)(unsafe.Add(fp, uintptr(*(*uint16)(unsafe.Add(pc, %d)))*%d)))", bits, at, bits/8)
			at += 2
			switch half, i := []string{"lo", "hi"}[i/(lanes/2)], i%(lanes/2); i {
			case 0:
				body += half + " := " + l + "\n"
			default:
				body += fmt.Sprintf("%s |= %s << %d\n", half, l, bits*i)
			}
		}
		return body + "$a = lo\n$a.hi = hi\npc = unsafe.Add(pc, " + fmt.Sprint((at+15)/16*16) + ")\ncontinue"
	}
	hot("Shuffle16", shuffle(16, 8))
	hot("Shuffle8", shuffle(8, 16))

	// Lanes of b picked by the bytes of c, 0 for those from 16 on: bits 4 to 7 of an index say so.
	swizzle := ""
	for _, h := range [][2]string{{"lo", ""}, {"hi", ".hi"}} {
		swizzle += "var " + h[0] + " uint64\n{\ni := $c" + h[1] + "\n" +
			"n := i & 0xF0F0F0F0F0F0F0F0\nn |= n >> 1\nn |= n >> 2\nn = (n >> 4 & 0x0101010101010101) * 0xFF\n" +
			"i &= 0x0F0F0F0F0F0F0F0F\n"
		for i := range 8 {
			swizzle += fmt.Sprintf("%s |= uint64(*(*uint8)(unsafe.Add(p, i>>%d&15))) << %d\n", h[0], 8*i, 8*i)
		}
		swizzle += h[0] + " &^= n\n}\n"
	}
	hot("I8x16Swizzle", "p := $b.ptr\n"+swizzle+"$a = lo\n$a.hi = hi")
}

func quarter(field string) string { return "*(*uint32)(unsafe.Add(fp, $" + field + ".n*4))" }
