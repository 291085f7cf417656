package wat

import (
	"math"
	"unicode/utf8"
)

// tokenKind is the kind of a token (specification: Text Format, Tokens). Number tokens and keywords are checked where they are read.
type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokLParen
	tokRParen
	tokString
	tokID
	tokKeyword
	tokNumber
	tokReserved
)

// token is src[off:end]; of an opening parenthesis, end is the index of the closing one's token.
type token struct {
	off, end uint32
	kind     tokenKind
}

// source is a text with its tokens. The last token is tokEOF. It is immutable once lexed.
type source struct {
	text   []byte
	toks   []token
	annots []annotation // ordered by at
}

// annotKind tells the annotations that mean something here (specification: Appendix, Custom Sections and Annotations).
type annotKind uint8

const (
	annotName annotKind = iota
	annotCustom
	annotHint
)

var annotIDs = map[string]annotKind{"name": annotName, "custom": annotCustom, "metadata.code.branch_hint": annotHint}

// annotation stands before token number at. Its content keeps its parentheses, with ends that count within toks.
type annotation struct {
	at, off uint32
	kind    annotKind
	toks    []token
}

// Classes of characters.
const (
	chIllegal = iota
	chID
	chSpace
	chQuote
	chLParen
	chRParen
	chSemicolon
	chPunct // , [ ] { }: only in reserved tokens
	chHigh  // not ASCII
)

var charClass = func() (t [256]uint8) {
	for c := 0x80; c < 0x100; c++ {
		t[c] = chHigh
	}
	for c := 0x21; c < 0x7f; c++ {
		t[c] = chID
	}
	for _, c := range " \t\r\n" {
		t[c] = chSpace
	}
	for _, c := range ",[]{}" {
		t[c] = chPunct
	}
	t['"'], t['('], t[')'], t[';'] = chQuote, chLParen, chRParen, chSemicolon
	return t
}()

type lexer struct {
	src   []byte
	i     int
	toks  []token
	open  []uint32 // opening parentheses
	notes []annotation
}

// lex splits a text into tokens.
func lex(src []byte) *source {
	if uint64(len(src)) >= math.MaxUint32 {
		failAt(nil, 0, "source text limit: %d bytes, at most %d are supported", len(src), uint32(math.MaxUint32)-1)
	}
	l := &lexer{src: src, toks: make([]token, 0, len(src)/5+8)}
	for l.next(false) {
	}
	if len(l.open) > 0 {
		failAt(src, int(l.toks[l.open[len(l.open)-1]].off), "unexpected token: this parenthesis is not closed")
	}
	l.toks = append(l.toks, token{off: uint32(len(src)), end: uint32(len(src)), kind: tokEOF})
	return &source{text: src, toks: l.toks, annots: l.notes}
}

// next appends one token or passes over space; it returns false at the end. In an annotation, "(@" is nothing special.
func (l *lexer) next(inAnnot bool) bool {
	src := l.src
	for l.i < len(src) {
		c := src[l.i]
		switch charClass[c] {
		case chSpace:
			l.i++
			continue
		case chSemicolon:
			if l.i+1 < len(src) && src[l.i+1] == ';' {
				l.lineComment()
				continue
			}
			l.run()
		case chLParen:
			if l.i+1 < len(src) && src[l.i+1] == ';' {
				l.blockComment()
				continue
			}
			if !inAnnot && l.i+1 < len(src) && src[l.i+1] == '@' {
				l.annotation()
				continue
			}
			l.open = append(l.open, uint32(len(l.toks)))
			l.toks = append(l.toks, token{off: uint32(l.i), kind: tokLParen})
			l.i++
		case chRParen:
			if len(l.open) == 0 {
				failAt(src, l.i, "unexpected token: no parenthesis is open here")
			}
			last := len(l.open) - 1
			l.toks[l.open[last]].end = uint32(len(l.toks))
			l.open = l.open[:last]
			l.toks = append(l.toks, token{off: uint32(l.i), end: uint32(l.i + 1), kind: tokRParen})
			l.i++
		case chID, chQuote, chPunct:
			l.run()
		case chHigh:
			failAt(src, l.i, "illegal character %q", src[l.i:l.i+l.rune()])
		default:
			failAt(src, l.i, "illegal character %q", c)
		}
		return true
	}
	return false
}

// rune checks the character at l.i, which is not ASCII, and returns its length.
func (l *lexer) rune() int {
	r, n := utf8.DecodeRune(l.src[l.i:])
	if r == utf8.RuneError && n == 1 {
		failAt(l.src, l.i, "malformed UTF-8 encoding")
	}
	return n
}

func (l *lexer) lineComment() {
	for l.i < len(l.src) {
		switch c := l.src[l.i]; {
		case c == '\n' || c == '\r':
			return
		case c < utf8.RuneSelf:
			l.i++
		default:
			l.i += l.rune()
		}
	}
}

func (l *lexer) blockComment() {
	start, depth := l.i, 0
	for l.i < len(l.src) {
		c, d := l.src[l.i], byte(0)
		if l.i+1 < len(l.src) {
			d = l.src[l.i+1]
		}
		switch {
		case c == '(' && d == ';':
			depth++
			l.i += 2
		case c == ';' && d == ')':
			depth--
			l.i += 2
			if depth == 0 {
				return
			}
		case c < utf8.RuneSelf:
			l.i++
		default:
			l.i += l.rune()
		}
	}
	failAt(l.src, start, "unclosed comment")
}

// run reads the longest token that is neither space nor parenthesis (specification: Text Format, Tokens, reserved) and finds its kind.
func (l *lexer) run() {
	src, start := l.src, l.i
	strings, mixed := 0, false
	firstEnd := start // end of the first string
loop:
	for l.i < len(src) {
		switch charClass[src[l.i]] {
		case chID:
			if strings > 0 {
				mixed = true
			}
			l.i++
		case chPunct:
			mixed = true
			l.i++
		case chSemicolon:
			if l.i+1 < len(src) && src[l.i+1] == ';' {
				break loop
			}
			mixed = true
			l.i++
		case chQuote:
			if l.i != start && !(l.i == start+1 && src[start] == '$') {
				mixed = true
			}
			what := ""
			if l.i == start+1 && src[start] == '$' {
				what = "empty identifier"
			}
			l.string(what)
			strings++
			firstEnd = l.i
		default:
			break loop
		}
	}
	c := src[start]
	kind := tokReserved
	switch {
	case mixed || strings > 1:
	case strings == 1 && c == '$':
		name := unquote(nil, src[start+1:firstEnd])
		if len(name) == 0 {
			failAt(src, start, "empty identifier")
		}
		if !utf8.Valid(name) {
			failAt(src, start, "malformed UTF-8 encoding of an identifier")
		}
		kind = tokID
	case strings == 1:
		kind = tokString
	case c == '$':
		if l.i == start+1 {
			failAt(src, start, "empty identifier")
		}
		kind = tokID
	case c >= 'a' && c <= 'z':
		kind = tokKeyword
	case c >= '0' && c <= '9' || c == '+' || c == '-':
		kind = tokNumber
	}
	l.toks = append(l.toks, token{off: uint32(start), end: uint32(l.i), kind: kind})
}

// string passes over a string literal (specification: Text Format, Strings) and checks it. A string that isn't closed or has
// control characters is reported in the words of what, if given.
func (l *lexer) string(what string) {
	start, src := l.i, l.src
	bad := func(msg string) {
		if what != "" {
			msg = what
		}
		failAt(src, l.i, "%s", msg)
	}
	l.i++
	for l.i < len(src) {
		switch c := src[l.i]; {
		case c == '"':
			l.i++
			return
		case c == '\\':
			n := escapeLen(src[l.i:])
			if n == 0 {
				bad("illegal escape")
			}
			l.i += n
		case c == '\n' || c == '\r':
			l.i = start
			bad("unclosed string literal")
		case c < 0x20 || c == 0x7f:
			bad("illegal control character in string literal")
		case c < utf8.RuneSelf:
			l.i++
		default:
			l.i += l.rune()
		}
	}
	l.i = start
	bad("unclosed string literal")
}

// annotation passes over "(@id ...)" and keeps those that are known (specification: Text Format, Annotations).
func (l *lexer) annotation() {
	src, start := l.src, l.i
	l.i += 2
	idStart := l.i
	var id []byte
	if l.i < len(src) && src[l.i] == '"' {
		l.string("empty annotation id")
		id = unquote(nil, src[idStart:l.i])
		if !utf8.Valid(id) {
			failAt(src, idStart, "malformed UTF-8 encoding of an annotation id")
		}
	} else {
		for l.i < len(src) && charClass[src[l.i]] == chID {
			l.i++
		}
		id = src[idStart:l.i]
	}
	if len(id) == 0 {
		failAt(src, start, "empty annotation id")
	}
	kind, known := annotIDs[string(id)]
	// The content is lexed in place, with parentheses of its own, and taken out again.
	outerToks, outerOpen := len(l.toks), l.open
	l.open = []uint32{uint32(outerToks)}
	l.toks = append(l.toks, token{off: uint32(start), kind: tokLParen})
	for len(l.open) > 0 {
		if !l.next(true) {
			failAt(src, start, "unclosed annotation")
		}
	}
	if known {
		body := append([]token(nil), l.toks[outerToks+1:]...)
		for i := range body {
			if body[i].kind == tokLParen {
				body[i].end -= uint32(outerToks + 1)
			}
		}
		body[len(body)-1].kind = tokEOF
		l.notes = append(l.notes, annotation{at: uint32(outerToks), off: uint32(start), kind: kind, toks: body})
	}
	l.toks, l.open = l.toks[:outerToks], outerOpen
}
