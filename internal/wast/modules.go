package wast

import (
	"context"
	"errors"
	"fmt"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// instance is what an identifier of a script stands for.
type instance struct {
	inst    *spindle.Instance
	foreign bool  // of another thread: only its shared memories can be used
	err     error // it could not be made
}

// dependentError says that a command could not run because of how an earlier one ended.
type dependentError struct {
	what  string
	cause error
}

func (e *dependentError) Error() string { return e.what + ": " + e.cause.Error() }
func (e *dependentError) Unwrap() error { return e.cause }

// instance returns the instance of that identifier; "" is the current one.
func (r *runner) instance(name string) (*instance, error) {
	inst, what := r.last, "the current module"
	if name != "" {
		inst, what = r.insts[name], "module $"+name
	}
	switch {
	case inst == nil && name == "":
		return nil, errors.New("there is no module yet")
	case inst == nil:
		return nil, fmt.Errorf("unknown module $%s", name)
	case inst.err != nil:
		return nil, &dependentError{what + " was not instantiated", inst.err}
	}
	return inst, nil
}

// own is instance for what only the instance's thread may do.
func (r *runner) own(name string) (*instance, error) {
	inst, err := r.instance(name)
	if err != nil {
		return nil, err
	}
	if inst.foreign {
		return nil, fmt.Errorf("module $%s belongs to another thread", name)
	}
	return inst, nil
}

func (r *runner) compile(ctx context.Context, m *wat.Module) (*spindle.Module, error) {
	bin, err := m.Assemble(wat.Options{Off: r.cfg.Off})
	if err != nil {
		return nil, err
	}
	return r.rt.Compile(ctx, bin)
}

// module compiles a module, which defines it, and instantiates it unless it is marked as a definition.
func (r *runner) module(ctx context.Context, m *wat.Module) error {
	mod, err := r.compile(ctx, m)
	if err == nil {
		r.lastModule = mod
		if m.Name != "" {
			r.modules[m.Name] = mod
		}
		if m.Definition {
			return nil
		}
	}
	inst := &instance{err: err}
	if err == nil {
		inst.inst, inst.err = r.instantiate(ctx, mod)
	}
	r.bind(m.Name, inst)
	return inst.err
}

func (r *runner) instantiateAgain(ctx context.Context, c *wat.Command) error {
	mod := r.lastModule
	if c.Of != "" {
		mod = r.modules[c.Of]
	}
	if mod == nil {
		return fmt.Errorf("unknown module definition $%s", c.Of)
	}
	inst := &instance{}
	inst.inst, inst.err = r.instantiate(ctx, mod)
	r.bind(c.Name, inst)
	return inst.err
}

func (r *runner) bind(name string, inst *instance) {
	r.last = inst
	if name != "" {
		r.insts[name] = inst
	}
}

// instantiate instantiates a module. If an import is missing because the module that was registered for it could not be made,
// the error says so.
func (r *runner) instantiate(ctx context.Context, mod *spindle.Module) (*spindle.Instance, error) {
	inst, err := r.proc.Instantiate(ctx, mod, "")
	var link *spindle.LinkError
	if errors.As(err, &link) {
		if b, ok := r.imports[link.Module].(broken); ok {
			return nil, &dependentError{link.Error(), b.err}
		}
	}
	return inst, err
}

func (r *runner) register(c *wat.Command) error {
	inst, err := r.instance(c.Name)
	switch {
	case err != nil:
		r.imports[c.As] = broken{err}
		return err
	case inst.foreign:
		r.imports[c.As] = sharedExports{inst.inst}
	default:
		r.imports[c.As] = inst.inst
	}
	return nil
}

// broken stands for a registered module that could not be made.
type broken struct{ err error }

// Lookup implements spindle.ImportModule.
func (broken) Lookup(*spindle.Process, string) (spindle.Extern, bool) { return nil, false }
