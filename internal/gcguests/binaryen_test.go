package gcguests_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/gcguests"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

var randoms = flag.String("randoms", "", "take random modules from this directory instead of the ones that are checked in")

// randomModules returns the modules that tests are about.
func randomModules(t *testing.T) []gcguests.Random {
	t.Helper()
	if *randoms == "" {
		return gcguests.Randoms()
	}
	list, err := gcguests.RandomsIn(os.DirFS(*randoms), ".")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestBinaryen: random modules do what binaryen's interpreter says they do.
func TestBinaryen(t *testing.T) {
	for _, r := range randomModules(t) {
		t.Run(r.Name, func(t *testing.T) { checkRandom(t, r, spindle.GCConfig{}) })
	}
}

func checkRandom(t *testing.T, r gcguests.Random, cfg spindle.GCConfig) {
	t.Helper()
	want, err := gcguests.ParseLog(r.Log)
	if err != nil {
		t.Fatal(err)
	}
	got, err := imitate(t.Context(), r.Module, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if d := gcguests.Differ(got, want); d != "" {
		t.Error(d)
	}
}

// imitation is the host of binaryen's fuzzer: what it imports and how it uses exports.
type imitation struct {
	ctx     context.Context
	p       *spindle.Process
	m       *wasm.Module
	mod     *spindle.Module
	inst    *spindle.Instance
	exports []spindle.ExportType
	events  []gcguests.Event
	jsTag   *spindle.Tag // of exceptions that JavaScript throws, with an externref
	wasmTag *spindle.Tag // with an i32
	err     error        // what no guest may cause
}

// Host values.
const (
	jsError = "jserror"
	foreign = "extern"
)

func imitate(ctx context.Context, module []byte, cfg spindle.GCConfig) (events []gcguests.Event, err error) {
	rt := spindle.NewRuntime()
	defer func() { err = errors.Join(err, rt.Close()) }()
	r := &imitation{ctx: ctx}
	if r.m, err = wasm.Decode(module, wasm.DecodeOptions{Features: wasm.AllFeatures}); err != nil {
		return nil, err
	}
	if err = wasm.Validate(r.m, wasm.NewTypeSpace(), wasm.ValidateOptions{}); err != nil {
		return nil, err
	}
	if r.mod, err = rt.Compile(ctx, module); err != nil {
		return nil, err
	}
	r.exports = slices.Collect(r.mod.Exports())
	if r.p, err = rt.NewProcess(spindle.Config{GC: cfg, Imports: spindle.Imports{"fuzzing-support": support{r}, "__fuzz_import": foreigners{r}}}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.p.Close()) }()
	if r.jsTag, err = r.p.NewTag(wasm.ExternRef); err != nil {
		return nil, err
	}
	if r.wasmTag, err = r.p.NewTag(wasm.I32); err != nil {
		return nil, err
	}
	r.inst, err = r.p.Instantiate(ctx, r.mod, "")
	if err != nil {
		r.ended(err)
		r.add(gcguests.Event{Kind: gcguests.Failed})
		return r.events, r.err
	}
	for _, e := range r.exports {
		switch e.Kind {
		case spindle.KindGlobal:
			g, err := r.inst.Global(e.Name)
			if err != nil {
				return nil, err
			}
			r.add(gcguests.Event{Kind: gcguests.Export, Text: e.Name})
			r.add(gcguests.Event{Kind: gcguests.Log, Values: []gcguests.Value{r.value(e.Global.Type, g.Get())}})
		case spindle.KindFunc:
			r.add(gcguests.Event{Kind: gcguests.Export, Text: e.Name})
			r.call(e)
		}
	}
	return r.events, r.err
}

func (r *imitation) add(e gcguests.Event) { r.events = append(r.events, e) }

// call calls an export with zeros and nulls.
func (r *imitation) call(e spindle.ExportType) {
	for _, p := range e.Func.Params {
		if !p.Defaultable() {
			r.add(gcguests.Event{Kind: gcguests.Refused})
			return
		}
	}
	results, err := r.inst.Call(r.ctx, e.Name, zeros(e.Func)...)
	if err != nil {
		r.ended(err)
		return
	}
	if len(e.Func.Results) > 0 {
		r.add(gcguests.Event{Kind: gcguests.Result, Values: r.values(e.Func.Results, results)})
	}
}

func zeros(t *spindle.FuncType) []uint64 {
	n := 0
	for _, p := range t.Params {
		n += p.Slots()
	}
	return make([]uint64, n)
}

// ended writes down how a call ended.
func (r *imitation) ended(err error) {
	var exn *spindle.ExceptionError
	var trap *spindle.TrapError
	switch {
	case errors.As(err, &exn):
		r.add(gcguests.Event{Kind: gcguests.Exception, Values: r.values(exn.Tag().Fields(), exn.Fields())})
	case errors.As(err, &trap):
		// A trap of a guest function that a host function has called.
		for trap.Code == spindle.TrapHost && errors.As(trap.Cause, &trap) {
		}
		class, known := trapClass[trap.Code]
		if !known {
			r.fail(err)
		}
		r.add(gcguests.Event{Kind: gcguests.Trapped, Text: class})
	default:
		r.fail(err)
	}
}

func (r *imitation) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

var trapClass = map[spindle.TrapCode]string{
	spindle.TrapUnreachable: "unreachable", spindle.TrapCastFailure: "cast", spindle.TrapMemoryOutOfBounds: "memory",
	spindle.TrapNullReference: "null", spindle.TrapNullFunction: "null", spindle.TrapNullException: "null", spindle.TrapNullI31: "null",
	spindle.TrapNullStructure: "null", spindle.TrapNullArray: "null",
	spindle.TrapTableOutOfBounds: "table", spindle.TrapUndefinedElement: "table", spindle.TrapUninitializedElement: "",
	spindle.TrapIndirectCallType: "signature", spindle.TrapArrayOutOfBounds: "array",
	spindle.TrapIntegerOverflow: "arithmetic", spindle.TrapIntegerDivideByZero: "arithmetic", spindle.TrapInvalidConversion: "arithmetic",
}

func (r *imitation) values(types []spindle.ValueType, slots []uint64) (out []gcguests.Value) {
	for _, t := range types {
		out = append(out, r.value(t, slots[0]))
		slots = slots[t.Slots():]
	}
	return out
}

func (r *imitation) value(t spindle.ValueType, v uint64) gcguests.Value {
	return gcguests.MakeValue(t, v, func() string {
		switch r.m.Top(t.Heap()) {
		case wasm.HeapFunc:
			return "function"
		case wasm.HeapExn:
			return "object(null)"
		}
		if x, ok := r.p.ExternValue(v); ok {
			return x.(string)
		}
		if x, ok := spindle.I31Value(v); ok {
			return fmt.Sprintf("i31ref(%d)", x)
		}
		return "object(null)"
	})
}

// foreigners are the imported globals: references to host values.
type foreigners struct{ r *imitation }

func (f foreigners) Lookup(p *spindle.Process, name string) (spindle.Extern, bool) {
	for im := range f.r.mod.Imports() {
		if im.Module == "__fuzz_import" && im.Name == name && im.Kind == spindle.KindGlobal {
			g, err := p.NewGlobal(*im.Global, p.ExternRef(foreign))
			return g, err == nil
		}
	}
	return nil, false
}

// support is the module fuzzing-support.
type support struct{ r *imitation }

func (s support) Lookup(_ *spindle.Process, name string) (spindle.Extern, bool) {
	r := s.r
	switch name {
	case "jstag":
		return r.jsTag, true
	case "wasmtag":
		return r.wasmTag, true
	}
	for im := range r.mod.Imports() {
		if im.Module == "fuzzing-support" && im.Name == name && im.Kind == spindle.KindFunc {
			if f := r.function(name, im.Func); f != nil {
				return spindle.RawFunc(*im.Func, f), true
			}
		}
	}
	return nil, false
}

func (r *imitation) function(name string, t *spindle.FuncType) func(c *spindle.Caller, slots []uint64) {
	switch {
	case strings.HasPrefix(name, "log-"):
		return func(_ *spindle.Caller, slots []uint64) {
			e := gcguests.Event{Kind: gcguests.Log, Values: r.values(t.Params, slots)}
			if name == "log-i64" { // is logged in halves
				e.Values = r.values([]spindle.ValueType{wasm.I32, wasm.I32}, []uint64{slots[0], slots[0] >> 32})
			}
			r.add(e)
		}
	case name == "throw":
		return func(c *spindle.Caller, slots []uint64) {
			if slots[0] == 0 {
				r.throwJS(c)
			} else {
				c.Throw(r.wasmTag, slots[0])
			}
		}
	case name == "table-get" || name == "table-set":
		return func(c *spindle.Caller, slots []uint64) {
			table, err := r.inst.Table("table")
			if err != nil {
				r.throwJS(c)
				return
			}
			ok := false
			if name == "table-set" {
				ok = table.Set(slots[0], slots[1])
			} else {
				slots[0], ok = table.Get(slots[0])
			}
			if !ok {
				r.throwJS(c)
			}
		}
	case name == "sleep":
		return func(_ *spindle.Caller, slots []uint64) { slots[0] = slots[1] }
	case strings.HasPrefix(name, "call-"):
		return func(c *spindle.Caller, slots []uint64) {
			err := r.callAsJS(c, strings.HasPrefix(name, "call-ref"), slots[0])
			// Exceptions are caught, traps are not.
			var exn *spindle.ExceptionError
			caught := errors.Is(err, errJS) || errors.As(err, &exn)
			switch {
			case strings.HasSuffix(name, "-catch") && (err == nil || caught):
				slots[0] = 0
				if caught {
					slots[0] = 1
				}
			case errors.Is(err, errJS):
				r.throwJS(c)
			case err != nil:
				c.Fail(err)
			}
		}
	}
	return nil
}

func (r *imitation) throwJS(c *spindle.Caller) { c.Throw(r.jsTag, r.p.ExternRef(jsError)) }

// errJS stands for an exception of JavaScript's own.
var errJS = errors.New("a JavaScript exception")

// callAsJS calls an export, by its place among all, or a function by reference as JavaScript would without arguments.
func (r *imitation) callAsJS(c *spindle.Caller, byRef bool, v uint64) error {
	var f *spindle.Func
	if byRef {
		f = r.p.FuncRef(v)
	} else if v < uint64(len(r.exports)) && r.exports[v].Kind == spindle.KindFunc {
		var err error
		if f, err = r.inst.Func(r.exports[v].Name); err != nil {
			return err
		}
	}
	if f == nil {
		return errJS
	}
	t := f.Type()
	isExn := func(t wasm.ValType) bool {
		return t.IsRef() && (t.Heap() == wasm.HeapExn || t.Heap() == wasm.HeapNoExn)
	}
	for _, p := range t.Params {
		if p == wasm.I64 || p == wasm.V128 || isExn(p) || !p.Defaultable() {
			return errJS
		}
	}
	for _, p := range t.Results {
		if p == wasm.V128 || isExn(p) {
			return errJS
		}
	}
	// JavaScript's undefined is NaN as a float, but the fuzzer's word for no argument is 0.
	_, err := f.Call(c.Context(), zeros(t)...)
	return err
}
