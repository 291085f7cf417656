package main

import "strings"

func replace(s string, args ...string) string { return strings.NewReplacer(args...).Replace(s) }

// memory: accesses to the current memory, with 32-bit addresses. The current memory is memory 0 unless the instruction just before is
// MemAddr, which makes a window of another (or of a 64-bit) memory the current one; MemReset, just after, goes back.
func memory() {
	for _, l := range loads {
		read := replace(l[2], "V", "*(*"+l[1]+")(unsafe.Add($mem, ea))")
		hot(l[0], "$eak("+size(l[1])+")\n$a = "+read)
	}
	for _, s := range stores {
		hot(s[0], "$eaak("+size(s[1])+")\n*(*"+s[1]+")(unsafe.Add($mem, ea)) = "+replace(s[2], "V", "$b"))
		k := s[1] + "($imm.hi)"
		if s[1] == "uint64" {
			k = "uint64(int64($imm.rel))"
		}
		hot(s[0]+"K", "ea := uint64($a.u32 + *(*uint32)(unsafe.Add(pc, 4))) + uint64($imm.lo)\nif ea+"+size(s[1])+" > mlen {\ngoto outOfBounds\n}\n*(*"+s[1]+")(unsafe.Add($mem, ea)) = "+k)
	}
	hot("MemorySize", "$a = *(*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Mems)), uintptr($imm)*ptrSize)), offMemLen)) >> 16")

	// Window: slot b + imm in memory c; slot a becomes 0, the address of the access within the window.
	// The sum may overflow in a 64-bit memory.
	window := `
		m := *(*unsafe.Pointer)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Mems)), $c.n*ptrSize))
		ea := ADDR + $imm
		n := *(*uint64)(unsafe.Add(m, offMemLen))
		if ea < $imm || ea > n {
			goto cold
		}
		mem, mlen = unsafe.Add(*(*unsafe.Pointer)(unsafe.Add(m, offMemBase)), ea), n-ea
		$a = 0`
	hot("MemAddr32", window, "ADDR", "uint64($b.u32)")
	hot("MemAddr64", window, "ADDR", "$b")
	hot("MemReset", `
		m := *(*unsafe.Pointer)(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Mems)))
		mem, mlen = *(*unsafe.Pointer)(unsafe.Add(m, offMemBase)), *(*uint64)(unsafe.Add(m, offMemLen))`)
}

// loads: $a = the value at (slot b + imm.hi) + imm.lo. Columns: name, Go type in memory, conversion to a slot.
var loads = [][3]string{
	{"I32Load", "uint32", "uint64(V)"}, {"I64Load", "uint64", "V"},
	{"I32Load8S", "int8", "uint64(uint32(V))"}, {"I32Load8U", "uint8", "uint64(V)"},
	{"I32Load16S", "int16", "uint64(uint32(V))"}, {"I32Load16U", "uint16", "uint64(V)"},
	{"I64Load8S", "int8", "uint64(V)"}, {"I64Load16S", "int16", "uint64(V)"}, {"I64Load32S", "int32", "uint64(V)"},
}

// stores: the value of slot b goes to (slot a + imm.hi) + imm.lo. The K forms store the constant imm.hi at (slot a + k) + imm.lo, k being the 32 bits
// of the fields b and c.
var stores = [][3]string{{"Store8", "uint8", "uint8(V.u32)"}, {"Store16", "uint16", "uint16(V.u32)"}, {"Store32", "uint32", "V.u32"}, {"Store64", "uint64", "V"}}

func size(t string) string {
	switch {
	case strings.HasSuffix(t, "int8"):
		return "1"
	case strings.HasSuffix(t, "16"):
		return "2"
	case strings.HasSuffix(t, "32"):
		return "4"
	}
	return "8"
}

// references: a reference is 32 bits, zero-extended in its slot.
func references() {
	hot("RefAsNonNull", "v := $b\nif uint32(v) == 0 {\n$trap(NullReference)\n}\n$a = v")
	hot("GlobalGetNonNull", "v := *(*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Globals)), $imm))\nif uint32(v) == 0 {\n$trap(NullReference)\n}\n$a = v")
	hot("RefFuncDeclared", "$a = uint64(ctx.RefBase + $imm.lo)") // the imm-th of the module's declared functions
	hot("RefI31", "$a = uint64($b.u32<<1 | 1)")
	hot("I31GetS", "v := $b.i32\nif v == 0 {\n$trap(NullI31)\n}\n$a = uint64(uint32(v >> 1))")
	hot("I31GetU", "v := $b.u32\nif v == 0 {\n$trap(NullI31)\n}\n$a = uint64(v >> 1)")
}
