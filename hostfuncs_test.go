package spindle_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
)

// digits is the number whose digits are the values, in order.
func digits(values ...any) (n int64) {
	for _, v := range values {
		var d int64
		switch v := v.(type) {
		case int32:
			d = int64(v)
		case int64:
			d = v
		case float32:
			d = int64(v)
		case float64:
			d = int64(v)
		case uint32:
			d = int64(v)
		case uint64:
			d = int64(v)
		}
		n = 10*n + d
	}
	return n
}

// Host functions of each number of parameters get every argument in its place and with its type, and return their result.
func TestHostFuncArities(t *testing.T) {
	var seen int64
	proc := func(values ...any) { seen = digits(values...) }
	type c = *spindle.Caller
	procs := []*spindle.HostFunc{
		spindle.Proc0(func(c) { proc() }),
		spindle.Proc1(func(_ c, a int32) { proc(a) }),
		spindle.Proc2(func(_ c, a int32, b int64) { proc(a, b) }),
		spindle.Proc3(func(_ c, a int32, b int64, d float32) { proc(a, b, d) }),
		spindle.Proc4(func(_ c, a int32, b int64, d float32, e float64) { proc(a, b, d, e) }),
		spindle.Proc5(func(_ c, a int32, b int64, d float32, e float64, f uint32) { proc(a, b, d, e, f) }),
		spindle.Proc6(func(_ c, a int32, b int64, d float32, e float64, f uint32, g uint64) { proc(a, b, d, e, f, g) }),
		spindle.Proc7(func(_ c, a int32, b int64, d float32, e float64, f uint32, g uint64, h float32) {
			proc(a, b, d, e, f, g, h)
		}),
		spindle.Proc8(func(_ c, a int32, b int64, d float32, e float64, f uint32, g uint64, h float32, i float64) {
			proc(a, b, d, e, f, g, h, i)
		}),
	}
	funcs := []*spindle.HostFunc{
		spindle.Func0(func(c) int64 { return digits() }),
		spindle.Func1(func(_ c, a int32) int64 { return digits(a) }),
		spindle.Func2(func(_ c, a int32, b int64) int64 { return digits(a, b) }),
		spindle.Func3(func(_ c, a int32, b int64, d float32) int64 { return digits(a, b, d) }),
		spindle.Func4(func(_ c, a int32, b int64, d float32, e float64) int64 { return digits(a, b, d, e) }),
		spindle.Func5(func(_ c, a int32, b int64, d float32, e float64, f uint32) int64 { return digits(a, b, d, e, f) }),
		spindle.Func6(func(_ c, a int32, b int64, d float32, e float64, f uint32, g uint64) int64 {
			return digits(a, b, d, e, f, g)
		}),
		spindle.Func7(func(_ c, a int32, b int64, d float32, e float64, f uint32, g uint64, h float32) int64 {
			return digits(a, b, d, e, f, g, h)
		}),
		spindle.Func8(func(_ c, a int32, b int64, d float32, e float64, f uint32, g uint64, h float32, i float64) int64 {
			return digits(a, b, d, e, f, g, h, i)
		}),
	}
	types := []string{"i32", "i64", "f32", "f64", "i32", "i64", "f32", "f64"}
	host := spindle.HostModule{}
	var imports, exports strings.Builder
	for n := range procs {
		host[fmt.Sprintf("p%d", n)], host[fmt.Sprintf("f%d", n)] = procs[n], funcs[n]
		params, args := "", ""
		for i, typ := range types[:n] {
			params += " " + typ
			args += fmt.Sprintf(" (%s.const %d)", typ, i+1)
		}
		fmt.Fprintf(&imports, "(import \"h\" \"p%d\" (func $p%d (param%s))) (import \"h\" \"f%d\" (func $f%d (param%s) (result i64)))\n", n, n, params, n, n, params)
		fmt.Fprintf(&exports, "(func (export \"p%d\") (call $p%d%s)) (func (export \"f%d\") (result i64) (call $f%d%s))\n", n, n, args, n, n, args)
	}
	rt := newRuntime(t)
	inst := mustInstantiate(t, rt, "(module "+imports.String()+exports.String()+")", spindle.Config{Imports: spindle.Imports{"h": host}})
	want := int64(0)
	for n := range procs {
		if n > 0 {
			want = 10*want + int64(n)
		}
		seen = -1
		if _, err := inst.Call(context.Background(), fmt.Sprintf("p%d", n)); err != nil || seen != want {
			t.Errorf("Proc%d: arguments %d, %v; want %d", n, seen, err, want)
		}
		if res, err := inst.Call(context.Background(), fmt.Sprintf("f%d", n)); err != nil || int64(res[0]) != want {
			t.Errorf("Func%d: %v, %v; want %d", n, res, err, want)
		}
	}
}
