package wasm

import "unicode/utf8"

// DecodeOptions say what Decode takes. A limit of zero means the default, which is the one that the JS API gives (section
// "Implementation-defined Limits") so that a module which runs in a browser runs here.
type DecodeOptions struct {
	// Features are those switched on; the zero value is WebAssembly 1.0. Most callers want AllFeatures.
	Features Features

	MaxModuleSize   uint64 // bytes; never above 4 GiB, as offsets are 32 bits wide
	MaxTypes        uint32
	MaxFields       uint32 // of a struct
	MaxImports      uint32
	MaxFuncs        uint32 // imported ones included, as with tables, memories, tags and globals
	MaxTables       uint32
	MaxMemories     uint32
	MaxTags         uint32
	MaxGlobals      uint32
	MaxExports      uint32
	MaxElemSegments uint32
	MaxDataSegments uint32
	MaxElements     uint32 // of one element segment
	MaxBodySize     uint32 // bytes
	MaxLocals       uint32 // of a function, parameters not counted
	MaxParams       uint32
	MaxResults      uint32
}

func setDefault[T uint32 | uint64](p *T, v T) {
	if *p == 0 {
		*p = v
	}
}

func (o DecodeOptions) withDefaults() DecodeOptions {
	setDefault(&o.MaxModuleSize, 1<<30)
	o.MaxModuleSize = min(o.MaxModuleSize, 1<<32-1)
	for _, p := range []*uint32{&o.MaxTypes, &o.MaxImports, &o.MaxFuncs, &o.MaxTags, &o.MaxGlobals, &o.MaxExports} {
		setDefault(p, 1_000_000)
	}
	setDefault(&o.MaxFields, 10_000)
	setDefault(&o.MaxTables, 100_000)
	setDefault(&o.MaxMemories, 100)
	setDefault(&o.MaxElemSegments, 10_000_000)
	setDefault(&o.MaxElements, 10_000_000)
	setDefault(&o.MaxDataSegments, 100_000)
	setDefault(&o.MaxBodySize, 7_654_321)
	setDefault(&o.MaxLocals, 50_000)
	setDefault(&o.MaxParams, 1_000)
	setDefault(&o.MaxResults, 1_000)
	return o
}

// Decode reads a module in the binary format (specification: Binary Format). The error is a *MalformedError, *FeatureError or *LimitError.
// The module keeps b, which must not change any more.
//
// Everything but the instructions of function bodies is checked for being well-formed: those are read once only, by Validate,
// which reports what is malformed in them. Memory use is proportional to len(b), whatever the counts in it claim.
func Decode(b []byte, opts DecodeOptions) (*Module, error) {
	opts = opts.withDefaults()
	if uint64(len(b)) > opts.MaxModuleSize {
		return nil, &LimitError{Limit: "bytes of a module", Max: opts.MaxModuleSize, Got: uint64(len(b)), Func: -1}
	}
	d := &decoder{
		cursor: cursor{code: b},
		opts:   opts,
		m:      &Module{Bytes: b, Start: -1, DataCount: -1, Enabled: opts.Features, opts: opts},
		bodies: -1,
	}
	if err := d.module(); err != nil {
		return nil, err
	}
	return d.m, nil
}

// decoder is the state of Decode. Its cursor runs over one section at a time; offsets are the module's throughout, as code is
// always a prefix of the module.
type decoder struct {
	cursor
	opts  DecodeOptions
	m     *Module
	other error // a feature or limit error, which like a malformation sticks

	bodies   int64 // entries of the code section, -1 without one
	instrs   InstrReader
	in       Instr
	valArena []ValType
	runArena []LocalRun
	hints    int // 1 + index of the branch hint section in Customs
	find     int // 1 + number of items before the one that itemOffset looks for
}

// failed reports whether there is an error; loops stop then.
func (d *decoder) failed() bool { return d.msg != "" || d.other != nil }

func (d *decoder) err() error {
	if d.other != nil {
		return d.other
	}
	if d.msg != "" {
		return d.error()
	}
	return nil
}

// need records the use of a feature by what stands at a position.
func (d *decoder) need(pos int, f Features, what string) {
	d.m.Used |= f
	if missing := f &^ d.opts.Features; missing != 0 && !d.failed() {
		d.other = &FeatureError{Feature: missing.String(), What: what, Func: -1, Offset: uint32(pos)}
	}
}

// needType is need for a value type.
func (d *decoder) needType(pos int, t ValType) {
	f, what := typeFeature(t)
	d.need(pos, f, what)
}

// limit checks a count, which what stands at a position makes, against a limit.
func (d *decoder) limit(pos int, name string, got uint64, most uint32) {
	if got > uint64(most) && !d.failed() {
		d.other = &LimitError{Limit: name, Max: uint64(most), Got: got, Func: -1, Offset: uint32(pos)}
	}
}

// vector reads the length of a vector of items that take at least size bytes each. have of them exist already and count too
// for the limit. The result is safe to allocate by.
func (d *decoder) vector(name string, have int, most uint32, size int) int {
	pos := d.pos
	n := d.count()
	d.limit(pos, name, uint64(have)+uint64(n), most)
	if d.failed() {
		return 0
	}
	// A count that the section cannot hold will fail at the section's end; until then, memory grows as items come.
	return d.room(int(n), size)
}

// room is a capacity to start with for n items of typically size bytes each, without trusting n.
func (d *decoder) room(n, size int) int { return min(n, (len(d.code)-d.pos)/size+1) }

// sectionOrder has the place of each section in the module, by its id (specification: Binary Format, Modules).
var sectionOrder = [...]uint8{
	SectionType: 1, SectionImport: 2, SectionFunction: 3, SectionTable: 4, SectionMemory: 5, SectionTag: 6, SectionGlobal: 7,
	SectionExport: 8, SectionStart: 9, SectionElement: 10, SectionDataCount: 11, SectionCode: 12, SectionData: 13,
}

// sections decode the contents of each kind of section.
var sections = [...]func(*decoder){
	SectionType:      (*decoder).typeSection,
	SectionImport:    (*decoder).importSection,
	SectionFunction:  (*decoder).functionSection,
	SectionTable:     (*decoder).tableSection,
	SectionMemory:    (*decoder).memorySection,
	SectionGlobal:    (*decoder).globalSection,
	SectionExport:    (*decoder).exportSection,
	SectionStart:     (*decoder).startSection,
	SectionElement:   (*decoder).elementSection,
	SectionCode:      (*decoder).codeSection,
	SectionData:      (*decoder).dataSection,
	SectionDataCount: (*decoder).dataCountSection,
	SectionTag:       (*decoder).tagSection,
}

func (d *decoder) module() error {
	b := d.m.Bytes
	for i, field := range []struct{ want, message string }{
		{"\x00asm", "magic header not detected"}, {"\x01\x00\x00\x00", "unknown binary version"},
	} {
		switch at := i * 4; {
		case len(b) < at+4:
			return malformed(uint32(len(b)), "unexpected end")
		case string(b[at:at+4]) != field.want:
			return malformed(uint32(at), "%s", field.message)
		}
	}
	d.pos = 8
	last := SectionCustom
	for d.pos < len(b) {
		start := d.pos
		id := SectionID(d.byte())
		if int(id) >= len(sections) {
			return malformed(uint32(start), "malformed section id")
		}
		if id != SectionCustom {
			if sectionOrder[id] <= sectionOrder[last] {
				return malformed(uint32(start), "unexpected content after last section")
			}
			last = id
		}
		size := d.u32()
		if d.failed() {
			return d.err()
		}
		if uint64(size) > uint64(len(b)-d.pos) {
			return malformed(uint32(d.pos), msgLength)
		}
		d.code = b[:d.pos+int(size)]
		d.m.sections[id] = uint32(d.pos)
		if id == SectionCustom {
			d.custom(last)
		} else {
			sections[id](d)
			if !d.failed() && d.pos != len(d.code) {
				d.fail(msgSize)
			}
		}
		if d.failed() {
			return d.err()
		}
		d.code = b
	}
	return d.finish()
}

// finish checks what relates sections to each other (specification: Binary Format, Modules).
func (d *decoder) finish() error {
	m := d.m
	end := uint32(len(m.Bytes))
	if d.bodies < 0 && len(m.Funcs) > m.NumImportedFuncs {
		return malformed(end, "function and code section have inconsistent lengths")
	}
	if m.DataCount >= 0 && m.DataCount != int64(len(m.Datas)) {
		return malformed(end, "data count and data section have inconsistent lengths")
	}
	if d.hints > 0 {
		m.BranchHints = decodeBranchHints(m.Customs[d.hints-1].Data)
	}
	return nil
}

// name reads a name (specification: Binary Format, Names).
func (d *decoder) name() string {
	b := d.bytes(d.u32())
	if d.msg == "" && !utf8.Valid(b) {
		d.pos -= len(b)
		d.fail(msgUTF8)
	}
	return string(b)
}

// bytes takes n bytes.
func (d *decoder) bytes(n uint32) []byte {
	if d.msg != "" {
		return nil
	}
	if uint64(n) > uint64(len(d.code)-d.pos) {
		d.fail("unexpected end of section or function: length out of bounds")
		return nil
	}
	d.pos += int(n)
	return d.code[d.pos-int(n) : d.pos : d.pos]
}

// custom reads a custom section. Its contents are free; only the name is checked.
func (d *decoder) custom(after SectionID) {
	start := d.pos
	name := d.name()
	if d.failed() {
		return
	}
	d.m.Customs = append(d.m.Customs, CustomSection{Name: name, Data: d.code[d.pos:], After: after, Offset: uint32(start)})
	if name == "metadata.code.branch_hint" && d.hints == 0 {
		d.hints = len(d.m.Customs)
	}
	d.pos = len(d.code)
}

// item stands at the start of each item of the sections whose items keep no offset. It ends the reading where itemOffset wants it.
func (d *decoder) item() {
	if d.find > 0 {
		if d.find--; d.find == 0 {
			d.fail("found")
		}
	}
}

// itemOffset finds where an item of a section stands, by reading the section again: only errors ask for it, and a module with
// many items should not keep an offset for each. The types of a recursion group are items of their own.
func (m *Module) itemOffset(id SectionID, i int) uint32 {
	d := &decoder{
		cursor: cursor{code: m.Bytes, pos: int(m.sections[id])}, opts: m.opts, m: &Module{}, find: i + 1,
	}
	sections[id](d)
	return uint32(d.bad)
}
