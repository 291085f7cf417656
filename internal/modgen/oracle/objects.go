package oracle

import (
	"fmt"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// objects writes down what references lead to: the graph below them, with a number for each object in the order in which they
// are come to, so that two graphs of the same shape are the same text wherever their objects lie.
type objects struct {
	r    *spindleRun
	o    *spindle.Objects
	seen map[uint64]int
	b    strings.Builder
}

// Bounds of a description: how far it goes, and how much of an array it has.
const (
	maxObjects  = 100
	maxElements = 12
)

// object describes the object that a reference, not null and no i31 or host value, refers to.
func (r *spindleRun) object(ref uint64) string {
	o, err := r.p.NewObjects()
	if err != nil {
		r.fail(err)
		return "object"
	}
	defer o.Close()
	d := objects{r: r, o: o, seen: map[uint64]int{}}
	if err := d.object(ref); err != nil {
		r.fail(err)
	}
	return d.b.String()
}

func (d *objects) object(ref uint64) error {
	if n, ok := d.seen[ref]; ok {
		fmt.Fprintf(&d.b, "#%d", n)
		return nil
	}
	if len(d.seen) == maxObjects {
		d.b.WriteString("…")
		return nil
	}
	d.seen[ref] = len(d.seen)
	t, err := d.o.TypeOf(ref)
	if err != nil {
		return err
	}
	fields := t.Fields()
	if !t.IsArray() {
		d.b.WriteByte('{')
		for i, f := range fields {
			if i > 0 {
				d.b.WriteByte(' ')
			}
			if err := d.value(f.Type, func() (uint64, error) { return d.o.Field(ref, i) }, func() (spindle.V128, error) { return d.o.FieldV128(ref, i) }); err != nil {
				return err
			}
		}
		d.b.WriteByte('}')
		return nil
	}
	n, err := d.o.Len(ref)
	if err != nil {
		return err
	}
	fmt.Fprintf(&d.b, "[%d:", n)
	for i := range min(n, maxElements) {
		d.b.WriteByte(' ')
		if err := d.value(fields[0].Type, func() (uint64, error) { return d.o.Elem(ref, i) }, func() (spindle.V128, error) { return d.o.ElemV128(ref, i) }); err != nil {
			return err
		}
	}
	d.b.WriteByte(']')
	return nil
}

func (d *objects) value(t wasm.ValType, get func() (uint64, error), wide func() (spindle.V128, error)) error {
	if t == wasm.V128 {
		v, err := wide()
		fmt.Fprintf(&d.b, "%#x:%#x", v.Lo, v.Hi)
		return err
	}
	v, err := get()
	if err != nil {
		return err
	}
	if !t.IsRef() {
		fmt.Fprintf(&d.b, "%#x", v)
		return nil
	}
	if text, ok := d.r.simple(d.r.family(t), v); ok {
		d.b.WriteString(text)
		return nil
	}
	return d.object(v)
}

// family is the top of the hierarchy of a canonical reference type.
func (r *spindleRun) family(t wasm.ValType) wasm.HeapType {
	h := t.Heap()
	if h.Concrete() {
		if _, err := r.rt.ObjectType(t); err != nil {
			return wasm.HeapFunc
		}
		return wasm.HeapAny
	}
	return h.Top()
}

// simple describes a reference of a hierarchy; ok is false if it is one to an object.
func (r *spindleRun) simple(top wasm.HeapType, v uint64) (text string, ok bool) {
	if v == r.p.ExternRef(nil) {
		return "null", true
	}
	if top == wasm.HeapFunc || top == wasm.HeapExn {
		return "ref", true
	}
	if x, ok := r.p.ExternValue(v); ok {
		return fmt.Sprintf("extern(%v)", x), true
	}
	if x, ok := spindle.I31Value(v); ok {
		return fmt.Sprintf("i31(%d)", x), true
	}
	return "", false
}
