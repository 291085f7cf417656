package spindle

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spindle-wasm/spindle/internal/process"
	"github.com/spindle-wasm/spindle/internal/vm"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// ForkConfig configures a child.
type ForkConfig struct {
	// Name replaces Config.Name if it is not empty.
	Name string
	// Imports replace modules of the parent's Config.Imports that children may have their own of. Functions are found in them by name.
	Imports Imports
	// Options are for modules that are ForkStates, by module name.
	Options map[string]any
	// Before is called before the child's first instruction. A child whose hook fails is not made: the error is Fork's.
	Before func(child *Process) error

	started func(child *Process) error // called last before the child goes on

	tree *tree // of a guest's fork
	node *node
}

// Fork makes a Process of the image and has it go on from where the image was made. If the original was made by Start, so is the child: Wait tells how it ends.
// Otherwise it is there to be called, and if a call from outside ran in the original, Wait tells how that ends in the child.
//
// ctx ends the child when it is done.
func (i *Image) Fork(ctx context.Context, cfg ForkConfig) (*Process, error) {
	if err := i.use(); err != nil {
		return nil, err
	}
	defer i.unuse() //nolint:errcheck // if this is the last use, Close was called meanwhile, and the child is as good
	return i.fork(ctx, cfg)
}

func (i *Image) fork(ctx context.Context, cfg ForkConfig) (*Process, error) {
	p := i.rt.bareProcess(ctx, i.cfg)
	if cfg.Name != "" {
		p.cfg.Name = cfg.Name
		p.labels = newLabels(ctx, &p.cfg)
	}
	p.image, p.family, p.generation = i, i.family, i.forks
	if n := cfg.node; n != nil {
		p.pid, p.tree = n.pid, cfg.tree
	} else {
		p.pid = i.family.next()
	}
	if len(i.modules)+len(cfg.Imports) > 0 {
		p.cfg.Imports = make(Imports, len(i.cfg.Imports))
		for name, m := range i.cfg.Imports {
			p.cfg.Imports[name] = m
		}
		// In order of their names, so that a module can find what an earlier one has become: wasix_32v1 that of wasi_snapshot_preview1.
		for _, name := range slices.Sorted(maps.Keys(i.modules)) {
			m, err := i.modules[name].Fork(p, cfg.Options[name])
			if err != nil {
				p.runOnClose()
				return nil, &ForkError{Reason: fmt.Sprintf("import module %q", name), Cause: err}
			}
			p.cfg.Imports[name] = m
		}
		for name, m := range cfg.Imports {
			p.cfg.Imports[name] = m
		}
	}
	hosts, err := i.hosts(p, cfg)
	if err != nil {
		p.runOnClose()
		return nil, err
	}
	threads, err := i.vm.Fork(vm.ForkConfig{Budget: p.newBudget(), Host: func(h *vm.HostFunc) *vm.HostFunc {
		if n := hosts[h]; n != nil {
			return n
		}
		return h
	}, Collected: p.cfg.GC.Stats})
	if err != nil {
		p.runOnClose()
		return nil, err
	}
	p.adopt(threads, i)
	if p.budget != nil && p.tree == nil {
		p.treeOf() // while all files of its memories are the original's
	}
	p.forkHooks = i.hostHooks
	p.asleep.Store(true)
	for _, t := range threads {
		if len(t.Activations) > 0 {
			t.Keep()
		}
	}
	free := func() {
		for _, t := range threads {
			if len(t.Activations) > 0 {
				t.Free()
			}
		}
	}
	fail := func(err error) (*Process, error) {
		free()
		for _, t := range threads {
			t.Shutdown(err)
		}
		i.vm.Done()
		p.runOnClose()
		return nil, err
	}
	if err := i.callChildHooks(ctx, p, threads, cfg); err != nil {
		return fail(err)
	}
	if err := i.rt.add(p); err != nil {
		return fail(err)
	}
	free()
	p.asleep.Store(false)
	p.goOn(ctx, threads, i)
	return p, nil
}

// hosts returns the child's host functions by the image's.
func (i *Image) hosts(p *Process, cfg ForkConfig) (map[*vm.HostFunc]*vm.HostFunc, error) {
	if len(i.modules)+len(cfg.Imports) == 0 && !i.opened {
		return nil, nil
	}
	hosts := map[*vm.HostFunc]*vm.HostFunc{}
	for _, inst := range i.vm.Threads()[0].Store.Instances {
		k := 0
		for n := range inst.Module.Imports {
			im := &inst.Module.Imports[n]
			if im.Kind != wasm.ExternFunc {
				continue
			}
			bound := inst.Imports[k].Host
			k++
			_, own := i.modules[im.Module]
			if _, given := cfg.Imports[im.Module]; bound == nil || !own && !given && !i.opened || hosts[bound] != nil {
				continue
			}
			var x Extern
			mod := p.cfg.Imports[im.Module]
			ok := mod != nil
			if ok {
				x, ok = mod.Lookup(p, im.Name)
			}
			if !ok || x == nil {
				return nil, &LinkError{Module: im.Module, Name: im.Name, Msg: "the child's module does not have it"}
			}
			v, err := linked(p, im, x)
			if err != nil {
				return nil, &LinkError{Module: im.Module, Name: im.Name, Msg: err.Error(), Cause: err}
			}
			if v.Func == nil || v.Func.Host == nil || v.Func.Type != inst.Imports[k-1].Type {
				return nil, &LinkError{Module: im.Module, Name: im.Name, Msg: "the child's module has something else of that name"}
			}
			hosts[bound] = v.Func.Host
		}
	}
	return hosts, nil
}

// adopt makes threads of an image the Process's.
func (p *Process) adopt(threads []*vm.Thread, i *Image) {
	p.thread = threads[0]
	p.caller.p, p.caller.t = p, p.thread
	p.thread.HostData = &p.caller
	p.newGroup()
	for _, t := range threads {
		t.SetSafepoint(p.atSafepoint())
	}
	for _, t := range threads[1:] {
		t.HostData = &Caller{p: p, t: t}
	}
	for k, f := range i.all {
		var inst *Instance
		if f.mod != nil {
			inst = &Instance{p: p, mod: f.mod, inst: p.thread.Store.Instances[k], name: f.name}
			inst.inst.Data = inst
			if f.started > 0 {
				inst.started = make(chan struct{})
				if f.started == 2 {
					close(inst.started)
				}
			}
		}
		p.all = append(p.all, inst)
	}
	for name, k := range i.names {
		p.Register(name, p.all[k])
	}
	for _, a := range i.stacks {
		c := *a
		if c.boot.of != nil {
			c.boot.of = &c
		}
		p.stacks = append(p.stacks, &c)
	}
	if len(p.stacks) > 0 {
		p.stacksOf = len(p.all)
	}
}

// goOn has the threads of a new child run.
func (p *Process) goOn(ctx context.Context, threads []*vm.Thread, i *Image) {
	p.group.Restore(process.TIDsOf(p.pid), i.threaded)
	for k, t := range threads {
		f := &i.jobs[k]
		if k > 0 {
			j, _ := f.job.clone(p)
			t.HostData.(*Caller).job = j
			p.group.Adopt(t, process.Main(p.begin))
		}
	}
	if f := &i.jobs[0]; f.job != nil {
		j, _ := f.job.clone(p)
		if c, ok := j.(*calls); ok && c.steps[0].of != nil {
			p.outcome = c
		}
		p.run(ctx, j)
	}
	p.group.Start() // last: one of them may freeze the Process at once, and then finds what all are to do
}

// Results returns the results, in slot form, of the call from outside that ran in the original when the image was made, once Done is closed and Wait
// has returned nil.
func (p *Process) Results() []uint64 {
	if p.outcome == nil {
		return nil
	}
	return slices.Clone(p.outcome.results)
}

// Fork is Freeze and Image.Fork in one.
func (p *Process) Fork(ctx context.Context, opts FreezeOptions, cfg ForkConfig) (*Process, ForkStats, error) {
	img, stats, err := p.Freeze(ctx, opts)
	if err != nil {
		return nil, stats, err
	}
	defer img.Close()
	child, err := img.Fork(ctx, cfg)
	return child, stats, err
}
