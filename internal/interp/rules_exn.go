package interp

import "github.com/spindle-wasm/spindle/internal/wasm"

func init() {
	addRules([]row{
		{wasm.OpTryTable, rule{lower: lowerTryTable}},
		{wasm.OpThrow, rule{lower: lowerThrow}},
		{wasm.OpThrowRef, rule{lower: lowerThrowRef}},
	})
}

// region is a part of a function's code with catch clauses: instructions [start, end). Inner regions come before outer ones.
type region struct {
	start, end int
	catches    []catch
}

// catch is a clause: what it catches, the slot where the fields and then the reference go, and where to go on.
type catch struct {
	kind   wasm.CatchKind
	tag    uint32
	slot   int
	target int
}

func lowerTryTable(l *lowerer, _ *rule) {
	clauses := l.in.Catch
	depth := len(l.ctrl) // labels of clauses do not count the try_table itself (specification: Validation, Control Instructions)
	c := l.begin(kindTry)
	l.joinLast()
	c.start = len(l.code)
	c.catches = make([]catch, len(clauses))
	c.labels = make([]int, len(clauses))
	for i, k := range clauses {
		at := depth - 1 - int(k.Label)
		c.labels[i] = at
		c.catches[i] = catch{kind: k.Kind, tag: k.Tag, slot: l.ctrl[at].slot}
	}
	l.barrier = len(l.code) // an instruction of the region must not be joined with one before it
}

// endTry closes the region; the clauses' targets are patched like branches.
func (l *lowerer) endTry(c *control) {
	l.joinLast()
	if len(c.catches) == 0 || c.start == len(l.code) {
		return
	}
	l.regions = append(l.regions, region{c.start, len(l.code), c.catches})
	for i, at := range c.labels {
		// The fields need room on the label's side, whatever the code between uses.
		target := &l.ctrl[at]
		types := target.results
		if target.kind == kindLoop {
			types = target.params
		}
		l.maxTop = max(l.maxTop, target.slot+slotsOf(types))
		l.target(target, fixup{region: len(l.regions), clause: i})
	}
	l.barrier = len(l.code)
}

func lowerThrow(l *lowerer, _ *rule) {
	l.emitCold(Instr{op: opThrow, imm: uint64(l.in.Index)}, len(l.m.TagFuncType(l.in.Index).Params), wasm.Bottom)
	l.kill()
}

func lowerThrowRef(l *lowerer, _ *rule) {
	l.emitCold(Instr{op: opThrowRef}, 1, wasm.Bottom)
	l.kill()
}
