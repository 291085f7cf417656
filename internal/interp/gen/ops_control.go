package main

// control: branches. Forward branches jump; backward ones (suffix L) poll the safepoint word when they are taken.
func control() {
	hot("Br", "$jump")
	hot("BrL", "$loop")
	// imm.lo entries of 32-bit offsets from this instruction follow it, the last one for every index from imm.lo-1 on.
	hot("BrTable", `
		i := uint64($b.u32)
		if n := uint64($imm.lo) - 1; i > n {
			i = n
		}
		pc = unsafe.Add(pc, *(*int32)(unsafe.Add(unsafe.Add(pc, i*4), 16)))
		continue`)
	branch("BrZ32", "$b.u32 == 0")
	branch("BrNZ32", "$b.u32 != 0")
}

// branch makes the forward and the backward form of a conditional branch.
func branch(name, cond string) {
	hot(name, "if "+cond+" {\n$jump\n}")
	hot(name+"L", "if "+cond+" {\n$loop\n}")
}

// moves between slots, selects and globals.
func moves() {
	hot("Mov", "$a = $b")
	hot("Mov2", "$a = $b\n$c = $d") // in this order
	hot("MovV", "lo, hi := $b, $b.hi\n$a = lo\n$a.hi = hi")
	hot("Const", "$a = $imm")
	hot("ConstMov", "$a = $imm\n$c = $b")
	hot("Zero1", "$a = 0")
	hot("Zero2", "$a = 0\n$a.hi = 0")
	hot("Zero4", "$a = 0\n$a.hi = 0\n"+
		"*(*uint64)(unsafe.Add($a.ptr, 16)) = 0\n*(*uint64)(unsafe.Add($a.ptr, 24)) = 0")
	// imm groups of 4 slots
	hot("ZeroN", `
		p := $a.ptr
		for n := $imm; n > 0; n-- {
			*(*uint64)(p) = 0
			*(*uint64)(unsafe.Add(p, 8)) = 0
			*(*uint64)(unsafe.Add(p, 16)) = 0
			*(*uint64)(unsafe.Add(p, 24)) = 0
			p = unsafe.Add(p, 32)
		}`)
	hot("Select", "v := $c\nif $d.u32 != 0 {\nv = $b\n}\n$a = v")
	hot("SelectV", "p := $c.ptr\nif $d.u32 != 0 {\np = $b.ptr\n}\nlo, hi := *(*uint64)(p), *(*uint64)(unsafe.Add(p, 8))\n$a = lo\n$a.hi = hi")

	const own = "unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Globals)), $imm)"
	const imported = "*(*unsafe.Pointer)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.ImpGlobals)), $imm))"
	for _, g := range [][2]string{{"", own}, {"Imp", imported}} {
		hot("Global"+g[0]+"Get", "$a = *(*uint64)("+g[1]+")")
		hot("Global"+g[0]+"Set", "*(*uint64)("+g[1]+") = $b")
		hot("Global"+g[0]+"GetV", "p := "+g[1]+"\n$a = *(*uint64)(p)\n$a.hi = *(*uint64)(unsafe.Add(p, 8))")
		hot("Global"+g[0]+"SetV", "p := "+g[1]+"\n*(*uint64)(p) = $b\n*(*uint64)(unsafe.Add(p, 8)) = $b.hi")
	}
}
