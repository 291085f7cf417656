package spindle

import (
	"context"
	"fmt"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// Instance is a module instantiated in a Process.
type Instance struct {
	p    *Process
	mod  *Module
	inst *vm.Instance
	name string
	// started is closed when the start function has ended, however; nil if there is none, and for further threads' instances.
	started chan struct{}
}

// instanceOf returns the API's view of an instance of any thread.
func (p *Process) instanceOf(vi *vm.Instance) *Instance {
	if inst, ok := vi.Data.(*Instance); ok {
		return inst
	}
	// Of a further thread: like the main thread's of the same index.
	of := p.mainInstance(vi.Index)
	if of == nil {
		return nil
	}
	inst := &Instance{p: p, mod: of.mod, inst: vi, name: of.name}
	vi.Data = inst
	return inst
}

// Process returns the Process that the instance belongs to.
func (i *Instance) Process() *Process { return i.p }

// Module returns the instance's module.
func (i *Instance) Module() *Module { return i.mod }

// Name returns the name that the instance was made with.
func (i *Instance) Name() string { return i.name }

// Close closes the instance's Process.
func (i *Instance) Close() error { return i.p.Close() }

// Lookup implements ImportModule: other instances of the Process can import from this one.
func (i *Instance) Lookup(_ *Process, name string) (Extern, bool) {
	x, ok := i.inst.Export(name)
	if !ok {
		return nil, false
	}
	switch x.Kind {
	case KindFunc:
		return i.p.newFunc(x.Func), true
	case KindMemory:
		return &Memory{m: x.Memory}, true
	case KindTable:
		return &Table{x.Table, i.p, i.inst.Store.Thread()}, true
	case KindGlobal:
		return &Global{x.Global, i.p, i.inst.Store.Thread()}, true
	default:
		return &Tag{x.Tag, i.p}, true
	}
}

func export[T Extern](i *Instance, name string, kind Kind) (t T, err error) {
	x, ok := i.Lookup(i.p, name)
	if !ok {
		return t, fmt.Errorf("no export %q", name)
	}
	t, ok = x.(T)
	if !ok {
		return t, fmt.Errorf("export %q is no %s", name, kind)
	}
	return t, nil
}

// Func returns an exported function.
func (i *Instance) Func(name string) (*Func, error) { return export[*Func](i, name, KindFunc) }

// Memory returns an exported memory.
func (i *Instance) Memory(name string) (*Memory, error) { return export[*Memory](i, name, KindMemory) }

// Table returns an exported table.
func (i *Instance) Table(name string) (*Table, error) { return export[*Table](i, name, KindTable) }

// Global returns an exported global.
func (i *Instance) Global(name string) (*Global, error) { return export[*Global](i, name, KindGlobal) }

// Tag returns an exported tag.
func (i *Instance) Tag(name string) (*Tag, error) { return export[*Tag](i, name, KindTag) }

// Call calls an exported function; see Func.Call.
func (i *Instance) Call(ctx context.Context, name string, args ...uint64) ([]uint64, error) {
	f, err := i.Func(name)
	if err != nil {
		return nil, err
	}
	return f.Call(ctx, args...)
}

// initialize runs the entry of a WASI reactor.
func (i *Instance) initialize(ctx context.Context) error {
	e, ok := i.mod.Export("_initialize")
	if !ok || e.Kind != KindFunc || len(e.Func.Params)+len(e.Func.Results) > 0 {
		return nil
	}
	_, err := i.Call(ctx, "_initialize")
	return err
}
