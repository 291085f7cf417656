package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

// rule tells how to lower a Wasm instruction. Most instructions need a row in a rules_*.go file and no code.
type rule struct {
	lower func(l *lowerer, r *rule)
	op    op
	k     op   // form with the second operand constant
	rk    op   // form with the first operand constant, the second one in slot b
	swap  bool // op (and only op) takes its operands swapped
	fold  bool // of a memory access: the address is a slot plus imm.hi
	x     op   // of a memory access: the form with an index
	abs   op   // of a memory access: the form with a constant address
	typ   wasm.ValType
}

// rules is indexed by Wasm instruction.
var rules [wasm.NumOpcodes]rule

// row is one entry of a rules table.
type row struct {
	wasm wasm.Opcode
	rule rule
}

func addRules(rows []row) {
	for _, r := range rows {
		if r.rule.typ == wasm.Bottom {
			r.rule.typ = resultType(r.wasm)
		}
		rules[r.wasm] = r.rule
	}
}

// resultType is the type of the single result of an instruction, if the instruction table tells it.
func resultType(o wasm.Opcode) wasm.ValType {
	switch o.Info().Results {
	case "i":
		return wasm.I32
	case "I":
		return wasm.I64
	case "f":
		return wasm.F32
	case "F":
		return wasm.F64
	case "v":
		return wasm.V128
	}
	return wasm.Bottom
}

// simple lowers an instruction of one to three operands and one result: sources in b, c and the slot numbered by imm bits
// 0 to 15 ($d); a lane index goes to imm bits 32 and up, an immediate of the instruction (Value) is not kept.
func simple(l *lowerer, r *rule) {
	in := Instr{op: r.op}
	switch n := len(l.in.Op.Info().Params); n {
	case 3:
		z := l.pop()
		y := l.pop()
		in.imm |= uint64(l.use(z))
		in.c = l.use(y)
	case 2:
		in.c = l.use(l.pop())
	}
	if x := l.pop(); l.in.Op < wasm.OpV128Load {
		in.b = l.use32(x) // the scalar instructions read 32 bits of an i32
	} else {
		in.b = l.use(x)
	}
	if l.in.Op.Info().Imm == wasm.ImmLane {
		in.imm |= uint64(l.in.Lane) << 32
	}
	l.emitResult(in, r.typ)
}

// binary lowers an operation of two operands that may have forms for constants (r.k, r.rk).
func binary(l *lowerer, r *rule) {
	y := l.pop()
	x := l.pop()
	in := Instr{op: r.op}
	if f, ok := l.fuse(r, x, y); ok {
		l.emitResult(f, r.typ)
		return
	}
	switch {
	case y.where == isConst && r.k != 0:
		in.op, in.imm, in.b = r.k, y.val, l.use32(x)
	case x.where == isConst && r.rk != 0:
		in.op, in.imm, in.b = r.rk, x.val, l.use32(y)
	default:
		in.b, in.c = l.use32(x), l.use32(y)
		if r.swap {
			in.b, in.c = in.c, in.b
		}
	}
	l.emitResult(in, r.typ)
}

// lowerConst lowers the constants of the numeric types.
func lowerConst(l *lowerer, r *rule) {
	l.push(operand{where: isConst, typ: r.typ, val: l.in.Value, hi: l.in.Value2})
}

func lowerConst64(l *lowerer, r *rule) {
	l.push(operand{where: isConst, typ: r.typ, val: l.in.Value})
}

// retype lowers conversions that keep the slot's content: reinterpretations, and i64.extend_i32_u because i32 values are
// zero-extended in their slots.
func retype(l *lowerer, r *rule) {
	o := &l.stack[len(l.stack)-1]
	if o.dirty {
		x := l.pop()
		l.emitResult(Instr{op: opI32Wrap, b: l.use32(x)}, r.typ)
		return
	}
	if o.where == inSum {
		l.settle(1)
	}
	o.typ = r.typ
}

// lowerWrap lowers i32.wrap_i64, which emits nothing.
func lowerWrap(l *lowerer, _ *rule) {
	if l.plain {
		x := l.pop()
		l.emitResult(Instr{op: opI32Wrap, b: l.use(x)}, wasm.I32)
		return
	}
	o := &l.stack[len(l.stack)-1]
	o.typ = wasm.I32
	switch o.where {
	case isConst:
		o.val = uint64(uint32(o.val))
	case inSum:
		o.hi = uint64(uint32(o.hi))
	default:
		o.dirty = true
	}
}

func init() {
	addRules([]row{
		{wasm.OpUnreachable, rule{lower: lowerUnreachable, op: opUnreachable}},
		{wasm.OpNop, rule{lower: lowerNop}},
		{wasm.OpBlock, rule{lower: lowerBlock}},
		{wasm.OpLoop, rule{lower: lowerLoop}},
		{wasm.OpIf, rule{lower: lowerIf}},
		{wasm.OpElse, rule{lower: lowerElse}},
		{wasm.OpEnd, rule{lower: lowerEnd}},
		{wasm.OpBr, rule{lower: lowerBr}},
		{wasm.OpBrIf, rule{lower: lowerBrIf}},
		{wasm.OpBrTable, rule{lower: lowerBrTable}},
		{wasm.OpReturn, rule{lower: lowerReturn}},
		{wasm.OpDrop, rule{lower: lowerDrop}},
		{wasm.OpSelect, rule{lower: lowerSelect}},
		{wasm.OpSelectT, rule{lower: lowerSelect}},
		{wasm.OpLocalGet, rule{lower: func(l *lowerer, _ *rule) { l.getLocal(l.in.Index) }}},
		{wasm.OpLocalSet, rule{lower: func(l *lowerer, _ *rule) { l.setLocal(l.in.Index, l.pop()) }}},
		{wasm.OpLocalTee, rule{lower: func(l *lowerer, _ *rule) { l.teeLocal(l.in.Index) }}},
		{wasm.OpGlobalGet, rule{lower: lowerGlobalGet}},
		{wasm.OpGlobalSet, rule{lower: lowerGlobalSet}},
		{wasm.OpI32Const, rule{lower: lowerConst64}},
		{wasm.OpI64Const, rule{lower: lowerConst64}},
		{wasm.OpF32Const, rule{lower: lowerConst64}},
		{wasm.OpF64Const, rule{lower: lowerConst64}},
		{wasm.OpV128Const, rule{lower: lowerConst}},
	})
}

// lowerSelect lowers select of any type; references come with the types on the stack.
func lowerSelect(l *lowerer, _ *rule) {
	cond := l.pop()
	y := l.pop()
	x := l.pop()
	typ := x.typ
	if l.in.Op == wasm.OpSelectT {
		typ = l.in.Types[0]
	}
	if typ != wasm.V128 {
		if in, ok := l.fuseSelect(x, y, cond); ok {
			l.emitResult(in, typ)
			return
		}
	}
	in := Instr{op: opSelect, imm: uint64(l.use32(cond))}
	if typ == wasm.V128 {
		in.op = opSelectV
	}
	in.b, in.c = l.use(x), l.use(y)
	l.emitResult(in, typ)
}

func lowerGlobalGet(l *lowerer, _ *rule) {
	x, t := l.in.Index, l.m.Globals[l.in.Index].Type.Type
	in := Instr{op: opGlobalGet, imm: globalOffset(l.m, x)}
	if int(x) < l.m.NumImportedGlobals {
		in.op = opGlobalImpGet
	}
	if t == wasm.V128 {
		in.op += opGlobalGetV - opGlobalGet
	}
	l.emitResult(in, t)
}

func lowerGlobalSet(l *lowerer, _ *rule) {
	x, o := l.in.Index, l.pop()
	in := Instr{op: opGlobalSet, imm: globalOffset(l.m, x)}
	if int(x) < l.m.NumImportedGlobals {
		in.op = opGlobalImpSet
	}
	switch {
	case o.typ == wasm.V128:
		in.op += opGlobalSetV - opGlobalSet
	case l.isStackPointer(x) && in.op == opGlobalSet:
		in.op = opSPSet
	case l.isStackPointer(x):
		in.op = opSPImpSet
	}
	in.b = l.use(o)
	l.emit(in)
}

// globalOffset is where a global's storage is, or the address of an imported one's in the array of those.
func globalOffset(m *wasm.Module, x uint32) uint64 {
	if int(x) < m.NumImportedGlobals {
		return uint64(x) * uint64(ptrSize)
	}
	return uint64(int(x)-m.NumImportedGlobals) * globalSize
}
