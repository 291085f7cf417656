package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

func init() {
	addRules([]row{
		{wasm.OpCall, rule{lower: lowerCall}},
		{wasm.OpCallIndirect, rule{lower: lowerCallIndirect}},
		{wasm.OpCallRef, rule{lower: lowerCallRef}},
		{wasm.OpReturnCall, rule{lower: lowerTailCall}},
		{wasm.OpReturnCallIndirect, rule{lower: lowerTailCallIndirect}},
		{wasm.OpReturnCallRef, rule{lower: lowerTailCallRef}},
	})
}

func slotsOf(types []wasm.ValType) (n int) {
	for _, t := range types {
		n += t.Slots()
	}
	return n
}

// args puts the arguments of a call into their homes, which will be the callee's first slots, and returns where they are.
func (l *lowerer) args(ft *wasm.FuncType) (first, slots int) {
	n := len(ft.Params)
	l.settle(n)
	first = l.top
	if n > 0 {
		first = l.stack[len(l.stack)-n].home
	}
	return first, l.top - first
}

// emitCall emits a call whose operands are the arguments. A callee that is an operand, too, has been popped.
func (l *lowerer) emitCall(in Instr, ft *wasm.FuncType, callee ...operand) {
	first, slots := l.args(ft)
	in.a, in.b = uint16(first), uint16(first+slots)
	if p := l.last(); p != nil && !l.plain && in.op == opCall && slots > 0 && p.a == in.b-1 {
		switch {
		case p.op == opConst && p.imm <= 0xFFFF:
			in.op, in.c = opCallK, uint16(p.imm)
			l.unemit()
		case p.op == opMov && int(p.b) < l.base && len(l.code)-1 > l.barrier:
			// From a local, as the call may begin again and objects may have moved; and not where a loop begins, whose map would tell the argument too early.
			in.op, in.c = opCallM, p.b
			l.unemit()
		}
	}
	at := l.emit(in)
	l.recordMap(at, atInstr, len(l.stack), callee...)
	l.recordMap(at, inCall, len(l.stack)-len(ft.Params))
	l.truncate(len(l.stack) - len(ft.Params))
	for _, t := range ft.Results {
		l.pushHome(t)
	}
}

func lowerCall(l *lowerer, _ *rule) {
	fn := l.in.Index
	if int(fn) < l.m.NumImportedFuncs {
		l.emitCall(Instr{op: opCallImport, imm: uint64(fn)}, l.m.FuncType(fn))
		return
	}
	l.emitCall(Instr{op: opCall, imm: uint64(l.c.FuncAddr(fn))}, l.m.FuncType(fn))
}

// popCallee pops the operand that tells what to call, and puts it into a slot that is not among the arguments': its home is above theirs, so it
// stays intact when they are settled.
func (l *lowerer) popCallee() (slot uint16, o operand) {
	o = l.pop()
	slot = l.use32(o)
	if !o.ready() {
		o.where = inHome
	}
	return slot, o
}

// indirectImm packs the immediates of call_indirect; the high 16 bits are free for the own header.
func (l *lowerer) indirectImm() uint64 {
	if l.in.Index2 > 0xFFFF {
		panic(&wasm.LimitError{Limit: "table index of call_indirect", Max: 0xFFFF, Got: uint64(l.in.Index2), Func: int64(l.fn), Offset: l.in.Offset})
	}
	return uint64(l.m.TypeIDs[l.in.Index]) | uint64(l.in.Index2)<<32
}

func lowerCallIndirect(l *lowerer, _ *rule) {
	o := opCallIndirect
	if l.m.Tables[l.in.Index2].Type.Is64 {
		o = opCallIndirect64
	}
	slot, _ := l.popCallee()
	l.emitCall(Instr{op: o, c: slot, imm: l.indirectImm()}, &l.m.Types[l.in.Index].Func)
}

func lowerCallRef(l *lowerer, _ *rule) {
	slot, callee := l.popCallee()
	l.emitCall(Instr{op: opCallRef, c: slot}, &l.m.Types[l.in.Index].Func, callee)
}

// emitTailCall emits a tail call; the caller has put in what tells the callee and, where it wants it, the own header.
func (l *lowerer) emitTailCall(in Instr, ft *wasm.FuncType, callee ...operand) {
	first, slots := l.args(ft)
	in.a, in.b = uint16(first), uint16(slots)
	at := l.emit(in)
	l.recordMap(at, atInstr, len(l.stack), callee...)
	l.recordMap(at, inCall, len(l.stack)-len(ft.Params))
	l.kill()
}

func lowerTailCall(l *lowerer, _ *rule) {
	fn := l.in.Index
	if int(fn) < l.m.NumImportedFuncs {
		l.emitTailCall(Instr{op: opTailCallImport, c: uint16(l.header), imm: uint64(fn)}, l.m.FuncType(fn))
		return
	}
	l.emitTailCall(Instr{op: opTailCall, c: uint16(l.header), imm: uint64(l.c.FuncAddr(fn))}, l.m.FuncType(fn))
}

func lowerTailCallIndirect(l *lowerer, _ *rule) {
	o := opTailCallIndirect
	if l.m.Tables[l.in.Index2].Type.Is64 {
		o = opTailCallIndirect64
	}
	slot, _ := l.popCallee()
	l.emitTailCall(Instr{op: o, c: slot, imm: l.indirectImm() | uint64(l.header)<<48}, &l.m.Types[l.in.Index].Func)
}

func lowerTailCallRef(l *lowerer, _ *rule) {
	slot, callee := l.popCallee()
	l.emitTailCall(Instr{op: opTailCallRef, c: slot, imm: uint64(l.header) << 48}, &l.m.Types[l.in.Index].Func, callee)
}
