package main

import "fmt"

// vectorMemory: loads to a from (slot b + imm.hi) + imm.lo, stores to (slot a + imm.hi) + imm.lo from b.
func vectorMemory() {
	const m = "unsafe.Add($mem, ea)"
	hot("V128Load", "$eak(16)\np := "+m+"\nlo, hi := *(*uint64)(p), *(*uint64)(unsafe.Add(p, 8))\n$a = lo\n$a.hi = hi")
	hot("V128Store", "$eaak(16)\np := "+m+"\nlo, hi := $b, $b.hi\n*(*uint64)(p) = lo\n*(*uint64)(unsafe.Add(p, 8)) = hi")

	for _, w := range [][2]string{{"S", "int8"}, {"U", "uint8"}} {
		body := "$eak(8)\nv := *(*uint64)(" + m + ")\nlo, hi := v&0xFFFFFFFF, v>>32\n"
		hot("V128Load8x8"+w[0], body+spreadHalf("lo", w[1])+spreadHalf("hi", w[1])+"$a = lo\n$a.hi = hi")
	}
	for _, w := range [][4]string{{"16x4S", "int16", "uint32", "32"}, {"16x4U", "uint16", "uint32", "32"}, {"32x2S", "int32", "uint64", "64"}, {"32x2U", "uint32", "uint64", "64"}} {
		var lanes []string
		bits := 32
		if w[3] == "64" {
			bits = 64
		}
		for i := range 128 / bits {
			lanes = append(lanes, w[2]+"("+at("p", w[1], i)+")")
		}
		hot("V128Load"+w[0], "$eak(8)\np := "+m+"\n"+pack(bits, lanes))
	}
	hot("V128Load8Splat", "$eak(1)\nv := uint64(*(*uint8)("+m+")) * 0x0101010101010101\n$a = v\n$a.hi = v")
	hot("V128Load16Splat", "$eak(2)\nv := uint64(*(*uint16)("+m+")) * 0x0001000100010001\n$a = v\n$a.hi = v")
	hot("V128Load32Splat", "$eak(4)\nv := uint64(*(*uint32)("+m+"))\nv |= v << 32\n$a = v\n$a.hi = v")
	hot("V128Load64Splat", "$eak(8)\nv := *(*uint64)("+m+")\n$a = v\n$a.hi = v")
	hot("V128Load32Zero", "$eak(4)\n$a = uint64(*(*uint32)("+m+"))\n$a.hi = 0")
	hot("V128Load64Zero", "$eak(8)\n$a = *(*uint64)("+m+")\n$a.hi = 0")

	// Lane accesses, at slot + imm.lo: slot c with lane imm.hi replaced; slot b's lane imm.hi. The shift of a lane is right for both halves.
	for _, bits := range []int{8, 16, 32} {
		r := func(name, body string) {
			hot(name, body, "BITS", fmt.Sprint(bits), "SIZE", fmt.Sprint(bits/8))
		}
		v := "$ea(SIZE)\ns := $imm.hi * BITS & 63\nv := uint64(*(*uintBITS)(" + m + ")) << s\nm := uint64(1<<BITS-1) << s\nlo, hi := $c, $c.hi\n"
		r(fmt.Sprintf("V128Load%dLaneLo", bits), v+"lo = lo&^m | v\n$a = lo\n$a.hi = hi")
		r(fmt.Sprintf("V128Load%dLaneHi", bits), v+"hi = hi&^m | v\n$a = lo\n$a.hi = hi")
		r(fmt.Sprintf("V128Store%dLane", bits), "$eaa(SIZE)\n*(*uintBITS)("+m+") = *(*uintBITS)(unsafe.Add($b.ptr, uintptr($imm.hi)*SIZE))")
	}
	load64 := "$ea(8)\nv := *(*uint64)(" + m + ")\n"
	hot("V128Load64LaneLo", load64+"hi := $c.hi\n$a = v\n$a.hi = hi")
	hot("V128Load64LaneHi", load64+"lo := $c\n$a = lo\n$a.hi = v")
	hot("V128Store64Lane", "$eaa(8)\n*(*uint64)("+m+") = *(*uint64)(unsafe.Add($b.ptr, uintptr($imm.hi)*8))")
}
