package vm

import (
	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Store holds everything that one thread's code can reach, other than shared memories: instances, the identities behind
// references, and the slots of globals, small tables and exceptions. What it hands to guest code are indices.
type Store struct {
	Instances []*Instance

	thread    *Thread
	types     *wasm.TypeSpace
	funcs     []FuncDesc  // pointer-free; its address is in the context. Index 0 is null
	hostFuncs []*HostFunc // by FuncDesc.Func of host functions
	hostRefs  map[*HostFunc]Ref
	tables    []*Table   // owned
	memories  []*Memory  // owned: the unshared ones. Shared ones are held
	budget    *Budget    // of the memories; nil: no bound
	globals   []*Global  // made by the host
	refs      *refTables // its own, or the heap's

	blocks // of globals and small tables; those of a planned thread's plan lie below its stack
}

// newStore makes an empty store. The thread's context lies at the start of the arena.
func newStore(t *Thread, arena *mem.Region) *Store {
	s := &Store{thread: t, funcs: make([]FuncDesc, 1, 8), refs: newRefTables(t.pools)}
	s.blocks = blocks{pools: t.pools, arena: arena, next: arena.Base() + contextSize}
	t.Ctx.Funcs = addrOf(s.funcs)
	return s
}

// Thread returns the thread that owns the store.
func (s *Store) Thread() *Thread { return s.thread }

// SetBudget bounds the memories of the store, and of those of threads that are made after it (Plan). Preconditions: the store is empty.
func (s *Store) SetBudget(b *Budget) { s.budget = b }

// addFunc gives a function its identity.
func (s *Store) addFunc(d FuncDesc) Ref {
	s.funcs = append(s.funcs, d)
	s.thread.Ctx.Funcs = addrOf(s.funcs)
	return Ref(len(s.funcs) - 1)
}

// Func returns what a funcref refers to; r must not be null.
func (s *Store) Func(r Ref) *FuncDesc { return &s.funcs[r] }

// HostFunc returns a host function by FuncDesc.Func.
func (s *Store) HostFunc(i uint32) *HostFunc { return s.hostFuncs[i] }

// FuncOf returns the function behind a funcref; r must not be null.
func (s *Store) FuncOf(r Ref) *Func {
	d := &s.funcs[r]
	if d.Code == 0 {
		return &Func{Host: s.hostFuncs[d.Func], Type: wasm.TypeID(d.Type)}
	}
	return &Func{Inst: s.Instances[d.Instance], Index: d.Func, Type: wasm.TypeID(d.Type)}
}

// RefOf returns a reference to f, which is a function of this store or a host function.
func (s *Store) RefOf(f *Func) Ref {
	if f.Host != nil {
		r, ok := s.hostRefs[f.Host]
		if !ok {
			if s.hostRefs == nil {
				s.hostRefs = map[*HostFunc]Ref{}
			}
			s.hostFuncs = append(s.hostFuncs, f.Host)
			r = s.addFunc(FuncDesc{Type: uint32(f.Type), Func: uint32(len(s.hostFuncs) - 1)})
			s.hostRefs[f.Host] = r
		}
		return r
	}
	return f.Inst.FuncRef(f.Index)
}

// Types returns the type space of the store's Runtime.
func (s *Store) Types() *wasm.TypeSpace { return s.types }

func (s *Store) close() {
	for _, t := range s.tables {
		t.close()
	}
	for _, m := range s.memories {
		m.drop(s.budget)
	}
	if !s.refs.shared {
		s.refs.drop()
	}
	s.dropArena()
}

// Global is a global variable; its value lives in its store's region.
type Global struct {
	Type wasm.GlobalType // canonical
	addr uintptr
}

// NewGlobal makes a global holding value (two slots, the second for v128 only).
func (s *Store) NewGlobal(t wasm.GlobalType, lo, hi uint64) (*Global, error) {
	addr, err := s.alloc(GlobalSize / 8)
	if err != nil {
		return nil, err
	}
	g := &Global{Type: t, addr: addr}
	g.Set(lo, hi)
	s.globals = append(s.globals, g)
	return g, nil
}

// Get returns the value in slot form.
func (g *Global) Get() (lo, hi uint64) {
	s := slotsAt(g.addr, 2)
	return s[0], s[1]
}

// Set stores a value in slot form.
func (g *Global) Set(lo, hi uint64) {
	s := slotsAt(g.addr, 2)
	s[0], s[1] = lo, hi
}

// Addr is the address of the global's storage.
func (g *Global) Addr() uintptr { return g.addr }
