package main

import (
	"strconv"
	"strings"
)

// read makes the list of all expressions in a text. Finished objects, and marks of what is open, lie on the thread's stack: nesting takes no Go stack,
// and every object is a root while later ones are made.
func (t *Thread) read(src string) word {
	base := len(t.stack)
	t.push(open)
	for s := (scanner{src: src}); ; {
		switch tok := s.next(); {
		case tok == "":
			return t.close(base, true)
		case tok == "(":
			t.push(open)
		case tok == "#(":
			t.push(openV)
		case tok == "'":
			t.push(quoteM)
		case tok == ".":
			t.push(dot)
		case tok == ")":
			t.push(t.close(base, false))
			t.quotes()
		default:
			t.push(t.atom(tok))
			t.quotes()
		}
	}
}

// close ends the innermost list, drops it from the stack, and returns it. The outermost one ends with the text, and nothing else does.
func (t *Thread) close(base int, end bool) word {
	tail := null
	for {
		at := len(t.stack) - 1
		switch w := *t.top(0); w {
		case open, openV:
			if (at == base) != end {
				fail("a parenthesis is not closed or not open")
			}
			t.drop(1)
			if w == openV {
				return t.listToVector(tail)
			}
			return tail
		case quoteM:
			fail("nothing is quoted")
		case dot:
			t.drop(1)
			if !t.is(tail, t.v.pair) || t.cdr(tail) != null || isMark(*t.top(0)) || end {
				fail("a dot is out of place")
			}
			tail = t.car(tail)
		default:
			tail = t.cons(w, tail)
			t.drop(1)
		}
	}
}

func isMark(w word) bool { return w == open || w == openV || w == quoteM || w == dot }

// quotes makes (quote x) of the x on top of the stack, for each quote below it.
func (t *Thread) quotes() {
	for len(t.stack) > 1 && *t.top(1) == quoteM {
		*t.top(1) = t.intern("quote")
		t.push(t.list(2, null))
	}
}

func (t *Thread) listToVector(list word) word {
	base := len(t.stack)
	for ; list != null; list = t.cdr(list) {
		t.push(t.car(list))
	}
	n := len(t.stack) - base
	v := vector(t, t.stack[base:])
	t.drop(n)
	return v
}

func (t *Thread) atom(tok string) word {
	switch tok {
	case "#t":
		return truth
	case "#f":
		return falsum
	}
	if tok[0] == '"' {
		s, err := strconv.Unquote(tok)
		if err != nil {
			fail("%s is no string", tok)
		}
		return t.string(s)
	}
	if n, err := strconv.Atoi(tok); err == nil {
		return t.result(n)
	}
	if tok[0] == '#' {
		fail("%q is nothing", tok)
	}
	return t.intern(tok)
}

// scanner cuts a text into tokens.
type scanner struct {
	src string
	at  int
}

const delimiters = " \t\r\n()'\";"

// next returns the next token, "" at the end. A string that is not closed comes as it is.
func (s *scanner) next() string {
	for s.at < len(s.src) {
		switch rest := s.src[s.at:]; rest[0] {
		case ' ', '\t', '\r', '\n':
			s.at++
		case ';':
			s.skip(strings.IndexByte(rest, '\n'))
		case '(', ')', '\'':
			return s.take(1)
		case '"':
			return s.take(quoted(rest))
		default:
			if strings.HasPrefix(rest, "#(") {
				return s.take(2)
			}
			n := strings.IndexAny(rest, delimiters)
			if n < 0 {
				n = len(rest)
			}
			return s.take(n)
		}
	}
	return ""
}

func (s *scanner) take(n int) string {
	s.at += n
	return s.src[s.at-n : s.at]
}

func (s *scanner) skip(n int) {
	if n < 0 {
		n = len(s.src) - s.at
	}
	s.at += n
}

// quoted returns the length of the string that a text begins with.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}
