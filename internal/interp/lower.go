package interp

import (
	"fmt"
	"math"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// lowerer turns one function's body into code. It is reused from function to function.
//
// Operands stay where they are (in locals, or constants) until an instruction needs them in their homes; see operand.go. What
// cannot be reached is not lowered: while dead is set only the nesting is followed.
type lowerer struct {
	c    *Code
	m    *wasm.Module
	ft   *wasm.FuncType
	fn   uint32
	r    wasm.InstrReader
	in   wasm.Instr
	code []Instr

	locals []local
	setLog []uint32 // locals that became set, in order; see control.setMark
	unset  []uint32 // locals of reference types that may have to be zeroed because of a safepoint to come
	header int      // slot of the frame's header
	base   int      // slot of the first operand

	stack  []operand
	lazy   []int // indices of operands that are, or were, ofLocal
	refOps []int // indices of operands of reference types
	top    int   // next free operand slot
	maxTop int

	ctrl     []control
	dead     bool
	deadNest int // blocks begun since the code became dead

	barrier  int // code before this index is final: a branch may lead here
	producer int // index of the instruction that computed the topmost operand into its home, -1 if unknown

	maps    []stackMap
	refs    []refRun
	entries int // in all maps
	regions []region

	oneType map[wasm.ValType][]wasm.ValType // result lists of one type, made once

	// plain keeps every operand in its home and joins nothing: the simplest lowering, to compare the other one with.
	plain bool

	// trace asks for offsets: where in the module the Wasm instruction of each instruction is.
	trace   bool
	offsets []uint32
}

// local is a parameter or local variable.
type local struct {
	typ   wasm.ValType
	slot  uint16
	first int  // index of the topmost operand that was pushed as ofLocal of it, -1 if there is none
	set   bool // assigned on every path to here
	zero  bool // read, or told by a map, where it might not be set: the entry must zero it
	noted bool // in lowerer.unset
}

// reset prepares for a function; the error is a limit.
func (l *lowerer) reset(c *Code, fn uint32) error {
	m := c.m
	*l = lowerer{
		c: c, m: m, ft: m.FuncType(fn), fn: fn, r: l.r, in: l.in, code: l.code[:0], locals: l.locals[:0], setLog: l.setLog[:0], unset: l.unset[:0],
		stack: l.stack[:0], lazy: l.lazy[:0], refOps: l.refOps[:0], ctrl: l.ctrl[:0], producer: -1, oneType: l.oneType, trace: l.trace, plain: c.engine.plain,
	}
	body := &m.Bodies[int(fn)-m.NumImportedFuncs]
	slot := 0
	for _, t := range l.ft.Params {
		l.locals = append(l.locals, local{typ: t, slot: uint16(slot), first: -1, set: true})
		l.addRefs(t, slot, 1)
		slot += t.Slots()
	}
	l.header = slot
	slot += headerSlots
	for _, run := range body.Locals {
		if n := slot + int(run.Count)*run.Type.Slots(); n > maxSlots {
			return &wasm.LimitError{Limit: "frame slots", Max: maxSlots, Got: uint64(n), Func: int64(fn), Offset: body.Offset}
		}
		l.addRefs(run.Type, slot, int(run.Count))
		for range run.Count {
			l.locals = append(l.locals, local{typ: run.Type, slot: uint16(slot), first: -1, zero: run.Type.IsRef() && l.plain})
			l.noteUnset(uint32(len(l.locals) - 1))
			slot += run.Type.Slots()
		}
	}
	if slot > maxSlots {
		return &wasm.LimitError{Limit: "frame slots", Max: maxSlots, Got: uint64(slot), Func: int64(fn), Offset: body.Offset}
	}
	l.base, l.top, l.maxTop = slot, slot, slot
	l.r.Reset(body.Code, body.Offset)
	return nil
}

// addRefs notes locals of a reference type.
func (l *lowerer) addRefs(t wasm.ValType, slot, n int) {
	if t.IsRef() && n > 0 {
		l.refs = append(l.refs, refRun{uint16(slot), uint16(n), l.m.Canon(t)})
	}
}

// noteUnset notes a local that is not set here. At the next safepoint it must be set or zero, if it is of a reference type.
func (l *lowerer) noteUnset(x uint32) {
	if loc := &l.locals[x]; loc.typ.IsRef() && !loc.zero && !loc.noted {
		loc.noted = true
		l.unset = append(l.unset, x)
	}
}

// zeroUnset has the entry zero the locals that a map is about to tell but that may not be set. Each note is looked at once.
func (l *lowerer) zeroUnset() {
	for _, x := range l.unset {
		loc := &l.locals[x]
		loc.noted = false
		loc.zero = loc.zero || !loc.set
	}
	l.unset = l.unset[:0]
}

// bug reports a broken invariant of ours.
func (l *lowerer) bug(format string, args ...any) error {
	return &BugError{fmt.Sprintf("lowering function %d at %#x: ", l.fn, l.in.Offset) + fmt.Sprintf(format, args...)}
}

// lower produces the body's code, without the entry.
func (l *lowerer) lower() (err error) {
	defer func() {
		v := recover()
		if limit, ok := v.(*wasm.LimitError); ok {
			err = limit
		} else if v != nil {
			err = l.bug("%v", v)
		}
	}()
	l.pushControl(control{kind: kindFunc, slot: l.base, results: l.ft.Results})
	for len(l.ctrl) > 0 {
		if err := l.r.Next(&l.in); err != nil {
			return err
		}
		if l.dead && l.skip() {
			continue
		}
		if int(l.in.Op) >= len(rules) || rules[l.in.Op].lower == nil {
			return l.bug("no rule for %s", l.in.Op)
		}
		r := &rules[l.in.Op]
		r.lower(l, r)
		if l.maxTop > maxSlots {
			return &wasm.LimitError{Limit: "frame slots", Max: maxSlots, Got: uint64(l.maxTop), Func: int64(l.fn), Offset: l.in.Offset}
		}
	}
	l.threadJumps()
	if len(l.code) > math.MaxInt32/instrSize/2 {
		return &wasm.LimitError{Limit: "instructions of a function", Max: math.MaxInt32 / instrSize / 2, Got: uint64(len(l.code)), Func: int64(l.fn), Offset: l.in.Offset}
	}
	return nil
}

// skip passes over an instruction of dead code; false if it ends the dead code.
func (l *lowerer) skip() bool {
	switch l.in.Op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpTryTable:
		l.deadNest++
	case wasm.OpElse:
		return l.deadNest > 0
	case wasm.OpEnd:
		if l.deadNest == 0 {
			return false
		}
		l.deadNest--
	}
	return true
}

// kill marks what follows as unreachable.
func (l *lowerer) kill() {
	l.truncate(l.ctrl[len(l.ctrl)-1].height)
	l.dead, l.deadNest = true, 0
}

// entry returns the instructions that zero the locals which need it, to go before the body.
func (l *lowerer) entry(buf []Instr) []Instr {
	for i := 0; i < len(l.locals); {
		if !l.locals[i].zero {
			i++
			continue
		}
		// Take runs together, over gaps of locals that need no zeroing if they are short.
		first, end, j := int(l.locals[i].slot), 0, i
		for k := i; k < len(l.locals) && int(l.locals[k].slot) <= end+2 || k == i; k++ {
			if l.locals[k].zero {
				end, j = int(l.locals[k].slot)+l.locals[k].typ.Slots(), k
			}
		}
		i = j + 1
		for n := end - first; n > 0; {
			in := Instr{op: opZero1, a: uint16(first)}
			switch {
			case n >= 8:
				in = Instr{op: opZeroN, a: uint16(first), imm: uint64(n / 4)}
				first, n = first+n/4*4, n%4
			case n >= 4:
				in.op = opZero4
				first, n = first+4, n-4
			case n >= 2:
				in.op = opZero2
				first, n = first+2, n-2
			default:
				n--
			}
			buf = append(buf, in)
		}
	}
	return buf
}

// run lowers a function.
func (l *lowerer) run(c *Code, fn uint32) error {
	if err := l.reset(c, fn); err != nil {
		return err
	}
	return l.lower()
}
