package vm

import "github.com/spindle-wasm/spindle/internal/wasm"

// provenance says what is known about a number on every way to where it is.
type provenance uint8

const (
	elsewhere   provenance = iota // anything
	fromPointer                   // the stack pointer, or a place at a distance from it
	lowered                       // the same, by less than before: room was made
)

func join(a, b provenance) provenance {
	switch {
	case a == b:
		return a
	case a == elsewhere || b == elsewhere:
		return elsewhere
	}
	return fromPointer
}

// PointerSet is an instruction that sets the stack pointer.
type PointerSet struct {
	Offset uint32 // in the module
	Alloc  bool   // it makes room on the stack that the stack pointer was on
}

// PointerSets returns the instructions of a defined function that set the global sp, by offset. One makes room on its stack if
// the value, on every way there, was the same global's and was then lowered by a subtraction or by clearing low bits. One that
// sets anything else, such as what was loaded, passed or saved, moves to another place or stack. Of a function that would take too long to
// follow nothing is returned.
func PointerSets(m *wasm.Module, fn, sp uint32) []PointerSet {
	f := flow{m: m, sp: sp, loops: map[uint32][]provenance{}, fuel: flowFuel}
	for f.again = true; f.again; {
		if !f.pass(fn) {
			return nil
		}
	}
	return f.sets
}

// flowFuel bounds the work of PointerSets: instructions, and locals copied or compared at branches.
const flowFuel = 1 << 22

// flow is an abstract interpretation of one function, repeated until the states at loop headers have settled. They can only
// fall, from lowered or fromPointer to elsewhere.
type flow struct {
	m    *wasm.Module
	sp   uint32
	v    wasm.FuncValidator
	fuel int

	loops map[uint32][]provenance // locals at the header of each loop, by the loop's offset; kept from pass to pass
	again bool                    // one of loops changed

	locals []provenance // now; nil where code cannot be reached
	stack  []operand
	labels []flowLabel
	sets   []PointerSet
}

// operand is an operand as far as it matters: what it comes from, or a constant.
type operand struct {
	from     provenance
	constant bool
	negative bool
}

type flowLabel struct {
	loop  uint32       // offset, if it is a loop
	out   []provenance // join of the states at branches to the end
	entry []provenance // of an if, for its else
}

// pass goes through the body once; false if that is too much work.
func (f *flow) pass(fn uint32) bool {
	if f.v.Reset(f.m, fn) != nil {
		return false
	}
	b := &f.m.Bodies[int(fn)-f.m.NumImportedFuncs]
	f.again, f.sets, f.stack = false, f.sets[:0], f.stack[:0]
	f.locals = make([]provenance, f.v.NumLocals()+1) // one more, so that it is never nil
	f.labels = append(f.labels[:0], flowLabel{})
	var r wasm.InstrReader
	var in wasm.Instr
	for r.Reset(b.Code, b.Offset); r.More(); {
		if f.fuel--; f.fuel < 0 || r.Next(&in) != nil {
			return false
		}
		f.branches(&in)
		height, results := f.effect(&in)
		if f.v.Step(&in) != nil {
			return false
		}
		f.resize(height, results)
		f.control(&in)
	}
	return true
}

// effect works out what an instruction does to locals and operands. It returns how many of the operands stay as they are (-1: none is
// known to), and what is known of the one that the instruction pushes.
func (f *flow) effect(in *wasm.Instr) (keep int, result operand) {
	n := len(f.stack)
	top := func(i int) operand {
		if i < n {
			return f.stack[n-1-i]
		}
		return operand{}
	}
	local := func() *provenance {
		if f.locals == nil {
			return new(provenance)
		}
		return &f.locals[in.Index]
	}
	switch in.Op {
	case wasm.OpLocalGet:
		return n, operand{from: *local()}
	case wasm.OpLocalSet:
		*local() = top(0).from
		return n - 1, operand{}
	case wasm.OpLocalTee:
		*local() = top(0).from
		return n, operand{}
	case wasm.OpGlobalGet:
		if in.Index == f.sp {
			return n, operand{from: fromPointer}
		}
		return n, operand{}
	case wasm.OpGlobalSet:
		if in.Index == f.sp {
			f.sets = append(f.sets, PointerSet{in.Offset, top(0).from == lowered && f.locals != nil})
		}
		return n - 1, operand{}
	case wasm.OpI32Const:
		return n, operand{constant: true, negative: int32(in.Value) < 0}
	case wasm.OpI64Const:
		return n, operand{constant: true, negative: int64(in.Value) < 0}
	case wasm.OpI32Sub, wasm.OpI64Sub:
		return n - 2, operand{from: moved(top(1), top(0), false)}
	case wasm.OpI32Add, wasm.OpI64Add:
		x, y := top(1), top(0)
		if x.constant {
			x, y = y, x
		}
		if !y.constant { // an address at a distance that is not known, such as that of an element
			return n - 2, operand{}
		}
		return n - 2, operand{from: moved(x, y, true)}
	case wasm.OpI32And, wasm.OpI64And:
		x, y := top(1), top(0)
		if x.from == elsewhere {
			x, y = y, x
		}
		if x.from != elsewhere && y.from == elsewhere && (!y.constant || y.negative) { // an alignment
			return n - 2, operand{from: lowered}
		}
		return n - 2, operand{}
	case wasm.OpSelect:
		return n - 3, operand{from: join(top(2).from, top(1).from)}
	case wasm.OpCall:
		ft := f.m.FuncType(in.Index)
		return n - len(ft.Params), operand{}
	case wasm.OpNop:
		return n, operand{}
	case wasm.OpDrop, wasm.OpBrIf:
		return n - 1, operand{}
	}
	if info := in.Op.Info(); info.Params != "" || info.Results != "" {
		return n - len(info.Params), operand{}
	}
	return -1, operand{}
}

// moved is what is known of x plus or minus y.
func moved(x, y operand, plus bool) provenance {
	if x.from == elsewhere || y.from != elsewhere {
		return elsewhere
	}
	if y.constant && y.negative != plus { // raised
		return fromPointer
	}
	return lowered
}

// resize makes the operands as many as there are, of which the lowest keep ones stay.
func (f *flow) resize(keep int, result operand) {
	h := f.v.Height()
	if keep > len(f.stack) || keep < 0 {
		keep = 0
	}
	f.stack = f.stack[:min(keep, h)]
	if keep == h-1 {
		f.stack = append(f.stack, result)
	}
	for len(f.stack) < h {
		f.stack = append(f.stack, operand{})
	}
}

// branches brings the state before an instruction to the labels that it names.
func (f *flow) branches(in *wasm.Instr) {
	switch in.Op {
	case wasm.OpBr, wasm.OpBrIf, wasm.OpBrOnNull, wasm.OpBrOnNonNull, wasm.OpBrOnCast, wasm.OpBrOnCastFail:
		f.to(in.Index)
	case wasm.OpBrTable:
		var seen uint64 // most tables have few labels
		for _, l := range in.Labels {
			if l < 64 && seen&(1<<l) != 0 {
				continue
			}
			if l < 64 {
				seen |= 1 << l
			}
			f.to(l)
		}
	case wasm.OpTryTable:
		// A handler runs after any part of the body: nothing is known of the locals there.
		for _, c := range in.Catch {
			if l := len(f.labels) - 1 - int(c.Label); l >= 0 && f.locals != nil {
				f.join(l, make([]provenance, len(f.locals)))
			}
		}
	}
}

func (f *flow) to(depth uint32) {
	if l := len(f.labels) - 1 - int(depth); l >= 0 && f.locals != nil {
		f.join(l, f.locals)
	}
}

// join brings a state to a label.
func (f *flow) join(label int, state []provenance) {
	l := &f.labels[label]
	if l.loop != 0 {
		f.atLoop(l.loop, state)
		return
	}
	f.fuel -= len(state)
	l.out = joined(l.out, state)
}

// joined is a state that holds on both ways; a nil one is that of no way. a may be changed.
func joined(a, b []provenance) []provenance {
	if a == nil {
		return append([]provenance(nil), b...)
	}
	for i := range b {
		a[i] = join(a[i], b[i])
	}
	return a
}

// atLoop brings a state to a loop's header and notes if that changes it.
func (f *flow) atLoop(loop uint32, state []provenance) {
	f.fuel -= len(state)
	was, ok := f.loops[loop]
	if !ok {
		f.loops[loop] = append([]provenance{}, state...)
		return
	}
	for i, s := range state {
		if j := join(was[i], s); j != was[i] {
			was[i] = j
			f.again = true
		}
	}
}

// control follows blocks and the ends of what can be reached, after the instruction has been stepped over.
func (f *flow) control(in *wasm.Instr) {
	switch in.Op {
	case wasm.OpBlock, wasm.OpTryTable:
		f.labels = append(f.labels, flowLabel{})
	case wasm.OpIf:
		f.fuel -= len(f.locals)
		f.labels = append(f.labels, flowLabel{entry: f.copied()})
	case wasm.OpLoop:
		f.labels = append(f.labels, flowLabel{loop: in.Offset})
		if f.locals != nil {
			f.atLoop(in.Offset, f.locals)
			copy(f.locals, f.loops[in.Offset])
		}
	case wasm.OpElse:
		l := &f.labels[len(f.labels)-1]
		if f.locals != nil {
			l.out = joined(l.out, f.locals)
		}
		f.locals, l.entry = l.entry, nil
	case wasm.OpEnd:
		l := &f.labels[len(f.labels)-1]
		f.labels = f.labels[:len(f.labels)-1]
		if l.entry != nil {
			l.out = joined(l.out, l.entry)
		}
		if f.locals == nil {
			f.locals = l.out
		} else if l.out != nil {
			f.locals = joined(f.locals, l.out)
		}
		f.fuel -= 2 * len(f.locals)
	default:
		if f.v.NumLabels() > 0 && f.v.Unreachable() {
			f.locals = nil
		}
	}
}

func (f *flow) copied() []provenance {
	if f.locals == nil {
		return nil
	}
	return append([]provenance{}, f.locals...)
}
