package vm

import "github.com/spindle-wasm/spindle/internal/wasm"

// eval evaluates a validated constant expression (specification: Validation, Constant Expressions) to its slot form.
func (i *Instance) eval(e *wasm.ConstExpr) (lo, hi uint64, err error) {
	var r wasm.InstrReader
	var in wasm.Instr
	var fixed [8][2]uint64
	stack := fixed[:0]
	r.Reset(e.Code, e.Offset)
	push := func(lo, hi uint64) { stack = append(stack, [2]uint64{lo, hi}) }
	for r.More() {
		if err := r.Next(&in); err != nil {
			return 0, 0, err
		}
		switch in.Op {
		case wasm.OpI32Const, wasm.OpI64Const, wasm.OpF32Const, wasm.OpF64Const:
			push(in.Value, 0)
		case wasm.OpV128Const:
			push(in.Value, in.Value2)
		case wasm.OpGlobalGet:
			push(i.Global(in.Index).Get())
		case wasm.OpRefNull:
			push(uint64(NullRef), 0)
		case wasm.OpRefFunc:
			push(uint64(i.FuncRef(in.Index)), 0)
		case wasm.OpRefI31:
			top := &stack[len(stack)-1]
			top[0] = uint64(I31Ref(uint32(top[0])))
		case wasm.OpAnyConvertExtern, wasm.OpExternConvertAny: // one encoding for both, see Ref
		case wasm.OpI32Add, wasm.OpI32Sub, wasm.OpI32Mul, wasm.OpI64Add, wasm.OpI64Sub, wasm.OpI64Mul:
			a, b := stack[len(stack)-2][0], stack[len(stack)-1][0]
			stack = stack[:len(stack)-1]
			stack[len(stack)-1][0] = arith(in.Op, a, b)
		case wasm.OpEnd:
			top := stack[len(stack)-1]
			return top[0], top[1], nil
		default:
			return 0, 0, &TrapError{Code: TrapUnsupported, Detail: in.Op.String() + " in a constant expression needs the GC heap"}
		}
	}
	return 0, 0, &wasm.MalformedError{Func: -1, Offset: e.Offset, Msg: "constant expression without end"}
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
