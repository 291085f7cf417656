package interp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// expr is a piece of a program: its text, and what it does to the model.
type expr struct {
	text string
	eval func(f *gframe) gval
}

// gframe is a function's activation in the model.
type gframe struct {
	p      *gprogram
	locals []gval
}

// gfunc is a function: parameters and locals, one result.
type gfunc struct {
	name   string
	params int
	locals []wasm.ValType // parameters first
	result wasm.ValType
	body   []expr
	last   expr
	cost   int
}

// gprogram is a random module that makes, reads, writes and casts objects. Its state is in globals.
type gprogram struct {
	r       *rand.Rand
	types   []gtype
	globals []wasm.ValType
	inits   []expr // of globals: constants
	funcs   []*gfunc
	elems   [][]expr // passive segments of anyref: constants
	data    []byte   // a passive segment

	f             *gfunc // that is being made
	cost          int
	inLoop, inTry bool
	aStruct       int // a struct type, -1 if there is none

	vals []gval // of globals
	hash uint64
}

var gnums = []wasm.ValType{wasm.I32, wasm.I64, wasm.F32, wasm.F64, wasm.V128}

func (p *gprogram) pick(n int) int { return p.r.IntN(n) }

// storage is a random storage type.
func (p *gprogram) storage(types int) wasm.ValType {
	switch k := p.pick(10); {
	case k < 2:
		return []wasm.ValType{wasm.I8, wasm.I16}[k]
	case k < 5:
		return gnums[p.pick(len(gnums))]
	}
	return p.refType(types)
}

// refType is a random reference type.
func (p *gprogram) refType(types int) wasm.ValType {
	abstract := []wasm.HeapType{wasm.HeapAny, wasm.HeapEq, wasm.HeapI31, wasm.HeapStruct, wasm.HeapArray, wasm.HeapExtern, wasm.HeapFunc}
	if k := p.pick(12); k < len(abstract) {
		return wasm.RefTo(abstract[k], true)
	}
	return wasm.RefTo(wasm.HeapType(p.pick(types)), true)
}

func newProgram(seed uint64) *gprogram {
	p := &gprogram{r: rand.New(rand.NewPCG(seed, 4)), data: []byte("0123456789abcdefghijklmnopqrstuvwxyz")}
	n := 5 + p.pick(8)
	for i := range n {
		t := gtype{super: -1}
		t.Kind = wasm.CompStruct
		if p.pick(3) == 0 {
			t.Kind = wasm.CompArray
		}
		if i > 0 && p.pick(2) == 0 {
			if s := p.pick(i); !p.types[s].Final {
				t.super, t.Kind = s, p.types[s].Kind
				t.Fields = append(t.Fields, p.types[s].Fields...)
			}
		}
		t.Final = p.pick(4) == 0
		switch {
		case t.Kind == wasm.CompArray && t.super < 0:
			t.Fields = []wasm.FieldType{{Type: p.storage(n), Mutable: p.pick(5) > 0}}
		case t.Kind == wasm.CompStruct:
			for range p.pick(6) {
				t.Fields = append(t.Fields, wasm.FieldType{Type: p.storage(n), Mutable: p.pick(4) > 0})
			}
		}
		p.types = append(p.types, t)
	}
	for range 2 {
		for i := range n {
			p.globals = append(p.globals, wasm.RefTo(wasm.HeapType(i), true))
		}
		p.globals = append(p.globals, wasm.AnyRef, wasm.EqRef, wasm.ExternRef, wasm.FuncRef)
	}
	p.aStruct = slices.IndexFunc(p.types, func(t gtype) bool { return t.Kind == wasm.CompStruct })
	for _, t := range p.globals {
		e := constant("(ref.null "+heapName(t)+")", zero)
		if t.Heap().Concrete() && p.pick(3) > 0 {
			e = p.constObject(int(t.Heap()))
		}
		p.inits = append(p.inits, e)
		p.vals = append(p.vals, e.eval(nil))
	}
	for i := range 10 {
		p.funcs = append(p.funcs, p.fn(i))
	}
	return p
}

// constObject makes an object when the module is instantiated.
func (p *gprogram) constObject(typ int) expr {
	t := p.types[typ]
	if t.Kind == wasm.CompArray {
		return constant(fmt.Sprintf("(array.new_default %d (i32.const 6))", typ), gval{obj: &gobj{typ: typ, fields: make([]gval, 6)}})
	}
	return constant(fmt.Sprintf("(struct.new_default %d)", typ), gval{obj: &gobj{typ: typ, fields: make([]gval, len(t.Fields))}})
}

func (p *gprogram) fn(i int) *gfunc {
	f := &gfunc{name: fmt.Sprintf("$f%d", i), params: p.pick(4), result: wasm.RefTo(wasm.HeapType(p.pick(len(p.types))), true)}
	if p.pick(3) == 0 {
		f.result = append(gnums, wasm.AnyRef, wasm.EqRef)[p.pick(7)]
	}
	for range f.params {
		if p.pick(3) == 0 {
			f.locals = append(f.locals, gnums[p.pick(len(gnums))])
		} else {
			f.locals = append(f.locals, p.refType(len(p.types)))
		}
	}
	f.locals = append(f.locals, wasm.AnyRef, wasm.I32, p.refType(len(p.types)), p.refType(len(p.types)), wasm.I32) // the last one counts
	p.f, p.cost = f, 0
	for range 2 + p.pick(5) {
		f.body = append(f.body, p.stmt(3))
	}
	f.last = p.expr(f.result, 3)
	if p.pick(3) == 0 {
		if e, ok := p.call(f.result, 2, "return_call"); ok {
			f.last = e
		}
	}
	f.cost = p.cost + 1
	return f
}

func (f *gfunc) run(p *gprogram, args []gval) gval {
	fr := &gframe{p: p, locals: make([]gval, len(f.locals))}
	copy(fr.locals, args)
	for _, s := range f.body {
		s.eval(fr)
	}
	return f.last.eval(fr)
}

// text is the module.
func (p *gprogram) text() string {
	var b strings.Builder
	b.WriteString("(module (rec\n")
	storage := func(f wasm.FieldType) string {
		if f.Mutable {
			return "(mut " + f.Type.String() + ")"
		}
		return f.Type.String()
	}
	for _, t := range p.types {
		b.WriteString("(type (sub ")
		if t.Final {
			b.WriteString("final ")
		}
		if t.super >= 0 {
			fmt.Fprintf(&b, "%d ", t.super)
		}
		if t.Kind == wasm.CompArray {
			b.WriteString("(array " + storage(t.Fields[0]) + ")))\n")
			continue
		}
		b.WriteString("(struct")
		for _, f := range t.Fields {
			b.WriteString(" (field " + storage(f) + ")")
		}
		b.WriteString(")))\n")
	}
	b.WriteString(")\n(tag $e (param anyref i32))\n(global $h (export \"h\") (mut i64) (i64.const 0))\n")
	for i, t := range p.globals {
		fmt.Fprintf(&b, "(global $g%d (export \"g%d\") (mut %s) %s)\n", i, i, t, p.inits[i].text)
	}
	fmt.Fprintf(&b, "(data $d %q)\n", p.data)
	for i, e := range p.elems {
		fmt.Fprintf(&b, "(elem $s%d anyref", i)
		for _, x := range e {
			b.WriteString(" (item " + x.text + ")")
		}
		b.WriteString(")\n")
	}
	b.WriteString("(elem declare func")
	for i := range p.funcs {
		fmt.Fprintf(&b, " $f%d", i)
	}
	b.WriteString(")\n(import \"host\" \"value\" (func $value (param i32) (result externref)))\n")
	text := b.String()
	// Imports come first.
	at := strings.LastIndex(text, "(import")
	text = strings.Replace(text[:at], "(tag $e", text[at:]+"(tag $e", 1)
	b.Reset()
	b.WriteString(text)
	for i, f := range p.funcs {
		fmt.Fprintf(&b, "(func %s (export \"f%d\")", f.name, i)
		for _, t := range f.locals[:f.params] {
			fmt.Fprintf(&b, " (param %s)", t)
		}
		fmt.Fprintf(&b, " (result %s)", f.result)
		for _, t := range f.locals[f.params:] {
			fmt.Fprintf(&b, " (local %s)", t)
		}
		b.WriteString(" (local $x exnref)")
		for _, s := range f.body {
			b.WriteString("\n\t" + s.text)
		}
		b.WriteString("\n\t" + f.last.text + ")\n")
	}
	b.WriteString(")")
	return b.String()
}

func heapName(t wasm.ValType) string { return t.Heap().String() }

// sub reports whether a is a subtype of b, for reference types of the any, extern and func hierarchies.
func (p *gprogram) sub(a, b wasm.ValType) bool {
	if a == b {
		return true
	}
	if !a.IsRef() || !b.IsRef() || a.Nullable() && !b.Nullable() {
		return false
	}
	x, y := a.Heap(), b.Heap()
	switch {
	case x == y:
		return true
	case x.Concrete() && y.Concrete():
		return below(p.types, int(x), int(y))
	case x == wasm.HeapExtern || x == wasm.HeapFunc || y == wasm.HeapExtern || y == wasm.HeapFunc || y.Concrete():
		return false
	case y == wasm.HeapAny:
		return true
	case y == wasm.HeapEq:
		return x != wasm.HeapAny
	case x.Concrete() && y == wasm.HeapStruct:
		return p.types[x].Kind == wasm.CompStruct
	case x.Concrete() && y == wasm.HeapArray:
		return p.types[x].Kind == wasm.CompArray
	}
	return false
}

// newHost is the module's import value(i).
func newHost(w *world) {
	w.host("value", []wasm.ValType{wasm.I32}, []wasm.ValType{wasm.ExternRef}, func(t *vm.Thread, s []uint64) error {
		t.NewLocals([]wasm.ValType{wasm.ExternRef}, func() []uint64 {
			s[0] = uint64(t.Store.HostRef(int(s[0]) + 1))
			return s
		})
		return nil
	})
}
