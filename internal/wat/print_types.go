package wat

import "github.com/spindle-wasm/spindle/internal/wasm"

func (p *printer) typeFields() {
	m := p.m
	for _, g := range m.RecGroups {
		if g.Len == 1 {
			p.str("\n  ")
			p.typeField(g.Start)
			continue
		}
		p.str("\n  (rec")
		for x := g.Start; x < g.Start+g.Len; x++ {
			p.str("\n    ")
			p.typeField(x)
		}
		p.str(")")
	}
}

func (p *printer) typeField(x uint32) {
	t := &p.m.Types[x]
	p.str("(type")
	p.head(&p.types, x)
	sub := !t.Final || t.Super >= 0
	if sub {
		p.str(" (sub")
		if t.Final {
			p.str(" final")
		}
		if t.Super >= 0 {
			p.ref(&p.types, uint32(t.Super))
		}
	}
	switch t.Kind {
	case wasm.CompFunc:
		p.str(" (func")
		p.signature(&t.Func, nil)
	case wasm.CompStruct:
		p.str(" (struct")
		names := p.fields[x]
		for i, f := range t.Fields {
			p.str(" (field")
			p.binding(&names, uint32(i))
			p.str(" ")
			p.fieldType(f)
			p.str(")")
		}
	case wasm.CompArray:
		p.str(" (array ")
		p.fieldType(t.Fields[0])
	}
	p.str(")")
	if sub {
		p.str(")")
	}
	p.str(")")
}

// binding writes the identifier or name annotation of what is defined, if it has one.
func (p *printer) binding(t *idents, x uint32) {
	if id, ok := t.ids[x]; ok {
		p.str(" ")
		p.str(id)
	} else if note, ok := t.notes[x]; ok {
		p.str(" (@name ")
		p.name(note)
		p.str(")")
	}
}

func (t *idents) has(x uint32) bool {
	_, id := t.ids[x]
	_, note := t.notes[x]
	return id || note
}

func (p *printer) fieldType(f wasm.FieldType) {
	if f.Mutable {
		p.str("(mut ")
	}
	p.valType(f.Type)
	if f.Mutable {
		p.str(")")
	}
}

// signature writes parameters and results; names are those of the parameters.
func (p *printer) signature(t *wasm.FuncType, names *idents) {
	params := typeList{p: p, word: "param", names: names}
	for _, vt := range t.Params {
		params.add(vt)
	}
	params.close()
	p.results(t.Results)
}

func (p *printer) results(types []wasm.ValType) {
	l := typeList{p: p, word: "result"}
	for _, t := range types {
		l.add(t)
	}
	l.close()
}

// typeList writes types as " (word t t)", with one list for each that has a name.
type typeList struct {
	p     *printer
	word  string
	names *idents // nil for none
	next  uint32  // index of the next type
	open  bool
}

func (l *typeList) add(t wasm.ValType) {
	named := l.names != nil && l.names.has(l.next)
	if named {
		l.close()
	}
	if !l.open {
		l.p.str(" (")
		l.p.str(l.word)
		l.open = true
	}
	if named {
		l.p.binding(l.names, l.next)
	}
	l.p.str(" ")
	l.p.valType(t)
	l.next++
	if named {
		l.close()
	}
}

func (l *typeList) close() {
	if l.open {
		l.p.str(")")
		l.open = false
	}
}

// typeUse writes a type by its index and its signature: if that is short, for the reader, or if parameters have names.
func (p *printer) typeUse(x uint32, names *idents) {
	p.str(" (type")
	p.ref(&p.types, x)
	p.str(")")
	if uint64(x) >= uint64(len(p.m.Types)) || p.m.Types[x].Kind != wasm.CompFunc {
		return
	}
	const short = 32
	t := &p.m.Types[x].Func
	if len(t.Params)+len(t.Results) <= short || names.hasBelow(len(t.Params)) {
		p.signature(t, names)
	}
}

// hasBelow reports whether there is a name with an index below n.
func (t *idents) hasBelow(n int) bool {
	if t == nil || len(t.ids)+len(t.notes) == 0 {
		return false
	}
	for x := range uint32(n) {
		if t.has(x) {
			return true
		}
	}
	return false
}

func (p *printer) heapType(h wasm.HeapType) {
	if id, ok := p.types.ids[uint32(h)]; ok && h.Concrete() {
		p.str(id)
	} else {
		p.str(h.String())
	}
}

func (p *printer) valType(t wasm.ValType) {
	if !t.IsRef() || !t.Heap().Concrete() {
		p.str(t.String())
		return
	}
	p.str("(ref ")
	if t.Nullable() {
		p.str("null ")
	}
	p.heapType(t.Heap())
	p.str(")")
}

func (p *printer) limits(l wasm.Limits) {
	if l.Is64 {
		p.str(" i64")
	}
	p.str(" ")
	p.num(l.Min)
	if l.HasMax {
		p.str(" ")
		p.num(l.Max)
	}
}

func (p *printer) tableType(t wasm.TableType) {
	p.limits(t.Limits)
	p.str(" ")
	p.valType(t.Elem)
}

func (p *printer) memoryType(t wasm.MemoryType) {
	p.limits(t.Limits)
	if t.Shared {
		p.str(" shared")
	}
}

func (p *printer) globalType(t wasm.GlobalType) {
	p.str(" ")
	p.fieldType(wasm.FieldType{Type: t.Type, Mutable: t.Mutable})
}
