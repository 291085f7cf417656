package vm

import "github.com/spindle-wasm/spindle/internal/wasm"

// evaluation is the operand stack of a constant expression that is evaluated: an allocation may collect, and finds its references here.
type evaluation struct {
	stack []constant
}

type constant struct {
	lo, hi uint64
	ref    bool // of the any or extern hierarchy
}

// eval evaluates a validated constant expression (specification: Validation, Constant Expressions) to its slot form. In a thread without a heap,
// which only a plan's template can be if there is something to allocate, objects are null: see Plan.reevaluate.
func (i *Instance) eval(e *wasm.ConstExpr) (lo, hi uint64, err error) {
	var r wasm.InstrReader
	var in wasm.Instr
	var fixed [8]constant
	ev := evaluation{fixed[:0]}
	t := i.Store.thread
	if t.heap != nil {
		ev.stack = nil // it is visited from elsewhere, so it must not be on this goroutine's stack
		t.eval = &ev
		defer func() { t.eval = nil }()
	}
	r.Reset(e.Code, e.Offset)
	push := func(lo, hi uint64, ref bool) { ev.stack = append(ev.stack, constant{lo, hi, ref}) }
	for r.More() {
		if err := r.Next(&in); err != nil {
			return 0, 0, err
		}
		switch in.Op {
		case wasm.OpI32Const, wasm.OpI64Const, wasm.OpF32Const, wasm.OpF64Const:
			push(in.Value, 0, false)
		case wasm.OpV128Const:
			push(in.Value, in.Value2, false)
		case wasm.OpGlobalGet:
			g := i.Global(in.Index)
			lo, hi := g.Get()
			push(lo, hi, i.Store.traced(g.Type.Type))
		case wasm.OpRefNull:
			push(uint64(NullRef), 0, false)
		case wasm.OpRefFunc:
			push(uint64(i.FuncRef(in.Index)), 0, false)
		case wasm.OpRefI31:
			top := &ev.stack[len(ev.stack)-1]
			top.lo = uint64(I31Ref(uint32(top.lo)))
		case wasm.OpAnyConvertExtern, wasm.OpExternConvertAny: // one encoding for both, see Ref
		case wasm.OpI32Add, wasm.OpI32Sub, wasm.OpI32Mul, wasm.OpI64Add, wasm.OpI64Sub, wasm.OpI64Mul:
			n := len(ev.stack)
			a, b := ev.stack[n-2].lo, ev.stack[n-1].lo
			ev.stack = ev.stack[:n-1]
			ev.stack[n-2].lo = arith(in.Op, a, b)
		case wasm.OpStructNew, wasm.OpStructNewDefault, wasm.OpArrayNew, wasm.OpArrayNewDefault, wasm.OpArrayNewFixed:
			if err := i.evalNew(&in, &ev); err != nil {
				return 0, 0, err
			}
		case wasm.OpEnd:
			top := ev.stack[len(ev.stack)-1]
			return top.lo, top.hi, nil
		default:
			return 0, 0, &wasm.MalformedError{Func: -1, Offset: in.Offset, Msg: in.Op.String() + " in a constant expression"}
		}
	}
	return 0, 0, &wasm.MalformedError{Func: -1, Offset: e.Offset, Msg: "constant expression without end"}
}

// traced reports whether values of a canonical type may be objects.
func (s *Store) traced(t wasm.ValType) bool {
	if !t.IsRef() {
		return false
	}
	top := s.types.TopOf(t)
	return top == wasm.HeapAny || top == wasm.HeapExtern
}

// evalNew makes the object of an instruction and replaces its operands. They stay on the stack until the object is there.
func (i *Instance) evalNew(in *wasm.Instr, ev *evaluation) error {
	t := i.Store.thread
	l := LayoutOf(i.Store.types, i.Module.TypeIDs[in.Index])
	operands, length := 0, uint32(0)
	switch in.Op {
	case wasm.OpStructNew:
		operands = len(l.Fields)
	case wasm.OpArrayNew:
		operands, length = 2, uint32(ev.stack[len(ev.stack)-1].lo)
	case wasm.OpArrayNewDefault:
		operands, length = 1, uint32(ev.stack[len(ev.stack)-1].lo)
	case wasm.OpArrayNewFixed:
		operands, length = int(in.Index2), in.Index2
	}
	var r Ref
	if t.heap != nil {
		var err error
		if r, err = t.allocate(l, length); err != nil {
			return err
		}
	}
	vals := ev.stack[len(ev.stack)-operands:]
	if r != NullRef {
		t.fillNew(in.Op, l, r, length, vals)
	}
	ev.stack = append(ev.stack[:len(ev.stack)-operands], constant{uint64(r), 0, true})
	return nil
}

// fillNew initialises an object. There is no safepoint on the way.
func (t *Thread) fillNew(op wasm.Opcode, l *Layout, r Ref, length uint32, vals []constant) {
	set := func(f *FieldLayout, off uint32, v *constant) {
		t.heap.write(t.mutator, r, f, off, v.lo, v.hi)
	}
	switch op {
	case wasm.OpStructNew:
		for k := range l.Fields {
			set(&l.Fields[k], l.Fields[k].Off, &vals[k])
		}
	case wasm.OpArrayNew:
		if vals[0].lo|vals[0].hi != 0 { // it is zero already
			for k := range length {
				set(&l.Elem, l.Elem.Off+k<<l.ElemShift, &vals[0])
			}
		}
	case wasm.OpArrayNewFixed:
		for k := range vals {
			set(&l.Elem, l.Elem.Off+uint32(k)<<l.ElemShift, &vals[k])
		}
	}
}

func arith(op wasm.Opcode, a, b uint64) uint64 {
	switch op {
	case wasm.OpI32Add:
		return uint64(uint32(a) + uint32(b))
	case wasm.OpI32Sub:
		return uint64(uint32(a) - uint32(b))
	case wasm.OpI32Mul:
		return uint64(uint32(a) * uint32(b))
	case wasm.OpI64Add:
		return a + b
	case wasm.OpI64Sub:
		return a - b
	}
	return a * b
}
