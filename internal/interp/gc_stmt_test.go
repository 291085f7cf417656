package interp

import (
	bin "encoding/binary"
	"fmt"
	"strings"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

func bytesOf(t wasm.ValType) int { return int(widthOf(t).bytes()) }

// segment returns n elements from a segment for an array type; ok is false if they are out of bounds. kind is what to call it.
func (p *gprogram) segment(st wasm.ValType) (kind string, elems func(s, n uint64) ([]gval, bool), oob vm.TrapCode, ok bool) {
	if !st.IsRef() {
		return "data", func(s, n uint64) (out []gval, ok bool) {
			size := uint64(bytesOf(st))
			if s+n*size > uint64(len(p.data)) {
				return nil, false
			}
			for i := range n {
				var b [16]byte
				copy(b[:size], p.data[s+i*size:])
				out = append(out, gval{lo: bin.LittleEndian.Uint64(b[:]), hi: bin.LittleEndian.Uint64(b[8:])})
			}
			return out, true
		}, vm.TrapMemoryOutOfBounds, true
	}
	if st != wasm.AnyRef {
		return "", nil, 0, false
	}
	if len(p.elems) == 0 {
		var e []expr
		for range 8 {
			switch p.pick(4) {
			case 0:
				e = append(e, constant("(ref.null any)", zero))
			case 1, 2:
				e = append(e, p.constObject(p.pick(len(p.types))))
			default:
				k := p.pick(100)
				e = append(e, constant(fmt.Sprintf("(ref.i31 (i32.const %d))", k), gval{i31: true, lo: uint64(k)}))
			}
		}
		p.elems = append(p.elems, e)
	}
	items := p.elems[0]
	return "elem", func(s, n uint64) (out []gval, ok bool) {
		if s+n > uint64(len(items)) {
			return nil, false
		}
		for _, e := range items[s : s+n] {
			out = append(out, e.eval(nil))
		}
		return out, true
	}, vm.TrapTableOutOfBounds, true
}

func segmentName(kind string) string { return map[string]string{"data": "$d", "elem": "$s0"}[kind] }

func (p *gprogram) fromSegment(typ, depth int) (expr, bool) {
	kind, elems, oob, ok := p.segment(p.types[typ].Fields[0].Type)
	if !ok {
		return expr{}, false
	}
	s, n := p.small(6, depth-1), p.small(4, depth-1)
	return expr{fmt.Sprintf("(array.new_%s %d %s %s %s)", kind, typ, segmentName(kind), s.text, n.text), func(f *gframe) gval {
		s, n := s.eval(f).lo, n.eval(f).lo
		vals, ok := elems(s, n)
		trapIf(!ok, oob)
		return gval{obj: &gobj{typ: typ, fields: vals}}
	}}, true
}

// stmt is a random statement.
func (p *gprogram) stmt(depth int) expr {
	for {
		if e, ok := p.tryStmt(depth); ok {
			return e
		}
	}
}

func (p *gprogram) block(depth, n int) (string, func(f *gframe)) {
	var text strings.Builder
	var body []expr
	for range n {
		e := p.stmt(depth)
		body = append(body, e)
		text.WriteString(" " + e.text)
	}
	return text.String(), func(f *gframe) {
		for _, e := range body {
			e.eval(f)
		}
	}
}

func (p *gprogram) tryStmt(depth int) (expr, bool) {
	none := func(f func(f *gframe)) func(*gframe) gval {
		return func(fr *gframe) gval {
			f(fr)
			return zero
		}
	}
	k := p.pick(16)
	if depth == 0 && k > 11 {
		k -= 5
	}
	switch k {
	case 0, 1:
		i := p.pick(len(p.f.locals) - 1)
		e := p.expr(p.f.locals[i], depth)
		return expr{fmt.Sprintf("(local.set %d %s)", i, e.text), none(func(f *gframe) { f.locals[i] = e.eval(f) })}, true
	case 2, 3, 4:
		i := p.pick(len(p.globals))
		e := p.expr(p.globals[i], depth)
		return expr{fmt.Sprintf("(global.set $g%d %s)", i, e.text), none(func(f *gframe) { f.p.vals[i] = e.eval(f) })}, true
	case 5, 6, 7:
		return p.write(depth)
	case 8, 9:
		return p.observe(depth), true
	case 10, 11:
		return p.bulk(depth)
	case 12:
		c := p.expr(wasm.I32, depth-1)
		t1, then := p.block(depth-1, 2)
		t2, els := p.block(depth-1, 1)
		return expr{fmt.Sprintf("(if %s (then %s) (else %s))", c.text, t1, t2), none(func(f *gframe) {
			if c.eval(f).lo != 0 {
				then(f)
			} else {
				els(f)
			}
		})}, true
	case 13:
		if p.inLoop {
			return expr{}, false
		}
		p.inLoop = true
		n, i, before := 2+p.pick(3), len(p.f.locals)-1, p.cost
		text, body := p.block(depth-1, 2)
		p.cost += (p.cost-before)*n + 1
		p.inLoop = false
		return expr{fmt.Sprintf("(local.set %[1]d (i32.const 0)) (loop $l%[4]d %[2]s (br_if $l%[4]d (i32.lt_u (local.tee %[1]d (i32.add (local.get %[1]d) (i32.const 1))) (i32.const %[3]d))))", i, text, n, p.cost),
			none(func(f *gframe) {
				for f.locals[i].lo = 0; ; {
					body(f)
					if f.locals[i].lo++; f.locals[i].lo >= uint64(n) {
						return
					}
				}
			})}, true
	case 14:
		v, n := p.expr(wasm.AnyRef, depth-1), p.expr(wasm.I32, depth-1)
		if p.pick(4) > 0 && !p.inTry {
			return expr{}, false
		}
		// Under a condition, so that what follows is reached.
		c := p.expr(wasm.I32, depth-1)
		return expr{fmt.Sprintf("(if %s (then (throw $e %s %s)))", c.text, v.text, n.text), none(func(f *gframe) {
			if c.eval(f).lo != 0 {
				v := v.eval(f)
				panic(gthrow{[]gval{v, n.eval(f)}})
			}
		})}, true
	case 15:
		return p.try(depth), true
	}
	return expr{}, false
}

// try catches an exception, and stores its fields. It may do so by way of its reference.
func (p *gprogram) try(depth int) expr {
	was := p.inTry
	p.inTry = true
	text, body := p.block(depth-1, 2)
	p.inTry = was
	g := p.anyGlobal()
	n := p.cost
	p.cost++
	caught := fmt.Sprintf("(try_table (catch $e $h%[1]d) %[2]s) (br $d%[1]d)", n, text)
	if p.aStruct >= 0 && p.pick(2) == 0 {
		caught = fmt.Sprintf("(block $x%[1]d (result anyref i32 exnref) (try_table (catch_ref $e $x%[1]d) %[2]s) (br $d%[1]d)) (local.set $x) (drop) (drop) "+
			"(global.set $g%[3]d (struct.new_default %[4]d)) (try_table (catch $e $h%[1]d) (throw_ref (local.get $x))) (unreachable)", n, text, g, p.aStruct)
	}
	caught = fmt.Sprintf("(block $h%d (result anyref i32) %s)", n, caught)
	return expr{fmt.Sprintf("(block $d%d %s (local.set %d) (global.set $g%d))", n, caught, len(p.f.locals)-4, g), func(f *gframe) (v gval) {
		defer func() {
			switch x := recover().(type) {
			case nil:
			case gthrow:
				f.p.vals[g], f.locals[len(f.locals)-4] = x.vals[0], x.vals[1]
			default:
				panic(x)
			}
		}()
		body(f)
		return zero
	}}
}

func (p *gprogram) anyGlobal() int {
	for i, t := range p.globals {
		if t == wasm.AnyRef {
			return i
		}
	}
	return -1
}

// write writes a field or an element.
func (p *gprogram) write(depth int) (expr, bool) {
	all := p.placesOf(func(f wasm.FieldType) bool { return f.Mutable })
	if len(all) == 0 {
		return expr{}, false
	}
	at := all[p.pick(len(all))]
	st := p.types[at.typ].Fields[at.field].Type
	o := p.solid(wasm.RefTo(wasm.HeapType(at.typ), true), depth)
	if p.types[at.typ].Kind == wasm.CompStruct {
		v := p.expr(st.Unpacked(), depth)
		return expr{fmt.Sprintf("(struct.set %d %d %s %s)", at.typ, at.field, o.text, v.text), func(f *gframe) gval {
			o, v := o.eval(f), v.eval(f)
			trapIf(o.null(), vm.TrapNullStructure)
			o.obj.fields[at.field] = pack(st, v)
			return zero
		}}, true
	}
	i, v := p.small(3, depth), p.expr(st.Unpacked(), depth)
	return expr{fmt.Sprintf("(array.set %d %s %s %s)", at.typ, o.text, i.text, v.text), func(f *gframe) gval {
		o, i, v := o.eval(f), i.eval(f).lo, v.eval(f)
		trapIf(o.null(), vm.TrapNullArray)
		trapIf(i >= uint64(len(o.obj.fields)), vm.TrapArrayOutOfBounds)
		o.obj.fields[i] = pack(st, v)
		return zero
	}}, true
}

// observe mixes a number into the hash.
func (p *gprogram) observe(depth int) expr {
	t := gnums[p.pick(len(gnums))]
	e := p.expr(t, depth)
	conv := map[wasm.ValType]string{wasm.I32: "(i64.extend_i32_u %s)", wasm.I64: "%s", wasm.F32: "(i64.extend_i32_u (i32.reinterpret_f32 %s))",
		wasm.F64: "(i64.reinterpret_f64 %s)", wasm.V128: "(i64x2.extract_lane 1 %s)"}[t]
	return expr{fmt.Sprintf("(global.set $h (i64.add (i64.mul (global.get $h) (i64.const 31)) "+conv+"))", e.text), func(f *gframe) gval {
		h := f.p.hash * 31
		v := e.eval(f)
		if t == wasm.V128 {
			v.lo = v.hi
		}
		f.p.hash = h + v.lo
		return zero
	}}
}

// bulk is array.fill, array.copy, or array.init.
func (p *gprogram) bulk(depth int) (expr, bool) {
	all := p.placesOf(func(f wasm.FieldType) bool { return f.Mutable })
	var arrays []int
	for _, at := range all {
		if p.types[at.typ].Kind == wasm.CompArray {
			arrays = append(arrays, at.typ)
		}
	}
	if len(arrays) == 0 {
		return expr{}, false
	}
	typ := arrays[p.pick(len(arrays))]
	st := p.types[typ].Fields[0].Type
	o := p.solid(wasm.RefTo(wasm.HeapType(typ), true), depth)
	d, n := p.small(3, depth), p.small(3, depth)
	check := func(o gval, d, n uint64) {
		trapIf(o.null(), vm.TrapNullArray)
		trapIf(d+n > uint64(len(o.obj.fields)), vm.TrapArrayOutOfBounds)
	}
	switch p.pick(3) {
	case 0:
		v := p.expr(st.Unpacked(), depth)
		return expr{fmt.Sprintf("(array.fill %d %s %s %s %s)", typ, o.text, d.text, v.text, n.text), func(f *gframe) gval {
			o, d, v, n := o.eval(f), d.eval(f).lo, v.eval(f), n.eval(f).lo
			check(o, d, n)
			for i := range n {
				o.obj.fields[d+i] = pack(st, v)
			}
			return zero
		}}, true
	case 1:
		var from []int
		for i, t := range p.types {
			if t.Kind == wasm.CompArray && p.sub(t.Fields[0].Type, st) {
				from = append(from, i)
			}
		}
		src := from[p.pick(len(from))]
		x, s := p.solid(wasm.RefTo(wasm.HeapType(src), true), depth), p.small(3, depth)
		return expr{fmt.Sprintf("(array.copy %d %d %s %s %s %s %s)", typ, src, o.text, d.text, x.text, s.text, n.text), func(f *gframe) gval {
			o, d, x, s, n := o.eval(f), d.eval(f).lo, x.eval(f), s.eval(f).lo, n.eval(f).lo
			trapIf(x.null(), vm.TrapNullArray)
			check(o, d, n)
			check(x, s, n)
			copy(o.obj.fields[d:d+n], x.obj.fields[s:s+n])
			return zero
		}}, true
	}
	kind, elems, oob, ok := p.segment(st)
	if !ok {
		return expr{}, false
	}
	s := p.small(6, depth)
	return expr{fmt.Sprintf("(array.init_%s %d %s %s %s %s %s)", kind, typ, segmentName(kind), o.text, d.text, s.text, n.text), func(f *gframe) gval {
		o, d, s, n := o.eval(f), d.eval(f).lo, s.eval(f).lo, n.eval(f).lo
		check(o, d, n)
		vals, ok := elems(s, n)
		trapIf(!ok, oob)
		copy(o.obj.fields[d:], vals)
		return zero
	}}, true
}
