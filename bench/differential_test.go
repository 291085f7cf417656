package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/modgen/oracle"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

var (
	diffSeeds  = flag.Int("diffseeds", 300, "modules to compare with wazero, for each set of features")
	diffFirst  = flag.Int("difffirst", 0, "first seed")
	diffReduce = flag.Bool("diffreduce", false, "reduce a module on which engines differ")
)

const (
	v2 = wasm.FeatureMutableGlobals | wasm.FeatureSignExtension | wasm.FeatureMultiValue | wasm.FeatureSaturatingFloatToInt |
		wasm.FeatureBulkMemory | wasm.FeatureReferenceTypes | wasm.FeatureSimd
	wazeroV2 = api.CoreFeaturesV2
)

// differential lists what both can run.
var differential = []struct {
	name     string
	features wasm.Features
	wazero   api.CoreFeatures
	// interpreter leaves wazero's compiler out: after some exceptions caught by its code, Go's heap is damaged.
	interpreter bool
}{
	{"mvp", wasm.FeatureMutableGlobals, api.CoreFeaturesV1, false},
	{"v2", v2, wazeroV2, false},
	{"extended", v2 | wasm.FeatureExtendedConst | wasm.FeatureTailCall, wazeroV2 | experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesTailCall, false},
	{"threads", v2 | wasm.FeatureThreads, wazeroV2 | experimental.CoreFeaturesThreads, false},
	{"exceptions", v2 | wasm.FeatureExceptionHandling, wazeroV2 | experimental.CoreFeaturesExceptionHandling, true},
}

// TestDifferential: Spindle agrees with wazero on what generated modules do. Where wazero's interpreter and compiler do not agree
// with each other (each has a few mistakes of its own), either will do; where one fails with an error of its own, it has no
// vote. Typed function references are left out, as wazero takes most modules with them for invalid.
func TestDifferential(t *testing.T) {
	for _, d := range differential {
		engines := []wazero.RuntimeConfig{wazero.NewRuntimeConfigInterpreter()}
		if !d.interpreter && runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64") {
			engines = append(engines, wazero.NewRuntimeConfigCompiler())
		}
		for i, rc := range engines {
			engines[i] = rc.WithCoreFeatures(d.wazero).WithMemoryLimitPages(oracle.MaxMemory / wasm.PageSize)
		}
		cfg := modgen.Config{Features: d.features, Imports: true, CanonicalNaN: true, Peers: true}
		t.Run(d.name, func(t *testing.T) {
			failures, doubtful := 0, 0
			for i := range *diffSeeds {
				seed := *diffFirst + i
				bin := modgen.Generate(modgen.Seed(uint64(seed)), cfg)
				v := compare(d.features, engines, bin)
				if v.votes < len(engines) || v.agree < v.votes {
					doubtful++
				}
				if v.ok() {
					continue
				}
				if *diffReduce {
					bin = modgen.Reduce(bin, func(b []byte) bool {
						w := compare(d.features, engines, b)
						return !w.ok() && (v.wrong != "") == (w.wrong != "")
					})
					v = compare(d.features, engines, bin)
				}
				path := filepath.Join(os.TempDir(), fmt.Sprintf("differential-%s-%d.wasm", d.name, seed))
				if err := os.WriteFile(path, bin, 0o644); err != nil {
					t.Error(err)
				}
				t.Errorf("seed %d: %s%s\nthe module is in %s", seed, v.wrong, v.diff, path)
				if failures++; failures == 10 {
					t.Fatal("enough")
				}
			}
			t.Logf("%d modules; with %d of them wazero's engines fail or differ from each other", *diffSeeds, doubtful)
			if doubtful > *diffSeeds/20 {
				t.Errorf("that is too many to learn from")
			}
		})
	}
}

// verdict is what a comparison came to.
type verdict struct {
	wrong string // what is wrong with Spindle, whatever others do
	diff  string // where Spindle differs from one of the others
	votes int    // engines that did something
	agree int    // those that did the same as Spindle
}

func (v verdict) ok() bool { return v.wrong == "" && (v.votes == 0 || v.agree > 0) }

// compare runs a module everywhere.
func compare(features wasm.Features, engines []wazero.RuntimeConfig, bin []byte) (v verdict) {
	ctx := context.Background()
	support, err := modgen.Support(bin)
	if err != nil {
		v.wrong = "support: " + err.Error()
		return v
	}
	s, err := oracle.NewSpindle(features, bin, support)
	if err != nil {
		v.wrong = "Spindle refuses it: " + err.Error()
		return v
	}
	ours, err := runSpindle(ctx, s)
	if err != nil {
		v.wrong = "Spindle fails: " + err.Error()
		return v
	}
	for _, rc := range engines {
		theirs, err := runWazero(ctx, rc, bin, support)
		if err != nil {
			continue
		}
		v.votes++
		if ours.Exhausted() || theirs.Exhausted() {
			v.agree++
			continue
		}
		if d := oracle.Diff(classes(ours), classes(theirs)); d != "" {
			v.diff = "Spindle and wazero differ: " + d
		} else {
			v.agree++
		}
	}
	return v
}

// runSpindle runs and closes s, unless the engine panics.
func runSpindle(ctx context.Context, s *oracle.Spindle) (trace oracle.Trace, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	trace, err = s.Run(ctx, oracle.Options{})
	return trace, errors.Join(err, s.Close())
}

// classes replaces what the two engines tell apart differently.
var classReplacer = strings.NewReplacer(
	"trap: out of bounds table access", "trap: table", "trap: undefined element", "trap: table", "trap: uninitialized element", "trap: table",
	"trap: invalid table access", "trap: table",
	"trap: unaligned atomic", "trap: out of bounds memory access", // an access may be both
	"trap: null function reference", "trap: null", "trap: null exception reference", "trap: null", "trap: null reference", "trap: null",
)

func classes(trace oracle.Trace) (out oracle.Trace) {
	for _, l := range trace {
		if strings.Contains(l, " = [v128:") {
			continue // of a global: see state
		}
		l = classReplacer.Replace(l)
		if i := strings.Index(l, ": exception ["); i >= 0 { // wazero does not show what was thrown
			l = l[:i] + ": exception"
		}
		out = append(out, l)
	}
	return out
}

// wazeroRun does with wazero what oracle.Spindle.Run does.
type wazeroRun struct {
	m        *wasm.Module
	mod      api.Module
	trace    oracle.Trace
	calls    int
	nesting  int
	callback string
	err      error
}

func runWazero(ctx context.Context, rc wazero.RuntimeConfig, bin, support []byte) (trace oracle.Trace, err error) {
	r := &wazeroRun{}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	if r.m, err = wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures}); err != nil {
		return nil, err
	}
	rt := wazero.NewRuntimeWithConfig(ctx, rc)
	defer rt.Close(ctx)
	builder := rt.NewHostModuleBuilder(modgen.HostName)
	for i := range r.m.Imports {
		im := &r.m.Imports[i]
		if im.Module == modgen.HostName {
			ft := &r.m.Types[im.Func].Func
			builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
				r.host(ctx, im.Name, ft, stack)
			}), wazeroTypes(ft.Params), wazeroTypes(ft.Results)).Export(im.Name)
		}
	}
	if _, err := builder.Instantiate(ctx); err != nil {
		return nil, err
	}
	if support != nil {
		if _, err := rt.InstantiateWithConfig(ctx, support, wazero.NewModuleConfig().WithName(modgen.SupportName).WithStartFunctions()); err != nil {
			return nil, err
		}
	}
	compiled, err := rt.CompileModule(ctx, bin)
	if err != nil {
		return nil, err
	}
	r.mod, err = rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	r.trace.Add("instantiate: %s", r.outcome(err))
	if err != nil {
		return r.trace, r.err
	}
	r.callback = oracle.Callback(r.exports)
	for round := range oracle.Rounds {
		for e := range r.exports {
			if e.Kind == wasm.ExternFunc && e.Name != modgen.Refuel {
				r.call(ctx, e, round)
			}
		}
	}
	r.state()
	return r.trace, r.err
}

func wazeroTypes(ts []wasm.ValType) []api.ValueType {
	out := make([]api.ValueType, len(ts))
	for i, t := range ts {
		out[i] = map[wasm.ValType]api.ValueType{wasm.I32: api.ValueTypeI32, wasm.I64: api.ValueTypeI64, wasm.F32: api.ValueTypeF32, wasm.F64: api.ValueTypeF64}[t]
	}
	return out
}

func (r *wazeroRun) exports(yield func(spindle.ExportType) bool) {
	for _, e := range r.m.Exports {
		t := spindle.ExportType{Name: e.Name, Kind: e.Kind}
		switch e.Kind {
		case wasm.ExternFunc:
			t.Func = r.m.FuncType(e.Index)
		case wasm.ExternGlobal:
			t.Global = &r.m.Globals[e.Index].Type
		}
		if !yield(t) {
			return
		}
	}
}

func (r *wazeroRun) call(ctx context.Context, e spindle.ExportType, round int) {
	args, ok := oracle.Args(e.Func.Params, e.Name, round)
	if !ok {
		return
	}
	if _, err := r.mod.ExportedFunction(modgen.Refuel).Call(ctx); err != nil {
		r.trace.Add("refuel: %s", r.outcome(err))
		return
	}
	i := 0
	for _, p := range e.Func.Params {
		if p.IsRef() && p != wasm.ExternRef {
			args[i] = 0
		}
		i += p.Slots()
	}
	results, err := r.mod.ExportedFunction(e.Name).Call(ctx, args...)
	if err != nil {
		r.trace.Add("%s round %d: %s", e.Name, round, r.outcome(err))
		return
	}
	r.trace.Add("%s round %d: %s", e.Name, round, oracle.Values(e.Func.Results, results, r.describe))
}

func (r *wazeroRun) describe(t wasm.ValType, v uint64) string {
	switch {
	case v == 0:
		return "null"
	case t == wasm.ExternRef:
		return fmt.Sprintf("extern(%d)", v)
	}
	return "ref"
}

// outcome tells the class of an error by its text: the values are internal to wazero.
func (r *wazeroRun) outcome(err error) string {
	if err == nil {
		return "ok"
	}
	text := err.Error()
	for ; err != nil; err = errors.Unwrap(err) {
		text = err.Error()
	}
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "wasm error: "), "\n")
	text = strings.TrimPrefix(text, "wasm error: ")
	if strings.HasPrefix(text, "runtime error: ") && r.err == nil { // of Go, in wazero itself
		r.err = errors.New(text)
	}
	switch text {
	case "stack overflow":
		return oracle.StackExhausted
	case "uncaught exception":
		return "exception []"
	}
	return "trap: " + text
}

func (r *wazeroRun) host(ctx context.Context, name string, t *wasm.FuncType, stack []uint64) {
	args := append([]uint64(nil), stack[:len(t.Params)]...)
	calls := r.calls
	r.calls++
	r.trace.Add("%*s%s%s", r.nesting, "", name, oracle.Values(t.Params, args, nil))
	if r.callback != "" && r.nesting < oracle.MaxNesting && oracle.CallsBack(calls) {
		r.nesting++
		var ft *wasm.FuncType
		for e := range r.exports {
			if e.Name == r.callback {
				ft = e.Func
			}
		}
		back, _ := oracle.Args(ft.Params, r.callback, calls)
		results, err := r.mod.ExportedFunction(r.callback).Call(ctx, back...)
		if err != nil {
			r.trace.Add("%*s%s called back: %s", r.nesting, "", r.callback, r.outcome(err))
		} else {
			r.trace.Add("%*s%s called back: %s", r.nesting, "", r.callback, oracle.Values(ft.Results, results, r.describe))
		}
		r.nesting--
	}
	for i, res := range t.Results {
		stack[i] = oracle.HostResult(res, args, calls)
	}
}

func (r *wazeroRun) state() {
	for _, e := range r.m.Exports {
		switch e.Kind {
		case wasm.ExternGlobal:
			g := r.mod.ExportedGlobal(e.Name)
			t := r.m.Globals[e.Index].Type.Type
			if t == wasm.V128 {
				continue // wazero shows the lower half only
			}
			r.trace.Add("%s = %s", e.Name, oracle.Values([]wasm.ValType{t}, []uint64{g.Get(), 0}, r.describe))
		case wasm.ExternMemory:
			m := r.mod.ExportedMemory(e.Name)
			b, _ := m.Read(0, m.Size())
			r.trace.Add("%s: %s", e.Name, oracle.Memory(b))
		}
	}
}
