package wat

import (
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// emitFields reads all module fields but types, in the order of the text, and writes their sections.
func (a *assembler) emitFields() {
	for _, f := range a.fields {
		a.i, a.field = f.tok+2, f.tok
		switch f.kw {
		case fieldType, fieldRec:
			continue
		case fieldImport:
			a.importField(f)
		case fieldFunc:
			a.funcField(f)
		case fieldTable:
			a.tableField(f)
		case fieldMemory:
			a.memoryField(f)
		case fieldGlobal:
			a.globalField(f)
		case fieldTag:
			a.tagField(f)
		case fieldExport:
			name := a.name()
			a.lparen()
			k := a.externKind()
			a.export(name, k, a.index(a.externSpace(k)))
			a.rparen()
		case fieldStart:
			s := &a.out.secs[wasm.SectionStart]
			a.mark(s, a.field)
			s.buf = appendU(nil, uint64(a.index(&a.funcs)))
		case fieldElem:
			a.elemField()
		case fieldData:
			a.dataField()
		}
		a.rparen()
	}
}

// sec returns a section's buffer to append one more entry to.
func (a *assembler) sec(id wasm.SectionID) *section {
	s := &a.out.secs[id]
	s.n++
	a.mark(s, a.field)
	return s
}

func (a *assembler) export(name string, k wasm.ExternKind, x uint32) {
	s := a.sec(wasm.SectionExport)
	s.buf = appendU(append(wasm.AppendName(s.buf, name), byte(k)), uint64(x))
}

// importField reads an import from its names on.
func (a *assembler) importField(f field) {
	module, name := a.name(), a.name()
	a.lparen()
	k := a.externKind()
	a.id()
	a.externType(module, name, k, f)
	a.rparen()
}

// externType reads the type of an import of kind k and writes the import.
func (a *assembler) externType(module, name string, k wasm.ExternKind, f field) {
	s := a.sec(wasm.SectionImport)
	b := append(wasm.AppendName(wasm.AppendName(s.buf, module), name), byte(k))
	switch k {
	case wasm.ExternFunc:
		a.resetLocals()
		b = appendU(b, uint64(a.useType(paramsLocal).index))
		a.noteLocals(f.index)
	case wasm.ExternTable:
		l := a.limits()
		t := a.refType()
		b = wasm.AppendLimits(wasm.AppendValType(b, t), l, false)
	case wasm.ExternMemory:
		l := a.limits()
		b = wasm.AppendLimits(b, l, a.shared())
	case wasm.ExternGlobal:
		b = a.globalType(b)
	case wasm.ExternTag:
		b = appendU(append(b, 0), uint64(a.useType(paramsNamed).index))
	}
	s.buf = b
}

// inlineHead reads the identifier and inline exports of a definition, and its inline import if there is one; then it is done.
func (a *assembler) inlineHead(f field, k wasm.ExternKind) (imported bool) {
	a.id()
	for a.takeList("export") {
		a.export(a.name(), k, f.index)
		a.rparen()
	}
	if !a.takeList("import") {
		return false
	}
	module, name := a.name(), a.name()
	a.rparen()
	a.externType(module, name, k, f)
	return true
}

// addrType reads an optional address type; it reports whether that is i64.
func (a *assembler) addrType() bool {
	return !a.takeWord("i32") && a.takeWord("i64")
}

// sizeBits is the width of limits and offsets as numbers of the text.
func (a *assembler) sizeBits() uint {
	if a.opts.Off.Has(wasm.FeatureMemory64) {
		return 32
	}
	return 64
}

// limits reads an optional address type and limits.
func (a *assembler) limits() (l wasm.Limits) {
	l.Is64 = a.addrType()
	a.bounds(&l)
	return l
}

func (a *assembler) bounds(l *wasm.Limits) {
	l.Min = a.nat(a.sizeBits())
	if l.HasMax = a.kind() == tokNumber; l.HasMax {
		l.Max = a.nat(a.sizeBits())
	}
}

func (a *assembler) shared() bool {
	return a.takeWord("shared")
}

func (a *assembler) tagField(f field) {
	if a.inlineHead(f, wasm.ExternTag) {
		return
	}
	s := a.sec(wasm.SectionTag)
	s.buf = appendU(append(s.buf, 0), uint64(a.useType(paramsNamed).index))
}

func (a *assembler) globalType(b []byte) []byte {
	mutable := a.takeList("mut")
	b = wasm.AppendValType(b, a.valType())
	if !mutable {
		return append(b, 0)
	}
	a.rparen()
	return append(b, 1)
}

func (a *assembler) globalField(f field) {
	if a.inlineHead(f, wasm.ExternGlobal) {
		return
	}
	s := a.sec(wasm.SectionGlobal)
	s.buf = a.globalType(s.buf)
	s.buf = a.constExpr(s.buf)
}

func (a *assembler) memoryField(f field) {
	if a.inlineHead(f, wasm.ExternMemory) {
		return
	}
	s := a.sec(wasm.SectionMemory)
	is64 := a.addrType()
	if !a.takeList("data") {
		l := wasm.Limits{Is64: is64}
		a.bounds(&l)
		s.buf = wasm.AppendLimits(s.buf, l, a.shared())
		return
	}
	data := a.dataBytes()
	a.rparen()
	pages := (uint64(len(data)) + wasm.PageSize - 1) / wasm.PageSize
	s.buf = wasm.AppendLimits(s.buf, wasm.Limits{Min: pages, Max: pages, HasMax: true, Is64: is64}, false)
	a.activeData(f.index, zeroOffset(nil, is64), data)
}

// zeroOffset encodes the constant expression 0 of an address type.
func zeroOffset(b []byte, is64 bool) []byte {
	op := byte(wasm.OpI32Const)
	if is64 {
		op = byte(wasm.OpI64Const)
	}
	return append(b, op, 0, byte(wasm.OpEnd))
}

// dataBytes reads strings up to the closing parenthesis.
func (a *assembler) dataBytes() (b []byte) {
	for a.kind() == tokString {
		b = a.bytes(b)
	}
	return b
}

// activeData writes an active data segment (specification: Binary Format, Data Section).
func (a *assembler) activeData(memory uint32, offset, data []byte) {
	s := a.sec(wasm.SectionData)
	if memory == 0 {
		s.buf = append(s.buf, 0)
	} else {
		s.buf = appendU(append(s.buf, 2), uint64(memory))
	}
	s.buf = wasm.AppendName(append(s.buf, offset...), data)
}

func (a *assembler) dataField() {
	a.id()
	memory, active := uint32(0), false
	if a.takeList("memory") {
		memory, active = a.index(&a.memories), true
		a.rparen()
	} else if a.kind() == tokNumber { // as in WebAssembly 1.0, whose suite the threads proposal still has
		memory, active = a.index(&a.memories), true
	}
	if active || a.kind() == tokLParen {
		offset := a.offset()
		a.activeData(memory, offset, a.dataBytes())
		return
	}
	data := a.dataBytes()
	s := a.sec(wasm.SectionData)
	s.buf = wasm.AppendName(append(s.buf, 1), data)
}

// offset reads "(offset ...)" or one folded instruction.
func (a *assembler) offset() []byte {
	if a.takeList("offset") {
		b := a.constExpr(nil)
		a.rparen()
		return b
	}
	return a.foldedExpr(nil)
}

func (a *assembler) tableField(f field) {
	if a.inlineHead(f, wasm.ExternTable) {
		return
	}
	s := a.sec(wasm.SectionTable)
	l := wasm.Limits{Is64: a.addrType()}
	if a.peekType() { // inline segment: its length is the table's
		t := a.refType()
		if !a.takeList("elem") {
			a.unexpected("(elem")
		}
		offset := zeroOffset(nil, l.Is64)
		n := a.inlineElems(f.index, offset, t)
		l.Min, l.Max, l.HasMax = n, n, true
		s.buf = wasm.AppendLimits(wasm.AppendValType(s.buf, t), l, false)
		a.rparen()
		return
	}
	a.bounds(&l)
	t := a.refType()
	if a.kind() == tokRParen {
		s.buf = wasm.AppendLimits(wasm.AppendValType(s.buf, t), l, false)
		return
	}
	s.buf = wasm.AppendLimits(wasm.AppendValType(append(s.buf, 0x40, 0), t), l, false)
	s.buf = a.constExpr(s.buf)
}

// inlineElems reads the elements of a table's inline segment, functions or expressions, and writes the segment.
func (a *assembler) inlineElems(table uint32, offset []byte, t wasm.ValType) uint64 {
	e := elemSegment{active: true, table: table, offset: offset, typ: t}
	if a.kind() == tokLParen {
		e.exprs = true
		a.elemExprs(&e)
	} else {
		for a.peekIndex() {
			x := a.index(&a.funcs)
			if t == wasm.FuncRef {
				e.items = appendU(e.items, uint64(x))
			} else { // the segment must have the table's type, so it can't be a list of functions
				e.items = append(appendU(append(e.items, byte(wasm.OpRefFunc)), uint64(x)), byte(wasm.OpEnd))
			}
			e.n++
		}
		e.exprs = t != wasm.FuncRef
	}
	a.writeElem(&e)
	return uint64(e.n)
}

// elemSegment is an element segment on its way to the binary format.
type elemSegment struct {
	active, declared bool
	table            uint32
	offset           []byte
	typ              wasm.ValType
	exprs            bool // items are expressions of type typ; otherwise function indices
	n                uint32
	items            []byte
}

// elemExprs reads "(item ...)" and folded instructions up to the closing parenthesis.
func (a *assembler) elemExprs(e *elemSegment) {
	for a.kind() == tokLParen {
		if a.takeList("item") {
			e.items = a.constExpr(e.items)
			a.rparen()
		} else {
			e.items = a.foldedExpr(e.items)
		}
		e.n++
	}
}

func (a *assembler) elemField() {
	a.id()
	e := elemSegment{}
	tableGiven := false
	switch {
	case a.takeWord("declare"):
		e.declared = true
	case a.takeList("table"):
		e.table, e.active, tableGiven = a.index(&a.tables), true, true
		a.rparen()
		e.offset = a.offset()
	case a.kind() == tokNumber: // as in WebAssembly 1.0
		e.table, e.active = a.index(&a.tables), true
		e.offset = a.offset()
	case a.kind() == tokLParen && !a.peekType():
		e.active = true
		e.offset = a.offset()
	}
	switch {
	case a.takeWord("func"):
		a.funcElems(&e)
	case a.peekType():
		e.exprs, e.typ = true, a.refType()
		a.elemExprs(&e)
	case e.active && !tableGiven:
		a.funcElems(&e) // abbreviation: "func" may be left out
	default:
		a.unexpected("func", "a reference type")
	}
	a.writeElem(&e)
}

func (a *assembler) funcElems(e *elemSegment) {
	for a.peekIndex() {
		e.items = appendU(e.items, uint64(a.index(&a.funcs)))
		e.n++
	}
}

// writeElem encodes a segment (specification: Binary Format, Element Section). Bit 0 of the kind says passive or declarative,
// bit 1 that a table index or declarative follows, bit 2 that the items are expressions.
func (a *assembler) writeElem(e *elemSegment) {
	s := a.sec(wasm.SectionElement)
	kind := byte(0)
	if e.exprs {
		kind |= 4
	}
	short := e.active && e.table == 0 && (!e.exprs || e.typ == wasm.FuncRef)
	switch {
	case e.declared:
		kind |= 3
	case !e.active:
		kind |= 1
	case !short:
		kind |= 2
	}
	b := append(s.buf, kind)
	if e.active {
		if !short {
			b = appendU(b, uint64(e.table))
		}
		b = append(b, e.offset...)
	}
	if !short {
		if e.exprs {
			b = wasm.AppendValType(b, e.typ)
		} else {
			b = append(b, 0) // elemkind: functions
		}
	}
	s.buf = append(appendU(b, uint64(e.n)), e.items...)
}
