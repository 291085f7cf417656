package main

// stackPointers: writes of the global that points at the C stack in linear memory. They leave to the driver what may be an overrun, which
// decides and does the write itself; see vm.Instance.Overrun.
func stackPointers() {
	const global = "(*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Globals)), $c.n*globalSize))"
	// a = global c + imm.lo; not a write, but most often the first half of one
	hot("GlobalGetI32AddK", "$a = uint64(uint32(*"+global+") + $imm.lo)")
	hot("GlobalI32AddK", "p := "+global+"\nv := uint64(uint32(*p) + $imm.lo)\n$a = v\n*p = v")
	// the same with a negative imm.lo: a function's entry makes room for its frame
	hot("SPEnter", `
		p := `+global+`
		v := int64(uint32(*p)) + int64($imm.i32)
		if v < ctx.AuxFloor {
			goto cold
		}
		$a = uint64(v)
		*p = uint64(v)`)
	// a = global c = slot b + imm.lo, likewise
	hot("I32AddKSPSet", `
		v := int64($b.u32) + int64($imm.i32)
		if v < ctx.AuxFloor {
			goto cold
		}
		$a = uint64(v)
		*`+global+` = uint64(v)`)
	// Any other value: it may have wrapped round.
	const set = "v := $b\nif int64(v) < ctx.AuxFloor || v > ctx.AuxTop {\ngoto cold\n}\n"
	hot("SPSet", set+"*(*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Globals)), $imm)) = v")
	hot("SPImpSet", set+"*(*uint64)(*(*unsafe.Pointer)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.ImpGlobals)), $imm))) = v")
}
