package main

// Frame linkage. A call's operands: a = slot of the first argument, which becomes the callee's slot 0; b = slot of the callee's header
// (a + parameter slots). Header: return address, then the distance in bytes from the caller's fp to the callee's.
// The frame size to check lies just before the entry instruction, so that a reader of a fresh entry sees its size.
const (
	enter = `
		if need := uintptr(nfp) + *(*uintptr)(unsafe.Add(entry, -8)); need > ctx.StackLimit() {
			ctx.Arg = uint64(need)
			goto stackLimit
		}
		h := $b.ptr
		*(*uintptr)(h) = uintptr(pc) + 16
		*(*uintptr)(unsafe.Add(h, 8)) = $a.n * 8
		pc, fp = entry, nfp
		continue`

	// A tail call's: a = slot of the first argument, b = number of parameter slots of the callee, g = slot of the own header.
	// The arguments lie above the own header, so copying them upwards from slot 0 destroys none before it is read.
	enterTail = `
		if need := uintptr(fp) + *(*uintptr)(unsafe.Add(entry, -8)); need > ctx.StackLimit() {
			ctx.Arg = uint64(need)
			goto stackLimit
		}
		h := HEADER
		ret, delta := *(*uintptr)(h), *(*uintptr)(unsafe.Add(h, 8))
		src, dst := $a.ptr, fp
		for n := $b.n; n > 0; n-- {
			*(*uint64)(dst) = *(*uint64)(src)
			src, dst = unsafe.Add(src, 8), unsafe.Add(dst, 8)
		}
		*(*uintptr)(dst) = ret
		*(*uintptr)(unsafe.Add(dst, 8)) = delta
		pc = entry
		continue`

	// imm.lo = canonical type, f = table, c = index slot. Everything but the plain case is the driver's.
	indirect = `
		td := *(*unsafe.Pointer)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Tables)), $f.n*ptrSize))
		i := uint64($c.u32)
		if i >= *(*uint64)(unsafe.Add(td, offTableLen)) {
			goto cold
		}
		fd := unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Funcs)), uintptr(*(*uint32)(unsafe.Add(*(*unsafe.Pointer)(td), i*4)))*funcDescSize)
		if *(*uint32)(unsafe.Add(fd, offFuncType)) != $imm.lo || *(*uint32)(unsafe.Add(fd, offFuncInstance)) != ctx.Instance {
			goto cold
		}
		d := *(*unsafe.Pointer)(fd)
		if d == nil {
			goto cold
		}
		entry := *(*unsafe.Pointer)(d)`

	// imm = address of the callee's funcCode
	direct = "entry := *(*unsafe.Pointer)(*(*unsafe.Pointer)(unsafe.Add(pc, 8)))"

	// c = slot of the reference
	byRef = `
		fd := unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Funcs)), uintptr($c.u32)*funcDescSize)
		if *(*uint32)(unsafe.Add(fd, offFuncInstance)) != ctx.Instance {
			goto cold
		}
		d := *(*unsafe.Pointer)(fd)
		if d == nil {
			goto cold
		}
		entry := *(*unsafe.Pointer)(d)`
)

func calls() {
	hot("Call", direct+"\nnfp := $a.ptr"+enter)
	hot("CallIndirect", indirect+"\nnfp := $a.ptr"+enter)
	hot("CallRef", byRef+"\nnfp := $a.ptr"+enter)
	// c = slot of the own header
	hot("TailCall", direct+enterTail, "HEADER", "$c.ptr")
	hot("TailCallIndirect", indirect+enterTail, "HEADER", "$g.ptr")
	hot("TailCallRef", byRef+enterTail, "HEADER", "$g.ptr")

	// Returns: a = slot of the own header. It is read before results go over it.
	const leave = `
		h := $a.ptr
		ret, delta := *(*unsafe.Pointer)(h), *(*uintptr)(unsafe.Add(h, 8))
		RESULTS
		pc, fp = ret, unsafe.Add(fp, -delta)
		continue`
	hot("Return", leave, "RESULTS", "")
	hot("Return1", leave, "RESULTS", "*(*uint64)(fp) = $b")
	hot("ReturnConst", leave, "RESULTS", "*(*uint64)(fp) = $imm")
	hot("ReturnV", leave, "RESULTS", "lo, hi := $b, $b.hi\n*(*uint64)(fp) = lo\n*(*uint64)(unsafe.Add(fp, 8)) = hi")
	// c slots from slot b, which is above the header
	hot("ReturnN", leave, "RESULTS", `
		src, dst := $b.ptr, fp
		for n := $c.n; n > 0; n-- {
			*(*uint64)(dst) = *(*uint64)(src)
			src, dst = unsafe.Add(src, 8), unsafe.Add(dst, 8)
		}`)
}

// coldInstructions are served by the driver: see the handlers table in package interp.
func coldInstructions() {
	cold("Lazy", "Done", "Restore")
	cold("Unreachable")
	cold("CallImport", "TailCallImport", "CallIndirect64", "TailCallIndirect64")
	cold("MemoryGrow", "MemoryFill", "MemoryCopy", "MemoryInit", "DataDrop")
	cold("TableGet", "TableSet", "TableSize", "TableGrow", "TableFill", "TableCopy", "TableInit", "ElemDrop")
	cold("RefFunc")
	cold("StructNewBig", "ArrayFixedBig", "ArrayNewV", "ArrayNewData", "ArrayNewElem", "ArrayFill", "ArrayCopy", "ArrayInitData", "ArrayInitElem")
	cold("Throw", "ThrowRef")
}
