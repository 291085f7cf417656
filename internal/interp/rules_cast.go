package interp

import (
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

func init() {
	addRules([]row{
		{wasm.OpRefTest, rule{lower: lowerRefTest}}, {wasm.OpRefTestNull, rule{lower: lowerRefTest}},
		{wasm.OpRefCast, rule{lower: lowerRefCast}}, {wasm.OpRefCastNull, rule{lower: lowerRefCast}},
		{wasm.OpBrOnCast, rule{lower: lowerBrOnCast}}, {wasm.OpBrOnCastFail, rule{lower: lowerBrOnCast}},
	})
}

// question is what is left to ask about a reference at run time to know whether it is of a type.
type question uint8

const (
	always  question = iota // it is
	never                   // it is not
	nonNull                 // whether it is not null
	isNull                  // whether it is null
	isI31                   // and so on, by what tells: the word itself,
	isEq                    // likewise,
	ofKind                  // the kind of the object's type,
	ofFinal                 // the object's type,
	ofSuper                 // its supertype at a depth,
	ofFunc                  // likewise of a function,
	ofDeep                  // or the driver
)

// castOps are the value and the casting instruction of the questions from isI31 on.
var castOps = [...][2]op{
	isI31: {opRefTestI31, opRefCastI31}, isEq: {opRefTestEq, opRefCastEq}, ofKind: {opRefTestKind, opRefCastKind},
	ofFinal: {opRefTestF, opRefCastF}, ofSuper: {opRefTestSub, opRefCastSub}, ofFunc: {opRefTestFunc, opRefCastFunc},
	ofDeep: {opRefTestDeep, opRefCastDeep},
}

// ask returns the question whether an operand is of a type, and the instruction's c and imm for the questions from isI31 on: imm.hi is 1 if null
// passes (specification: Validation, Matching; Execution, Reference Instructions).
func (l *lowerer) ask(o operand, to wasm.ValType) (q question, in Instr) {
	ts := l.m.TypeSpace()
	src, dst := l.m.Canon(o.typ), l.m.Canon(to)
	null, heap := dst.Nullable(), dst.Heap()
	if null {
		in.imm = 1 << 32
	}
	switch {
	case heap == wasm.HeapNone || heap == wasm.HeapNoFunc || heap == wasm.HeapNoExtern || heap == wasm.HeapNoExn:
		if null {
			return isNull, in
		}
		return never, in
	case ts.Matches(src.WithNull(false), dst.WithNull(false)):
		if null || !src.Nullable() {
			return always, in
		}
		return nonNull, in
	case heap == wasm.HeapI31:
		return isI31, in
	case heap == wasm.HeapEq:
		return isEq, in
	case heap == wasm.HeapStruct:
		in.c = uint16(wasm.CompStruct)
		return ofKind, in
	case heap == wasm.HeapArray:
		in.c = uint16(wasm.CompArray)
		return ofKind, in
	}
	id := wasm.TypeID(heap)
	depth := ts.Depth(id)
	in.c = uint16(depth)
	in.imm |= uint64(uint32(id))
	def := ts.Def(id)
	switch {
	case depth >= vm.DisplayDepth:
		return ofDeep, in
	case def.Kind == wasm.CompFunc:
		return ofFunc, in
	case def.Final:
		return ofFinal, in
	}
	return ofSuper, in
}

func lowerRefTest(l *lowerer, _ *rule) {
	o := l.pop()
	q, in := l.ask(o, l.in.Ref)
	switch q {
	case always:
		l.push(operand{where: isConst, typ: wasm.I32, val: 1})
		return
	case never:
		l.push(operand{where: isConst, typ: wasm.I32})
		return
	case nonNull:
		in = Instr{op: opI32NeK}
	case isNull:
		in = Instr{op: opI32EqK}
	case isI31:
		in.op = opRefTestI31
		if in.imm == 0 {
			in = Instr{op: opI32AndK, imm: 1}
		}
	default:
		in.op = castOps[q][0]
	}
	in.b = l.use(o)
	l.emitResult(in, wasm.I32)
}

func lowerRefCast(l *lowerer, _ *rule) {
	o := l.pop()
	q, in := l.ask(o, l.in.Ref)
	switch q {
	case always:
		l.pushAgain(o, l.in.Ref)
		return
	case never: // both trap, one of them always
		l.emit(Instr{op: opRefCastNonNull, a: uint16(l.top), b: l.use(o)})
		in.op = opRefCastNull
		o = operand{home: o.home, typ: o.typ}
	case nonNull:
		in.op = opRefCastNonNull
	case isNull:
		in.op = opRefCastNull
	default:
		in.op = castOps[q][1]
	}
	in.b = l.use(o)
	l.emitResult(in, l.in.Ref)
}

// lowerBrOnCast branches on the question itself where it can, otherwise on a value in the slot above the reference.
func lowerBrOnCast(l *lowerer, _ *rule) {
	o := l.stack[len(l.stack)-1]
	slot := l.use(o)
	if !o.ready() { // a constant: null
		l.stack[len(l.stack)-1].where = inHome
		o = l.stack[len(l.stack)-1]
	}
	hit, miss := l.in.Ref2, l.in.Ref
	if l.in.Ref2.Nullable() { // what fails to cast is not null then (specification: Validation, Conventions, type difference)
		miss = miss.WithNull(false)
	}
	q, in := l.ask(o, l.in.Ref2)
	null := uint16(in.imm >> 32)
	var c cond
	switch {
	case q == always:
		c = cond{op: opBrTestNZ, b: slot, negate: true} // none of no bits are set
	case q == never:
		c = cond{op: opBrTestNZ, b: slot}
	case q == nonNull:
		c = cond{op: opBrNZ32, b: slot}
	case q == isNull:
		c = cond{op: opBrNZ32, b: slot, negate: true}
	case q == isI31 && null == 0:
		c = cond{op: opBrTestNZ, b: slot, k: 1}
	case q == ofFinal:
		c = cond{op: opBrIsF, a: null, b: slot, k: uint32(in.imm)}
	case q == ofSuper:
		c = cond{op: opBrIsSub, a: null, b: slot, c: in.c, k: uint32(in.imm)}
	default:
		l.pushHome(wasm.I32)
		in.op, in.a, in.b = castOps[q][0], uint16(l.pop().home), slot
		l.emit(in)
		c = cond{op: opBrNZ32, b: in.a}
	}
	branch, stay := hit, miss
	if l.in.Op == wasm.OpBrOnCastFail {
		branch, stay = miss, hit
		c.negate = !c.negate
	}
	l.stack[len(l.stack)-1].typ = branch
	l.branchIf(c, l.in.Index)
	l.stack[len(l.stack)-1].typ = stay
}
