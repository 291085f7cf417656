package wat

import (
	"strings"
	"unicode/utf8"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// parser is a cursor over tokens, shared by modules and scripts.
type parser struct {
	*source
	i uint32
}

func (p *parser) kind() tokenKind { return p.toks[p.i].kind }

// word returns the text of token i.
func (p *parser) word(i uint32) []byte {
	t := p.toks[i]
	if t.kind == tokLParen {
		return p.text[t.off : t.off+1]
	}
	return p.text[t.off:t.end]
}

func (p *parser) fail(i uint32, format string, args ...any) {
	failAt(p.text, int(p.toks[i].off), format, args...)
}

// unexpected fails at the cursor: with "unknown operator" if the token is no word of the language at all, as the reference
// interpreter's lexer does. What was expected is said if given.
func (p *parser) unexpected(want ...string) { p.unexpectedAt(p.i, want...) }

func (p *parser) unexpectedAt(i uint32, want ...string) {
	w, what := excerpt(p.word(i)), ""
	if want != nil {
		what = ", want " + strings.Join(want, " or ")
	}
	switch p.toks[i].kind {
	case tokEOF:
		w = "at the end of the text"
	case tokKeyword, tokNumber, tokReserved:
		if !knownWord(p.word(i)) {
			p.fail(i, "unknown operator %s%s", w, what)
		}
	}
	p.fail(i, "unexpected token %s%s", w, what)
}

// excerpt returns a word for an error message, shortened if it is long.
func excerpt(w []byte) string {
	const most = 80
	if len(w) <= most {
		return string(w)
	}
	w = w[:most]
	for !utf8.Valid(w) { // at most three bytes of a character that was cut
		w = w[:len(w)-1]
	}
	return string(w) + "…"
}

// isWord reports whether the token at the cursor is the keyword.
func (p *parser) isWord(w string) bool { return p.kind() == tokKeyword && string(p.word(p.i)) == w }

// takeWord passes over the keyword if it is there.
func (p *parser) takeWord(w string) bool {
	if p.isWord(w) {
		p.i++
		return true
	}
	return false
}

// peekList reports whether "(w" is at the cursor.
func (p *parser) peekList(w string) bool {
	return p.kind() == tokLParen && p.toks[p.i+1].kind == tokKeyword && string(p.word(p.i+1)) == w
}

// takeList passes over "(w" if it is there.
func (p *parser) takeList(w string) bool {
	if p.peekList(w) {
		p.i += 2
		return true
	}
	return false
}

func (p *parser) lparen() {
	if p.kind() != tokLParen {
		p.unexpected("(")
	}
	p.i++
}

func (p *parser) rparen() {
	if p.kind() != tokRParen {
		p.unexpected(")")
	}
	p.i++
}

func (p *parser) expectWord(w string) {
	if !p.takeWord(w) {
		p.unexpected(w)
	}
}

// bytes reads a string.
func (p *parser) bytes(dst []byte) []byte {
	if p.kind() != tokString {
		p.unexpected("a string")
	}
	p.i++
	return unquote(dst, p.word(p.i-1))
}

// name reads a string that must be UTF-8 (specification: Text Format, Names).
func (p *parser) name() string {
	b := p.bytes(nil)
	if !utf8.Valid(b) {
		p.fail(p.i-1, "malformed UTF-8 encoding")
	}
	return string(b)
}

// idBytes returns the name of an identifier token, without copying it if it isn't quoted.
func (p *parser) idBytes(i uint32) []byte {
	w := p.word(i)[1:]
	if w[0] == '"' {
		return unquote(nil, w)
	}
	return w
}

func (p *parser) idName(i uint32) string { return string(p.idBytes(i)) }

// id reads an optional identifier, "" if there is none (an identifier is never empty).
func (p *parser) id() string {
	if p.kind() != tokID {
		return ""
	}
	p.i++
	return p.idName(p.i - 1)
}

// nat reads an unsigned number of at most the given width.
func (p *parser) nat(width uint) uint64 {
	if p.kind() != tokNumber {
		p.unexpected("a number")
	}
	v, status := parseNat(p.word(p.i))
	switch {
	case status == numBad:
		p.unexpected("an unsigned number")
	case status == numTooBig || v > 1<<width-1:
		p.fail(p.i, "i%d constant out of range", width)
	}
	p.i++
	return v
}

// isNumeric reports whether the token at the cursor is a number or a word of the float grammar.
func (p *parser) isNumeric() bool {
	return p.kind() == tokNumber || p.kind() == tokKeyword && isNumber(p.word(p.i))
}

// integer reads a constant of an integer type.
func (p *parser) integer(width uint) uint64 {
	v, status := uint64(0), numBad
	if p.kind() == tokNumber {
		v, status = parseInt(p.word(p.i), width)
	}
	return p.constant(v, status, "an integer")
}

// float reads a constant of a float type, as bits.
func (p *parser) float(width int) uint64 {
	v, status := uint64(0), numBad
	if p.kind() == tokNumber || p.kind() == tokKeyword {
		v, status = parseFloat(p.word(p.i), width)
	}
	return p.constant(v, status, "a float")
}

func (p *parser) constant(v uint64, status numStatus, what string) uint64 {
	switch status {
	case numBad:
		p.unexpected(what)
	case numTooBig:
		p.fail(p.i, "constant out of range")
	}
	p.i++
	return v
}

// shape is the shape of a vector constant.
type shape struct {
	lanes int
	bits  int
	float bool
}

var shapes = map[string]shape{
	"i8x16": {16, 8, false}, "i16x8": {8, 16, false}, "i32x4": {4, 32, false}, "i64x2": {2, 64, false},
	"f32x4": {4, 32, true}, "f64x2": {2, 64, true},
}

// shape reads the shape of a vector constant.
func (p *parser) shape() shape {
	s, ok := shape{}, false
	if p.kind() == tokKeyword {
		s, ok = shapes[string(p.word(p.i))]
	}
	if !ok {
		p.unexpected("the shape of a vector")
	}
	p.i++
	return s
}

// lane reads one lane of a vector constant.
func (p *parser) lane(s shape) uint64 {
	if s.float {
		return p.float(s.bits)
	}
	return p.integer(uint(s.bits))
}

// v128 reads a vector constant from its shape on.
func (p *parser) v128() (lo, hi uint64) {
	s := p.shape()
	first := p.i
	n := 0
	for p.isNumeric() {
		n++
		p.i++
	}
	if n != s.lanes {
		if p.kind() == tokReserved || n < s.lanes && p.kind() == tokKeyword && !knownWord(p.word(p.i)) {
			p.unexpected()
		}
		p.fail(p.i, "wrong number of lane literals: %d, want %d", n, s.lanes)
	}
	p.i = first
	v := [2]uint64{}
	for i := range s.lanes {
		at := i * s.bits
		v[at/64] |= p.lane(s) << (at % 64)
	}
	return v[0], v[1]
}

// abstractHeap reads an abstract heap type if there is one.
func (p *parser) abstractHeap() (wasm.HeapType, bool) {
	if p.kind() != tokKeyword {
		return 0, false
	}
	h, ok := heapTypes[string(p.word(p.i))]
	if ok {
		p.i++
	}
	return h, ok
}
