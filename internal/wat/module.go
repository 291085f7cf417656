package wat

import "github.com/spindle-wasm/spindle/internal/wasm"

// space is an index space: how many entries it has, and their identifiers.
type space struct {
	what  string // in error messages
	n     uint32
	ids   map[string]uint32
	names []entryName // for the name section, in the order of indices
}

type entryName struct {
	index uint32
	name  string
}

// assembler holds one module while it is assembled.
type assembler struct {
	parser
	opts       Options
	moduleName string

	types, funcs, tables, memories, tags, globals, elems, datas space

	fields []field
	field  uint32            // token of the field that is being emitted
	inline map[uint32]uint32 // segment index of a table or memory field with an inline segment, by the field's token

	defs        []typeDef
	implicit    map[string]uint32 // type index of a function type that stands alone in its group, by its encoding
	typeGroups  []byte            // the type section's content for the explicit types
	numGroups   uint32
	typeMarks   []mark
	explicit    int // number of explicit types
	forwardType bool
	fieldNames  []nestedNames // of structs

	out output

	code codeState
	// usesDat says that an instruction names a data segment, so that a data count section is needed (specification: Binary Format, Data
	// Count Section).
	usesDat bool

	customs   []customAnnot
	annotUsed []bool
	annotFrom int // index in source.annots of annotUsed[0]
}

// field is one module field, found by the binding pass.
type field struct {
	tok   uint32 // of its opening parenthesis
	kw    fieldKind
	index uint32
}

type fieldKind uint8

const (
	fieldType fieldKind = iota
	fieldRec
	fieldImport
	fieldFunc
	fieldTable
	fieldMemory
	fieldGlobal
	fieldTag
	fieldExport
	fieldStart
	fieldElem
	fieldData
)

var fieldKinds = map[string]fieldKind{
	"type": fieldType, "rec": fieldRec, "import": fieldImport, "func": fieldFunc, "table": fieldTable, "memory": fieldMemory,
	"global": fieldGlobal, "tag": fieldTag, "export": fieldExport, "start": fieldStart, "elem": fieldElem, "data": fieldData,
}

func newAssembler(s *source, opts Options, annotsFrom, annotsTo uint32) *assembler {
	a := &assembler{parser: parser{source: s}, opts: opts, implicit: map[string]uint32{}, inline: map[uint32]uint32{}}
	for _, sp := range []struct {
		*space
		what string
	}{
		{&a.types, "type"}, {&a.funcs, "function"}, {&a.tables, "table"}, {&a.memories, "memory"}, {&a.tags, "tag"},
		{&a.globals, "global"}, {&a.elems, "elem segment"}, {&a.datas, "data segment"},
	} {
		sp.space.what = sp.what
		sp.space.ids = map[string]uint32{}
	}
	a.initAnnots(annotsFrom, annotsTo)
	return a
}

// bind takes the next index of a space for the optional identifier and name annotation at the cursor.
func (a *assembler) bind(s *space) uint32 {
	index := s.n
	s.n++
	name := ""
	if a.kind() == tokID {
		name = a.idName(a.i)
		if _, dup := s.ids[name]; dup {
			a.fail(a.i, "duplicate %s %s", s.what, excerpt(a.word(a.i)))
		}
		s.ids[name] = index
		a.i++
	}
	if n, ok := a.nameAnnot(s.what); ok {
		s.names = append(s.names, entryName{index, n})
	} else if name != "" {
		s.names = append(s.names, entryName{index, name})
	}
	return index
}

// index reads an index of a space, by number or identifier.
func (a *assembler) index(s *space) uint32 {
	if a.kind() == tokID {
		if x, ok := s.ids[string(a.idBytes(a.i))]; ok {
			a.i++
			return x
		}
		a.fail(a.i, "unknown %s %s", s.what, excerpt(a.word(a.i)))
	}
	return uint32(a.nat(32))
}

// peekIndex reports whether an index is at the cursor.
func (a *assembler) peekIndex() bool { return a.kind() == tokID || a.kind() == tokNumber }

// externSpaces are the spaces that imports and exports name.
func (a *assembler) externSpace(k wasm.ExternKind) *space {
	return [...]*space{&a.funcs, &a.tables, &a.memories, &a.globals, &a.tags}[k]
}

var externKinds = map[string]wasm.ExternKind{
	"func": wasm.ExternFunc, "table": wasm.ExternTable, "memory": wasm.ExternMemory, "global": wasm.ExternGlobal, "tag": wasm.ExternTag,
}

var externWords = map[wasm.ExternKind]string{
	wasm.ExternFunc: "function", wasm.ExternTable: "table", wasm.ExternMemory: "memory", wasm.ExternGlobal: "global", wasm.ExternTag: "tag",
}

// externKind reads the keyword of an import or export.
func (a *assembler) externKind() wasm.ExternKind {
	if a.kind() == tokKeyword {
		if k, ok := externKinds[string(a.word(a.i))]; ok {
			a.i++
			return k
		}
	}
	a.unexpected("func", "table", "memory", "global", "tag")
	return 0
}

// bindFields finds the module fields up to token end and gives the identifiers of all index spaces their indices.
func (a *assembler) bindFields(end uint32) {
	defined := "" // the last definition, which no import may follow (specification: Text Format, Modules)
	started := false
	importAt := func(tok uint32) {
		if defined != "" {
			a.fail(tok, "import after %s", defined)
		}
	}
	for a.readCustoms(); a.i < end; a.readCustoms() {
		f := field{tok: a.i}
		if a.kind() != tokLParen {
			a.unexpected("a module field")
		}
		close := a.toks[a.i].end
		a.i++
		ok := a.kind() == tokKeyword
		if ok {
			f.kw, ok = fieldKinds[string(a.word(a.i))]
		}
		if !ok {
			a.unexpected("a module field")
		}
		kw := a.i
		a.i++
		switch f.kw {
		case fieldType:
			f.index = a.bind(&a.types)
		case fieldRec:
			f.index = a.types.n
			for a.peekList("type") {
				next := a.toks[a.i].end + 1
				a.i += 2
				a.bind(&a.types)
				a.i = next
			}
		case fieldImport:
			importAt(f.tok)
			a.name()
			a.name()
			a.lparen()
			f.index = a.bind(a.externSpace(a.externKind()))
		case fieldFunc, fieldTable, fieldMemory, fieldGlobal, fieldTag:
			k := externKinds[string(a.word(kw))]
			f.index = a.bind(a.externSpace(k))
			for a.peekList("export") {
				a.i = a.toks[a.i].end + 1
			}
			if a.peekList("import") {
				importAt(f.tok)
				break
			}
			defined = externWords[k]
			// Inline segments take their index here, among the segments of other fields.
			if f.kw == fieldTable && a.child("elem", close) {
				a.inline[f.tok] = a.elems.n
				a.elems.n++
			}
			if f.kw == fieldMemory && a.child("data", close) {
				a.inline[f.tok] = a.datas.n
				a.datas.n++
			}
		case fieldStart:
			if started {
				a.fail(f.tok, "multiple start sections")
			}
			started = true
		case fieldElem:
			f.index = a.bind(&a.elems)
		case fieldData:
			f.index = a.bind(&a.datas)
		}
		a.fields = append(a.fields, f)
		a.i = close + 1
	}
}

// child reports whether "(w" follows directly within the field that ends at close.
func (a *assembler) child(w string, close uint32) bool {
	sub := parser{source: a.source, i: a.i}
	for sub.i < close {
		if sub.kind() != tokLParen {
			sub.i++
			continue
		}
		if sub.peekList(w) {
			return true
		}
		sub.i = a.toks[sub.i].end + 1
	}
	return false
}
