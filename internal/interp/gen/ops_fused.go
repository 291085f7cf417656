package main

// Instructions that do the work of two or three, chosen by counts of neighbours in the bench kernels and in Go programs; see fuse.go of
// package interp for when they are used.

// fused are the combinations whose intermediate value nothing else needs.
func fused() {
	for _, t := range intTypes {
		x, y, z := "$b"+t.u, "$c"+t.u, "$d"+t.u
		// a = b op (c shifted by imm)
		for _, o := range [][2]string{{"Add", "+"}, {"Or", "|"}, {"Xor", "^"}} {
			hot(t.name+o[0]+"Shl", "$a = uint64("+x+" "+o[1]+" "+y+"<<($imm.lo&"+t.mask+"))")
			if o[0] != "Add" {
				hot(t.name+o[0]+"ShrU", "$a = uint64("+x+" "+o[1]+" "+y+">>($imm.lo&"+t.mask+"))")
			}
		}
		hot(t.name+"XorRotl", "$a = uint64("+x+" ^ bits.RotateLeft"+t.bits+"("+y+", int($imm.lo&"+t.mask+")))")
		hot(t.name+"ShrUAndK", "$a = uint64("+x+">>($c.n&"+t.mask+") & $imm"+t.ui+")")
		hot(t.name+"Add3", "$a = uint64("+x+" + "+y+" + "+z+")")
		hot(t.name+"AddAddK", "$a = uint64("+x+" + "+y+" + $imm"+t.ui+")")
		hot(t.name+"MulAdd", "$a = uint64("+x+"*"+y+" + "+z+")")
	}
	for _, t := range floatTypes {
		// The product is rounded by itself: the conversion keeps Go from fusing the two operations (specification: Execution, Floating-Point Operations).
		p := t.typ + "($b" + t.suffix + "*$c" + t.suffix + ")"
		hot(t.name+"MulAdd", "$a = "+t.slot+"($d"+t.suffix+" + "+p+")")
		hot(t.name+"MulSub", "$a = "+t.slot+"("+p+" - $d"+t.suffix+")")
		hot(t.name+"MulRsub", "$a = "+t.slot+"($d"+t.suffix+" - "+p+")")
	}
	// The second operand is loaded from slot c, as by a load of a sum: a = b op memory.
	loaded := func(name, expr, bits, mem string) {
		hot(name+"Load", "ea := uint64($c.u32 + $imm.hi) + uint64($imm.lo)\nif ea+"+bits+" > mlen {\ngoto outOfBounds\n}\n$a = "+
			replace(expr, "MEM", "*(*"+mem+")(unsafe.Add($mem, ea))"))
	}
	for _, o := range [][2]string{{"Add", "+"}, {"Sub", "-"}, {"Mul", "*"}} {
		loaded("I32"+o[0], "uint64($b.u32 "+o[1]+" MEM)", "4", "uint32")
		loaded("I64"+o[0], "$b "+o[1]+" MEM", "8", "uint64")
		loaded("F32"+o[0], "$f32($b.f32 "+o[1]+" MEM)", "4", "float32")
		loaded("F64"+o[0], "math.Float64bits($b.f64 "+o[1]+" MEM)", "8", "float64")
	}
	loaded("I32And", "uint64($b.u32 & MEM)", "4", "uint32")
	loaded("I32Xor", "uint64($b.u32 ^ MEM)", "4", "uint32")
	loaded("I64Xor", "$b ^ MEM", "8", "uint64")

	// Selects with a constant, condition in slot c; and with the condition computed: of slots b and c, or b and imm.hi, to choose d or e.
	hot("SelectK", "v := $imm\nif $c.u32 != 0 {\nv = $b\n}\n$a = v")
	hot("SelectKZ", "v := $imm\nif $c.u32 == 0 {\nv = $b\n}\n$a = v")
	choose := func(name, cond string) {
		hot("Select"+name, "v := $e\nif "+cond+" {\nv = $d\n}\n$a = v")
	}
	choose("I32Eq", "$b.u32 == $c.u32")
	choose("I32LtS", "$b.i32 < $c.i32")
	choose("I32LtU", "$b.u32 < $c.u32")
	choose("I64LtS", "$b.i64 < $c.i64")
	choose("I64LtU", "$b < $c")
	choose("F64Lt", "$b.f64 < $c.f64")
	choose("I32EqK", "$b.u32 == $imm.hi")
	choose("I32LtSK", "$b.i32 < $imm.rel")
	choose("I32LtUK", "$b.u32 < $imm.hi")
	choose("I32GtSK", "$b.i32 > $imm.rel")
	choose("I32GtUK", "$b.u32 > $imm.hi")
	choose("I64EqK", "$b.i64 == int64($imm.rel)")
	choose("Test", "$b.u32&$imm.hi != 0")

	branch("BrTestZ", "$b.u32&$imm.lo == 0")
	branch("BrTestNZ", "$b.u32&$imm.lo != 0")

	// Accesses at b + c<<imm.hi + imm.lo (stores: a + c<<imm.hi + imm.lo), and at a constant address.
	const indexed = "ea := uint64(BASE.u32 + $c.u32<<($imm.hi&31)) + uint64($imm.lo)\nif ea+SIZE > mlen {\ngoto outOfBounds\n}\n"
	const absolute = "ea := $imm\nif ea+SIZE > mlen {\ngoto outOfBounds\n}\n"
	for _, l := range loads {
		read := "$a = " + replace(l[2], "V", "*(*"+l[1]+")(unsafe.Add($mem, ea))")
		hot(l[0]+"X", replace(indexed, "BASE", "$b", "SIZE", size(l[1]))+read)
		hot(l[0]+"Abs", replace(absolute, "SIZE", size(l[1]))+read)
	}
	for _, s := range stores {
		write := "*(*" + s[1] + ")(unsafe.Add($mem, ea)) = " + replace(s[2], "V", "$b")
		hot(s[0]+"X", replace(indexed, "BASE", "$a", "SIZE", size(s[1]))+write)
		hot(s[0]+"Abs", replace(absolute, "SIZE", size(s[1]))+write)
	}
	// From slot b + imm.lo to slot a + imm.hi.
	for _, s := range []string{"32", "64"} {
		hot("Copy"+s, replace(`
			ea := uint64($b.u32) + uint64($imm.lo)
			if ea+SIZE > mlen {
				goto outOfBounds
			}
			to := uint64($a.u32) + uint64($imm.hi)
			if to+SIZE > mlen {
				goto outOfBounds
			}
			*(*uintBITS)(unsafe.Add($mem, to)) = *(*uintBITS)(unsafe.Add($mem, ea))`, "SIZE", map[string]string{"32": "4", "64": "8"}[s], "BITS", s))
	}
}

// pairs are two instructions in a row, with the effects of both.
func pairs() {
	hot("Const2", "$a = uint64($imm.lo)\n$c = uint64($imm.hi)")
	hot("ConstVV", "$a = $imm\n$a.hi = $imm")
	hot("I32AddK2", "$a = uint64($b.u32 + uint32(int32(int16(*(*uint16)(unsafe.Add(pc, 10))))))\n"+
		"$c = uint64($d.u32 + uint32(int32(int16(*(*uint16)(unsafe.Add(pc, 12))))))")
	hot("MovI32AddK", "$a = $b\n$c = uint64($d.u32 + $imm.hi)")
	hot("I32AddKGlobalSet", "v := uint64($b.u32 + $imm.lo)\n$a = v\n*(*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Globals)), $c.n*globalSize)) = v")
	// As Go's compiler pushes a return address: a = b = stack pointer, c = its global, imm.hi = step, imm.lo = what is pushed. The
	// driver does the whole of it where the stack pointer runs out of bounds.
	hot("PushK", `
		v := $b.u32 + $imm.hi
		if uint64(v)+8 > mlen {
			goto cold
		}
		$a = uint64(v)
		*(*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Globals)), $c.n*globalSize)) = uint64(v)
		*(*uint64)(unsafe.Add($mem, uint64(v))) = uint64(int64($imm.i32))`)
	// Two loads to slots a and c from slots b and d, plus e and f; two stores of slots b and d to a and c. Nothing is written before both
	// are known to be in bounds, so that they can be tried again; d is not a. A store is done twice then.
	const two = "ea := uint64(A.u32) + uint64($e.n)\nif ea+8 > mlen {\ngoto outOfBounds\n}\n"
	hot("I64Load2", replace(two, "A", "$b")+`
		eb := uint64($d.u32) + uint64($f.n)
		if eb+8 > mlen {
			goto outOfBounds
		}
		$a = *(*uint64)(unsafe.Add($mem, ea))
		$c = *(*uint64)(unsafe.Add($mem, eb))`)
	hot("Store64x2", replace(two, "A", "$a")+`
		*(*uint64)(unsafe.Add($mem, ea)) = $b
		eb := uint64($c.u32) + uint64($f.n)
		if eb+8 > mlen {
			goto outOfBounds
		}
		*(*uint64)(unsafe.Add($mem, eb)) = $d`)
	// BrTable on a byte: a = where it goes too, b = address, imm.hi its offset.
	hot("I32Load8UBrTable", `
		ea := uint64($b.u32) + uint64($imm.hi)
		if ea+1 > mlen {
			goto outOfBounds
		}
		v := uint64(*(*uint8)(unsafe.Add($mem, ea)))
		$a = v
		if n := uint64($imm.lo) - 1; v > n {
			v = n
		}
		pc = unsafe.Add(pc, *(*int32)(unsafe.Add(unsafe.Add(pc, v*4), 16)))
		continue`)
	before := func(name, first, cond string) {
		hot(name, first+"\nif "+cond+" {\n$jump\n}")
		hot(name+"L", first+"\nif "+cond+" {\n$loop\n}")
	}
	before("GlobalGetBrNZ", "$a = *(*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Globals)), $c.n*globalSize))", "$b.u32 != 0")
	before("I32LoadBrZ", "$ea(4)\nv := *(*uint32)(unsafe.Add($mem, ea))\n$a = uint64(v)", "v == 0")
	before("I32LoadBrNZ", "$ea(4)\nv := *(*uint32)(unsafe.Add($mem, ea))\n$a = uint64(v)", "v != 0")
	before("I32Load8UBrEqK", "$ea(1)\nv := *(*uint8)(unsafe.Add($mem, ea))\n$a = uint64(v)", "uint16(v) == uint16($c.n)")
	before("I32Load8UBrNeK", "$ea(1)\nv := *(*uint8)(unsafe.Add($mem, ea))\n$a = uint64(v)", "uint16(v) != uint16($c.n)")
	hot("ConstBr", "$a = uint64($imm.lo)\n$jump")
	hot("ConstBrL", "$a = uint64($imm.lo)\n$loop")
	hot("MovBr", "$a = $b\n$jump")
	hot("MovBrL", "$a = $b\n$loop")

	// Step and test of a loop: a = b + imm.lo, then branch on a against the slot c, or the sign-extended constant c.
	const k = "int32(int16(*(*uint16)(unsafe.Add(pc, 6))))"
	step := func(name, cond string) {
		hot("I32AddK"+name, "v := $b.u32 + $imm.lo\n$a = uint64(v)\nif "+cond+" {\n$loop\n}")
	}
	step("BrNZ32L", "v != 0")
	step("BrI32NeL", "v != $c.u32")
	step("BrI32LtSL", "int32(v) < $c.i32")
	step("BrI32LtUL", "v < $c.u32")
	step("BrI32NeKL", "int32(v) != "+k)
	step("BrI32LtSKL", "int32(v) < "+k)
	step("BrI32LtUKL", "v < uint32("+k+")")
	step("BrI32GtSKL", "int32(v) > "+k)
	step("BrI32GtUKL", "v > uint32("+k+")")

	// The same with a step in a slot: b + c against the constant imm.lo.
	stepBy := func(name, cond string) {
		hot("I32Add"+name, "v := $b.u32 + $c.u32\n$a = uint64(v)\nif "+cond+" {\n$loop\n}")
	}
	stepBy("BrI32LtSKL", "int32(v) < $imm.i32")
	stepBy("BrI32LtUKL", "v < $imm.lo")

	// A call whose last argument is slot c, which is moved before the call can stop, as its map tells it; or the constant c.
	hot("CallM", "*(*uint64)(unsafe.Add($b.ptr, -8)) = $c\n"+direct+"\nnfp := $a.ptr"+enter)
	hot("CallK", "*(*uint64)(unsafe.Add($b.ptr, -8)) = uint64($c.n)\n"+direct+"\nnfp := $a.ptr"+enter)
}
