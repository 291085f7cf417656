package vm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Plan is what the stores of a Process's further threads start from: every instance as instantiation leaves it before its start
// function, in a store of its own that never runs. A thread's store is a copy: the region's bytes, and shared until their first
// change the large tables, the identities of functions, and the evaluated segments. So a thread does not cost more for a larger module.
//
// Threads proposal and wasi-threads: a new thread instantiates the modules again with the same imports. Shared memories, imported or
// defined, are the same; unshared ones, globals, tables and dropped segments are fresh. Active data segments are applied again to
// imported memories and to unshared ones; a defined shared memory is not made anew, so it is not initialised anew.
//
// A Plan is safe for concurrent use.
type Plan struct {
	t      *Thread // owns the template store
	limits MemoryLimits
	data   []planData

	heap   *Heap        // the Process's, nil without one
	supers uintptr      // Context.Supers
	redo   []planValues // by instance: what each thread evaluates for itself; nil if there is nothing
}

// planData is an active data segment that each thread applies.
type planData struct {
	inst   int
	memory uint32
	seg    uint32
	at     uint64
}

// PlanError says why a Process cannot have further threads.
type PlanError struct {
	Module, Name string
	Msg          string
}

func (e *PlanError) Error() string {
	return fmt.Sprintf("no further threads: import %q.%q: %s", e.Module, e.Name, e.Msg)
}

// NewPlan makes a plan of the instances of main. It reads what does not change after instantiation, so main may run.
// Preconditions: no instance is added to main's store meanwhile.
func NewPlan(main *Thread, lim MemoryLimits) (*Plan, error) {
	t, err := NewThread(main.Engine, main.pools, ThreadConfig{StackSize: 1})
	if err != nil {
		return nil, err
	}
	t.NoStackCheck = main.NoStackCheck
	t.Store.budget = main.Store.budget
	p := &Plan{t: t, limits: lim}
	for k, from := range main.Store.Instances {
		if err := p.add(k, from); err != nil {
			p.Close()
			return nil, err
		}
	}
	p.heap, p.supers = main.heap, main.Ctx.Supers
	p.findValues()
	t.Store.funcs = slices.Clip(t.Store.funcs)
	t.Store.hostFuncs = slices.Clip(t.Store.hostFuncs)
	return p, nil
}

func (p *Plan) add(k int, from *Instance) error {
	next := 0
	inst, err := instantiate(p.t, from.Module, from.Code, func(im *wasm.Import) (Extern, bool, error) {
		x, err := p.translate(im, from.binds[next], from.Store)
		next++
		return x, true, err
	}, memories{of: from})
	if err != nil {
		if plan := (*PlanError)(nil); errors.As(err, &plan) {
			return plan
		}
		return err
	}
	m := from.Module
	for seg := range m.Datas {
		d := &m.Datas[seg]
		if d.Mode != wasm.SegmentActive {
			continue
		}
		inst.dropped[seg] = true
		if mt := m.Memories[d.Memory]; mt.Shared && int(d.Memory) >= m.NumImportedMemories {
			continue
		}
		at, _, err := inst.eval(&d.Start)
		if err != nil {
			return err
		}
		if !m.Memories[d.Memory].Is64 {
			at = uint64(uint32(at))
		}
		p.data = append(p.data, planData{k, d.Memory, uint32(seg), at})
	}
	return nil
}

// translate finds what an import of an instance of the main store is bound to in the template.
func (p *Plan) translate(im *wasm.Import, x Extern, main *Store) (Extern, error) {
	fail := func(msg string) (Extern, error) { return Extern{}, &PlanError{im.Module, im.Name, msg} }
	switch x.Kind {
	case wasm.ExternFunc:
		if x.Func.Inst == nil {
			return x, nil
		}
		return p.t.Store.Instances[x.Func.Inst.Index].Extern(wasm.ExternFunc, x.Func.Index), nil
	case wasm.ExternMemory:
		if x.Memory.Shared() {
			return x, nil
		}
	case wasm.ExternTag:
		if p.t.Store.hostTag(main, x.Tag) {
			return x, nil
		}
	case wasm.ExternGlobal:
		if g := x.Global; !g.Type.Mutable && !g.Type.Type.IsRef() && main.hostGlobal(g) {
			lo, hi := g.Get()
			c, err := p.t.Store.NewGlobal(g.Type, lo, hi)
			return Extern{Kind: x.Kind, Global: c}, err
		}
	}
	for k, inst := range main.Instances {
		if idx, ok := inst.find(x); ok {
			if k >= len(p.t.Store.Instances) {
				break
			}
			return p.t.Store.Instances[k].Extern(x.Kind, idx), nil
		}
	}
	return fail("only functions, shared memories, tags and immutable numbers of the host can be had by several threads")
}

// hostTag reports whether no instance of main defines the tag.
func (s *Store) hostTag(main *Store, tag *Tag) bool {
	for _, inst := range main.Instances {
		if slices.Contains(inst.Tags, tag) && slices.Index(inst.Tags, tag) >= inst.Module.NumImportedTags {
			return false
		}
	}
	return true
}

// hostGlobal reports whether no instance of the store defines the global.
func (s *Store) hostGlobal(g *Global) bool {
	return !slices.ContainsFunc(s.Instances, func(i *Instance) bool {
		_, ok := i.find(Extern{Kind: wasm.ExternGlobal, Global: g})
		return ok
	})
}

// find returns the index of an entity that the instance defines.
func (i *Instance) find(x Extern) (uint32, bool) {
	k, first := -1, 0
	switch m := i.Module; x.Kind {
	case wasm.ExternTable:
		k, first = slices.Index(i.Tables, x.Table), m.NumImportedTables
	case wasm.ExternMemory:
		k, first = slices.Index(i.Memories, x.Memory), m.NumImportedMemories
	case wasm.ExternTag:
		k, first = slices.Index(i.Tags, x.Tag), m.NumImportedTags
	case wasm.ExternGlobal:
		// Not by i.globals, which the owner of the store fills on demand.
		first = m.NumImportedGlobals
		if off := x.Global.addr - i.view.globals; off < uintptr(len(m.Globals)-first)*GlobalSize {
			k = first + int(off/GlobalSize)
		}
	}
	return uint32(k), k >= first
}

// Close gives the template back. Threads made of the plan must be gone.
func (p *Plan) Close() { p.t.Shutdown(nil) }

// block is the number of bytes that the template's blocks take in a thread, its context before them: below its stack, in the same page if
// they are small.
func (p *Plan) block() int { return (int(p.t.Store.used()) + 63) &^ 63 }

// NewThread makes a thread whose store is as the plan says. Errors are of memory for it, or traps of active data segments.
func (p *Plan) NewThread(cfg ThreadConfig) (*Thread, error) {
	stack, err := p.t.pools.getStack(p.block() + cfg.size())
	if err != nil {
		return nil, fmt.Errorf("guest stack: %w", err)
	}
	t := assemble(p.t.Engine, newCore(p.t.pools, stack), stack.Base(), stack.Base()+uintptr(p.block()))
	t.Store = &Store{thread: t, refs: newRefTables(t.pools), blocks: blocks{pools: t.pools}}
	p.wire(t)
	return p.begin(t)
}

// Renew is NewThread out of what a thread of the plan leaves: its core with the stack, and its store, whose instances are wired to where it lies.
// old must be retired and not closed, and Close is not called on it: who still has it finds it closed. It is Renewable.
func (p *Plan) Renew(old *Thread) (*Thread, error) {
	old.mu.Lock()
	old.closed = true // who still knows it does not reach the new one
	old.mu.Unlock()
	if old.deep() && old.stack.Discard(nearStack) != nil {
		old.finish()
		return nil, errors.New("guest stack: its memory cannot be given back")
	}
	t := assemble(old.Engine, old.core, old.stack.Base(), old.Ctx.StackBase)
	t.Activations = t.Activations[:0]
	t.waiter.again = false
	t.Store = old.Store
	t.Store.thread = t
	return p.begin(t)
}

// Renewable reports whether the plan can make another thread of t's parts once t is retired. One with memories of its own is not: they
// would have to be made anew anyway.
func (t *Thread) Renewable() bool {
	for _, m := range t.Store.memories {
		if !m.Shared() {
			return false
		}
	}
	return true
}

// moved translates an address among the template's blocks into one among the thread's.
func (p *Plan) moved(t *Thread, addr uintptr) uintptr {
	if off := addr - p.t.Store.arena.Base(); off < p.t.Store.used() {
		return t.stack.Base() + off
	}
	return addr
}

// wire makes a store's tables and instances, and what in them depends on where the thread's blocks are or is never changed.
func (p *Plan) wire(t *Thread) {
	from, s := p.t.Store, t.Store
	s.types, s.budget = from.types, from.budget
	// Tables first: instances refer to them.
	tables := make([]Table, len(from.tables))
	descs := make([]TableDesc, len(from.tables))
	s.tables = make([]*Table, len(from.tables))
	for k, ft := range from.tables {
		tables[k] = Table{Type: ft.Type, Desc: &descs[k], pools: ft.pools, max: ft.max}
		s.tables[k] = &tables[k]
	}
	instances := make([]Instance, len(from.Instances))
	s.Instances = make([]*Instance, len(from.Instances))
	for k, fi := range from.Instances {
		inst := &instances[k]
		*inst = Instance{
			Index: fi.Index, Store: s, Module: fi.Module, Code: fi.Code, Imports: fi.Imports, Memories: fi.Memories, Tags: fi.Tags,
			view: fi.view, memDescs: fi.memDescs, refBase: fi.refBase,
		}
		s.Instances[k] = inst
		inst.view.globals = p.moved(t, fi.view.globals)
		if len(fi.impGlobals) > 0 {
			inst.impGlobals = make([]uintptr, len(fi.impGlobals))
			for g, a := range fi.impGlobals {
				inst.impGlobals[g] = p.moved(t, a)
			}
			inst.view.impGlobals = addrOf(inst.impGlobals)
		}
		if len(fi.Tables) > 0 {
			inst.Tables = make([]*Table, len(fi.Tables))
			inst.tableDescs = make([]uintptr, len(fi.Tables))
			for k, ft := range fi.Tables {
				tb := s.tables[slices.Index(from.tables, ft)]
				inst.Tables[k], inst.tableDescs[k] = tb, addrOfVar(tb.Desc)
			}
			inst.view.tables = addrOf(inst.tableDescs)
		}
		// An imported function of another instance is that of the thread's own one.
		for f, im := range inst.Imports {
			if im.Inst != nil {
				inst.Imports = slices.Clone(inst.Imports)
				for ; f < len(inst.Imports); f++ {
					if im := &inst.Imports[f]; im.Inst != nil {
						im.Inst = s.Instances[im.Inst.Index]
					}
				}
				break
			}
		}
	}
}

// begin brings a wired store to the plan's state: everything that a thread may have changed. If it fails, t is closed.
func (p *Plan) begin(t *Thread) (*Thread, error) {
	from, s := p.t.Store, t.Store
	used := int(from.used())
	copy(t.stack.Bytes(used)[contextSize:], from.arena.Bytes(used)[contextSize:])
	s.dropArena()
	s.funcs, s.hostFuncs, s.hostRefs, s.globals = from.funcs, from.hostFuncs, nil, nil
	if s.refs.shared {
		s.refs = newRefTables(t.pools)
	} else {
		s.refs.drop()
	}
	t.Ctx.Funcs = addrOf(s.funcs)
	t.NoStackCheck = p.t.NoStackCheck
	for k, ft := range from.tables {
		tb := s.tables[k]
		tb.drop()
		*tb.Desc = TableDesc{Base: p.moved(t, ft.Desc.Base), Len: ft.Desc.Len}
		tb.storage, tb.shared = ft.storage, ft.region != nil
	}
	for k, fi := range from.Instances {
		inst := s.Instances[k]
		inst.elems, inst.dropped, inst.planned, inst.refs, inst.Data = fi.elems, fi.dropped, true, nil, nil
		inst.view.aux = fi.view.aux
	}
	err := p.memories(t)
	if err == nil {
		err = p.applyData(t)
	}
	if err == nil && p.heap != nil {
		p.heap.join(t, p.supers)
		err = p.reevaluate(t)
	}
	if err != nil {
		t.Shutdown(err)
		return nil, err
	}
	return t, nil
}

// memories makes the thread hold the shared memories, and makes its unshared ones, unless it has them.
func (p *Plan) memories(t *Thread) error {
	if t.Store.memories != nil {
		return nil
	}
	for _, m := range p.t.Store.memories {
		if !m.Shared() {
			continue
		}
		if err := t.Store.hold(m); err != nil {
			return err
		}
	}
	for k := range t.Store.Instances {
		if err := p.ownMemories(t, k); err != nil {
			return err
		}
	}
	return nil
}

// ownMemories makes an instance's unshared memories.
func (p *Plan) ownMemories(t *Thread, k int) error {
	fi, inst := p.t.Store.Instances[k], t.Store.Instances[k]
	for x, m := range fi.Memories {
		if m.Shared() {
			continue
		}
		var mm *Memory
		if x < fi.Module.NumImportedMemories {
			// Bound to an earlier instance's.
			for j, of := range p.t.Store.Instances[:k] {
				if idx, ok := of.find(Extern{Kind: wasm.ExternMemory, Memory: m}); ok {
					mm = t.Store.Instances[j].Memories[idx]
				}
			}
		} else {
			var err error
			if mm, err = t.Store.AddMemory(m.Type, p.limits); err != nil {
				return err
			}
		}
		if &inst.Memories[0] == &fi.Memories[0] {
			inst.Memories, inst.memDescs = slices.Clone(fi.Memories), slices.Clone(fi.memDescs)
			inst.view.mems = addrOf(inst.memDescs)
		}
		inst.Memories[x], inst.memDescs[x] = mm, addrOfVar(mm.Desc)
	}
	return nil
}

func (p *Plan) applyData(t *Thread) error {
	for _, d := range p.data {
		inst := t.Store.Instances[d.inst]
		init := inst.Module.Datas[d.seg].Init
		m := inst.Memories[d.memory]
		if !inBounds(d.at, uint64(len(init)), m.Len()) {
			return NewTrap(TrapMemoryOutOfBounds)
		}
		copy(m.Bytes()[d.at:], init)
	}
	return nil
}
