package wat

import "sort"

// SourceMap leads from offsets in an assembled module back to the text: of instructions in function bodies exactly, elsewhere to
// the module field. It is immutable once Assemble has filled it.
type SourceMap struct {
	text  []byte
	marks []mark // ascending offsets
}

// mark says that what begins at an offset of the output comes from an offset of the text.
type mark struct{ out, text uint32 }

// Pos returns where the text says what stands at an offset of the module; ok is false for what isn't in the text, such as the
// module's header and implicit types.
func (m *SourceMap) Pos(offset uint32) (p Pos, ok bool) {
	i := sort.Search(len(m.marks), func(i int) bool { return m.marks[i].out > offset }) - 1
	if i < 0 {
		return Pos{}, false
	}
	return posOf(m.text, int(m.marks[i].text)), true
}

// add takes over the marks of a section whose content begins at base.
func (m *SourceMap) add(base int, marks []mark) {
	for _, k := range marks {
		m.marks = append(m.marks, mark{uint32(base) + k.out, k.text})
	}
}

// markEntry notes that the module field that is being read makes the next bytes of a section.
func (a *assembler) markEntry(s *section) {
	if a.opts.Map != nil {
		s.marks = append(s.marks, mark{uint32(len(s.buf)), a.toks[a.field].off})
	}
}

// markInstr notes that the instruction about to be written is the one at token tok.
func (a *assembler) markInstr(tok uint32) {
	if a.opts.Map != nil && a.code.inFunc {
		c := &a.code
		c.marks = append(c.marks, mark{uint32(len(c.out)), a.toks[tok].off})
	}
}
