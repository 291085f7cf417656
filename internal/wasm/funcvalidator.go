package wasm

import (
	"fmt"
	"slices"
)

// FuncValidator checks one function body, instruction by instruction, with the specification's algorithm (Appendix, Validation Algorithm),
// and shows the operand types and labels on the way: it is the typed view of a body for engines. Use:
//
//	v.Reset(m, fn)
//	r.Reset(body.Code, body.Offset)
//	for r.More() { r.Next(&in); look at v; v.Step(&in) }
//
// The accessors tell the state before the next Step. A FuncValidator is reusable and allocates nothing once its slices have
// grown; it is not safe for concurrent use. Bodies of a validated module never give errors.
type FuncValidator struct {
	m        *Module
	fn       int64 // -1 in a constant expression
	at       uint32
	features Features
	used     Features

	stack  []ValType
	labels []Label
	floor  int  // Height of the innermost label
	narrow bool // memory 0 exists and has 32-bit addresses
	dead   bool // Unreachable of the innermost label

	// Parameters and the first declared locals stand in locals; those behind stay in runs, as a few bytes can declare very
	// many. numLocals counts all.
	locals    []ValType
	runs      []localsFrom
	numLocals uint64
	// Locals without a default value start unset (specification: Validation, Local Types): unset counts those that are unset now, isUnset has a
	// bit for each local (if unset was not 0 at the start), and setLog lists the locals in the order in which they were set, so
	// that the end of a block can undo what was set in it.
	unset   uint64
	isUnset []uint64
	setLog  []uint32

	// arena backs the result lists of block types that are written as one value type.
	arena []ValType

	// For constant expressions: the type that is wanted, and what reads them.
	wanted [1]ValType
	reader InstrReader
	instr  Instr
}

// LabelFunction is the Op of the outermost label: the body itself. No instruction has this opcode.
const LabelFunction Opcode = NumOpcodes

// Label is a structured control instruction that is open, or the function itself.
type Label struct {
	Op          Opcode // OpBlock, OpLoop, OpIf, OpElse, OpTryTable or LabelFunction
	Unreachable bool   // the rest of the block cannot be reached
	Height      int    // operands below the block's parameters
	Params      []ValType
	Results     []ValType

	sets int // length of setLog at entry
}

// Targets returns the types of the operands that a branch to the label takes.
func (l *Label) Targets() []ValType {
	if l.Op == OpLoop {
		return l.Params
	}
	return l.Results
}

// Reset starts the body of the defined function fn (an index of the function index space).
// Precondition: m went through Validate, which may be what calls it.
func (v *FuncValidator) Reset(m *Module, fn uint32) error {
	i := int64(fn) - int64(m.NumImportedFuncs)
	if i < 0 || i >= int64(len(m.Bodies)) || uint64(fn) >= uint64(len(m.Funcs)) {
		return fmt.Errorf("wasm: function %d has no body", fn)
	}
	v.m, v.fn, v.features = m, int64(fn), m.Enabled
	t, body := m.FuncType(fn), &m.Bodies[i]
	v.narrow = len(m.Memories) > 0 && !m.Memories[0].Is64
	v.locals = append(v.locals[:0], t.Params...)
	v.runs, v.numLocals = v.runs[:0], uint64(len(t.Params))
	v.unset = 0
	for _, run := range body.Locals {
		if !run.Type.Defaultable() {
			v.unset += uint64(run.Count)
		}
		v.addLocals(run)
	}
	v.setLog = v.setLog[:0]
	if v.unset > 0 {
		v.initUnset(len(t.Params), body.Locals)
	}
	v.begin(nil, t.Results)
	return nil
}

// begin opens the outermost label.
func (v *FuncValidator) begin(params, results []ValType) {
	v.stack = v.stack[:0]
	v.arena = v.arena[:0]
	v.labels = append(v.labels[:0], Label{Op: LabelFunction, Params: params, Results: results})
	v.floor, v.dead = 0, false
}

// Height returns the number of operands of the function.
func (v *FuncValidator) Height() int { return len(v.stack) }

// TypeAt returns the type of an operand, 0 for the topmost. It is Bottom where unreachable code makes one up.
func (v *FuncValidator) TypeAt(depthFromTop int) ValType {
	if n := len(v.stack) - 1 - depthFromTop; n >= v.floor {
		return v.stack[n]
	}
	return Bottom
}

// Unreachable reports whether the next instruction cannot be reached.
func (v *FuncValidator) Unreachable() bool { return v.dead }

// Done reports whether the body's last end has been stepped over.
func (v *FuncValidator) Done() bool { return len(v.labels) == 0 }

// NumLabels returns the number of open labels; the function's own counts.
func (v *FuncValidator) NumLabels() int { return len(v.labels) }

// Label returns a label by its depth, 0 for the innermost. It is good until the next Step.
// Precondition: depth < NumLabels.
func (v *FuncValidator) Label(depth uint32) *Label { return &v.labels[len(v.labels)-1-int(depth)] }

// Step checks an instruction and moves the state behind it. The error is a *ValidationError, *MalformedError, *FeatureError or
// *LimitError; after an error only Reset may follow.
func (v *FuncValidator) Step(in *Instr) error {
	v.at = in.Offset
	if in.Op >= NumOpcodes || len(v.labels) == 0 {
		return v.malformed(msgSize)
	}
	r := &rules[in.Op]
	if r.feature != FeatureMvp {
		if v.used |= r.feature; r.feature&^v.features != 0 {
			return v.needs(r.feature, in.Op.String())
		}
	}
	return r.step(v, in, r)
}

// need records the use of a feature.
func (v *FuncValidator) need(f Features, what string) error {
	v.used |= f
	if f&^v.features != 0 {
		return v.needs(f, what)
	}
	return nil
}

func (v *FuncValidator) needs(f Features, what string) error {
	return &FeatureError{Feature: (f &^ v.features).String(), What: what, Func: v.fn, Offset: v.at}
}

func (v *FuncValidator) malformed(msg string) error {
	return &MalformedError{Func: v.fn, Offset: v.at, Msg: msg}
}

func (v *FuncValidator) errorf(format string, args ...any) error {
	return &ValidationError{Func: v.fn, Offset: v.at, Msg: fmt.Sprintf(format, args...)}
}

// mismatch reports an operand that is missing (got is Bottom) or of the wrong type.
func (v *FuncValidator) mismatch(want string, got ValType) error {
	if got == Bottom {
		return v.errorf("type mismatch: instruction requires [%s] but stack has []", want)
	}
	return v.errorf("type mismatch: instruction requires [%s] but stack has [%s]", want, got)
}

func (v *FuncValidator) push(t ValType) { v.stack = append(v.stack, t) }

// maxOperands bounds the operands of a function: a call of two bytes may push a thousand.
const maxOperands = 1_000_000

func (v *FuncValidator) pushAll(ts []ValType) error {
	v.stack = append(v.stack, ts...)
	if n := len(v.stack); n > maxOperands {
		return &LimitError{Limit: "operands of a function", Max: maxOperands, Got: uint64(n), Func: v.fn, Offset: v.at}
	}
	return nil
}

// pop takes an operand of a subtype of want.
func (v *FuncValidator) pop(want ValType) error {
	n := len(v.stack) - 1
	if n >= v.floor {
		got := v.stack[n]
		if got == want || matchVal(v.m.defs, got, want) {
			v.stack = v.stack[:n]
			return nil
		}
		return v.mismatch(want.String(), got)
	}
	if v.dead {
		return nil
	}
	return v.mismatch(want.String(), Bottom)
}

// popAll takes operands of the given types, the last one topmost.
func (v *FuncValidator) popAll(want []ValType) error {
	if v.has(want) {
		v.stack = v.stack[:len(v.stack)-len(want)]
		return nil
	}
	for i := len(want) - 1; i >= 0; i-- {
		if v.madeUp() {
			return nil
		}
		if err := v.pop(want[i]); err != nil {
			return err
		}
	}
	return nil
}

// take is popAll for a list that is written out.
func (v *FuncValidator) take(want ...ValType) error { return v.popAll(want) }

// replace takes operands of the given types, the last one topmost, and pushes a result.
func (v *FuncValidator) replace(result ValType, want ...ValType) error {
	if err := v.popAll(want); err != nil {
		return err
	}
	v.push(result)
	return nil
}

// has reports whether the topmost operands are exactly of the given types, as is nearly always so.
func (v *FuncValidator) has(want []ValType) bool {
	n := len(v.stack) - len(want)
	return n >= v.floor && slices.Equal(v.stack[n:], want)
}

// madeUp reports whether all operands that could still be taken are made up by unreachable code. Long lists stop there, or
// a few bytes of dead code would cost thousands of steps.
func (v *FuncValidator) madeUp() bool { return v.dead && len(v.stack) == v.floor }

// popAny takes an operand of any type: Bottom if unreachable code makes it up.
func (v *FuncValidator) popAny() (ValType, error) {
	n := len(v.stack) - 1
	if n >= v.floor {
		t := v.stack[n]
		v.stack = v.stack[:n]
		return t, nil
	}
	if v.dead {
		return Bottom, nil
	}
	return Bottom, v.mismatch("any type", Bottom)
}

// popRef takes a reference: (ref bot) if unreachable code makes it up.
func (v *FuncValidator) popRef() (ValType, error) {
	t, err := v.popAny()
	if err != nil {
		return t, err
	}
	if t == Bottom {
		return RefTo(HeapBottom, false), nil
	}
	if !t.IsRef() {
		return t, v.mismatch("any reference", t)
	}
	return t, nil
}

// retype pops operands of the given types and pushes these very types, which may be supertypes of what was there: what an
// instruction does that may branch and may fall through.
func (v *FuncValidator) retype(ts []ValType) error {
	if v.has(ts) {
		return nil
	}
	if err := v.popAll(ts); err != nil {
		return err
	}
	return v.pushAll(ts)
}

// check tests the topmost operands against types without taking them.
func (v *FuncValidator) check(want []ValType) error {
	if v.has(want) {
		return nil
	}
	n := len(v.stack)
	for i := len(want) - 1; i >= 0; i-- {
		n--
		if n < v.floor {
			if v.dead {
				return nil
			}
			return v.mismatch(want[i].String(), Bottom)
		}
		if got := v.stack[n]; got != want[i] && !matchVal(v.m.defs, got, want[i]) {
			return v.mismatch(want[i].String(), got)
		}
	}
	return nil
}

// setDead makes the rest of the innermost block unreachable.
func (v *FuncValidator) setDead() {
	v.stack = v.stack[:v.floor]
	v.dead = true
	v.labels[len(v.labels)-1].Unreachable = true
}

// open pops a block's parameters and opens its label.
func (v *FuncValidator) open(op Opcode, params, results []ValType) error {
	if err := v.popAll(params); err != nil {
		return err
	}
	v.labels = append(v.labels, Label{Op: op, Height: len(v.stack), Params: params, Results: results, sets: len(v.setLog)})
	v.floor, v.dead = len(v.stack), false
	return v.pushAll(params)
}

// close checks that exactly the results of the innermost label are there, and takes them.
func (v *FuncValidator) close() error {
	l := &v.labels[len(v.labels)-1]
	if err := v.popAll(l.Results); err != nil {
		return err
	}
	if n := len(v.stack) - v.floor; n != 0 {
		return v.errorf("type mismatch: block requires [] but stack has [%s] and %d more values above its results", v.stack[v.floor], n-1)
	}
	v.unwindSets(l.sets)
	return nil
}

// label returns the label that a branch names.
func (v *FuncValidator) label(depth uint32) (*Label, error) {
	if uint64(depth) >= uint64(len(v.labels)) {
		return nil, v.errorf("unknown label %d", depth)
	}
	return v.Label(depth), nil
}
