package wat

import (
	"bytes"
	"math"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// typeDef is one entry of the type index space.
type typeDef struct {
	fn     []byte // encoding of a function type, nil for other types
	params int
	fields map[string]uint32 // identifiers of a struct's fields
	use    uint32            // token of an implicit type's first use
}

// defineTypes reads all type fields. Afterwards the cursor is anywhere.
func (a *assembler) defineTypes() {
	a.defs = make([]typeDef, 0, a.types.n+8)
	for _, f := range a.fields {
		if f.kw != fieldType && f.kw != fieldRec {
			continue
		}
		a.i = f.tok + 2
		a.numGroups++
		a.markType(0, f.tok)
		if f.kw == fieldType {
			a.typeDef(true)
			a.rparen()
			continue
		}
		start := uint32(len(a.defs))
		n := uint32(0)
		group, marks := a.typeGroups, len(a.typeMarks)
		a.typeGroups = nil
		for a.peekList("type") {
			a.markType(len(group), a.i)
			a.i += 2
			a.typeDef(false)
			a.rparen()
			n++
		}
		a.rparen()
		members := a.typeGroups
		a.typeGroups = group
		if n != 1 { // a group of one is written as its type (specification: Binary Format, Recursive Types)
			a.typeGroups = appendU(append(a.typeGroups, 0x4E), uint64(n))
		} else {
			a.addImplicit(start, members)
		}
		for i := range a.typeMarks[marks:] {
			a.typeMarks[marks+i].out += uint32(len(a.typeGroups) - len(group))
		}
		a.typeGroups = append(a.typeGroups, members...)
	}
	a.explicit = len(a.defs)
}

// addImplicit makes type index x known to type uses if its encoding is a plain function type (specification: Text Format, Type
// Uses: a type use stands for a final function type without supertypes, alone in its group).
func (a *assembler) addImplicit(x uint32, enc []byte) {
	if enc[0] != 0x60 {
		return
	}
	if _, ok := a.implicit[string(enc)]; !ok {
		a.implicit[string(enc)] = x
	}
}

// typeDef reads a type definition from its identifier on and appends it to the section.
func (a *assembler) typeDef(alone bool) {
	x := uint32(len(a.defs))
	if a.kind() == tokID {
		a.i++
	}
	start := len(a.typeGroups)
	isSub := a.takeList("sub")
	if isSub {
		final := a.takeWord("final")
		var supers []uint32
		for a.peekIndex() {
			supers = append(supers, a.index(&a.types))
		}
		// A final type without supertypes is written as its composite type.
		if !final || len(supers) > 0 {
			kind := byte(0x50)
			if final {
				kind = 0x4F
			}
			a.typeGroups = appendU(append(a.typeGroups, kind), uint64(len(supers)))
			for _, s := range supers {
				a.typeGroups = appendU(a.typeGroups, uint64(s))
			}
		}
	}
	d := typeDef{}
	switch {
	case a.takeList("func"):
		params, results := a.signature(paramsNamed)
		d.params = len(params)
		d.fn = appendFuncType(nil, params, results)
		a.typeGroups = append(a.typeGroups, d.fn...)
	case a.takeList("struct"):
		a.structType(x, &d)
	case a.takeList("array"):
		a.typeGroups = a.fieldType(append(a.typeGroups, 0x5E))
	default:
		a.unexpected("(func", "(struct", "(array")
	}
	a.rparen()
	if isSub {
		a.rparen()
	}
	a.defs = append(a.defs, d)
	if alone {
		a.addImplicit(x, a.typeGroups[start:])
	}
}

func (a *assembler) structType(x uint32, d *typeDef) {
	n := uint32(0)
	var body []byte
	var names []entryName
	for a.takeList("field") {
		id := a.i
		if name := a.id(); name != "" {
			if _, dup := d.fields[name]; dup {
				a.fail(id, "duplicate field %s", excerpt(a.word(id)))
			}
			if d.fields == nil {
				d.fields = map[string]uint32{}
			}
			d.fields[name] = n
			if note, ok := a.nameAnnot("field"); ok {
				name = note
			}
			names = append(names, entryName{n, name})
			body = a.fieldType(body)
			n++
		} else {
			if note, ok := a.nameAnnot("field"); ok {
				names = append(names, entryName{n, note})
			}
			for a.kind() != tokRParen {
				body = a.fieldType(body)
				n++
			}
		}
		a.rparen()
	}
	a.typeGroups = append(appendU(append(a.typeGroups, 0x5F), uint64(n)), body...)
	if names != nil {
		a.fieldNames = append(a.fieldNames, nestedNames{x, names})
	}
}

// fieldType reads a field type (specification: Text Format, Aggregate Types) and appends its encoding.
func (a *assembler) fieldType(b []byte) []byte {
	if a.takeList("mut") {
		b = append(wasm.AppendValType(b, a.storageType()), 1)
		a.rparen()
		return b
	}
	return append(wasm.AppendValType(b, a.storageType()), 0)
}

func (a *assembler) storageType() wasm.ValType {
	switch {
	case a.takeWord("i8"):
		return wasm.I8
	case a.takeWord("i16"):
		return wasm.I16
	}
	return a.valType()
}

// peekType reports whether a value type is at the cursor.
func (a *assembler) peekType() bool {
	if a.kind() == tokKeyword {
		_, ok := valTypes[string(a.word(a.i))]
		return ok
	}
	return a.peekList("ref")
}

// valType reads a value type (specification: Text Format, Value Types).
func (a *assembler) valType() wasm.ValType {
	if a.kind() == tokKeyword {
		if t, ok := valTypes[string(a.word(a.i))]; ok {
			a.i++
			return t
		}
	}
	if !a.takeList("ref") {
		a.unexpected("a value type")
	}
	null := a.takeWord("null")
	t := wasm.RefTo(a.heapType(), null)
	a.rparen()
	return t
}

func (a *assembler) refType() wasm.ValType {
	at := a.i
	t := a.valType()
	if !t.IsRef() {
		a.unexpectedAt(at, "a reference type")
	}
	return t
}

func (a *assembler) heapType() wasm.HeapType {
	if h, ok := a.abstractHeap(); ok {
		return h
	}
	at := a.i
	if !a.peekIndex() {
		a.unexpected("a heap type")
	}
	x := a.index(&a.types)
	if x > math.MaxInt32 { // an s33 could say it, but no module has so many types
		a.fail(at, "unknown type %d", x)
	}
	return wasm.HeapType(x)
}

// appendFuncType encodes a function type (specification: Binary Format, Composite Types).
func appendFuncType(b []byte, params, results []wasm.ValType) []byte {
	return wasm.AppendValTypes(wasm.AppendValTypes(append(b, 0x60), params), results)
}

// paramNames says what identifiers of parameters mean.
type paramNames uint8

const (
	paramsUnnamed paramNames = iota // none are allowed: in blocks and calls
	paramsNamed                     // they are allowed and mean nothing
	paramsLocal                     // they are locals
)

// signature reads parameters and results.
func (a *assembler) signature(mode paramNames) (params, results []wasm.ValType) {
	for a.takeList("param") {
		switch {
		case mode != paramsUnnamed && (a.kind() == tokID || a.annotHere(annotName)):
			if mode == paramsLocal {
				a.bindLocal()
			} else {
				a.id()
				a.nameAnnot("local")
			}
			params = append(params, a.valType())
		default:
			for a.kind() != tokRParen {
				params = append(params, a.valType())
				if mode == paramsLocal {
					a.code.locals.n++
				}
			}
		}
		a.rparen()
	}
	for a.takeList("result") {
		for a.kind() != tokRParen {
			results = append(results, a.valType())
		}
		a.rparen()
	}
	if a.peekList("param") || a.peekList("type") { // out of order: say so before the types are compared
		a.i++
		a.unexpected()
	}
	return params, results
}

// typeUse is a function type in use: of a function, tag, block or indirect call.
type typeUse struct {
	index  uint32
	params int
}

// useType reads a type use (specification: Text Format, Type Uses).
func (a *assembler) useType(mode paramNames) typeUse {
	at, explicit, x := a.explicitType()
	params, results := a.signature(mode)
	return a.resolveUse(at, explicit, x, params, results)
}

// explicitType reads "(type x)" if it is there.
func (a *assembler) explicitType() (at uint32, explicit bool, x uint32) {
	at = a.i
	if !a.takeList("type") {
		return at, false, 0
	}
	at = a.i
	x = a.index(&a.types)
	a.rparen()
	return at, true, x
}

// resolveUse finds the type index of a type use, adding an implicit type if there is none.
func (a *assembler) resolveUse(at uint32, explicit bool, x uint32, params, results []wasm.ValType) typeUse {
	known := uint64(x) < uint64(len(a.defs))
	if explicit && len(params) == 0 && len(results) == 0 {
		if !known {
			a.forwardType = true
			return typeUse{index: x}
		}
		return typeUse{index: x, params: a.defs[x].params}
	}
	a.code.sig = appendFuncType(a.code.sig[:0], params, results)
	u := typeUse{index: x, params: len(params)}
	switch {
	case explicit && !known:
		a.fail(at, "unknown type %d", x)
	case explicit:
		if !bytes.Equal(a.defs[x].fn, a.code.sig) {
			a.fail(at, "inline function type does not match type %d", x)
		}
	default:
		u.index = a.implicitType(len(params), at)
	}
	return u
}

// implicitType returns the index of the function type in code.sig, which is used at token at.
func (a *assembler) implicitType(params int, at uint32) uint32 {
	x, ok := a.implicit[string(a.code.sig)]
	if !ok {
		x = uint32(len(a.defs))
		fn := bytes.Clone(a.code.sig)
		a.defs = append(a.defs, typeDef{fn: fn, params: params, use: at})
		a.implicit[string(fn)] = x
	}
	return x
}
