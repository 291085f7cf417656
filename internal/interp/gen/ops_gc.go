package main

import "fmt"

// Objects of the GC heap. A reference is an offset in the heap; an object is a header of 8 bytes (type, array length) and its fields or
// elements. See gclayout.go of package vm.
const (
	// at the start of the expression: the object's address
	objectAt = "unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Heap)), uintptr(REF))"

	// The barrier comes after the store: the driver remembers an object whose Log bit is set. What was stored does not matter, as the bit is
	// cleared by that.
	barrier = `
		if *(*uint32)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.LogBits)), uintptr(r>>8)*4))&(1<<(r>>3&31)) != 0 {
			goto cold
		}`

	// A new object of size bytes at offset at, address o; its header is still to be written. The rest of it is zero.
	bump = `
		if size > ctx.AllocMax {
			goto cold
		}
		cell := *(*unsafe.Pointer)(unsafe.Pointer(&ctx.Alloc))
		at := *(*uint32)(cell)
		if *(*uint32)(unsafe.Add(cell, 4))-at < size {
			goto cold
		}
		*(*uint32)(cell) = at + size
		o := unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Heap)), uintptr(at))
		`
)

// gcGets and gcSets are the ways to read and write a field. Columns: name, Go type in memory, conversion to a slot; name, conversion of
// the slot S.
var (
	gcGets = [][3]string{
		{"8S", "int8", "uint64(uint32(V))"}, {"8U", "uint8", "uint64(V)"}, {"16S", "int16", "uint64(uint32(V))"}, {"16U", "uint16", "uint64(V)"},
		{"32", "uint32", "uint64(V)"}, {"64", "uint64", "V"},
	}
	gcSets = [][3]string{{"8", "uint8", "uint8(S.u32)"}, {"16", "uint16", "uint16(S.u32)"}, {"32", "uint32", "S.u32"}, {"64", "uint64", "S"}}
)

func object(ref string) string { return replace(objectAt, "REF", ref) }

func objects() {
	structs()
	arrays()
	allocations()
	casts()
}

// structs: fields of the object in slot b (of writes: a), at offset imm.lo from its start. Stores to a fresh object (Init) need no checks.
func structs() {
	const null = "r := REF.u32\nif r == 0 {\n$trap(NullStructure)\n}\n"
	field := "unsafe.Add(" + object("r") + ", uintptr($imm.lo))"
	get := replace(null, "REF", "$b")
	for _, g := range gcGets {
		hot("StructGet"+g[0], get+"$a = "+replace(g[2], "V", "*(*"+g[1]+")("+field+")"))
	}
	hot("StructGet32S64", get+"$a = uint64(int64(*(*int32)("+field+")))") // extended to 64 bits
	hot("StructGetV", get+"p := "+field+"\nlo, hi := *(*uint64)(p), *(*uint64)(unsafe.Add(p, 8))\n$a = lo\n$a.hi = hi")
	branches := func(name, cond string) {
		body := get + "v := *(*uint32)(" + field + ")\n$a = uint64(v)\nif v " + cond + " {\nJUMP\n}"
		hot(name, body, "JUMP", "$jump")
		hot(name+"L", body, "JUMP", "$loop")
	}
	branches("StructGet32BrZ", "== 0")
	branches("StructGet32BrNZ", "!= 0")
	branches("StructGet32BrEqK", "== uint32($c.n)")
	branches("StructGet32BrNeK", "!= uint32($c.n)")
	// Two fields: of slot b to a, then of slot d to c. f and g are their offsets.
	const second = "r := $d.u32\nif r == 0 {\n$trap(NullStructure)\n}\n"
	hot("StructGet32x2", "{\n"+get+"$a = uint64(*(*uint32)(unsafe.Add("+object("r")+", $f.n)))\n}\n"+second+"$c = uint64(*(*uint32)(unsafe.Add("+object("r")+", $g.n)))")
	// A field of the object in a field: f is the offset of the second one, the reference in between goes nowhere.
	hot("StructGet32Get32", get+"r = *(*uint32)(unsafe.Add("+object("r")+", $f.n))\nif r == 0 {\n$trap(NullStructure)\n}\n$a = uint64(*(*uint32)(unsafe.Add("+object("r")+", $g.n)))")

	set := replace(null, "REF", "$a")
	init := "unsafe.Add(" + object("$a.u32") + ", uintptr($imm.lo))"
	for _, s := range gcSets {
		to := func(p string) string { return "*(*" + s[1] + ")(" + p + ") = " }
		hot("StructSet"+s[0], set+to(field)+replace(s[2], "S", "$b"))
		k := s[1] + "($imm.hi)"
		if s[1] == "uint64" {
			k = "uint64(int64($imm.rel))"
		}
		hot("StructSet"+s[0]+"K", set+to(field)+k) // the constant imm.hi
		hot("StructInit"+s[0], to(init)+replace(s[2], "S", "$b"))
	}
	two := "p := " + object("$a.u32") + "\n*(*UINT)(unsafe.Add(p, uintptr($imm.lo))) = $bU\n*(*UINT)(unsafe.Add(p, uintptr($imm.hi))) = $cU"
	hot("StructInit32x2", replace(two, "UINT", "uint32", "U", ".u32"))
	hot("StructInit64x2", replace(two, "UINT", "uint64", "U", ""))
	const vector = "*(*uint64)(p) = lo\n*(*uint64)(unsafe.Add(p, 8)) = hi"
	hot("StructSetV", set+"p := "+field+"\nlo, hi := $b, $b.hi\n"+vector)
	hot("StructInitV", "p := "+init+"\nlo, hi := $b, $b.hi\n"+vector)
	hot("StructSetRef", set+"*(*uint32)("+field+") = $b.u32"+barrier)
}

// arrays: elements of the array in slot b, at index c + imm.lo (K: imm.lo); of writes, array a, index b + imm.lo, value c.
func arrays() {
	const check = "r := REF.u32\nif r == 0 {\n$trap(NullArray)\n}\np := OBJECT\ni := INDEX\nif i >= *(*uint32)(unsafe.Add(p, 4)) {\n$trap(ArrayOutOfBounds)\n}\n" +
		"p = unsafe.Add(p, uintptr(i)*SIZE)\n"
	bounds := func(ref, index, typ string) string {
		n := size(typ)
		if typ == "" {
			n = "16"
		}
		return replace(check, "REF", ref, "OBJECT", object("r"), "INDEX", index, "SIZE", n)
	}
	for _, k := range [][2]string{{"", "$c.u32 + $imm.lo"}, {"K", "$imm.lo"}} {
		for _, g := range gcGets {
			hot("ArrayGet"+g[0]+k[0], bounds("$b", k[1], g[1])+"$a = "+replace(g[2], "V", "*(*"+g[1]+")(unsafe.Add(p, 8))"))
		}
		hot("ArrayGetV"+k[0], bounds("$b", k[1], "")+"lo, hi := *(*uint64)(unsafe.Add(p, 8)), *(*uint64)(unsafe.Add(p, 16))\n$a = lo\n$a.hi = hi")
	}
	const index = "$b.u32 + $imm.lo"
	for _, s := range gcSets {
		to := bounds("$a", index, s[1]) + "*(*" + s[1] + ")(unsafe.Add(p, 8)) = "
		hot("ArraySet"+s[0], to+replace(s[2], "S", "$c"))
		k := s[1] + "($imm.hi)"
		if s[1] == "uint64" {
			k = "uint64(int64($imm.rel))"
		}
		hot("ArraySet"+s[0]+"K", to+k)
	}
	hot("ArraySetV", bounds("$a", index, "")+"lo, hi := $c, $c.hi\n*(*uint64)(unsafe.Add(p, 8)) = lo\n*(*uint64)(unsafe.Add(p, 16)) = hi")
	hot("ArraySetRef", bounds("$a", index, "uint32")+"*(*uint32)(unsafe.Add(p, 8)) = $c.u32"+barrier)
	hot("ArrayLen", "r := $b.u32\nif r == 0 {\n$trap(NullArray)\n}\n$a = uint64(*(*uint32)(unsafe.Add("+object("r")+", 4)))")
}

// allocations: a new object of type imm.lo to slot a. They leave to the driver what does not fit where the thread allocates.
func allocations() {
	// Of a struct, f is the size in bytes and the values of up to three first fields, of 4 or 8 bytes each, are in slots b, c and g; see
	// allocForms of package interp.
	for _, form := range structForms {
		body, off := "size := uint32($f.n)"+bump+"*(*uint64)(o) = uint64($imm.lo)\n", 8
		for i, c := range form {
			slot, bytes := []string{"$b", "$c", "$g"}[i], 4
			switch c {
			case 'W':
				slot += ".u32"
			case 'K':
				slot = "uint32(" + slot + ".n)"
			case 'D':
				bytes = 8
			}
			off = (off + bytes - 1) &^ (bytes - 1)
			body += fmt.Sprintf("*(*uint%d)(unsafe.Add(o, %d)) = %s\n", bytes*8, off, slot)
			off += bytes
		}
		hot("StructNew"+form, body+"$a = uint64(at)")
	}
	// Of an array of a known number of elements, g is that number, f the size in bytes; the first elements are in slots b and c.
	const fixed = "size := uint32($f.n)" + bump + "*(*uint64)(o) = uint64($imm.lo) | uint64($g.n)<<32\n"
	hot("ArrayFixed", fixed+"$a = uint64(at)")
	for _, w := range [][4]string{{"W", "uint32", ".u32", "12"}, {"D", "uint64", "", "16"}} {
		one := fixed + "*(*" + w[1] + ")(unsafe.Add(o, 8)) = $b" + w[2] + "\n"
		hot("ArrayFixed"+w[0], one+"$a = uint64(at)")
		hot("ArrayFixed"+w[0]+w[0], one+"*(*"+w[1]+")(unsafe.Add(o, "+w[3]+")) = $c"+w[2]+"\n$a = uint64(at)")
	}
	// b = length, imm.hi = log2 of the elements' size
	const array = "n := $b.u32\nbytes := (uint64(n)<<SHIFT + 15) &^ 7\nif bytes > uint64(ctx.AllocMax) {\ngoto cold\n}\nsize := uint32(bytes)" + bump +
		"*(*uint64)(o) = uint64($imm.lo) | uint64(n)<<32\n"
	hot("ArrayNewDefault", replace(array, "SHIFT", "($imm.hi&7)")+"$a = uint64(at)")
	// all elements are slot c
	for shift, w := range gcSets {
		hot("ArrayNew"+w[0], replace(array, "SHIFT", fmt.Sprint(shift))+"v := "+replace(w[2], "S", "$c")+
			"\nfor ; n > 0; n-- {\no = unsafe.Add(o, "+size(w[1])+")\n*(*"+w[1]+")(unsafe.Add(o, 8-"+size(w[1])+")) = v\n}\n$a = uint64(at)")
	}
}

// structForms are the first fields that an allocation of a struct can store: W of 4 bytes, D of 8, K of 4 bytes where field b of the instruction is the value.
var structForms = []string{"", "W", "D", "WW", "WD", "DW", "DD", "WWW", "K", "KW", "KD", "KWW"}

// casts: whether the reference in slot b is of type imm.lo. The type of an object, or its supertype at depth c (suffix Sub; final types need no look),
// has to be that: see gclayout.go of package vm. imm.hi of casts and tests, and field a of branches, is 1 if null passes.
func casts() {
	const entry = "unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Supers)), uintptr(id)<<displayShift+"
	sub := "*(*uint32)(" + entry + "$c.n*4))"
	id := "id := *(*uint32)(" + object("v") + ")\n"
	// is makes HIT the statements for a reference that is of the type.
	is := func(id, word, null, hit string) string {
		return "if v == 0 {\nif " + null + " != 0 {\n" + hit + "\n}\n} else {\n" + id + "if " + word + " == $imm.lo {\n" + hit + "\n}\n}\n"
	}
	const next = "pc = unsafe.Add(pc, 16)\ncontinue"
	// cast is what goes before the statements for one that passed.
	cast := func(id, word string) string {
		return "if v == 0 {\nif $imm.hi == 0 {\n$trap(CastFailure)\n}\n} else {\n" + id + "if " + word + " != $imm.lo {\n$trap(CastFailure)\n}\n}\n$a = uint64(v)"
	}
	for _, t := range [][2]string{{"F", "id"}, {"Sub", sub}} {
		suffix, word := t[0], t[1]
		inHeap := func(null, hit string) string { return "v := $b.u32\nif v&3 == 0 {\n" + is(id, word, null, hit) + "}\n" }
		hot("RefTest"+suffix, inHeap("$imm.hi", "$a = 1\n"+next)+"$a = 0")
		for _, b := range [][2]string{{"", "$jump"}, {"L", "$loop"}} {
			hot("BrIs"+suffix+b[0], inHeap("$a.n", b[1]))
		}
		for _, b := range [][2]string{{"", "$jump"}, {"L", "$loop"}} {
			hot("BrIsNot"+suffix+b[0], inHeap("$a.n", next)+b[1])
		}
		const check = "v := $b.u32\nif v&3 != 0 {\n$trap(CastFailure)\n}\n"
		hot("RefCast"+suffix, check+cast(id, word))
		// Together with a read of a field of what was cast: f is its offset, g is 1 if null passes the cast.
		for _, g := range gcGets {
			hot("Cast"+suffix+"Get"+g[0], check+"if v == 0 {\nif $g.n == 0 {\n$trap(CastFailure)\n}\n$trap(NullStructure)\n}\np := "+object("v")+
				"\nid := *(*uint32)(p)\nif "+word+" != $imm.lo {\n$trap(CastFailure)\n}\n$a = "+replace(g[2], "V", "*(*"+g[1]+")(unsafe.Add(p, $f.n))"))
		}
	}
	// Of functions, whose types may be newer than the display, the driver looks for supertypes.
	const isFunc = "v := $b.u32\nif v == 0 || *(*uint32)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&ctx.Funcs)), uintptr(v)*funcDescSize+offFuncType)) != $imm.lo {\ngoto cold\n}\n"
	hot("RefTestFunc", isFunc+"$a = 1")
	hot("RefCastFunc", isFunc+"$a = uint64(v)")

	// Abstract types; of Kind, c is the kind of type.
	kind := "v&3 != 0 || *(*uint32)(" + replace(entry, "uintptr(id)", "uintptr(*(*uint32)("+object("v")+"))") + "displayKind)) != uint32($c.n)"
	for _, t := range [][2]string{{"I31", "v&1 == 0"}, {"Eq", "v&3 == 2"}, {"Kind", kind}} {
		hot("RefTest"+t[0], "v := $b.u32\nhit := uint64(1)\nif v == 0 {\nhit = uint64($imm.hi)\n} else if "+t[1]+" {\nhit = 0\n}\n$a = hit")
		hot("RefCast"+t[0], "v := $b.u32\nif v == 0 {\nif $imm.hi == 0 {\n$trap(CastFailure)\n}\n} else if "+t[1]+" {\n$trap(CastFailure)\n}\n$a = uint64(v)")
	}
	hot("RefCastNonNull", "v := $b.u32\nif v == 0 {\n$trap(CastFailure)\n}\n$a = uint64(v)")
	hot("RefCastNull", "if $b.u32 != 0 {\n$trap(CastFailure)\n}\n$a = 0")
	// Types that the display does not reach down to.
	cold("RefTestDeep", "RefCastDeep")
}
