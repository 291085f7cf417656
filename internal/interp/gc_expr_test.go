package interp

import (
	"fmt"
	"strings"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// maxGCCost bounds the steps that a call of a random function takes.
const maxGCCost = 2000

// expr is a random expression of a type.
func (p *gprogram) expr(t wasm.ValType, depth int) expr {
	p.cost++
	if p.cost > maxGCCost {
		depth = 0
	}
	switch {
	case t.IsRef() && !t.Nullable():
		e := p.solid(t.WithNull(true), depth)
		return expr{"(ref.as_non_null " + e.text + ")", func(f *gframe) gval {
			v := e.eval(f)
			trapIf(v.null(), vm.TrapNullReference)
			return v
		}}
	case t.IsRef():
		return p.ref(t, depth)
	}
	return p.num(t, depth)
}

func constant(text string, v gval) expr { return expr{text, func(*gframe) gval { return v }} }

func (p *gprogram) constNum(t wasm.ValType) expr {
	lo, hi := p.r.Uint64(), p.r.Uint64()
	if p.pick(3) == 0 {
		lo = uint64(p.pick(5))
	}
	switch t {
	case wasm.I32:
		return constant(fmt.Sprintf("(i32.const %d)", int32(lo)), gval{lo: uint64(uint32(lo))})
	case wasm.F32:
		return constant(fmt.Sprintf("(f32.reinterpret_i32 (i32.const %d))", int32(lo)), gval{lo: uint64(uint32(lo))})
	case wasm.I64:
		return constant(fmt.Sprintf("(i64.const %d)", int64(lo)), gval{lo: lo})
	case wasm.F64:
		return constant(fmt.Sprintf("(f64.reinterpret_i64 (i64.const %d))", int64(lo)), gval{lo: lo})
	}
	return constant(fmt.Sprintf("(v128.const i64x2 %d %d)", int64(lo), int64(hi)), gval{lo: lo, hi: hi})
}

// solid is a reference that most often is not null: a new one stands in for null.
func (p *gprogram) solid(t wasm.ValType, depth int) expr {
	e := p.expr(t, depth)
	all := p.subtypes(t)
	if p.pick(20) == 0 || t != wasm.I31Ref && len(all) == 0 {
		return e
	}
	text, other := "(ref.i31 (i32.const 7))", func() gval { return gval{i31: true, lo: 7} }
	if t != wasm.I31Ref {
		typ, n := all[p.pick(len(all))], 5
		text = fmt.Sprintf("(array.new_default %d (i32.const 5))", typ)
		if p.types[typ].Kind == wasm.CompStruct {
			text, n = fmt.Sprintf("(struct.new_default %d)", typ), len(p.types[typ].Fields)
		}
		other = func() gval { return gval{obj: &gobj{typ: typ, fields: make([]gval, n)}} }
	}
	p.cost++
	return expr{fmt.Sprintf("(block $n%[1]d (result (ref %[2]s)) (br_on_non_null $n%[1]d %[3]s) %[4]s)", p.cost, heapName(t), e.text, text), func(f *gframe) gval {
		if v := e.eval(f); !v.null() {
			return v
		}
		return other()
	}}
}

// small is a number that most often is less than n.
func (p *gprogram) small(n, depth int) expr {
	if p.pick(6) > 0 || depth == 0 {
		k := uint64(p.pick(n))
		return constant(fmt.Sprintf("(i32.const %d)", k), gval{lo: k})
	}
	e := p.expr(wasm.I32, depth-1)
	return expr{fmt.Sprintf("(i32.and %s (i32.const 7))", e.text), func(f *gframe) gval { return gval{lo: e.eval(f).lo & 7} }}
}

// length is one of an array.
func (p *gprogram) length(depth int) expr {
	if p.pick(4) == 0 {
		return p.small(8, depth)
	}
	k := uint64(5 + p.pick(5))
	return constant(fmt.Sprintf("(i32.const %d)", k), gval{lo: k})
}

// leaf reads a local or a global.
func (p *gprogram) leaf(t wasm.ValType) (expr, bool) {
	var locals, globals []int
	for i, l := range p.f.locals {
		if p.sub(l, t) {
			locals = append(locals, i)
		}
	}
	for i, g := range p.globals {
		if p.sub(g, t) {
			globals = append(globals, i)
		}
	}
	k := p.pick(max(1, len(locals)+len(globals)))
	switch {
	case k < len(locals):
		i := locals[k]
		return expr{fmt.Sprintf("(local.get %d)", i), func(f *gframe) gval { return f.locals[i] }}, true
	case len(globals) > 0:
		i := globals[k-len(locals)]
		return expr{fmt.Sprintf("(global.get $g%d)", i), func(f *gframe) gval { return f.p.vals[i] }}, true
	}
	return expr{}, false
}

// fieldAt is a field of a struct type, or the elements of an array type.
type fieldAt struct{ typ, field int }

// placesOf lists those that hold a subtype of t, or (to write) may be written with one.
func (p *gprogram) placesOf(ok func(f wasm.FieldType) bool) (out []fieldAt) {
	for i, t := range p.types {
		for k, f := range t.Fields {
			if ok(f) {
				out = append(out, fieldAt{i, k})
			}
		}
	}
	return out
}

// read reads a field or an element.
func (p *gprogram) read(t wasm.ValType, depth int) (expr, bool) {
	all := p.placesOf(func(f wasm.FieldType) bool { return p.sub(f.Type.Unpacked(), t) })
	if len(all) == 0 {
		return expr{}, false
	}
	at := all[p.pick(len(all))]
	st := p.types[at.typ].Fields[at.field].Type
	suffix, signed := "", false
	if st != st.Unpacked() {
		suffix, signed = "_u", p.pick(2) == 0
		if signed {
			suffix = "_s"
		}
	}
	o := p.solid(wasm.RefTo(wasm.HeapType(at.typ), true), depth-1)
	if p.types[at.typ].Kind == wasm.CompStruct {
		return expr{fmt.Sprintf("(struct.get%s %d %d %s)", suffix, at.typ, at.field, o.text), func(f *gframe) gval {
			v := o.eval(f)
			trapIf(v.null(), vm.TrapNullStructure)
			return unpack(st, v.obj.fields[at.field], signed)
		}}, true
	}
	i := p.small(3, depth-1)
	return expr{fmt.Sprintf("(array.get%s %d %s %s)", suffix, at.typ, o.text, i.text), func(f *gframe) gval {
		v, i := o.eval(f), i.eval(f).lo
		trapIf(v.null(), vm.TrapNullArray)
		trapIf(i >= uint64(len(v.obj.fields)), vm.TrapArrayOutOfBounds)
		return unpack(st, v.obj.fields[i], signed)
	}}, true
}

func (p *gprogram) num(t wasm.ValType, depth int) expr {
	if depth == 0 {
		if e, ok := p.leaf(t); ok && p.pick(2) == 0 {
			return e
		}
		return p.constNum(t)
	}
	bit := func(b bool) gval {
		if b {
			return gval{lo: 1}
		}
		return zero
	}
	k := p.pick(10)
	if t != wasm.I32 && k < 6 {
		k = 6
	}
	switch k {
	case 0:
		a := p.solid(wasm.ArrayRef, depth-1)
		return expr{"(array.len " + a.text + ")", func(f *gframe) gval {
			v := a.eval(f)
			trapIf(v.null(), vm.TrapNullArray)
			return gval{lo: uint64(len(v.obj.fields))}
		}}
	case 1:
		src, to := wasm.AnyRef, p.castTarget()
		e := p.expr(src, depth-1)
		return expr{fmt.Sprintf("(ref.test %s %s)", to, e.text), func(f *gframe) gval { return bit(e.eval(f).is(p.types, to)) }}
	case 2:
		x, y := p.expr(wasm.EqRef, depth-1), p.expr(wasm.EqRef, depth-1)
		return expr{fmt.Sprintf("(ref.eq %s %s)", x.text, y.text), func(f *gframe) gval {
			x, y := x.eval(f), y.eval(f)
			return bit(x == y)
		}}
	case 3:
		e := p.expr(p.refType(len(p.types)), depth-1)
		return expr{"(ref.is_null " + e.text + ")", func(f *gframe) gval { return bit(e.eval(f).null()) }}
	case 4, 5:
		e := p.solid(wasm.I31Ref, depth-1)
		return expr{"(i31.get_" + "su"[k-4:k-3] + " " + e.text + ")", func(f *gframe) gval {
			v := e.eval(f)
			trapIf(v.null(), vm.TrapNullI31)
			if k == 4 {
				return gval{lo: uint64(uint32(int32(uint32(v.lo)<<1) >> 1))}
			}
			return gval{lo: v.lo}
		}}
	case 6, 7:
		if e, ok := p.read(t, depth); ok {
			return e
		}
	case 8:
		if e, ok := p.call(t, depth, "call"); ok {
			return e
		}
	}
	if e, ok := p.leaf(t); ok && p.pick(2) == 0 {
		return e
	}
	return p.constNum(t)
}

// castTarget is a type of the any hierarchy to cast to.
func (p *gprogram) castTarget() wasm.ValType {
	abstract := []wasm.HeapType{wasm.HeapAny, wasm.HeapEq, wasm.HeapI31, wasm.HeapStruct, wasm.HeapArray, wasm.HeapNone}
	h := wasm.HeapType(p.pick(len(p.types)))
	if k := p.pick(15); k < len(abstract) {
		h = abstract[k]
	}
	return wasm.RefTo(h, p.pick(2) == 0)
}

// call calls a function that is there already.
func (p *gprogram) call(t wasm.ValType, depth int, how string) (expr, bool) {
	var all []int
	for i, g := range p.funcs {
		if p.sub(g.result, t) && p.cost+g.cost < maxGCCost {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		return expr{}, false
	}
	i := all[p.pick(len(all))]
	g := p.funcs[i]
	p.cost += g.cost
	args := make([]expr, g.params)
	var text strings.Builder
	for k := range args {
		args[k] = p.expr(g.locals[k], depth-1)
		text.WriteString(" " + args[k].text)
	}
	return expr{fmt.Sprintf("(%s %s%s)", how, g.name, text.String()), func(f *gframe) gval {
		vals := make([]gval, len(args))
		for k := range args {
			vals[k] = args[k].eval(f)
		}
		return g.run(p, vals)
	}}, true
}

// subtypes lists the defined types below a reference type.
func (p *gprogram) subtypes(t wasm.ValType) (out []int) {
	for i := range p.types {
		if p.sub(wasm.RefTo(wasm.HeapType(i), true), t) {
			out = append(out, i)
		}
	}
	return out
}

func (p *gprogram) ref(t wasm.ValType, depth int) expr {
	if depth > 0 {
		for range 3 {
			if e, ok := p.deepRef(t, depth); ok {
				return e
			}
		}
	}
	if e, ok := p.leaf(t); ok && p.pick(8) > 0 {
		return e
	}
	switch h := t.Heap(); {
	case h == wasm.HeapFunc && len(p.funcs) > 0:
		i := p.pick(len(p.funcs))
		return constant("(ref.func "+p.funcs[i].name+")", gval{fn: i + 2}) // behind the import
	case (h == wasm.HeapI31 || h == wasm.HeapEq || h == wasm.HeapAny) && p.pick(3) > 0:
		e := p.constNum(wasm.I32)
		return expr{"(ref.i31 " + e.text + ")", func(f *gframe) gval { return gval{i31: true, lo: e.eval(f).lo & 0x7FFFFFFF} }}
	case h == wasm.HeapExtern && p.pick(3) > 0:
		k := p.pick(20)
		return constant(fmt.Sprintf("(call $value (i32.const %d))", k), gval{host: k + 1})
	}
	return constant("(ref.null "+heapName(t)+")", zero)
}

func (p *gprogram) deepRef(t wasm.ValType, depth int) (expr, bool) {
	switch p.pick(12) {
	case 0, 1, 2, 3:
		if below := p.subtypes(t); len(below) > 0 {
			return p.make(below[p.pick(len(below))], depth)
		}
	case 4, 5:
		return p.read(t, depth)
	case 6:
		if h := t.Heap(); h == wasm.HeapExtern || h == wasm.HeapFunc {
			break
		}
		e := p.expr(wasm.AnyRef, depth-1)
		if p.pick(8) > 0 { // one that succeeds, by way of an operand whose type says nothing
			e = p.expr(t, depth-1)
			e.text = "(select (result anyref) " + e.text + " (ref.null any) (i32.const 1))"
		}
		return expr{fmt.Sprintf("(ref.cast %s %s)", t, e.text), func(f *gframe) gval {
			v := e.eval(f)
			trapIf(!v.is(p.types, t), vm.TrapCastFailure)
			return v
		}}, true
	case 7:
		if h := t.Heap(); h == wasm.HeapExtern || h == wasm.HeapFunc {
			break
		}
		return p.branchOnCast(t, depth), true
	case 8:
		x, y, c := p.expr(t, depth-1), p.expr(t, depth-1), p.expr(wasm.I32, depth-1)
		return expr{fmt.Sprintf("(select (result %s) %s %s %s)", t, x.text, y.text, c.text), func(f *gframe) gval {
			x, y := x.eval(f), y.eval(f)
			if c.eval(f).lo != 0 {
				return x
			}
			return y
		}}, true
	case 9:
		return p.call(t, depth, "call")
	case 10:
		c, x, y := p.expr(wasm.I32, depth-1), p.expr(t, depth-1), p.expr(t, depth-1)
		return expr{fmt.Sprintf("(if (result %s) %s (then %s) (else %s))", t, c.text, x.text, y.text), func(f *gframe) gval {
			if c.eval(f).lo != 0 {
				return x.eval(f)
			}
			return y.eval(f)
		}}, true
	case 11:
		switch t.Heap() {
		case wasm.HeapExtern:
			e := p.expr(wasm.AnyRef, depth-1)
			return expr{"(extern.convert_any " + e.text + ")", e.eval}, true
		case wasm.HeapAny:
			e := p.expr(wasm.ExternRef, depth-1)
			return expr{"(any.convert_extern " + e.text + ")", e.eval}, true
		}
	}
	return expr{}, false
}

// branchOnCast is a block that gives what was cast, or something else where that failed.
func (p *gprogram) branchOnCast(t wasm.ValType, depth int) expr {
	t = t.WithNull(p.pick(2) == 0)
	e, other := p.expr(wasm.AnyRef, depth-1), p.expr(t.WithNull(true), depth-1)
	result := t.WithNull(true)
	p.cost++
	text := fmt.Sprintf("(block $b%[1]d (result %[2]s) (br_on_cast $b%[1]d anyref %[3]s %[4]s) (drop) %[5]s)", p.cost, result, t, e.text, other.text)
	if p.pick(2) == 0 {
		miss := wasm.AnyRef.WithNull(!t.Nullable())
		text = fmt.Sprintf("(block $b%[1]d (result %[2]s) (block $c%[1]d (result %[6]s) (br_on_cast_fail $c%[1]d anyref %[3]s %[4]s) (br $b%[1]d)) (drop) %[5]s)",
			p.cost, result, t, e.text, other.text, miss)
	}
	return expr{text, func(f *gframe) gval {
		if v := e.eval(f); v.is(p.types, t) {
			return v
		}
		return other.eval(f)
	}}
}

// make makes an object.
func (p *gprogram) make(typ, depth int) (expr, bool) {
	t := p.types[typ]
	var text strings.Builder
	fields := func(n int) []expr {
		out := make([]expr, n)
		for i := range out {
			ft := t.Fields[0].Type
			if t.Kind == wasm.CompStruct {
				ft = t.Fields[i].Type
			}
			out[i] = p.expr(ft.Unpacked(), depth-1)
			text.WriteString(" " + out[i].text)
		}
		return out
	}
	object := func(f *gframe, fs []expr) gval {
		o := &gobj{typ: typ, fields: make([]gval, len(fs))}
		for i, e := range fs {
			ft := t.Fields[0].Type
			if t.Kind == wasm.CompStruct {
				ft = t.Fields[i].Type
			}
			o.fields[i] = pack(ft, e.eval(f))
		}
		return gval{obj: o}
	}
	filled := func(n int, v gval) gval {
		o := &gobj{typ: typ, fields: make([]gval, n)}
		for i := range o.fields {
			o.fields[i] = v
		}
		return gval{obj: o}
	}
	if t.Kind == wasm.CompStruct {
		if p.pick(4) == 0 {
			n := len(t.Fields)
			return expr{fmt.Sprintf("(struct.new_default %d)", typ), func(*gframe) gval { return filled(n, zero) }}, true
		}
		fs := fields(len(t.Fields))
		return expr{fmt.Sprintf("(struct.new %d%s)", typ, text.String()), func(f *gframe) gval { return object(f, fs) }}, true
	}
	st := t.Fields[0].Type
	switch p.pick(4) {
	case 0:
		n := 3 + p.pick(4)
		fs := fields(n)
		return expr{fmt.Sprintf("(array.new_fixed %d %d%s)", typ, n, text.String()), func(f *gframe) gval { return object(f, fs) }}, true
	case 1:
		n := p.length(depth - 1)
		return expr{fmt.Sprintf("(array.new_default %d %s)", typ, n.text), func(f *gframe) gval { return filled(int(n.eval(f).lo), zero) }}, true
	case 2:
		if e, ok := p.fromSegment(typ, depth); ok {
			return e, true
		}
	}
	v, n := p.expr(st.Unpacked(), depth-1), p.length(depth-1)
	return expr{fmt.Sprintf("(array.new %d %s %s)", typ, v.text, n.text), func(f *gframe) gval {
		v := v.eval(f)
		return filled(int(n.eval(f).lo), pack(st, v))
	}}, true
}
