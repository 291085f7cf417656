package interp

import (
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

func init() {
	addRules([]row{
		{wasm.OpStructNew, rule{lower: lowerStructNew}}, {wasm.OpStructNewDefault, rule{lower: lowerStructNew}},
		{wasm.OpStructGet, rule{lower: lowerStructGet}},
		{wasm.OpStructGetS, rule{lower: lowerStructGet}}, {wasm.OpStructGetU, rule{lower: lowerStructGet}},
		{wasm.OpStructSet, rule{lower: lowerStructSet}},
		{wasm.OpArrayNew, rule{lower: lowerArrayNew}}, {wasm.OpArrayNewDefault, rule{lower: lowerArrayNew}},
		{wasm.OpArrayNewFixed, rule{lower: lowerArrayNewFixed}},
		{wasm.OpArrayGet, rule{lower: lowerArrayGet}},
		{wasm.OpArrayGetS, rule{lower: lowerArrayGet}}, {wasm.OpArrayGetU, rule{lower: lowerArrayGet}},
		{wasm.OpArraySet, rule{lower: lowerArraySet}},
		{wasm.OpArrayLen, rule{lower: unary, op: opArrayLen, typ: wasm.I32}},
		{wasm.OpArrayNewData, arrayRule(opArrayNewData, 2)}, {wasm.OpArrayNewElem, arrayRule(opArrayNewElem, 2)},
		{wasm.OpArrayFill, arrayRule(opArrayFill, 4)}, {wasm.OpArrayCopy, arrayRule(opArrayCopy, 5)},
		{wasm.OpArrayInitData, arrayRule(opArrayInitData, 4)}, {wasm.OpArrayInitElem, arrayRule(opArrayInitElem, 4)},
	})
}

// width is how an object holds a field: an index in the instructions' forms for 8, 16, 32 and 64 bits and vectors.
type width uint8

const (
	width8 width = iota
	width16
	width32
	width64
	widthV
)

func widthOf(t wasm.ValType) width {
	switch t {
	case wasm.I8:
		return width8
	case wasm.I16:
		return width16
	case wasm.I64, wasm.F64:
		return width64
	case wasm.V128:
		return widthV
	}
	return width32
}

func (w width) bytes() uint32 { return 1 << w }

// Instructions by width; of reads, packed fields come with their extension (see getOp).
var (
	structSets  = [...]op{opStructSet8, opStructSet16, opStructSet32, opStructSet64, opStructSetV}
	structSetsK = [...]op{opStructSet8K, opStructSet16K, opStructSet32K, opStructSet64K}
	structInits = [...]op{opStructInit8, opStructInit16, opStructInit32, opStructInit64, opStructInitV}
	structGets  = [...]op{opStructGet8S, opStructGet8U, opStructGet16S, opStructGet16U, opStructGet32, opStructGet64, opStructGetV}
	arraySets   = [...]op{opArraySet8, opArraySet16, opArraySet32, opArraySet64, opArraySetV}
	arraySetsK  = [...]op{opArraySet8K, opArraySet16K, opArraySet32K, opArraySet64K}
	arrayGets   = [...]op{opArrayGet8S, opArrayGet8U, opArrayGet16S, opArrayGet16U, opArrayGet32, opArrayGet64, opArrayGetV}
	arrayGetsK  = [...]op{opArrayGet8SK, opArrayGet8UK, opArrayGet16SK, opArrayGet16UK, opArrayGet32K, opArrayGet64K, opArrayGetVK}
	arrayNews   = [...]op{opArrayNew8, opArrayNew16, opArrayNew32, opArrayNew64, opArrayNewV}
)

// getIndex is a read's place in structGets and the like.
func getIndex(w width, signed bool) int {
	i := int(w) * 2
	switch {
	case w > width16:
		i = int(w) + 2
	case !signed:
		i++
	}
	return i
}

// allocForm is an allocation that also stores the first fields, which have these widths. k: the first one is a constant, in the instruction's b.
type allocForm struct {
	op     op
	fields []width
	k      bool
}

// Longer forms first, and those with a constant before those that would need it in a slot.
var (
	structForms = []allocForm{
		{opStructNewKWW, []width{width32, width32, width32}, true}, {opStructNewWWW, []width{width32, width32, width32}, false},
		{opStructNewKW, []width{width32, width32}, true}, {opStructNewKD, []width{width32, width64}, true},
		{opStructNewWW, []width{width32, width32}, false}, {opStructNewWD, []width{width32, width64}, false},
		{opStructNewDW, []width{width64, width32}, false}, {opStructNewDD, []width{width64, width64}, false},
		{opStructNewK, []width{width32}, true},
		{opStructNewW, []width{width32}, false}, {opStructNewD, []width{width64}, false}, {op: opStructNew},
	}
	fixedForms = []allocForm{
		{opArrayFixedWW, []width{width32, width32}, false}, {opArrayFixedDD, []width{width64, width64}, false},
		{opArrayFixedW, []width{width32}, false}, {opArrayFixedD, []width{width64}, false}, {op: opArrayFixed},
	}
)

// headerBytes is the size of an object's header, behind which the first field lies.
const headerBytes = 8

// fits reports whether the form stores the first of n fields where they belong.
func (f *allocForm) fits(n int, field func(i int) vm.FieldLayout) bool {
	if n < len(f.fields) {
		return false
	}
	off := uint32(headerBytes)
	for i, w := range f.fields {
		off = (off + w.bytes() - 1) &^ (w.bytes() - 1)
		if at := field(i); at.Off != off || widthOf(at.Type) != w {
			return false
		}
		off += w.bytes()
	}
	return true
}

// layout returns the layout of a type of the module.
func (l *lowerer) layout(x uint32) *vm.Layout { return vm.LayoutOf(l.m.TypeSpace(), l.m.TypeIDs[x]) }

// traced reports whether writes of a type need the barrier.
func (l *lowerer) traced(t wasm.ValType) bool {
	if !t.IsRef() {
		return false
	}
	top := l.m.TypeSpace().TopOf(l.m.Canon(t))
	return top != wasm.HeapFunc
}

// useField returns the slot from which an operand is stored as a field.
func (l *lowerer) useField(o operand, w width) uint16 {
	if w <= width32 {
		return l.use32(o)
	}
	return l.use(o)
}

// isZero reports whether an operand is what a fresh object holds anyway.
func (o *operand) isZero() bool { return o.where == isConst && o.val == 0 && o.hi == 0 }

// fitsStore reports whether an operand is a constant that a store can have in its immediate.
func (o *operand) fitsStore(w width) bool {
	return o.where == isConst && (w <= width32 || w == width64 && o.val == uint64(int64(int32(o.val))))
}

func lowerStructNew(l *lowerer, _ *rule) {
	lay := l.layout(l.in.Index)
	n := len(lay.Fields)
	if l.in.Op == wasm.OpStructNewDefault {
		n = 0
	}
	l.emitNew(structForms, opStructNewBig, lay, lay.Size, 0, n, func(i int) vm.FieldLayout { return lay.Fields[i] })
}

func lowerArrayNewFixed(l *lowerer, _ *rule) {
	n := l.in.Index2
	l.emitFixed(l.layout(l.in.Index), n, int(n))
}

// emitFixed makes an array of length elements, the first n of which are on the stack, the others zero.
func (l *lowerer) emitFixed(lay *vm.Layout, length uint32, n int) {
	size := (headerBytes + length<<lay.ElemShift + 7) &^ 7
	l.emitNew(fixedForms, opArrayFixedBig, lay, size, length, n, func(i int) vm.FieldLayout {
		f := lay.Elem
		f.Off += uint32(i) << lay.ElemShift
		return f
	})
}

// emitNew emits an allocation with the n topmost operands as fields. They are stored right behind it: nothing can happen between, and no barrier
// is needed. Zeros are there already.
//
// The reference is to take the first operand's home. If that is not stored by the allocation itself, the reference waits above the operands.
func (l *lowerer) emitNew(forms []allocForm, big op, lay *vm.Layout, size, length uint32, n int, field func(i int) vm.FieldLayout) {
	first := len(l.stack) - n
	typ := wasm.RefTo(wasm.HeapType(l.in.Index), false)
	form := allocForm{op: big}
	if size <= 0xFFFF && length <= 0xFFFF {
		form = forms[len(forms)-1]
		for i := range forms {
			k := len(forms[i].fields)
			if l.plain || k == 0 || !forms[i].fits(n, field) || l.stack[first+k-1].isZero() {
				continue
			}
			if o := &l.stack[first]; !forms[i].k || o.where == isConst && o.val <= 0xFFFF {
				form = forms[i]
				break
			}
		}
	}
	slots := make([]uint16, n)
	for i := range slots {
		o := l.stack[first+i]
		switch {
		case i == 0 && form.k:
			slots[i] = uint16(o.val)
		case i < len(form.fields) || !o.isZero():
			slots[i] = l.useField(o, widthOf(field(i).Type))
		}
	}
	in := Instr{op: form.op, a: uint16(l.top), imm: uint64(uint32(lay.ID))}
	if n > 0 {
		in.a = uint16(l.stack[first].home)
	}
	dst := in.a
	if n > 0 && len(form.fields) == 0 && !l.stack[first].isZero() && slots[0] == dst {
		in.a = uint16(l.top)
		l.maxTop = max(l.maxTop, l.top+1)
	}
	extra := uint64(length)
	switch k := len(form.fields); k {
	case 3:
		extra = uint64(slots[2])
		fallthrough
	case 2:
		in.c = slots[1]
		fallthrough
	case 1:
		in.b = slots[0]
	}
	if form.op == big {
		in.imm |= extra << 32
	} else {
		in.imm |= uint64(size)<<32 | extra<<48
	}
	at := l.emit(in)
	l.recordMap(at, atInstr, len(l.stack))
	for i := len(form.fields); i < n; i++ {
		if !l.stack[first+i].isZero() {
			f := field(i)
			l.emitInit(Instr{op: structInits[widthOf(f.Type)], a: in.a, b: slots[i], imm: uint64(f.Off)}, at)
		}
	}
	if in.a != dst {
		l.emitMov(dst, in.a)
	}
	l.truncate(first)
	if len(l.code)-1 == at {
		l.producer = at
	}
	l.pushHome(typ)
}

// emitInit emits a store to a fresh object, joined with the one before it, which comes after the allocation at index at.
func (l *lowerer) emitInit(in Instr, at int) {
	if p := &l.code[len(l.code)-1]; !l.plain && len(l.code)-1 > at && p.op == in.op {
		switch in.op {
		case opStructInit32:
			*p = Instr{op: opStructInit32x2, a: p.a, b: p.b, c: in.b, imm: p.imm | in.imm<<32}
			return
		case opStructInit64:
			*p = Instr{op: opStructInit64x2, a: p.a, b: p.b, c: in.b, imm: p.imm | in.imm<<32}
			return
		}
	}
	l.emit(in)
}

// lowerArrayNew lowers array.new and array.new_default.
func lowerArrayNew(l *lowerer, _ *rule) {
	lay := l.layout(l.in.Index)
	n := len(l.stack) - 1
	length := l.stack[n]
	init := operand{where: isConst}
	if l.in.Op == wasm.OpArrayNew {
		init = l.stack[n-1]
	}
	if k := uint32(length.val); length.where == isConst && init.isZero() && !l.plain && uint64(k)<<lay.ElemShift < 0xFF00 && k <= 0xFFFF {
		l.truncate(n)
		if l.in.Op == wasm.OpArrayNew {
			l.pop()
		}
		l.emitFixed(lay, k, 0)
		return
	}
	in := Instr{op: opArrayNewDefault, a: uint16(length.home), b: l.use32(length), imm: uint64(uint32(lay.ID)) | uint64(lay.ElemShift)<<32}
	first := n
	if l.in.Op == wasm.OpArrayNew {
		first--
		in.a = uint16(init.home)
		if !init.isZero() || l.plain {
			w := widthOf(lay.Elem.Type)
			in.op, in.c = arrayNews[w], l.useField(init, w)
		}
	}
	at := l.emit(in)
	l.recordMap(at, atInstr, len(l.stack))
	l.truncate(first)
	l.producer = at
	l.pushHome(wasm.RefTo(wasm.HeapType(l.in.Index), false))
}

// field is the type of the field that the instruction names, in the module's terms.
func (l *lowerer) field() wasm.ValType { return l.m.Types[l.in.Index].Fields[l.in.Index2].Type }

// elem is the type of the elements of the array type that the instruction names.
func (l *lowerer) elem() wasm.ValType { return l.m.Types[l.in.Index].Fields[0].Type }

// castGets are reads of a field of what was cast just before; final types and others.
var castGets = [2][]op{
	{opCastFGet8S, opCastFGet8U, opCastFGet16S, opCastFGet16U, opCastFGet32, opCastFGet64},
	{opCastSubGet8S, opCastSubGet8U, opCastSubGet16S, opCastSubGet16U, opCastSubGet32, opCastSubGet64},
}

func lowerStructGet(l *lowerer, _ *rule) {
	t := l.field()
	off := uint64(l.layout(l.in.Index).Fields[l.in.Index2].Off)
	o := l.pop()
	get := getIndex(widthOf(t), l.in.Op == wasm.OpStructGetS)
	in := Instr{op: structGets[get], imm: off}
	if p := l.lastProducer(o); p != nil && off <= 0xFFFF {
		switch {
		case p.op == opStructGet32 && in.op == opStructGet32 && p.imm <= 0xFFFF:
			l.unemit()
			l.emitResult(Instr{op: opStructGet32Get32, b: p.b, imm: p.imm<<32 | off<<48}, t.Unpacked())
			return
		case (p.op == opRefCastF || p.op == opRefCastSub) && in.op != opStructGetV:
			sub := 0
			if p.op == opRefCastSub {
				sub = 1
			}
			l.unemit()
			l.emitResult(Instr{op: castGets[sub][get], b: p.b, c: p.c, imm: uint64(uint32(p.imm)) | off<<32 | p.imm>>32<<48}, t.Unpacked())
			return
		}
	}
	in.b = l.use(o)
	l.emitResult(in, t.Unpacked())
}

func lowerStructSet(l *lowerer, _ *rule) {
	t := l.field()
	w := widthOf(t)
	v := l.pop()
	in := Instr{op: structSets[w], imm: uint64(l.layout(l.in.Index).Fields[l.in.Index2].Off)}
	o := l.pop()
	in.a = l.use(o)
	switch {
	case !l.plain && v.fitsStore(w):
		in.op = structSetsK[w]
		in.imm |= v.val << 32
	case l.traced(t):
		in.op = opStructSetRef
		fallthrough
	default:
		in.b = l.useField(v, w)
	}
	l.emit(in)
}

func lowerArrayGet(l *lowerer, _ *rule) {
	t := l.elem()
	get := getIndex(widthOf(t), l.in.Op == wasm.OpArrayGetS)
	i := l.pop()
	o := l.pop()
	in := Instr{op: arrayGets[get], b: l.use(o)}
	if i.where == isConst {
		in.op, in.imm = arrayGetsK[get], uint64(uint32(i.val))
	} else {
		in.c, in.imm = l.useIndex(i)
	}
	l.emitResult(in, t.Unpacked())
}

// useIndex returns the slot of an index and what to add to it.
func (l *lowerer) useIndex(i operand) (slot uint16, k uint64) {
	if i.where == inSum {
		return l.locals[i.val].slot, uint64(uint32(i.hi))
	}
	return l.use32(i), 0
}

func lowerArraySet(l *lowerer, _ *rule) {
	t := l.elem()
	w := widthOf(t)
	v := l.pop()
	i := l.pop()
	o := l.pop()
	in := Instr{op: arraySets[w], a: l.use(o)}
	in.b, in.imm = l.useIndex(i)
	switch {
	case !l.plain && v.fitsStore(w):
		in.op = arraySetsK[w]
		in.imm |= v.val << 32
	case l.traced(t):
		in.op = opArraySetRef
		fallthrough
	default:
		in.c = l.useField(v, w)
	}
	l.emit(in)
}

// arrayRule is the rule of an instruction that the driver serves, with n operands; imm has the canonical array type and the second type or
// segment.
func arrayRule(o op, n int) rule {
	return rule{lower: func(l *lowerer, _ *rule) {
		imm := uint64(l.m.TypeIDs[l.in.Index])
		result := wasm.Bottom
		switch o {
		case opArrayNewData, opArrayNewElem:
			result = wasm.RefTo(wasm.HeapType(l.in.Index), false)
			imm |= uint64(l.in.Index2) << 32
		case opArrayCopy:
			imm |= uint64(l.m.TypeIDs[l.in.Index2]) << 32
		case opArrayInitData, opArrayInitElem:
			imm |= uint64(l.in.Index2) << 32
		}
		l.emitCold(Instr{op: o, imm: imm}, n, result)
	}}
}
