package oracle

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/modgen"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// MaxMemory bounds the memories of a run: modules without a maximum could grow them for ever.
const MaxMemory = 16 << 20

// Options change how Spindle runs a module, none of which must change what it does.
type Options struct {
	StackSize int
	GC        spindle.GCConfig
	// During is called with the Process before the first call; what it returns is called after the last.
	During func(p *spindle.Process) (stop func())
	// Tables adds the contents of tables to the trace.
	Tables bool
	// Forks, if set, has the run forked.
	Forks *Forks
	// NoCallbacks keeps host functions from calling back.
	NoCallbacks bool
}

// Spindle compiles a module once, for any number of runs.
type Spindle struct {
	rt           *spindle.Runtime
	mod, support *spindle.Module
	forked       int
}

// NewSpindle compiles a module and its support module, which may be nil.
func NewSpindle(features wasm.Features, bin, support []byte) (*Spindle, error) {
	s := &Spindle{rt: spindle.NewRuntime(spindle.WithFeatures(features), spindle.WithMaxMemory(MaxMemory))}
	var err error
	if s.mod, err = s.rt.Compile(context.Background(), bin); err != nil {
		return nil, errors.Join(err, s.rt.Close())
	}
	if support != nil {
		if s.support, err = s.rt.Compile(context.Background(), support); err != nil {
			return nil, errors.Join(err, s.rt.Close())
		}
	}
	return s, nil
}

// Close gives everything back.
func (s *Spindle) Close() error { return s.rt.Close() }

// spindleRun is one run.
type spindleRun struct {
	rt       *spindle.Runtime
	p        *spindle.Process
	mod      *spindle.Module
	inst     *spindle.Instance
	trace    Trace
	calls    int // of host functions
	nesting  int
	callback string // the export that host functions call
	err      error  // what must not happen
	opts     Options

	forks   *forks        // of Options.Forks
	calling *spindle.Func // the call that runs, while it may be forked
	name    string        // of the export that it calls, and the round, for the trace
	depth   int           // of forks
	root    *spindleRun   // of a fork: the run that was not forked
	mark    int           // likewise: where in that one's trace its own begins
}

// mainName is the name of the instance of the module.
const mainName = "main"

// Forked tells of how many copies the last runs with Options.Forks had; for tests of the oracle.
func (s *Spindle) Forked() int { return s.forked }

// Run instantiates the module in a Process of its own, calls its exports and closes it. The error is set for what no guest may
// cause: a broken invariant, or an error of an unknown kind.
func (s *Spindle) Run(ctx context.Context, opts Options) (Trace, error) {
	r := &spindleRun{rt: s.rt, opts: opts, mod: s.mod}
	cfg := spindle.Config{StackSize: opts.StackSize, GC: opts.GC, Imports: spindle.Imports{modgen.HostName: r}}
	if opts.Forks != nil {
		r.forks = newForks(opts.Forks, s.mod, s.support)
		cfg.Forkable, cfg.AtSafepoint = true, r.forks.safepoint
		defer func() { s.forked += r.forks.n }()
	}
	p, err := s.rt.NewProcess(cfg)
	if err != nil {
		return nil, err
	}
	r.p = p
	if r.forks != nil {
		r.forks.runs[p] = r
	}
	stop := func() {}
	if opts.During != nil {
		stop = opts.During(p)
	}
	r.run(ctx, s)
	// Not deferred: after a panic in the engine the guest counts as running, and Close would wait for it.
	stop()
	return r.trace, errors.Join(r.err, p.Close())
}

func (r *spindleRun) run(ctx context.Context, s *Spindle) {
	if s.support != nil {
		if _, err := r.p.Instantiate(ctx, s.support, modgen.SupportName); err != nil {
			r.fail(fmt.Errorf("support module: %w", err))
			return
		}
	}
	inst, err := r.p.Instantiate(ctx, s.mod, mainName)
	r.trace.Add("instantiate: %s", r.outcome(err))
	if err != nil {
		return
	}
	r.inst = inst
	if !r.opts.NoCallbacks {
		r.callback = Callback(s.mod.Exports())
	}
	for round := range Rounds {
		for e := range s.mod.Exports() {
			if e.Kind == spindle.KindFunc && e.Name != modgen.Refuel {
				r.call(ctx, e, round)
			}
		}
	}
	r.state()
}

// Callback returns the first exported function that takes and gives nothing but numbers: what host functions call back.
func Callback(exports func(yield func(spindle.ExportType) bool)) (name string) {
	for e := range exports {
		if e.Kind != spindle.KindFunc || e.Name == modgen.Refuel {
			continue
		}
		if numbers(e.Func.Params) && numbers(e.Func.Results) {
			return e.Name
		}
	}
	return ""
}

func numbers(ts []wasm.ValType) bool {
	for _, t := range ts {
		if !t.IsNum() {
			return false
		}
	}
	return true
}

func (r *spindleRun) call(ctx context.Context, e spindle.ExportType, round int) {
	args, ok := Args(e.Func.Params, e.Name, round)
	if !ok {
		return
	}
	refuel, ok := r.mod.Export(modgen.Refuel)
	if ok = ok && refuel.Kind == spindle.KindFunc && len(refuel.Func.Params) == 0; !ok {
		// Not a module of modgen's.
	} else if _, err := r.inst.Call(ctx, modgen.Refuel); err != nil {
		r.trace.Add("refuel: %s", r.outcome(err))
		return
	}
	i := 0
	for _, p := range e.Func.Params {
		if p.IsRef() {
			args[i] = r.ref(p, args[i])
		}
		i += p.Slots()
	}
	f, err := r.inst.Func(e.Name)
	if err != nil {
		r.fail(err)
		return
	}
	r.name = fmt.Sprintf("%s round %d", e.Name, round)
	r.calling = f
	results, err := f.Call(ctx, args...)
	r.returned(results, err)
	r.calling = nil
	if r.forks != nil {
		r.forks.ended(r)
	}
}

// returned writes down how the call ended.
func (r *spindleRun) returned(results []uint64, err error) {
	if err != nil {
		r.trace.Add("%s: %s", r.name, r.outcome(err))
		return
	}
	r.trace.Add("%s: %s", r.name, Values(r.calling.Type().Results, results, r.describe))
}

// ref makes the reference that a number of Args stands for.
func (r *spindleRun) ref(t wasm.ValType, v uint64) uint64 {
	null := r.p.ExternRef(nil)
	switch t.Heap() {
	case wasm.HeapExtern:
		if v > 0 {
			return r.p.ExternRef(v)
		}
	case wasm.HeapAny, wasm.HeapEq, wasm.HeapI31:
		if v > 0 {
			return spindle.I31(int32(v))
		}
	}
	return null
}

// describe tells what a reference of a canonical type is.
func (r *spindleRun) describe(t wasm.ValType, v uint64) string {
	if text, ok := r.simple(r.family(t), v); ok {
		return text
	}
	return r.object(v)
}

// outcome tells the class of an error.
func (r *spindleRun) outcome(err error) string {
	if err == nil {
		return "ok"
	}
	var trap *spindle.TrapError
	var exn *spindle.ExceptionError
	switch {
	case errors.As(err, &trap):
		switch trap.Code {
		case spindle.TrapStackExhausted:
			return StackExhausted
		case spindle.TrapHost:
			r.fail(err)
		}
		return "trap: " + trap.Code.String()
	case errors.As(err, &exn):
		return "exception " + Values(exn.Tag().Fields(), exn.Fields(), r.describe)
	}
	r.fail(err)
	return "error: " + err.Error()
}

func (r *spindleRun) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Lookup implements spindle.ImportModule: any function of numbers.
func (r *spindleRun) Lookup(_ *spindle.Process, name string) (spindle.Extern, bool) {
	for im := range r.mod.Imports() {
		if im.Module != modgen.HostName || im.Name != name || im.Kind != spindle.KindFunc {
			continue
		}
		t := im.Func
		if !numbers(t.Params) || !numbers(t.Results) {
			return nil, false
		}
		return spindle.RawFunc(*t, func(c *spindle.Caller, slots []uint64) { r.host(c, name, t, slots) }), true
	}
	return nil, false
}

// host is what guests import from modgen.HostName. Every third call calls back into the guest.
func (r *spindleRun) host(c *spindle.Caller, name string, t *spindle.FuncType, slots []uint64) {
	args := append([]uint64(nil), slots[:len(t.Params)]...)
	calls := r.calls
	r.calls++
	r.trace.Add("%*s%s%s", r.nesting, "", name, Values(t.Params, args, nil))
	if r.callback != "" && r.nesting < MaxNesting && CallsBack(calls) {
		r.nesting++
		f, _ := r.mod.Export(r.callback)
		back, _ := Args(f.Func.Params, r.callback, calls)
		results, err := r.inst.Call(c.Context(), r.callback, back...)
		if err != nil {
			r.trace.Add("%*s%s called back: %s", r.nesting, "", r.callback, r.outcome(err))
		} else {
			r.trace.Add("%*s%s called back: %s", r.nesting, "", r.callback, Values(f.Func.Results, results, r.describe))
		}
		r.nesting--
	}
	for i, res := range t.Results {
		slots[i] = HostResult(res, args, calls)
	}
}

// state writes down what can be seen of the instance.
func (r *spindleRun) state() {
	for e := range r.mod.Exports() {
		switch e.Kind {
		case spindle.KindGlobal:
			g, err := r.inst.Global(e.Name)
			if err != nil {
				r.fail(err)
				continue
			}
			v := spindle.V128{Lo: g.Get()} // a reference is a local one by Get only
			if e.Global.Type == wasm.V128 {
				v = g.GetV128()
			}
			r.trace.Add("%s = %s", e.Name, Values([]wasm.ValType{g.Type().Type}, []uint64{v.Lo, v.Hi}, r.describe))
		case spindle.KindMemory:
			m, err := r.inst.Memory(e.Name)
			if err != nil {
				r.fail(err)
				continue
			}
			b, _ := m.View(0, m.Size())
			r.trace.Add("%s: %s", e.Name, Memory(b))
		case spindle.KindTable:
			if !r.opts.Tables {
				continue
			}
			t, err := r.inst.Table(e.Name)
			if err != nil {
				r.fail(err)
				continue
			}
			var parts []string
			for i := range t.Size() {
				v, _ := t.Get(i)
				parts = append(parts, r.describe(t.Type().Elem, v))
			}
			r.trace.Add("%s: %s", e.Name, strings.Join(parts, " "))
		}
	}
}
