package dump

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/spindle-wasm/spindle/gc/heap"
)

// Heap is what a dump says.
type Heap struct {
	Types   map[heap.TypeID]Type
	Roots   []Root
	Objects []Object
}

// Type is a type in a dump: of structs of Size bytes, or of arrays with elements of Elem bytes.
type Type struct {
	Name       string
	Size, Elem uint32
}

// Object is an object in a dump.
type Object struct {
	Ref    heap.Ref
	Type   heap.TypeID
	Length uint32
	Fields []Field
}

// Field is a reference in an object.
type Field struct {
	Offset uint32
	Ref    heap.Ref
	Weak   bool
}

// FormatError says why a stream is no dump.
type FormatError struct {
	Offset int64
	Msg    string
}

func (e *FormatError) Error() string { return fmt.Sprintf("gc: dump: at %d: %s", e.Offset, e.Msg) }

// Read reads a dump. Errors are *FormatError, whatever the bytes are, and the reader's. It uses memory in proportion to what it reads.
func Read(in io.Reader) (*Heap, error) {
	r := &reader{r: bufio.NewReaderSize(in, 1<<16), h: &Heap{Types: map[heap.TypeID]Type{}}}
	r.read()
	if r.err != nil {
		return nil, r.err
	}
	return r.h, nil
}

// reader keeps the first error; numbers are 0 after it.
type reader struct {
	r   *bufio.Reader
	at  int64
	err error
	h   *Heap
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{r.at, fmt.Sprintf(format, args...)}
	}
}

// byte reads one; where the stream ends, in what is said.
func (r *reader) byte(what string) byte {
	if r.err != nil {
		return 0
	}
	b, err := r.r.ReadByte()
	switch {
	case errors.Is(err, io.EOF):
		r.fail("the stream ends in %s", what)
	case err != nil:
		r.err = err
	default:
		r.at++
	}
	return b
}

// number reads one up to max.
func (r *reader) number(what string, max uint64) (n uint64) {
	for shift := 0; ; shift += 7 {
		b := r.byte(what)
		if r.err != nil {
			return 0
		}
		if shift > 63 || shift == 63 && b > 1 {
			r.fail("%s is no number", what)
			return 0
		}
		if n |= uint64(b&0x7F) << shift; b < 0x80 {
			break
		}
	}
	if n > max {
		r.fail("%s is %d, more than %d", what, n, max)
		return 0
	}
	return n
}

func (r *reader) ref() heap.Ref {
	n := r.number("a reference", math.MaxUint32/8)
	if n == 0 {
		r.fail("a reference is null")
	}
	return heap.Ref(n * 8)
}

func (r *reader) string(n uint64) string {
	var s []byte
	for range n {
		s = append(s, r.byte("a name"))
		if r.err != nil {
			break
		}
	}
	return string(s)
}

const maxName = 1 << 16

func (r *reader) read() {
	if s := r.string(uint64(len(magic))); r.err == nil && s != magic {
		r.fail("this is no heap dump")
	}
	for r.err == nil {
		switch kind := r.byte("records"); kind {
		case recordType:
			r.typ()
		case recordRoot:
			mutator, flags := r.number("a mutator", math.MaxInt32), r.number("a root's flags", flagPinned)
			r.h.Roots = append(r.h.Roots, Root{int(mutator) - 1, flags == flagPinned, r.ref()})
		case recordObject:
			r.object()
		case recordEnd:
			r.end()
			return
		default:
			r.fail("there is no record %q", rune(kind))
		}
	}
}

func (r *reader) typ() {
	id := heap.TypeID(r.number("a type", math.MaxInt32))
	name := r.string(r.number("a name's length", maxName))
	t := Type{name, uint32(r.number("a size", heap.MaxSize)), uint32(r.number("an element's size", 16))}
	if _, ok := r.h.Types[id]; ok {
		r.fail("type %d is there twice", id)
	}
	if (t.Size == 0) == (t.Elem == 0) {
		r.fail("type %d is neither a struct nor an array", id)
	}
	r.h.Types[id] = t
}

func (r *reader) object() {
	o := Object{Ref: r.ref(), Type: heap.TypeID(r.number("a type", math.MaxInt32)), Length: uint32(r.number("a length", math.MaxUint32))}
	t, ok := r.h.Types[o.Type]
	if !ok {
		r.fail("there is no type %d", o.Type)
	}
	size := (&heap.Type{Size: t.Size, Elem: t.Elem}).Bytes(o.Length)
	for range r.number("the number of fields", uint64(size)/4) {
		at := r.number("a field", uint64(size)/4*2)
		o.Fields = append(o.Fields, Field{uint32(at>>1) * 4, r.ref(), at&1 != 0})
		if r.err != nil {
			return
		}
	}
	r.h.Objects = append(r.h.Objects, o)
}

// end checks what the whole must be.
func (r *reader) end() {
	roots, objects := r.number("the number of roots", math.MaxUint64), r.number("the number of objects", math.MaxUint64)
	if r.err != nil {
		return
	}
	if int(roots) != len(r.h.Roots) || int(objects) != len(r.h.Objects) {
		r.fail("%d roots and %d objects, not %d and %d", len(r.h.Roots), len(r.h.Objects), roots, objects)
		return
	}
	known := make(map[heap.Ref]bool, len(r.h.Objects))
	for _, o := range r.h.Objects {
		if known[o.Ref] {
			r.fail("object %#x is there twice", o.Ref)
		}
		known[o.Ref] = true
	}
	for _, root := range r.h.Roots {
		if !known[root.Ref] {
			r.fail("a root leads to %#x, which is not there", root.Ref)
		}
	}
	for _, o := range r.h.Objects {
		for _, f := range o.Fields {
			if !f.Weak && !known[f.Ref] {
				r.fail("object %#x leads to %#x, which is not there", o.Ref, f.Ref)
			}
		}
	}
}

// Census counts the objects of a dump like the function.
func (h *Heap) Census() []Count {
	byType := map[heap.TypeID]*Count{}
	for _, o := range h.Objects {
		c := byType[o.Type]
		t := h.Types[o.Type]
		if c == nil {
			c = &Count{Type: o.Type, Name: t.Name}
			byType[o.Type] = c
		}
		c.Count++
		c.Bytes += uint64((&heap.Type{Size: t.Size, Elem: t.Elem}).Bytes(o.Length))
	}
	var counts []Count
	for _, c := range byType {
		counts = append(counts, *c)
	}
	return sorted(counts)
}
