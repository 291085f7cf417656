package main

import "fmt"

// atomics: the threads proposal, by sync/atomic on guest memory, which is sequentially consistent and compiles to single
// instructions or short loops without calls on amd64. Cells of 8 and 16 bits are part of an aligned 32-bit word, of which the
// other bytes are written back unchanged by compare-and-swap. Results are zero-extended, so one instruction serves i32 and i64.
//
// Loads and read-modify-writes: $a = old value of the cell at slot b + imm.lo, operand in slot c, replacement of cmpxchg in slot f.
// Stores: the cell at slot a + imm.lo becomes slot b. A misaligned address traps before bounds are looked at (threads proposal,
// "Execution"); the base of a memory is a page's, so the address in the process has the same alignment.
func atomics() {
	const address = `
		ea := uint64(ADDR.u32) + uint64($imm.lo)
		p := unsafe.Add($mem, ea)
		if uintptr(p)&(SIZE-1) != 0 {
			$trap(UnalignedAtomic)
		}
		if ea+SIZE > mlen {
			goto outOfBounds
		}
		`
	const again = "for {\nold := atomic.LoadUBITS(w)\nVALUE\nif atomic.CompareAndSwapUBITS(w, old, NEW) {\n$a = uint64(RESULT)\nbreak\n}\n}"
	// The cell within its word: shift and mask.
	const word = "s := uintptr(p) & 3 * 8\nw := (*uint32)(unsafe.Add(p, -int(uintptr(p)&3)))\n"
	const part = word + "m := uint32(1<<BITS-1) << s\n"
	for _, bits := range []int{8, 16, 32, 64} {
		name := "Atomic" + fmt.Sprint(bits)
		v, w, x := "$c.u32", "$f.u32", "$b.u32"
		if bits == 64 {
			v, w, x = "$c", "$f", "$b"
		}
		r := func(op, addr, body string) {
			hot(name+op, replace(address, "ADDR", addr)+body, "UBITS", fmt.Sprintf("Uint%d", bits), "UTYPE", fmt.Sprintf("uint%d", bits),
				"BITS", fmt.Sprint(bits), "SIZE", fmt.Sprint(bits/8))
		}
		if bits < 32 {
			// do makes a loop that replaces the cell old by an expression of it, given in place in the word.
			do := func(expr string) string {
				return part + "v := " + v + " << s\nfor {\nold := atomic.LoadUint32(w)\nif atomic.CompareAndSwapUint32(w, old, old&^m|(" + expr +
					")&m) {\n$a = uint64(old & m >> s)\nbreak\n}\n}"
			}
			r("Load", "$b", part+"$a = uint64(atomic.LoadUint32(w) & m >> s)")
			r("Store", "$a", part+"v := "+x+"<<s&m\nfor {\nold := atomic.LoadUint32(w)\nif atomic.CompareAndSwapUint32(w, old, old&^m|v) {\nbreak\n}\n}")
			r("Add", "$b", do("old + v"))
			r("Sub", "$b", replace(do("old + v"), "v := ", "v := -"))
			r("And", "$b", do("old & v"))
			r("Or", "$b", do("old | v"))
			r("Xor", "$b", do("old ^ v"))
			r("Xchg", "$b", do("v"))
			// The expected value is wrapped to the cell's size. d turns it into the replacement. Reading the expected value again and
			// again saves a register.
			r("Cmpxchg", "$b", word+"d := uint32(UTYPE("+v+"^"+w+")) << s\nfor {\nold := atomic.LoadUint32(w)\n"+
				"if UTYPE(old>>s) != UTYPE("+v+") || atomic.CompareAndSwapUint32(w, old, old^d) {\n$a = uint64(UTYPE(old >> s))\nbreak\n}\n}")
			continue
		}
		const cell = "w := (*UTYPE)(p)\n"
		r("Load", "$b", "$a = uint64(atomic.LoadUBITS((*UTYPE)(p)))")
		r("Store", "$a", "atomic.StoreUBITS((*UTYPE)(p), "+x+")")
		r("Add", "$b", "v := "+v+"\n$a = uint64(atomic.AddUBITS((*UTYPE)(p), v) - v)")
		r("Sub", "$b", "v := "+v+"\n$a = uint64(atomic.AddUBITS((*UTYPE)(p), -v) + v)")
		r("And", "$b", "$a = uint64(atomic.AndUBITS((*UTYPE)(p), "+v+"))")
		r("Or", "$b", "$a = uint64(atomic.OrUBITS((*UTYPE)(p), "+v+"))")
		r("Xor", "$b", cell+"v := "+v+"\n"+replace(again, "VALUE\n", "", "NEW", "old^v", "RESULT", "old"))
		r("Xchg", "$b", "$a = uint64(atomic.SwapUBITS((*UTYPE)(p), "+v+"))")
		r("Cmpxchg", "$b", cell+"e, v := "+v+", "+w+"\nfor {\nold := atomic.LoadUBITS(w)\n"+
			"if old != e || atomic.CompareAndSwapUBITS(w, old, v) {\n$a = uint64(old)\nbreak\n}\n}")
	}
	// A read-modify-write of a word of one's own orders everything before and after it. Arg is the exits' scratch.
	hot("AtomicFence", "atomic.AddUint32((*uint32)(unsafe.Pointer(&ctx.Arg)), 0)")
	// Operands in their homes from slot a on, c = memory, imm = offset.
	cold("AtomicWait32", "AtomicWait64", "AtomicNotify")
}
