package wat

import (
	"sort"
	"unicode/utf8"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// funcHints are the branch hints of one function.
type funcHints struct {
	fn    uint32
	hints []wasm.BranchHint
}

// initAnnots selects the annotations before tokens from to to.
func (a *assembler) initAnnots(from, to uint32) {
	all := a.annots
	a.annotFrom = sort.Search(len(all), func(i int) bool { return all[i].at >= from })
	n := sort.Search(len(all), func(i int) bool { return all[i].at > to }) - a.annotFrom
	a.annotUsed = make([]bool, max(n, 0))
}

// annotsAt calls f for each annotation of a kind that stands before token at.
func (a *assembler) annotsAt(at uint32, kind annotKind, f func(n int, note *annotation)) {
	if len(a.annotUsed) == 0 {
		return
	}
	notes := a.annots[a.annotFrom : a.annotFrom+len(a.annotUsed)]
	for i := sort.Search(len(notes), func(i int) bool { return notes[i].at >= at }); i < len(notes) && notes[i].at == at; i++ {
		if notes[i].kind == kind {
			f(i, &notes[i])
		}
	}
}

// annotHere reports whether an annotation of a kind is at the cursor.
func (a *assembler) annotHere(kind annotKind) (here bool) {
	a.annotsAt(a.i, kind, func(int, *annotation) { here = true })
	return here
}

// content returns a parser for an annotation's content; its tokens end with tokEOF.
func (a *assembler) content(note *annotation) *parser {
	return &parser{source: &source{text: a.text, toks: note.toks}}
}

func (a *assembler) failNote(note *annotation, format string, args ...any) {
	failAt(a.text, int(note.off), format, args...)
}

// nameAnnot reads an @name annotation at the cursor.
func (a *assembler) nameAnnot(what string) (name string, ok bool) { return a.nameAnnotAt(a.i, what) }

func (a *assembler) nameAnnotAt(at uint32, what string) (name string, ok bool) {
	a.annotsAt(at, annotName, func(n int, note *annotation) {
		if ok {
			a.failNote(note, "@name annotation: multiple %s names", what)
		}
		c := a.content(note)
		if c.kind() != tokString || c.toks[1].kind != tokEOF {
			a.failNote(note, "@name annotation: unexpected token")
		}
		b := c.bytes(nil)
		if !utf8.Valid(b) {
			a.failNote(note, "@name annotation: malformed UTF-8 encoding")
		}
		name, ok = string(b), true
		a.annotUsed[n] = true
	})
	return name, ok
}

// hintAnnot reads a branch hint before token at: 0, 1, or -1 if there is none.
func (a *assembler) hintAnnot(at uint32) int8 {
	hint := int8(-1)
	if len(a.annotUsed) == 0 || !a.code.inFunc {
		return hint
	}
	a.annotsAt(at, annotHint, func(n int, note *annotation) {
		const id = "@metadata.code.branch_hint annotation"
		if hint >= 0 {
			a.failNote(note, "%s: duplicate annotation", id)
		}
		c := a.content(note)
		var b []byte
		for c.kind() == tokString {
			b = c.bytes(b)
		}
		switch {
		case c.kind() != tokEOF:
			a.failNote(note, "%s: unexpected token", id)
		case len(b) != 1 || b[0] > 1:
			a.failNote(note, "%s: malformed annotation", id)
		}
		hint = int8(b[0])
		a.annotUsed[n] = true
	})
	return hint
}

// markHint records a branch hint for the instruction that is about to be written.
func (a *assembler) markHint(hint int8) {
	if hint >= 0 {
		c := &a.code
		c.hints = append(c.hints, wasm.BranchHint{Offset: uint32(len(c.out)), Likely: hint == 1})
	}
}

// finishAnnots refuses the annotations that stand where they mean nothing.
func (a *assembler) finishAnnots() {
	notes := a.annots[a.annotFrom : a.annotFrom+len(a.annotUsed)]
	for i := range notes {
		if a.annotUsed[i] {
			continue
		}
		switch note := &notes[i]; note.kind {
		case annotName:
			a.failNote(note, "misplaced @name annotation")
		case annotCustom:
			a.failNote(note, "misplaced @custom annotation")
		default:
			for _, f := range a.fields {
				if f.kw == fieldFunc && note.at > f.tok && note.at <= a.toks[f.tok].end {
					a.failNote(note, "@metadata.code.branch_hint annotation: invalid target")
				}
			}
			a.failNote(note, "@metadata.code.branch_hint annotation: not in a function")
		}
	}
}

// place orders custom sections among the others: between any two sections there are two places.
type place int

const (
	placeFirst place = -1
	placeLast  place = 1 << 20
)

func placeBefore(i int) place { return place(2 * i) }
func placeAfter(i int) place  { return place(2*i + 1) }

// sectionWords are the names of sections in placements, in the order of order.
var sectionWords = [...]string{
	"type", "import", "func", "table", "memory", "tag", "global", "export", "start", "elem", "datacount", "code", "data",
}

type customAnnot struct {
	at   place
	name string
	data []byte
}

// readCustoms reads the @custom annotations at the cursor, which is between module fields (specification: Appendix, Custom
// Annotations).
func (a *assembler) readCustoms() {
	a.annotsAt(a.i, annotCustom, func(n int, note *annotation) {
		c := a.content(note)
		fail := func(msg string) { a.failNote(note, "@custom annotation: %s", msg) }
		if c.kind() != tokString {
			fail("missing section name")
		}
		name := c.bytes(nil)
		if !utf8.Valid(name) {
			fail("malformed UTF-8 encoding")
		}
		s := customAnnot{at: placeLast, name: string(name)}
		if c.kind() == tokLParen {
			c.i++
			before := c.isWord("before")
			if !before && !c.isWord("after") {
				fail("malformed placement")
			}
			c.i++
			s.at = sectionPlace(c, before)
			if s.at < placeFirst {
				fail("malformed section kind")
			}
			c.i++
			if c.kind() != tokRParen {
				fail("unexpected token")
			}
			c.i++
		}
		for c.kind() == tokString {
			s.data = c.bytes(s.data)
		}
		if c.kind() != tokEOF {
			fail("unexpected token")
		}
		a.customs = append(a.customs, s)
		a.annotUsed[n] = true
	})
}

// sectionPlace returns the place that the section's word at the cursor means, less than placeFirst for none.
func sectionPlace(c *parser, before bool) place {
	if c.kind() == tokKeyword {
		w := string(c.word(c.i))
		switch {
		case w == "first" && before:
			return placeFirst
		case w == "last" && !before:
			return placeLast
		}
		for i, s := range sectionWords {
			if w == s && before {
				return placeBefore(i)
			}
			if w == s {
				return placeAfter(i)
			}
		}
	}
	return placeFirst - 1
}

// appendCustoms writes the custom sections of one place.
func appendCustoms(b []byte, list []customAnnot, at place) []byte {
	for _, c := range list {
		if c.at == at {
			body := append(wasm.AppendName(nil, c.name), c.data...)
			b = wasm.AppendName(append(b, byte(wasm.SectionCustom)), body)
		}
	}
	return b
}
