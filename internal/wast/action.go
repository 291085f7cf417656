package wast

import (
	"context"
	"fmt"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// hostValue is the host value behind (ref.extern n) and (ref.host n).
type hostValue uint32

// values are results with their types, in slot form.
type values struct {
	types []spindle.ValueType
	slots []uint64
}

// action invokes a function or reads a global.
func (r *runner) action(ctx context.Context, a *wat.Action) (values, error) {
	inst, err := r.own(a.Module)
	if err != nil {
		return values{}, err
	}
	if a.Kind == wat.Get {
		g, err := inst.inst.Global(a.Field)
		if err != nil {
			return values{}, err
		}
		v := g.GetV128()
		t := g.Type().Type
		return values{[]spindle.ValueType{t}, []uint64{v.Lo, v.Hi}[:t.Slots()]}, nil
	}
	return r.invoke(ctx, inst.inst, a)
}

func (r *runner) invoke(ctx context.Context, inst *spindle.Instance, a *wat.Action) (values, error) {
	f, err := inst.Func(a.Field)
	if err != nil {
		return values{}, err
	}
	params := f.Type().Params
	if len(a.Args) != len(params) {
		return values{}, fmt.Errorf("%q takes %d arguments, not %d", a.Field, len(params), len(a.Args))
	}
	var args []uint64
	for i, v := range a.Args {
		if !fits(v.Type, params[i]) {
			return values{}, fmt.Errorf("argument %d of %q is of type %v, not %v", i, a.Field, params[i], v.Type)
		}
		args = append(args, r.arg(v)...)
	}
	res, err := f.Call(ctx, args...)
	return values{f.Type().Results, res}, err
}

// fits reports whether an argument of a type can be passed for a parameter. Of concrete types only the hierarchy is checked,
// which is all that a script's values can get wrong.
func fits(arg, param spindle.ValueType) bool {
	if !arg.IsRef() || !param.IsRef() {
		return arg == param
	}
	return param.Heap().Concrete() || arg.Heap().Top() == param.Heap().Top()
}

// arg puts a value into slot form.
func (r *runner) arg(v wat.Value) []uint64 {
	switch {
	case v.Type == wasm.V128:
		return []uint64{v.Bits, v.High}
	case v.IsNull():
		return []uint64{0}
	case v.Type.IsRef():
		return []uint64{r.proc.ExternRef(hostValue(v.Bits))}
	}
	return []uint64{v.Bits}
}
