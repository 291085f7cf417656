package spindle

import (
	"context"
	"errors"

	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Instantiate adds an instance of m to the Process and runs its start function (but no _initialize). The instance can be
// imported by later ones under its name, if it is not empty. While the guest runs, also from a host function, the error is ErrBusy.
func (p *Process) Instantiate(ctx context.Context, m *Module, name string) (*Instance, error) {
	inst, err := p.link(m, name)
	if err != nil {
		return nil, err
	}
	if steps := startCalls(inst.inst); len(steps) > 0 {
		err := p.callMain(ctx, &calls{p: p, steps: steps})
		p.caller.job = nil
		if err != nil {
			return nil, err
		}
	}
	return inst, nil
}

// link instantiates up to the start function; startCalls are due then.
func (p *Process) link(m *Module, name string) (*Instance, error) {
	if m.rt != p.rt {
		return nil, errors.New("spindle: the module was compiled by another Runtime")
	}
	if err := p.thread.EnterBackground(context.Background()); err != nil {
		return nil, err
	}
	defer p.thread.Leave()
	p.linking.Lock()
	vi, err := vm.Instantiate(p.thread, m.m, m.code, p.resolve, p.memoryLimits())
	p.linking.Unlock()
	if err != nil {
		return nil, p.wrapError(err)
	}
	inst := &Instance{p: p, mod: m, inst: vi, name: name}
	vi.Data = inst
	if len(startCalls(vi)) > 0 {
		inst.started = make(chan struct{})
	}
	p.mu.Lock()
	for len(p.all) <= int(vi.Index) {
		p.all = append(p.all, nil)
	}
	p.all[vi.Index] = inst
	p.mu.Unlock()
	if name != "" {
		p.Register(name, inst)
	}
	return inst, nil
}

// first returns the Process's first instance, nil if it has none.
func (p *Process) first() *Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, inst := range p.all {
		if inst != nil {
			return inst
		}
	}
	return nil
}

// mainInstance returns the main thread's instance of an index, nil if there is none.
func (p *Process) mainInstance(idx uint32) *Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(idx) >= len(p.all) {
		return nil
	}
	return p.all[idx]
}

// maxMemory is the bound of the Process's memories together, 0 for none.
func (p *Process) maxMemory() uint64 {
	if p.cfg.MaxMemory != 0 {
		return p.cfg.MaxMemory
	}
	return p.rt.maxMemory
}

// memoryLimits are those of each of them, so that none is reserved larger than it can become.
func (p *Process) memoryLimits() vm.MemoryLimits {
	l := memoryLimits(p.maxMemory())
	l.Forkable = p.cfg.Forkable
	return l
}

func memoryLimits(n uint64) vm.MemoryLimits {
	return vm.MemoryLimits{MaxPages: n / wasm.PageSize, Limited: n != 0}
}

// Register makes inst importable under a name, in place of what was importable under it before.
func (p *Process) Register(name string, inst *Instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.instances == nil {
		p.instances = map[string]*Instance{}
	}
	p.instances[name] = inst
}

// Instance returns the instance registered under a name, nil if there is none.
func (p *Process) Instance(name string) *Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.instances[name]
}

func (p *Process) resolve(im *wasm.Import) (vm.Extern, bool, error) {
	var mod ImportModule
	if inst := p.Instance(im.Module); inst != nil {
		mod = inst
	} else if mod = p.cfg.Imports[im.Module]; mod == nil {
		return vm.Extern{}, false, nil
	}
	var x Extern
	var ok bool
	p.thread.Outside(&lookup, func() { x, ok = mod.Lookup(p, im.Name) })
	if !ok || x == nil {
		return vm.Extern{}, false, nil
	}
	v, err := linked(p, im, x)
	return v, err == nil, err
}

// lookup is what a thread is in while it waits for an ImportModule.
var lookup = vm.HostFunc{Name: "ImportModule.Lookup"}
