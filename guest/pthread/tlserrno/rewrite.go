package main

import (
	"bytes"
	"fmt"
)

// hasAddend says which relocations have one, by their number.
var hasAddend = [...]bool{3: true, 4: true, 5: true, 8: true, 9: true, 11: true, 14: true, 15: true, 16: true, 17: true, 21: true, 22: true, 23: true, 25: true, 26: false}

// relocate replaces the accesses to errno in code, and the relocations that belong to them. With code nil it only counts relocations to errno.
func (o *objectFile) relocate(code, relocs *section) (accesses int, err error) {
	r := &reader{b: relocs.body}
	out := appendU32(nil, r.u32()) // the section's number: no section is added
	n := r.u32()
	out = appendU32(out, n)
	for ; n > 0 && r.err == nil; n-- {
		start := r.at
		kind, offset, symbol := r.byte(), r.u32(), r.u32()
		if int(kind) >= len(hasAddend) {
			return 0, fmt.Errorf("relocation of kind %d", kind)
		}
		addend := uint32(0)
		if hasAddend[kind] {
			addend = r.u32()
		}
		if r.err != nil {
			break
		}
		switch {
		case kind == relocFunctionIndex && code != nil:
			if err := o.raiseCall(code.body, offset); err != nil {
				return 0, err
			}
		case hasAddend[kind] && kind != 8 && kind != 9 && kind != 22 && symbol == o.errno:
			accesses++
			if code == nil {
				continue
			}
			at, function, err := o.access(code.body, kind, offset, addend)
			if err != nil {
				return 0, err
			}
			out = appendU32(appendU32(append(out, relocFunctionIndex), at), o.symbols+uint32(function))
			continue
		}
		out = append(out, r.b[start:r.at]...)
	}
	if code != nil && r.err == nil {
		relocs.body = out
	}
	return accesses, r.err
}

// raiseCall raises the index of a function of the object's own where the code has one.
func (o *objectFile) raiseCall(code []byte, offset uint32) error {
	in := &reader{b: code, at: int(offset)}
	if v := in.u32(); in.err == nil && in.at == int(offset)+5 && v >= o.functions {
		copy(code[offset:], padded(v+uint32(len(replacements))))
	}
	return in.err
}

// access replaces one access, whose address stands at offset, and gives the place of the function's index and which function it is.
func (o *objectFile) access(code []byte, kind byte, offset, addend uint32) (at uint32, function int, err error) {
	if offset < 2 || uint64(offset)+5 > uint64(len(code)) || addend != 0 {
		return 0, 0, fmt.Errorf("an access to errno at %#x with addend %d", offset, addend)
	}
	switch before := code[offset-2 : offset]; {
	case kind == relocAddressLEB && before[0] == opLoad && before[1] == 2:
		function = 0
	case kind == relocAddressLEB && before[0] == opStore && before[1] == 2:
		function = 1
	case kind == relocAddressSLEB && before[1] == opConst:
		copy(code[offset-1:], append([]byte{opCall}, padded(o.functions+2)...))
		return offset, 2, nil
	default:
		return 0, 0, fmt.Errorf("an access to errno of an unknown form: % x at %#x", code[offset-2:offset+5], offset)
	}
	// An opcode, an alignment and an address become an opcode, an index and a nop.
	copy(code[offset-2:], append(append([]byte{opCall}, padded(o.functions+uint32(function))...), opNop))
	return offset - 1, function, nil
}

// addImports adds the replacements' types and imports, all of them: what is not called is not linked.
func (o *objectFile) addImports() error {
	types, imports := o.find(secType, ""), o.find(secImport, "")
	t, i := &reader{b: types.body}, &reader{b: imports.body}
	nt, ni := t.u32(), i.u32()
	if t.err != nil || i.err != nil {
		return errShort
	}
	k := uint32(len(replacements))
	types.body = replace(types.body, 0, t.at, appendU32(nil, nt+k))
	imports.body = replace(imports.body, 0, i.at, appendU32(nil, ni+k))
	for n, f := range replacements {
		types.body = append(types.body, f.signature...)
		imports.body = appendString(appendString(imports.body, "env"), f.name)
		imports.body = appendU32(append(imports.body, 0), nt+uint32(n))
	}
	return nil
}

// raise gives the new index of a function.
func (o *objectFile) raise(f uint32) uint32 {
	if f >= o.functions {
		f += uint32(len(replacements))
	}
	return f
}

// raiseElements is for the functions whose addresses the object takes.
func (o *objectFile) raiseElements() error {
	s := o.find(secElement, "")
	if s == nil {
		return nil
	}
	r := &reader{b: s.body}
	n := r.u32()
	out := appendU32(nil, n)
	for ; n > 0 && r.err == nil; n-- {
		start := r.at
		flags := r.u32()
		if flags&^2 != 0 {
			return fmt.Errorf("an element segment with flags %d", flags)
		}
		if flags&2 != 0 {
			r.u32() // table
		}
		if op := r.byte(); op != opConst {
			return fmt.Errorf("an element segment whose offset has opcode %#x", op)
		}
		r.u32()
		r.byte() // end
		if flags&2 != 0 {
			r.byte() // kind
		}
		out = append(out, r.b[start:r.at]...)
		count := r.u32()
		out = appendU32(out, count)
		for ; count > 0 && r.err == nil; count-- {
			out = appendU32(out, o.raise(r.u32()))
		}
	}
	if r.err == nil && r.at != len(r.b) {
		return fmt.Errorf("bytes after the element segments")
	}
	s.body = out
	return r.err
}

// addSymbols rewrites the linking section: symbols and COMDATs with the new indices, and the replacements' symbols.
func (o *objectFile) addSymbols() error {
	s := o.find(secCustom, "linking")
	type place struct{ from, to int }
	var places []place
	err := o.eachSymbol(func(_ uint32, _ byte, _ uint32, _ string, from, to int) {
		if to > 0 {
			places = append(places, place{from, to})
		}
	})
	if err != nil {
		return err
	}
	r := &reader{b: s.body}
	out := appendU32(nil, r.u32())
	for r.at < len(r.b) && r.err == nil {
		kind, size := r.byte(), r.u32()
		end := r.at + int(size)
		var sub []byte
		switch kind {
		case subSymbols:
			sub = appendU32(sub, r.u32()+uint32(len(replacements)))
			for _, p := range places {
				sub = append(sub, r.bytes(uint32(p.from-r.at))...)
				sub = appendU32(sub, o.raise(r.u32()))
			}
			sub = append(sub, r.bytes(uint32(end-r.at))...)
			for i := range replacements { // undefined, with the imports' names
				sub = appendU32(appendU32(append(sub, symFunction), flagUndefined), o.functions+uint32(i))
			}
		case subComdat:
			sub = o.raiseComdats(r)
		default:
			sub = bytes.Clone(r.bytes(size))
		}
		if r.err == nil && r.at != end {
			return fmt.Errorf("linking subsection %d has another length than it says", kind)
		}
		out = append(appendU32(append(out, kind), uint32(len(sub))), sub...)
	}
	s.body = out
	return r.err
}

func (o *objectFile) raiseComdats(r *reader) []byte {
	n := r.u32()
	out := appendU32(nil, n)
	for ; n > 0 && r.err == nil; n-- {
		out = appendString(out, r.string())
		out = appendU32(out, r.u32()) // flags
		count := r.u32()
		out = appendU32(out, count)
		for ; count > 0 && r.err == nil; count-- {
			kind, index := r.byte(), r.u32()
			if kind == comdatFunction {
				index = o.raise(index)
			}
			out = appendU32(append(out, kind), index)
		}
	}
	return out
}
