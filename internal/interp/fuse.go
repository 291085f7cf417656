package interp

import (
	"cmp"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// shiftForms are a op (b shifted by a constant); threeForms take a third operand.
var (
	shiftForms = map[[2]op]op{
		{opI32Add, opI32ShlK}: opI32AddShl, {opI32Or, opI32ShlK}: opI32OrShl, {opI32Xor, opI32ShlK}: opI32XorShl,
		{opI32Or, opI32ShrUK}: opI32OrShrU, {opI32Xor, opI32ShrUK}: opI32XorShrU, {opI32Xor, opI32RotlK}: opI32XorRotl,
		{opI64Add, opI64ShlK}: opI64AddShl, {opI64Or, opI64ShlK}: opI64OrShl, {opI64Xor, opI64ShlK}: opI64XorShl,
		{opI64Or, opI64ShrUK}: opI64OrShrU, {opI64Xor, opI64ShrUK}: opI64XorShrU, {opI64Xor, opI64RotlK}: opI64XorRotl,
	}
	threeForms = map[[2]op]op{
		{opI32Add, opI32Add}: opI32Add3, {opI32Add, opI32Mul}: opI32MulAdd,
		{opI64Add, opI64Add}: opI64Add3, {opI64Add, opI64Mul}: opI64MulAdd,
		{opF32Add, opF32Mul}: opF32MulAdd, {opF64Add, opF64Mul}: opF64MulAdd,
	}
	// Of a difference: the product may be what is taken away, or what the other is taken from.
	mulFirst  = map[[2]op]op{{opF32Sub, opF32Mul}: opF32MulSub, {opF64Sub, opF64Mul}: opF64MulSub}
	mulSecond = map[[2]op]op{{opF32Sub, opF32Mul}: opF32MulRsub, {opF64Sub, opF64Mul}: opF64MulRsub}
	// The inner one is a load.
	loadForms = map[[2]op]op{
		{opI32Add, opI32Load}: opI32AddLoad, {opI32Sub, opI32Load}: opI32SubLoad, {opI32Mul, opI32Load}: opI32MulLoad,
		{opI32And, opI32Load}: opI32AndLoad, {opI32Xor, opI32Load}: opI32XorLoad,
		{opI64Add, opI64Load}: opI64AddLoad, {opI64Sub, opI64Load}: opI64SubLoad, {opI64Mul, opI64Load}: opI64MulLoad, {opI64Xor, opI64Load}: opI64XorLoad,
		{opF32Add, opI32Load}: opF32AddLoad, {opF32Sub, opI32Load}: opF32SubLoad, {opF32Mul, opI32Load}: opF32MulLoad,
		{opF64Add, opI64Load}: opF64AddLoad, {opF64Sub, opI64Load}: opF64SubLoad, {opF64Mul, opI64Load}: opF64MulLoad,
	}
	ordered  = map[op]bool{opI32Sub: true, opI64Sub: true, opF32Sub: true, opF64Sub: true} // do not commute
	sumForms = map[op]op{opI32Add: opI32AddAddK, opI64Add: opI64AddAddK}
)

// fuse joins a binary operation with the instruction that has just computed one of its operands; nothing else can need that.
func (l *lowerer) fuse(r *rule, x, y operand) (Instr, bool) {
	if y.where == isConst {
		return l.fuseConst(r, x, y)
	}
	if x.where == isConst || r.swap {
		return Instr{}, false
	}
	if f := sumForms[r.op]; f != 0 {
		if x.where == inSum && y.ready() {
			return Instr{op: f, b: l.locals[x.val].slot, c: l.use32(y), imm: x.hi}, true
		}
		if y.where == inSum && x.ready() {
			return Instr{op: f, b: l.use32(x), c: l.locals[y.val].slot, imm: y.hi}, true
		}
	}
	if p := l.lastProducer(y); p != nil && x.ready() {
		if in, ok := fuseWith(r.op, p, l.use32(x), mulSecond); ok {
			l.unemit()
			return in, true
		}
	}
	if p := l.lastProducer(x); p != nil && y.ready() && !(ordered[r.op] && (p.op == opI32Load || p.op == opI64Load)) {
		if in, ok := fuseWith(r.op, p, l.use32(y), mulFirst); ok {
			l.unemit()
			return in, true
		}
	}
	return Instr{}, false
}

// fuseWith joins an operation with p, which computes one operand; the other one is in a slot. The tables name both operations: between them
// there may be conversions that emit nothing, so that p's type is not always the operand's.
func fuseWith(outer op, p *Instr, other uint16, mul map[[2]op]op) (Instr, bool) {
	both := [2]op{outer, p.op}
	if f := shiftForms[both]; f != 0 {
		return Instr{op: f, b: other, c: p.b, imm: p.imm}, true
	}
	if f := cmp.Or(threeForms[both], mul[both]); f != 0 {
		return Instr{op: f, b: p.b, c: p.c, imm: uint64(other)}, true
	}
	if f := loadForms[both]; f != 0 {
		return Instr{op: f, b: other, c: p.b, imm: p.imm}, true
	}
	if f := sumForms[outer]; f != 0 && (p.op == opI64AddK || p.op == opI32AddK && outer == opI32Add) { // low halves add up, high ones do not
		return Instr{op: f, b: p.b, c: other, imm: p.imm}, true
	}
	return Instr{}, false
}

// fuseConst is fuse for a constant second operand.
func (l *lowerer) fuseConst(r *rule, x, y operand) (Instr, bool) {
	p := l.lastProducer(x)
	if p == nil {
		return Instr{}, false
	}
	in := Instr{b: p.b, imm: y.val}
	switch {
	case r.k == opI32AndK && p.op == opI32ShrUK:
		in.op, in.c = opI32ShrUAndK, uint16(p.imm&31)
	case r.k == opI64AndK && p.op == opI64ShrUK:
		in.op, in.c = opI64ShrUAndK, uint16(p.imm&63)
	case r.op == opI32Add && p.op == opI32Add, r.op == opI64Add && p.op == opI64Add && !x.dirty:
		in.op, in.c = sumForms[r.op], p.c
	default:
		return Instr{}, false
	}
	l.unemit()
	return in, true
}

// selectForms choose by a comparison; those of the inverse comparison choose the other way.
var selectForms = map[op]op{
	opI32Eq: opSelectI32Eq, opI32LtS: opSelectI32LtS, opI32LtU: opSelectI32LtU, opI64LtS: opSelectI64LtS, opI64LtU: opSelectI64LtU,
	opF64Lt: opSelectF64Lt, opI32EqK: opSelectI32EqK, opI32LtSK: opSelectI32LtSK, opI32LtUK: opSelectI32LtUK, opI32GtSK: opSelectI32GtSK,
	opI32GtUK: opSelectI32GtUK, opI64EqK: opSelectI64EqK,
}

// fuseSelect joins a select of one slot each with a constant, or with its condition, which the last instruction computed.
func (l *lowerer) fuseSelect(x, y, cond operand) (Instr, bool) {
	switch {
	case y.where == isConst && x.where != isConst && cond.ready():
		return Instr{op: opSelectK, b: l.use(x), c: l.use32(cond), imm: y.val}, true
	case x.where == isConst && y.where != isConst && cond.ready():
		return Instr{op: opSelectKZ, b: l.use(y), c: l.use32(cond), imm: x.val}, true
	}
	p := l.lastProducer(cond)
	if p == nil || !x.ready() || x.dirty || !y.ready() || y.dirty {
		return Instr{}, false
	}
	d, e := l.use(x), l.use(y)
	in := Instr{b: p.b, c: p.c}
	if isMask(p) {
		in.op, in.imm = opSelectTest, p.imm<<32
	} else {
		how := comparisons[p.op]
		if in.op = selectForms[p.op]; in.op == 0 {
			if in.op = selectForms[how.inverse]; in.op == 0 || how.branch == 0 {
				return Instr{}, false
			}
			d, e = e, d
			if how.swapped {
				in.b, in.c = in.c, in.b
			}
		}
		if !fitsBranch(p) {
			return Instr{}, false
		}
		in.imm = p.imm << 32
	}
	in.imm |= uint64(d) | uint64(e)<<16
	l.unemit()
	return in, true
}

// lowerAdd lowers additions; that of a constant to a local waits for its use.
func lowerAdd(l *lowerer, r *rule) {
	n := len(l.stack)
	if x, y := &l.stack[n-2], &l.stack[n-1]; x.where == isConst && y.ofLocal() { // the constant second
		*x, *y = *y, *x
		x.home, y.home = y.home, x.home
	}
	if y := l.stack[n-1]; y.where == isConst && l.addConst(r, y.val) {
		return
	}
	binary(l, r)
}

// lowerSub lowers subtractions; a constant is added instead.
func lowerSub(l *lowerer, r *rule) {
	if y := &l.stack[len(l.stack)-1]; y.where == isConst {
		y.val = -y.val
		if r.typ == wasm.I32 {
			y.val = uint64(uint32(y.val))
		}
		add := rule{op: opI32Add, k: opI32AddK, typ: r.typ}
		if r.typ == wasm.I64 {
			add.op, add.k = opI64Add, opI64AddK
		}
		if !l.addConst(&add, y.val) {
			binary(l, &add)
		}
		return
	}
	binary(l, r)
}

// addConst replaces a local, or the sum of a local and a constant, and the constant k on top of it by their sum.
func (l *lowerer) addConst(r *rule, k uint64) bool {
	x := l.stack[len(l.stack)-2]
	if !x.ofLocal() {
		return false
	}
	l.pop()
	l.pop()
	if x.where == inSum {
		k += x.hi
	}
	l.pushSum(x.val, k, r.typ)
	return true
}

// joinLast joins the last two instructions if one can do the work of both. It runs when a third one follows, as the destination
// of the last one may change until then.
func (l *lowerer) joinLast() {
	n := len(l.code)
	if n-2 < l.barrier || l.plain {
		return
	}
	p, q := &l.code[n-2], &l.code[n-1]
	in, ok := l.joinStackPointer(p, q)
	if !ok {
		in, ok = join(p, q)
	}
	if !ok {
		return
	}
	*p = in
	l.code = l.code[:n-1]
	l.producer = -1
}

func fits16(k uint64) bool { return int32(k) == int32(int16(k)) }

func join(p, q *Instr) (Instr, bool) {
	switch q.op {
	case opI32AddK:
		switch {
		case p.op == opI32AddK && fits16(p.imm) && fits16(q.imm):
			return Instr{op: opI32AddK2, a: p.a, b: p.b, c: q.a, imm: uint64(q.b) | uint64(uint16(p.imm))<<16 | uint64(uint16(q.imm))<<32}, true
		case p.op == opMov:
			return Instr{op: opMovI32AddK, a: p.a, b: p.b, c: q.a, imm: uint64(q.b) | q.imm<<32}, true
		}
	case opMov:
		if p.op == opI32AddK && q.b != p.a && q.a != p.b && q.a != p.a { // the move can go first
			return Instr{op: opMovI32AddK, a: q.a, b: q.b, c: p.a, imm: uint64(p.b) | p.imm<<32}, true
		}
	case opGlobalSet:
		if p.op == opI32AddK && q.b == p.a && q.imm/globalSize <= 0xFFFF {
			return Instr{op: opI32AddKGlobalSet, a: p.a, b: p.b, c: uint16(q.imm / globalSize), imm: p.imm}, true
		}
	case opStore64K:
		if p.op == opI32AddKGlobalSet && p.a == p.b && q.a == p.a && q.b == 0 && q.c == 0 && q.imm<<32 == 0 {
			return Instr{op: opPushK, a: p.a, b: p.b, c: p.c, imm: q.imm>>32 | p.imm<<32}, true
		}
	case opI64Load:
		if p.op == opI64Load && p.imm <= 0xFFFF && q.imm <= 0xFFFF && q.b != p.a {
			return Instr{op: opI64Load2, a: p.a, b: p.b, c: q.a, imm: uint64(q.b) | p.imm<<16 | q.imm<<32}, true
		}
	case opStructGet32:
		if p.op == opStructGet32 && p.imm <= 0xFFFF && q.imm <= 0xFFFF {
			return Instr{op: opStructGet32x2, a: p.a, b: p.b, c: q.a, imm: uint64(q.b) | p.imm<<32 | q.imm<<48}, true
		}
	case opStore64:
		if p.op == opStore64 && p.imm <= 0xFFFF && q.imm <= 0xFFFF {
			return Instr{op: opStore64x2, a: p.a, b: p.b, c: q.a, imm: uint64(q.b) | p.imm<<16 | q.imm<<32}, true
		}
	case opConst:
		switch {
		case p.op != opConst:
		case p.imm == q.imm && q.a == p.a+1:
			return Instr{op: opConstVV, a: p.a, imm: p.imm}, true
		case p.imm>>32 == 0 && q.imm>>32 == 0:
			return Instr{op: opConst2, a: p.a, c: q.a, imm: p.imm | q.imm<<32}, true
		}
	}
	return Instr{}, false
}

// emitJump emits a branch, joined with the instruction before it if that pays, and returns its index.
func (l *lowerer) emitJump(in Instr) int {
	l.joinLast()
	if p := l.last(); p != nil && !l.plain {
		if f, ok := joinJump(p, &in); ok {
			*p = f
			l.producer = -1
			return len(l.code) - 1
		}
	}
	return l.put(in)
}

// stepForms are backward branches on the value that an AddK has just computed.
var stepForms = map[op]op{
	opBrNZ32L: opI32AddKBrNZ32L, opBrI32NeL: opI32AddKBrI32NeL, opBrI32LtSL: opI32AddKBrI32LtSL, opBrI32LtUL: opI32AddKBrI32LtUL,
	opBrI32NeKL: opI32AddKBrI32NeKL, opBrI32LtSKL: opI32AddKBrI32LtSKL, opBrI32LtUKL: opI32AddKBrI32LtUKL,
	opBrI32GtSKL: opI32AddKBrI32GtSKL, opBrI32GtUKL: opI32AddKBrI32GtUKL,
}

func joinJump(p, q *Instr) (Instr, bool) {
	in := Instr{a: p.a, b: p.b, c: q.c, imm: p.imm & 0xFFFFFFFF}
	switch p.op {
	case opI32AddK:
		switch in.op = stepForms[q.op]; q.op {
		case opBrI32NeKL, opBrI32LtSKL, opBrI32LtUKL, opBrI32GtSKL, opBrI32GtUKL:
			in.c = uint16(q.imm)
			return in, q.b == p.a && fits16(q.imm)
		}
		return in, in.op != 0 && q.b == p.a && (q.op == opBrNZ32L || q.c != p.a)
	case opI32Add:
		in.c, in.imm = p.c, q.imm&0xFFFFFFFF
		switch q.op {
		case opBrI32LtSKL:
			in.op = opI32AddBrI32LtSKL
		case opBrI32LtUKL:
			in.op = opI32AddBrI32LtUKL
		}
		return in, in.op != 0 && q.b == p.a
	case opGlobalGet:
		in.b, in.c = q.b, uint16(p.imm/globalSize)
		switch q.op {
		case opBrNZ32:
			in.op = opGlobalGetBrNZ
		case opBrNZ32L:
			in.op = opGlobalGetBrNZL
		}
		return in, in.op != 0 && p.imm/globalSize <= 0xFFFF
	case opI32Load:
		switch q.op {
		case opBrZ32:
			in.op = opI32LoadBrZ
		case opBrZ32L:
			in.op = opI32LoadBrZL
		case opBrNZ32:
			in.op = opI32LoadBrNZ
		case opBrNZ32L:
			in.op = opI32LoadBrNZL
		}
		return in, in.op != 0 && q.b == p.a && p.imm>>32 == 0
	case opStructGet32:
		switch q.op {
		case opBrZ32:
			in.op = opStructGet32BrZ
		case opBrZ32L:
			in.op = opStructGet32BrZL
		case opBrNZ32:
			in.op = opStructGet32BrNZ
		case opBrNZ32L:
			in.op = opStructGet32BrNZL
		case opBrI32EqK:
			in.op, in.c = opStructGet32BrEqK, uint16(q.imm)
		case opBrI32EqKL:
			in.op, in.c = opStructGet32BrEqKL, uint16(q.imm)
		case opBrI32NeK:
			in.op, in.c = opStructGet32BrNeK, uint16(q.imm)
		case opBrI32NeKL:
			in.op, in.c = opStructGet32BrNeKL, uint16(q.imm)
		}
		return in, in.op != 0 && q.b == p.a && q.imm&0xFFFFFFFF <= 0xFFFF
	case opI32Load8U:
		in.c = uint16(q.imm)
		switch q.op {
		case opBrZ32, opBrI32EqK:
			in.op = opI32Load8UBrEqK
		case opBrZ32L, opBrI32EqKL:
			in.op = opI32Load8UBrEqKL
		case opBrNZ32, opBrI32NeK:
			in.op = opI32Load8UBrNeK
		case opBrNZ32L, opBrI32NeKL:
			in.op = opI32Load8UBrNeKL
		}
		return in, in.op != 0 && q.b == p.a && p.imm>>32 == 0 && q.imm <= 0xFFFF
	case opConst:
		switch q.op {
		case opBr:
			in.op = opConstBr
		case opBrL:
			in.op = opConstBrL
		}
		return in, in.op != 0 && p.imm>>32 == 0
	case opMov:
		in.imm = 0
		switch q.op {
		case opBr:
			in.op = opMovBr
		case opBrL:
			in.op = opMovBrL
		}
		return in, in.op != 0
	}
	return Instr{}, false
}

// maxThread bounds how many branches in a row are made one.
const maxThread = 8

// threadJumps makes branches to branches go where those lead, and branches to a return return. Branches that set the index of the
// br_table they lead to go where the table leads: Go's compiler jumps that way. That keeps off functions whose maps tell the places apart.
func (l *lowerer) threadJumps() {
	if l.plain {
		return
	}
	for i := 0; i < len(l.code); i++ {
		in := &l.code[i]
		if jumps[in.op] {
			t := i + int(in.lane(3))/instrSize
			for n := 0; n < maxThread && l.code[t].op == opBr; n++ {
				t += int(l.code[t].lane(3)) / instrSize
			}
			in.setLane(3, int32(t-i)*instrSize)
			if r, ok := returnAt(in, &l.code[t]); ok {
				*in = r
			}
		}
		if (in.op == opConstBrL || in.op == opConstBr) && len(l.maps) == 0 {
			t := i + int(in.lane(3))/instrSize
			if to := &l.code[t]; to.op == opBrTable && to.b == in.a {
				k := int(min(uint32(in.imm), uint32(to.imm)-1))
				in.setLane(3, int32(t-i)*instrSize+l.code[t+1+k/4].lane(k%4))
			}
		}
		i += in.tableSize()
	}
}

// returnAt is what a branch to an instruction may be replaced by if that returns.
func returnAt(br, to *Instr) (Instr, bool) {
	switch {
	case br.op == opBr && (to.op == opReturn || to.op == opReturn1 || to.op == opReturnConst || to.op == opReturnV):
		return *to, true
	case br.op == opConstBr && to.op == opReturn1 && to.b == br.a:
		return Instr{op: opReturnConst, a: to.a, imm: uint64(uint32(br.imm))}, true
	case br.op == opMovBr && to.op == opReturn1 && to.b == br.a:
		return Instr{op: opReturn1, a: to.a, b: br.b}, true
	}
	return Instr{}, false
}
