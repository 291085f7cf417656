package wat

import (
	"math"
	"sort"
)

// SourceMap leads from offsets in an assembled module back to the text: of instructions in function bodies exactly, elsewhere to
// the module field or type. It is immutable once Assemble has filled it.
type SourceMap struct {
	text  []byte
	marks []mark // ascending offsets
}

// mark says that what begins at an offset of the output comes from an offset of the text, or from nowhere in it.
type mark struct{ out, text uint32 }

// nowhere is the text of what isn't in the text. No text is so long.
const nowhere = math.MaxUint32

// Pos returns where the text says what stands at an offset of the module; ok is false for what isn't in the text, such as the
// module's header, the heads of sections and names. An implicit type is where it is used first.
func (m *SourceMap) Pos(offset uint32) (p Pos, ok bool) {
	i := sort.Search(len(m.marks), func(i int) bool { return m.marks[i].out > offset }) - 1
	if i < 0 || m.marks[i].text == nowhere {
		return Pos{}, false
	}
	return posOf(m.text, int(m.marks[i].text)), true
}

// add takes over the marks of a section from head to end, whose items begin at base.
func (m *SourceMap) add(head, base, end int, marks []mark) {
	if head == end {
		return
	}
	m.marks = append(m.marks, mark{uint32(head), nowhere})
	for _, k := range marks {
		m.marks = append(m.marks, mark{uint32(base) + k.out, k.text})
	}
	m.marks = append(m.marks, mark{uint32(end), nowhere})
}

// mark notes that what is at token tok makes the next bytes of a section.
func (a *assembler) mark(s *section, tok uint32) {
	if a.opts.Map != nil {
		s.marks = append(s.marks, mark{uint32(len(s.buf)), a.toks[tok].off})
	}
}

// markType notes that the type or group at token tok makes the next bytes of typeGroups, which come before bytes later.
func (a *assembler) markType(before int, tok uint32) {
	if a.opts.Map != nil {
		a.typeMarks = append(a.typeMarks, mark{uint32(before + len(a.typeGroups)), a.toks[tok].off})
	}
}

// markInstr notes that the instruction about to be written is the one at token tok.
func (a *assembler) markInstr(tok uint32) {
	if a.opts.Map != nil && a.code.inFunc {
		c := &a.code
		c.marks = append(c.marks, mark{uint32(len(c.out)), a.toks[tok].off})
	}
}
