package main

import (
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// maxShown is how many parts of a value are printed: circles have no end.
const maxShown = 10_000

// show is the text that reads as the value, display the one where strings are bare.
func (t *Thread) show(w word) string    { return t.print(w, true) }
func (t *Thread) display(w word) string { return t.print(w, false) }

// print goes through a value with a list of what is still to be printed. It does not allocate in the heap and does not stop, so nothing moves meanwhile.
func (t *Thread) print(w word, quote bool) string {
	type item struct {
		w    word
		tail bool // the rest of a list: w without its opening parenthesis
		text string
	}
	var out strings.Builder
	work := []item{{w: w}}
	for n := 0; len(work) > 0; n++ {
		if n == maxShown {
			return out.String() + "..."
		}
		it := work[len(work)-1]
		work = work[:len(work)-1]
		switch w := it.w; {
		case it.text != "":
			out.WriteString(it.text)
		case it.tail && w == null:
			out.WriteString(")")
		case it.tail && t.is(w, t.v.pair):
			work = append(work, item{w: t.cdr(w), tail: true}, item{w: t.car(w)}, item{text: " "})
		case it.tail:
			work = append(work, item{text: ")"}, item{w: w}, item{text: " . "})
		case t.is(w, t.v.pair):
			work = append(work, item{w: t.cdr(w), tail: true}, item{w: t.car(w)}, item{text: "("})
		case t.is(w, t.v.vector):
			work = append(work, item{text: ")"})
			elems := t.v.mem.Slots(w+heap.HeaderSize, int(t.v.mem.Length(w)))
			for i := min(len(elems), maxShown) - 1; i >= 0; i-- {
				work = append(work, item{w: elems[i]})
				if i > 0 {
					work = append(work, item{text: " "})
				}
			}
			work = append(work, item{text: "#("})
		default:
			out.WriteString(t.printAtom(w, quote))
		}
	}
	return out.String()
}

func (t *Thread) printAtom(w word, quote bool) string {
	switch {
	case isInt(w):
		return strconv.Itoa(intOf(w))
	case t.is(w, t.v.str) && quote:
		return strconv.Quote(t.text(w))
	case t.is(w, t.v.str), t.is(w, t.v.symbol):
		return t.text(w)
	case t.is(w, t.v.closure):
		if name := t.field(w, fnName); name != null {
			return "#<function " + t.text(name) + ">"
		}
		return "#<function>"
	case t.is(w, t.v.weak):
		return "#<weak reference>"
	case isSpecial(w, kindPrim):
		return "#<function " + prims[number(w)].name + ">"
	case isSpecial(w, kindForm):
		return "#<form " + forms[number(w)].name + ">"
	case isSpecial(w, kindThread):
		return "#<thread " + strconv.Itoa(number(w)) + ">"
	case isSpecial(w, kindConst):
		return constNames[number(w)]
	}
	return "#<none>"
}

// output is a writer that several threads use.
type output struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (o *output) write(s string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = io.WriteString(o.w, s) // a program does not end for want of a reader
}
