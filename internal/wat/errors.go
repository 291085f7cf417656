package wat

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// SyntaxError says that a text is not well-formed. Line and Col count from 1; Col counts characters. Msg begins with the words of
// the reference interpreter, which are those that the official suites expect.
type SyntaxError struct {
	Line, Col int
	Msg       string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg) }

// Pos is a place in a text; both count from 1, Col in characters.
type Pos struct{ Line, Col int }

func (p Pos) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Col) }

// posOf returns the position of a byte offset. A line ends with LF, CR, or CR LF (specification: Text Format, White Space).
func posOf(src []byte, off int) Pos {
	head := src[:min(off, len(src))]
	return Pos{Line: 1 + lineEnds(head), Col: column(head)}
}

func lineEnds(b []byte) int {
	return bytes.Count(b, []byte{'\n'}) + bytes.Count(b, []byte{'\r'}) - bytes.Count(b, []byte("\r\n"))
}

// column returns the column of what follows head.
func column(head []byte) int {
	return 1 + utf8.RuneCount(head[bytes.LastIndexAny(head, "\r\n")+1:])
}

// failAt ends the parse; the package's entry points recover it.
func failAt(src []byte, off int, format string, args ...any) {
	p := posOf(src, off)
	panic(&SyntaxError{Line: p.Line, Col: p.Col, Msg: fmt.Sprintf(format, args...)})
}

// recoverSyntax turns the panic of failAt into err; any other panic goes on.
func recoverSyntax(err *error) {
	switch r := recover().(type) {
	case nil:
	case *SyntaxError:
		*err = r
	default:
		panic(r)
	}
}
