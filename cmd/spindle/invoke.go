package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wast"
)

// invoke calls an exported function with arguments in text and prints its results, one a line. watch learns of the Process before guest code runs.
func (a *app) invoke(ctx context.Context, rt *spindle.Runtime, mod *spindle.Module, cfg spindle.Config, name string, args []string, watch func(*spindle.Process)) error {
	e, ok := mod.Export(name)
	switch {
	case !ok:
		return fmt.Errorf("--invoke: the module has no export %q\n  (functions: %s)", name, exportedFuncs(mod))
	case e.Kind != spindle.KindFunc:
		return fmt.Errorf("--invoke: the export %q is a %s, not a function", name, e.Kind)
	case len(args) != len(e.Func.Params):
		return usagef("--invoke: %s%s takes %d arguments, not %d", name, formatFuncType(e.Func), len(e.Func.Params), len(args))
	}
	var slots []uint64
	for i, t := range e.Func.Params {
		s, err := parseValue(t, args[i])
		if err != nil {
			return usagef("--invoke: argument %d of %s%s: %w", i+1, name, formatFuncType(e.Func), err)
		}
		slots = append(slots, s...)
	}
	p, err := rt.NewProcess(cfg)
	if err != nil {
		return err
	}
	watch(p)
	inst, err := p.Instantiate(ctx, mod, cfg.Name)
	if err != nil {
		return err
	}
	const initialize = "_initialize" // of a WASI reactor
	if e, ok := mod.Export(initialize); ok && e.Kind == spindle.KindFunc && len(e.Func.Params)+len(e.Func.Results) == 0 {
		if _, err := inst.Call(ctx, initialize); err != nil {
			return err
		}
	}
	res, err := inst.Call(ctx, name, slots...)
	if err != nil {
		return err
	}
	for _, t := range e.Func.Results {
		fmt.Fprintln(a.out, formatResult(inst.Process(), t, res[:t.Slots()]))
		res = res[t.Slots():]
	}
	return nil
}

// parseValue reads an argument of a type into slot form. Integers may be decimal, or 0x…, 0o…, 0b…, signed or unsigned; floats
// are as Go and the text format write them; a v128 is 32 hexadecimal digits, most significant first; of references there is
// only "null".
func parseValue(t spindle.ValueType, s string) ([]uint64, error) {
	switch t {
	case spindle.TypeI32:
		v, err := parseInt(s, 32)
		return []uint64{uint64(uint32(v))}, err
	case spindle.TypeI64:
		v, err := parseInt(s, 64)
		return []uint64{v}, err
	case spindle.TypeF32:
		v, err := strconv.ParseFloat(s, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no 32-bit float", s)
		}
		return []uint64{spindle.F32(float32(v))}, nil
	case spindle.TypeF64:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no 64-bit float", s)
		}
		return []uint64{spindle.F64(v)}, nil
	case spindle.TypeV128:
		d := strings.ReplaceAll(strings.TrimPrefix(s, "0x"), "_", "")
		if len(d) == 32 {
			hi, err1 := strconv.ParseUint(d[:16], 16, 64)
			lo, err2 := strconv.ParseUint(d[16:], 16, 64)
			if err1 == nil && err2 == nil {
				return []uint64{lo, hi}, nil
			}
		}
		return nil, fmt.Errorf("%q is no vector (32 hexadecimal digits)", s)
	}
	if t.IsRef() && t.Nullable() && s == "null" {
		return []uint64{0}, nil
	}
	if t.IsRef() && t.Nullable() {
		return nil, fmt.Errorf("only null can be given for a reference, not %q", s)
	}
	return nil, fmt.Errorf("a value of type %v cannot be given on the command line", t)
}

func parseInt(s string, bits int) (uint64, error) {
	if v, err := strconv.ParseInt(s, 0, bits); err == nil {
		return uint64(v), nil
	}
	v, err := strconv.ParseUint(s, 0, bits)
	if err != nil {
		return 0, fmt.Errorf("%q is no %d-bit integer", s, bits)
	}
	return v, nil
}

func formatResult(p *spindle.Process, t spindle.ValueType, v []uint64) string {
	switch {
	case t == spindle.TypeV128:
		return fmt.Sprintf("0x%016x%016x", v[1], v[0])
	case !t.IsRef():
		return wast.FormatNumber(t, v)
	case v[0] == 0:
		return "null"
	}
	if t == spindle.TypeFuncRef {
		return "func " + p.FuncRef(v[0]).Name()
	}
	return fmt.Sprintf("a reference (%v)", t)
}

func formatFuncType(t *spindle.FuncType) string {
	s := "(" + joinTypes(t.Params) + ")"
	if len(t.Results) > 0 {
		s += " -> (" + joinTypes(t.Results) + ")"
	}
	return s
}

func joinTypes(types []spindle.ValueType) string {
	var words []string
	for _, t := range types {
		words = append(words, t.String())
	}
	return joinWords(words)
}

func joinWords(words []string) string { return strings.Join(words, ", ") }

// sizeFlag is a number of bytes on the command line: 65536, 64KiB, 64K, 1.5GiB.
type sizeFlag uint64

var sizeUnits = []struct {
	suffix string
	factor float64
}{
	{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"TIB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1},
}

// Set implements pflag.Value.
func (f *sizeFlag) Set(s string) error {
	num, factor := strings.ToUpper(strings.TrimSpace(s)), 1.0
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(num, u.suffix); ok {
			num, factor = strings.TrimSpace(n), u.factor
			break
		}
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || math.IsNaN(v) || v <= 0 || v*factor > 1<<62 {
		return fmt.Errorf("%q is no size (such as 65536, 64KiB or 1.5GiB)", s)
	}
	*f = sizeFlag(max(1, v*factor))
	return nil
}

// String implements pflag.Value.
func (f *sizeFlag) String() string {
	if *f == 0 {
		return ""
	}
	return formatSize(uint64(*f))
}

// Type implements pflag.Value.
func (f *sizeFlag) Type() string { return "SIZE" }

// formatSize shows a number of bytes for people.
func formatSize(n uint64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
