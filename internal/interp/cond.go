package interp

// cond is a condition about to be branched on.
type cond struct {
	// op is a comparison's value instruction; opBrNZ32 for a plain value in slot b; opBrTestNZ for its bits k; opBrIsF or opBrIsSub for whether it is of
	// type k
	op      op
	a, b, c uint16
	k       uint32
	loop    bool // the branch goes backwards
	// negate inverts the condition; for those that are no comparison
	negate bool
}

// comparison tells how to branch on a comparison, and its inverse.
type comparison struct {
	inverse op
	swapped bool // the inverse has its operands swapped
	branch  op
}

// comparisons is indexed by value instruction. Each branch instruction is followed by its form for backward branches.
var comparisons [numOps]comparison

func init() {
	pair := func(a, b op, swapped bool, brA, brB op) {
		comparisons[a] = comparison{b, swapped, brA}
		comparisons[b] = comparison{a, swapped, brB}
	}
	pair(opI32Eq, opI32Ne, false, opBrI32Eq, opBrI32Ne)
	pair(opI32LtS, opI32LeS, true, opBrI32LtS, opBrI32LeS)
	pair(opI32LtU, opI32LeU, true, opBrI32LtU, opBrI32LeU)
	pair(opI32EqK, opI32NeK, false, opBrI32EqK, opBrI32NeK)
	pair(opI32LtSK, opI32GeSK, false, opBrI32LtSK, opBrI32GeSK)
	pair(opI32LtUK, opI32GeUK, false, opBrI32LtUK, opBrI32GeUK)
	pair(opI32GtSK, opI32LeSK, false, opBrI32GtSK, opBrI32LeSK)
	pair(opI32GtUK, opI32LeUK, false, opBrI32GtUK, opBrI32LeUK)
	pair(opI64Eq, opI64Ne, false, opBrI64Eq, opBrI64Ne)
	pair(opI64LtS, opI64LeS, true, opBrI64LtS, opBrI64LeS)
	pair(opI64LtU, opI64LeU, true, opBrI64LtU, opBrI64LeU)
	pair(opI64EqK, opI64NeK, false, opBrI64EqK, opBrI64NeK)
	pair(opI64LtSK, opI64GeSK, false, opBrI64LtSK, opBrI64GeSK)
	pair(opI64LtUK, opI64GeUK, false, opBrI64LtUK, opBrI64GeUK)
	pair(opI64GtSK, opI64LeSK, false, opBrI64GtSK, opBrI64LeSK)
	pair(opI64GtUK, opI64LeUK, false, opBrI64GtUK, opBrI64LeUK)
	pair(opF32Eq, opF32Ne, false, opBrF32Eq, opBrF32Ne)
	pair(opF32Lt, opF32NLt, false, opBrF32Lt, opBrF32NLt)
	pair(opF32Le, opF32NLe, false, opBrF32Le, opBrF32NLe)
	pair(opF64Eq, opF64Ne, false, opBrF64Eq, opBrF64Ne)
	pair(opF64Lt, opF64NLt, false, opBrF64Lt, opBrF64NLt)
	pair(opF64Le, opF64NLe, false, opBrF64Le, opBrF64NLe)
}

// fitsBranch reports whether a comparison's constant, if it has one, fits its branch's 32 bits.
func fitsBranch(in *Instr) bool {
	switch in.op {
	case opI64EqK, opI64NeK, opI64LtSK, opI64LtUK, opI64GtSK, opI64GtUK, opI64LeSK, opI64LeUK, opI64GeSK, opI64GeUK:
		return int64(in.imm) == int64(int32(in.imm))
	}
	return true
}

// popCond pops a condition. A comparison that was just computed for it is taken back, to be done by the branch.
func (l *lowerer) popCond() cond {
	o := l.pop()
	p := l.lastProducer(o)
	switch {
	case p == nil:
	case comparisons[p.op].branch != 0 && fitsBranch(p):
		in := l.unemit()
		zero := in.imm == 0 && (in.op == opI32EqK || in.op == opI64EqK)
		if zero || in.imm == 0 && (in.op == opI32NeK || in.op == opI64NeK) {
			// A test of bits, if they were masked just for this: operand slots are read once.
			if m := l.last(); m != nil && isMask(m) && m.a == in.b && int(in.b) >= l.base {
				m := l.unemit()
				return cond{op: opBrTestNZ, b: m.b, k: uint32(m.imm), negate: zero}
			}
			if m := l.last(); m != nil && isCast(m) && m.a == in.b && int(in.b) >= l.base {
				c := castCond(l.unemit())
				c.negate = zero
				return c
			}
			if in.op == opI32EqK || in.op == opI32NeK {
				return cond{op: opBrNZ32, b: in.b, negate: zero}
			}
		}
		return cond{op: in.op, b: in.b, c: in.c, k: uint32(in.imm)}
	case isMask(p):
		m := l.unemit()
		return cond{op: opBrTestNZ, b: m.b, k: uint32(m.imm)}
	case isCast(p):
		return castCond(l.unemit())
	}
	return cond{op: opBrNZ32, b: l.use32(o)}
}

// isMask reports whether an instruction keeps some of the low 32 bits of a slot.
func isMask(in *Instr) bool { return (in.op == opI32AndK || in.op == opI64AndK) && in.imm>>32 == 0 }

// isCast reports whether an instruction asks about a type and has branches of its own for that.
func isCast(in *Instr) bool { return in.op == opRefTestF || in.op == opRefTestSub }

// castCond is the condition that a test of a reference's type computed.
func castCond(in Instr) cond {
	c := cond{op: opBrIsF, a: uint16(in.imm >> 32), b: in.b, c: in.c, k: uint32(in.imm)}
	if in.op == opRefTestSub {
		c.op = opBrIsSub
	}
	return c
}

// emitCond emits a branch that is taken if the condition is sense, and returns its index; the target is still to be patched in.
func (l *lowerer) emitCond(c cond, sense bool) int {
	in := Instr{op: c.op, a: c.a, b: c.b, c: c.c, imm: uint64(c.k)}
	switch {
	case c.op == opBrIsF && sense == c.negate:
		in.op = opBrIsNotF
	case c.op == opBrIsSub && sense == c.negate:
		in.op = opBrIsNotSub
	case c.op == opBrIsF || c.op == opBrIsSub:
	case c.op == opBrNZ32 && sense == c.negate:
		in.op = opBrZ32
	case c.op == opBrTestNZ && sense == c.negate:
		in.op = opBrTestZ
	case c.op == opBrNZ32 || c.op == opBrTestNZ:
	default:
		cmp := comparisons[c.op]
		if !sense {
			if cmp.swapped {
				in.b, in.c = in.c, in.b
			}
			cmp = comparisons[cmp.inverse]
		}
		in.op = cmp.branch
	}
	if c.loop {
		in.op++
	}
	return l.emitJump(in)
}

// lowerEqz lowers i32.eqz, which inverts a comparison just computed, and i64.eqz.
func lowerEqz(l *lowerer, r *rule) {
	o := l.pop()
	if r.op == opI32EqK {
		if p := l.lastProducer(o); p != nil && comparisons[p.op].branch != 0 {
			in := l.unemit()
			cmp := comparisons[in.op]
			if cmp.swapped {
				in.b, in.c = in.c, in.b
			}
			in.op = cmp.inverse
			l.emitResult(in, r.typ)
			return
		}
	}
	l.emitResult(Instr{op: r.op, b: l.use32(o)}, r.typ)
}
