package vm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// LinkError says that an import cannot be satisfied.
type LinkError struct {
	Module, Name string
	Msg          string
	Cause        error // what the supplier of the import failed with, may be nil
}

// Unwrap returns the cause.
func (e *LinkError) Unwrap() error { return e.Cause }

func (e *LinkError) Error() string { return fmt.Sprintf("import %q.%q: %s", e.Module, e.Name, e.Msg) }

// Resolver finds what an import is bound to; ok is false if there is nothing of that name.
type Resolver func(im *wasm.Import) (x Extern, ok bool, err error)

// Instantiate links a validated module and initialises it as the specification says (Execution, Instantiation), in its order, up to but not
// including the start function. An error after the instance became reachable (a trap of an active segment) leaves what was
// written, as the specification wants; the instance stays in the store.
// Preconditions: the caller owns t, or t has never run.
func Instantiate(t *Thread, m *wasm.Module, code Code, resolve Resolver, lim MemoryLimits) (*Instance, error) {
	return instantiate(t, m, code, resolve, memories{limits: lim})
}

// memories tells an instantiation where a module's own memories come from.
type memories struct {
	limits MemoryLimits
	of     *Instance // for a plan: shared ones are this instance's, others are made and filled by each thread
}

func instantiate(t *Thread, m *wasm.Module, code Code, resolve Resolver, mems memories) (*Instance, error) {
	s := t.Store
	if s.types == nil {
		s.types = m.TypeSpace()
	}
	if mems.of == nil && slices.ContainsFunc(m.Types, func(st wasm.SubType) bool { return st.Kind != wasm.CompFunc }) {
		if err := t.needHeap(s.types); err != nil {
			return nil, err
		}
	}
	inst := &Instance{Index: uint32(len(s.Instances)), Store: s, Module: m, Code: code}
	inst.view.aux = noAuxBounds
	if err := inst.link(resolve); err != nil {
		return nil, err
	}
	if err := inst.allocate(mems); err != nil {
		return nil, err
	}
	s.Instances = append(s.Instances, inst)
	if err := inst.initialize(mems.of != nil); err != nil {
		return inst, err
	}
	inst.initAux(t, mems.of != nil)
	return inst, nil
}

func (i *Instance) link(resolve Resolver) error {
	m := i.Module
	for k := range m.Imports {
		im := &m.Imports[k]
		x, ok, err := resolve(im)
		if err != nil {
			return &LinkError{im.Module, im.Name, err.Error(), err}
		}
		if !ok {
			return &LinkError{im.Module, im.Name, "unknown import", nil}
		}
		if x.Kind != im.Kind {
			return &LinkError{im.Module, im.Name, fmt.Sprintf("incompatible import type: a %s is wanted, this is a %s", im.Kind, x.Kind), nil}
		}
		if msg := i.bind(im, x); msg != "" {
			return &LinkError{im.Module, im.Name, "incompatible import type: " + msg, nil}
		}
		if x.Kind == wasm.ExternMemory && x.Memory.Shared() {
			if err := i.Store.hold(x.Memory); err != nil {
				return &LinkError{im.Module, im.Name, err.Error(), err}
			}
		}
		i.binds = append(i.binds, x)
	}
	return nil
}

// bind checks an import against what it is bound to (specification: Validation, Matching, External Types) and adds it to its index space.
func (i *Instance) bind(im *wasm.Import, x Extern) string {
	ts := i.Store.types
	m := i.Module
	switch im.Kind {
	case wasm.ExternFunc:
		want := m.TypeIDs[im.Func]
		if !ts.IsSubtype(x.Func.Type, want) {
			return "function type differs"
		}
		if x.Func.Inst != nil && x.Func.Inst.Store != i.Store {
			return "the function belongs to another store"
		}
		i.Imports = append(i.Imports, ImportedFunc{Host: x.Func.Host, Inst: x.Func.Inst, Func: x.Func.Index, Type: x.Func.Type})
	case wasm.ExternTable:
		t := x.Table
		want, got := m.Canon(im.Table.Elem), t.Type.Elem
		if t.Type.Is64 != im.Table.Is64 || !ts.Matches(want, got) || !ts.Matches(got, want) {
			return "table type differs"
		}
		if !limitsMatch(t.Size(), t.Type.Limits, im.Table.Limits) {
			return "table limits differ"
		}
		i.Tables = append(i.Tables, t)
	case wasm.ExternMemory:
		mm := x.Memory
		if mm.Type.Shared != im.Memory.Shared || mm.Type.Is64 != im.Memory.Is64 {
			return "memory type differs"
		}
		if !limitsMatch(mm.Pages(), mm.Type.Limits, im.Memory.Limits) {
			return "memory limits differ"
		}
		if !mm.Type.Shared && mm.owner != i.Store {
			return "the memory belongs to another store"
		}
		i.Memories = append(i.Memories, mm)
	case wasm.ExternGlobal:
		want, got := m.Canon(im.Global.Type), x.Global.Type
		if got.Mutable != im.Global.Mutable || !ts.Matches(got.Type, want) || got.Mutable && !ts.Matches(want, got.Type) {
			return "global type differs"
		}
		i.globals = append(i.globals, x.Global)
	case wasm.ExternTag:
		if x.Tag.Type != m.TypeIDs[im.Tag.Type] {
			return "tag type differs"
		}
		i.Tags = append(i.Tags, x.Tag)
	}
	return ""
}

func limitsMatch(size uint64, got, want wasm.Limits) bool {
	return size >= want.Min && (!want.HasMax || got.HasMax && got.Max <= want.Max)
}

// allocate makes what the module defines, without values that need evaluation.
func (i *Instance) allocate(mems memories) error {
	m, s := i.Module, i.Store
	for k := m.NumImportedMemories; k < len(m.Memories); k++ {
		mm, err := mems.make(s, m.Memories[k], k)
		if err != nil {
			return err
		}
		i.Memories = append(i.Memories, mm)
	}
	for k := m.NumImportedTags; k < len(m.Tags); k++ {
		id := m.TypeIDs[m.Tags[k].Type]
		tag := NewTag(id, s.types.Def(id).Func)
		tag.module, tag.index = m, uint32(k)
		i.Tags = append(i.Tags, tag)
	}
	i.memDescs = make([]uintptr, len(i.Memories))
	for k, mm := range i.Memories {
		i.memDescs[k] = addrOfVar(mm.Desc)
	}
	i.view.mems = addrOf(i.memDescs)

	// Identities of the functions that may escape: one block, so that ref.func needs no table of its own.
	i.refBase = Ref(len(s.funcs))
	for _, fn := range m.DeclaredFuncs {
		s.funcs = append(s.funcs, i.desc(fn))
	}
	s.thread.Ctx.Funcs = addrOf(s.funcs)

	n := len(m.Globals) - m.NumImportedGlobals
	addr, err := s.alloc(n * GlobalSize / 8)
	if err != nil {
		return err
	}
	i.view.globals = addr
	i.impGlobals = make([]uintptr, m.NumImportedGlobals)
	for k := range i.impGlobals {
		i.impGlobals[k] = i.globals[k].addr
	}
	i.view.impGlobals = addrOf(i.impGlobals)
	i.elems = make([]elemState, len(m.Elems))
	i.dropped = make([]bool, len(m.Datas))
	return nil
}

func (ms memories) make(s *Store, t wasm.MemoryType, k int) (*Memory, error) {
	switch {
	case ms.of == nil:
		return s.AddMemory(t, ms.limits)
	case t.Shared:
		mm := ms.of.Memories[k]
		if err := s.hold(mm); err != nil {
			return nil, err
		}
		return mm, nil
	}
	// Only its type counts: each thread makes one of its own.
	return &Memory{Type: t, Desc: &MemDesc{Len: t.Min * wasm.PageSize}, owner: s}, nil
}

var errMemoryClosed = errors.New("the memory is closed")

// initialize evaluates globals, tables and segments, then applies the active segments; for a plan, those of tables only.
func (i *Instance) initialize(plan bool) error {
	m, s := i.Module, i.Store
	for k := m.NumImportedGlobals; k < len(m.Globals); k++ {
		g := &m.Globals[k]
		lo, hi, err := i.eval(&g.Init)
		if err != nil {
			return err
		}
		i.globals = append(i.globals, nil)
		i.Global(uint32(k)).Set(lo, hi)
	}
	for k := m.NumImportedTables; k < len(m.Tables); k++ {
		init := uint64(NullRef)
		if e := m.Tables[k].Init; e != nil {
			var err error
			if init, _, err = i.eval(e); err != nil {
				return err
			}
		}
		t := m.Tables[k].Type
		t.Elem = m.Canon(t.Elem)
		tb, err := s.NewTable(t, Ref(init))
		if err != nil {
			return err
		}
		i.Tables = append(i.Tables, tb)
	}
	i.tableDescs = make([]uintptr, len(i.Tables))
	for k, tb := range i.Tables {
		i.tableDescs[k] = addrOfVar(tb.Desc)
	}
	i.view.tables = addrOf(i.tableDescs)
	for k := range m.Elems {
		if err := i.evalElems(uint32(k)); err != nil {
			return err
		}
	}
	for k := range m.Elems {
		if err := i.applyElem(uint32(k)); err != nil {
			return err
		}
	}
	if plan {
		return nil
	}
	for k := range m.Datas {
		if err := i.applyData(uint32(k)); err != nil {
			return err
		}
	}
	return nil
}

func (i *Instance) evalElems(seg uint32) error {
	e := &i.Module.Elems[seg]
	if !e.IsExpr || len(e.Exprs) == 0 {
		return nil
	}
	addr, err := i.Store.alloc((len(e.Exprs) + 1) / 2)
	if err != nil {
		return err
	}
	i.elems[seg] = elemState{addr: addr, n: len(e.Exprs)}
	for k := range e.Exprs {
		v, _, err := i.eval(&e.Exprs[k])
		if err != nil {
			return err
		}
		refsAt(addr, len(e.Exprs))[k] = Ref(v)
	}
	return nil
}

func (i *Instance) applyElem(seg uint32) error {
	e := &i.Module.Elems[seg]
	switch e.Mode {
	case wasm.SegmentActive:
		at, _, err := i.eval(&e.Start)
		if err != nil {
			return err
		}
		if !i.Module.Tables[e.Table].Type.Is64 {
			at = uint64(uint32(at))
		}
		if err := i.Store.thread.TableInit(i, seg, i.Tables[e.Table], at, 0, uint64(e.Len())); err != nil {
			return err
		}
		i.DropElem(seg)
	case wasm.SegmentDeclarative:
		i.DropElem(seg)
	}
	return nil
}

func (i *Instance) applyData(seg uint32) error {
	d := &i.Module.Datas[seg]
	if d.Mode != wasm.SegmentActive {
		return nil
	}
	at, _, err := i.eval(&d.Start)
	if err != nil {
		return err
	}
	if !i.Module.Memories[d.Memory].Is64 {
		at = uint64(uint32(at))
	}
	if err := i.Store.thread.MemoryInit(i, seg, i.Memories[d.Memory], at, 0, uint64(len(d.Init))); err != nil {
		return err
	}
	i.DropData(seg)
	return nil
}
