package wat

import (
	"bufio"
	"io"
	"strconv"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// PrintOptions change what Print writes. The zero value is the default.
type PrintOptions struct {
	// NoNames prints indices only, and leaves the name section out.
	NoNames bool
}

// Print writes a decoded module as text that Assemble turns back into the same module; of an invalid one, what the text can say
// of it. What has no meaning and no form in the text is not kept: the widths of LEB128 numbers, the grouping of locals, a data count section that no instruction
// needs, empty sections, the place of the name section among custom sections, and what is malformed in it, said twice or about
// things that aren't there. Errors are those of w and, about malformed function bodies, those of package wasm.
func Print(w io.Writer, m *wasm.Module, opts PrintOptions) error {
	p := &printer{w: bufio.NewWriterSize(w, 1<<16), m: m, names: &wasm.Names{}}
	if !opts.NoNames {
		p.names = m.Names()
	}
	p.module()
	if p.err != nil {
		return p.err
	}
	return p.w.Flush()
}

// printer writes one module. After an error it writes nothing more of use.
type printer struct {
	w     *bufio.Writer
	m     *wasm.Module
	names *wasm.Names
	err   error
	buf   []byte // scratch

	types, funcs, tables, memories, tags, globals, elems, datas idents
	fields                                                      map[uint32]idents // by type
	hints                                                       bool              // branch hints are printed as annotations

	body bodyPrinter
}

// idents are the names of one index space: an identifier for each name that can be one, an annotation for the others.
type idents struct {
	ids   map[uint32]string // with "$"
	notes map[uint32]string // names
}

// newIdents makes identifiers of the names with indices below n. Two things can't have the same one: the first has it.
func newIdents(names map[uint32]string, n int) idents {
	t := idents{}
	if len(names) == 0 {
		return t
	}
	t.ids = make(map[uint32]string, len(names))
	seen := make(map[string]bool, len(names))
	for i := range uint32(n) {
		name, ok := names[i]
		switch {
		case !ok:
		case name == "" || seen[name]:
			if t.notes == nil {
				t.notes = map[uint32]string{}
			}
			t.notes[i] = name
		default:
			seen[name] = true
			t.ids[i] = identifier(name)
		}
	}
	return t
}

// identifier spells a name as an identifier (specification: Text Format, Identifiers).
func identifier(name string) string {
	for i := range len(name) {
		if charClass[name[i]] != chID {
			return string(appendString([]byte{'$'}, name, true))
		}
	}
	return "$" + name
}

const hexDigits = "0123456789abcdef"

// appendString quotes a string. Text keeps its characters, if it is UTF-8; everything else is escaped.
func appendString(b []byte, s string, text bool) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 0x20 && c < 0x7f || c >= 0x80 && text:
			b = append(b, c)
		default:
			b = append(b, '\\', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(b, '"')
}

func (p *printer) str(s string) { p.w.WriteString(s) }

func (p *printer) num(v uint64) {
	p.buf = strconv.AppendUint(p.buf[:0], v, 10)
	p.w.Write(p.buf)
}

// name writes a string that is a name.
func (p *printer) name(s string) {
	p.buf = appendString(p.buf[:0], s, true)
	p.w.Write(p.buf)
}

// data writes the bytes of a segment or section as strings, after a space; in several lines if they are many.
func (p *printer) data(b []byte) {
	const perLine = 64
	if len(b) <= perLine {
		p.buf = appendString(append(p.buf[:0], ' '), string(b), false)
		p.w.Write(p.buf)
		return
	}
	for len(b) > 0 {
		n := min(len(b), perLine)
		p.str("\n    ")
		p.buf = appendString(p.buf[:0], string(b[:n]), false)
		p.w.Write(p.buf)
		b = b[n:]
	}
}

// field starts a module field: " (w $id (;3;)".
func (p *printer) field(w string, t *idents, x uint32) {
	p.str("\n  (")
	p.str(w)
	p.head(t, x)
}

// head writes the identifier or name annotation and the index of what is defined.
func (p *printer) head(t *idents, x uint32) {
	p.binding(t, x)
	p.str(" (;")
	p.num(uint64(x))
	p.str(";)")
}

// ref writes an index, as an identifier if it has one.
func (p *printer) ref(t *idents, x uint32) {
	p.str(" ")
	if id, ok := t.ids[x]; ok {
		p.str(id)
	} else {
		p.num(uint64(x))
	}
}

func (p *printer) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *printer) module() {
	m, n := p.m, p.names
	p.types = newIdents(n.Types, len(m.Types))
	p.funcs = newIdents(n.Funcs, len(m.Funcs))
	p.tables = newIdents(n.Tables, len(m.Tables))
	p.memories = newIdents(n.Memories, len(m.Memories))
	p.tags = newIdents(n.Tags, len(m.Tags))
	p.globals = newIdents(n.Globals, len(m.Globals))
	p.elems = newIdents(n.Elems, len(m.Elems))
	p.datas = newIdents(n.Datas, len(m.Datas))
	p.fields = map[uint32]idents{}
	for x, names := range n.Fields {
		if uint64(x) < uint64(len(m.Types)) && m.Types[x].Kind == wasm.CompStruct {
			p.fields[x] = newIdents(names, len(m.Types[x].Fields))
		}
	}
	p.hints = p.hintsPrintable()

	p.str("(module")
	if n.Module != "" {
		p.str(" ")
		p.str(identifier(n.Module))
	}
	p.typeFields()
	p.imports()
	for x := m.NumImportedFuncs; x < len(m.Funcs) && p.err == nil; x++ {
		if x-m.NumImportedFuncs < len(m.Bodies) {
			p.function(uint32(x), &m.Bodies[x-m.NumImportedFuncs])
		}
	}
	for x := m.NumImportedTables; x < len(m.Tables); x++ {
		p.field("table", &p.tables, uint32(x))
		p.tableType(m.Tables[x].Type)
		if init := m.Tables[x].Init; init != nil {
			p.expr("", *init)
		}
		p.str(")")
	}
	for x := m.NumImportedMemories; x < len(m.Memories); x++ {
		p.field("memory", &p.memories, uint32(x))
		p.memoryType(m.Memories[x])
		p.str(")")
	}
	for x := m.NumImportedTags; x < len(m.Tags); x++ {
		p.field("tag", &p.tags, uint32(x))
		p.typeUse(m.Tags[x].Type, nil)
		p.str(")")
	}
	for x := m.NumImportedGlobals; x < len(m.Globals); x++ {
		p.field("global", &p.globals, uint32(x))
		p.globalType(m.Globals[x].Type)
		p.expr("", m.Globals[x].Init)
		p.str(")")
	}
	p.exports()
	if m.Start >= 0 {
		p.str("\n  (start")
		p.ref(&p.funcs, uint32(m.Start))
		p.str(")")
	}
	for x := range m.Elems {
		p.elem(uint32(x), &m.Elems[x])
	}
	for x := range m.Datas {
		p.dataField(uint32(x), &m.Datas[x])
	}
	p.customs()
	p.str(")\n")
}

func (p *printer) imports() {
	var n [5]uint32
	for i := range p.m.Imports {
		im := &p.m.Imports[i]
		p.str("\n  (import ")
		p.name(im.Module)
		p.str(" ")
		p.name(im.Name)
		p.str(" (")
		p.str(im.Kind.String())
		x := n[im.Kind]
		n[im.Kind]++
		p.head(p.externIdents(im.Kind), x)
		switch im.Kind {
		case wasm.ExternFunc:
			locals := p.localIdents(x, 0)
			p.typeUse(im.Func, &locals)
		case wasm.ExternTable:
			p.tableType(im.Table)
		case wasm.ExternMemory:
			p.memoryType(im.Memory)
		case wasm.ExternGlobal:
			p.globalType(im.Global)
		case wasm.ExternTag:
			p.typeUse(im.Tag.Type, nil)
		}
		p.str("))")
	}
}

func (p *printer) externIdents(k wasm.ExternKind) *idents {
	return [...]*idents{&p.funcs, &p.tables, &p.memories, &p.globals, &p.tags}[k]
}

func (p *printer) exports() {
	for i := range p.m.Exports {
		e := &p.m.Exports[i]
		p.str("\n  (export ")
		p.name(e.Name)
		p.str(" (")
		p.str(e.Kind.String())
		p.ref(p.externIdents(e.Kind), e.Index)
		p.str("))")
	}
}

func (p *printer) elem(x uint32, e *wasm.ElemSegment) {
	p.field("elem", &p.elems, x)
	switch e.Mode {
	case wasm.SegmentActive:
		if e.Table != 0 {
			p.str(" (table")
			p.ref(&p.tables, e.Table)
			p.str(")")
		}
		p.expr("offset", e.Start)
	case wasm.SegmentDeclarative:
		p.str(" declare")
	}
	if e.IsExpr {
		p.str(" ")
		p.valType(e.Type)
		for i := range e.Exprs {
			p.wrap(i)
			p.expr("item", e.Exprs[i])
		}
	} else {
		p.str(" func")
		for i, f := range e.Funcs {
			p.wrap(i)
			p.ref(&p.funcs, f)
		}
	}
	p.str(")")
}

// wrap starts a new line now and then in long lists.
func (p *printer) wrap(i int) {
	if i%16 == 15 {
		p.str("\n   ")
	}
}

func (p *printer) dataField(x uint32, d *wasm.DataSegment) {
	p.field("data", &p.datas, x)
	if d.Mode == wasm.SegmentActive {
		if d.Memory != 0 {
			p.str(" (memory")
			p.ref(&p.memories, d.Memory)
			p.str(")")
		}
		p.expr("offset", d.Start)
	}
	p.data(d.Init)
	p.str(")")
}

// customs writes the custom sections that aren't shown in another way, each with its place among the others. The first name
// section is shown as identifiers; there should be no second one (specification: Appendix, Name Section), and text could not
// tell it from the first.
func (p *printer) customs() {
	for i := range p.m.Customs {
		c := &p.m.Customs[i]
		switch {
		case c.Name == "name":
			continue
		case c.Name == branchHintSection && p.hints:
			continue
		}
		p.str("\n  (@custom ")
		p.name(c.Name)
		p.str(" (")
		p.str(p.placementOf(c.After))
		p.str(")")
		p.data(c.Data)
		p.str(")")
	}
}

// placementOf says in text where a custom section stands that follows the section id. Sections that the text doesn't bring
// forth, as they are empty, are no places.
func (p *printer) placementOf(id wasm.SectionID) string {
	m := p.m
	starts := 0
	if m.Start >= 0 {
		starts = 1
	}
	size := [wasm.SectionTag + 1]int{
		wasm.SectionType: len(m.Types), wasm.SectionImport: len(m.Imports), wasm.SectionFunction: len(m.Bodies),
		wasm.SectionTable: len(m.Tables) - m.NumImportedTables, wasm.SectionMemory: len(m.Memories) - m.NumImportedMemories,
		wasm.SectionTag: len(m.Tags) - m.NumImportedTags, wasm.SectionGlobal: len(m.Globals) - m.NumImportedGlobals,
		wasm.SectionExport: len(m.Exports), wasm.SectionStart: starts, wasm.SectionElement: len(m.Elems),
		wasm.SectionCode: len(m.Bodies), wasm.SectionData: len(m.Datas),
	}
	found := false
	for i := len(order) - 1; i >= 0; i-- {
		found = found || order[i] == id
		if found && size[order[i]] > 0 {
			return "after " + sectionWords[i]
		}
	}
	return "before first"
}
