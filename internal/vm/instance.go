package vm

import (
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Instance is an instantiated module in a store.
type Instance struct {
	Index    uint32 // in the store
	Store    *Store
	Module   *wasm.Module
	Code     Code
	Imports  []ImportedFunc // by function index
	Memories []*Memory      // by index, imports included, as are the following
	Tables   []*Table
	Tags     []*Tag
	// Data belongs to the embedding API.
	Data any

	binds []Extern // what the module's imports are bound to, in their order

	view struct {
		mems, tables, globals, impGlobals uintptr
		aux                               auxBounds
	}
	// The arrays behind view: pointer-free, kept alive here.
	memDescs, tableDescs, impGlobals []uintptr

	globals []*Global // by index, nil where nobody has asked yet: see Global

	refBase Ref            // identity of Module.DeclaredFuncs[0]
	refs    map[uint32]Ref // identities of other functions, made when the host asks for them
	// The state of segments. It is the plan's until the first change if planned is set.
	elems   []elemState
	dropped []bool // data segments
	planned bool
}

// Global returns a global of the index space.
func (i *Instance) Global(idx uint32) *Global {
	if i.globals == nil {
		i.globals = make([]*Global, len(i.Module.Globals))
	}
	if i.globals[idx] == nil {
		m := i.Module
		t := m.Globals[idx].Type
		g := &Global{Type: wasm.GlobalType{Type: m.Canon(t.Type), Mutable: t.Mutable}}
		if int(idx) < m.NumImportedGlobals {
			g.addr = i.impGlobals[idx]
		} else {
			g.addr = i.view.globals + uintptr(int(idx)-m.NumImportedGlobals)*GlobalSize
		}
		i.globals[idx] = g
	}
	return i.globals[idx]
}

// ownSegments gives the instance segment state of its own before it changes.
func (i *Instance) ownSegments() {
	if i.planned {
		i.elems, i.dropped, i.planned = slices.Clone(i.elems), slices.Clone(i.dropped), false
		for k := range i.elems {
			i.elems[k].shared = i.elems[k].n > 0
		}
	}
}

// ImportedFunc is what an imported function is bound to: Host, or function Func of Inst.
type ImportedFunc struct {
	Host *HostFunc
	Inst *Instance
	Func uint32
	Type wasm.TypeID
}

// elemState is a segment at run time. Segments of function indices need no storage.
type elemState struct {
	dropped bool
	addr    uintptr // evaluated expressions
	n       int
	shared  bool // addr is the plan's
}

// Func is a function as the host sees it. It is immutable; that of a host function may be used in any store of its Runtime.
type Func struct {
	Type  wasm.TypeID
	Inst  *Instance // nil for a host function
	Index uint32
	Host  *HostFunc
}

// NewHostFunc makes a host function of a type of the space.
func NewHostFunc(ts *wasm.TypeSpace, name string, ft wasm.FuncType, fn func(*Thread, []uint64) error) (*Func, error) {
	id, err := ts.FuncTypeID(ft)
	if err != nil {
		return nil, err
	}
	f := &struct {
		Func
		host HostFunc
	}{Func{Type: id}, HostFunc{Name: name, Params: countSlots(ft.Params), Results: countSlots(ft.Results), Fn: fn}}
	f.Host = &f.host
	if slices.ContainsFunc(ft.Params, wasm.ValType.IsRef) {
		f.host.params = ft.Params
	}
	if slices.ContainsFunc(ft.Results, wasm.ValType.IsRef) {
		f.host.results = ft.Results
	}
	return &f.Func, nil
}

// countSlots is how many slots values of the types take.
func countSlots(types []wasm.ValType) (n int) {
	for _, t := range types {
		n += t.Slots()
	}
	return n
}

// FuncTypeID returns the canonical type of a function of the index space.
func (i *Instance) FuncTypeID(fn uint32) wasm.TypeID { return i.Module.TypeIDs[i.Module.Funcs[fn]] }

// Func returns a function of the index space, followed through its import.
func (i *Instance) Func(fn uint32) *Func {
	if int(fn) < len(i.Imports) {
		im := &i.Imports[fn]
		if im.Host != nil {
			return &Func{Type: im.Type, Host: im.Host}
		}
		return im.Inst.Func(im.Func)
	}
	return &Func{Type: i.FuncTypeID(fn), Inst: i, Index: fn}
}

// FuncRef returns the reference to a function of the index space (ref.func).
func (i *Instance) FuncRef(fn uint32) Ref {
	if k, ok := slices.BinarySearch(i.Module.DeclaredFuncs, fn); ok {
		return i.refBase + Ref(k)
	}
	if r, ok := i.refs[fn]; ok {
		return r
	}
	if i.refs == nil {
		i.refs = map[uint32]Ref{}
	}
	r := i.Store.addFunc(i.desc(fn))
	i.refs[fn] = r
	return r
}

// desc describes a function; an import is described as what it is bound to.
func (i *Instance) desc(fn uint32) FuncDesc {
	if int(fn) < len(i.Imports) {
		im := &i.Imports[fn]
		if im.Host == nil {
			return im.Inst.desc(im.Func)
		}
		i.Store.hostFuncs = append(i.Store.hostFuncs, im.Host)
		return FuncDesc{Type: uint32(im.Type), Func: uint32(len(i.Store.hostFuncs) - 1)}
	}
	return FuncDesc{Code: i.Code.FuncAddr(fn), Type: uint32(i.FuncTypeID(fn)), Instance: i.Index, Func: fn}
}

// Extern is something that can be imported or exported.
type Extern struct {
	Kind   wasm.ExternKind
	Func   *Func
	Table  *Table
	Memory *Memory
	Global *Global
	Tag    *Tag
}

// Export returns the export of that name.
func (i *Instance) Export(name string) (Extern, bool) {
	e := i.Module.Export(name)
	if e == nil {
		return Extern{}, false
	}
	return i.Extern(e.Kind, e.Index), true
}

// Extern returns an entity of one of the instance's index spaces.
func (i *Instance) Extern(kind wasm.ExternKind, idx uint32) Extern {
	x := Extern{Kind: kind}
	switch kind {
	case wasm.ExternFunc:
		x.Func = i.Func(idx)
	case wasm.ExternTable:
		x.Table = i.Tables[idx]
	case wasm.ExternMemory:
		x.Memory = i.Memories[idx]
	case wasm.ExternGlobal:
		x.Global = i.Global(idx)
	case wasm.ExternTag:
		x.Tag = i.Tags[idx]
	}
	return x
}

// DropData makes a data segment empty (data.drop).
func (i *Instance) DropData(seg uint32) {
	if !i.dropped[seg] {
		i.ownSegments()
		i.dropped[seg] = true
	}
}

// DropElem makes an element segment empty (elem.drop).
func (i *Instance) DropElem(seg uint32) {
	if i.elems[seg].dropped {
		return
	}
	i.ownSegments()
	e := &i.elems[seg]
	if !e.shared {
		i.Store.release(e.addr, (e.n+1)/2)
	}
	*e = elemState{dropped: true}
}

// data returns what is left of a data segment.
func (i *Instance) data(seg uint32) []byte {
	if i.dropped[seg] {
		return nil
	}
	return i.Module.Datas[seg].Init
}

// elemLen returns the length of what is left of an element segment.
func (i *Instance) elemLen(seg uint32) uint64 {
	if i.elems[seg].dropped {
		return 0
	}
	return uint64(i.Module.Elems[seg].Len())
}

// copyElems fills dst with a segment's elements from `from` on, which must exist.
func (i *Instance) copyElems(dst []Ref, seg uint32, from uint64) {
	if len(dst) == 0 {
		return
	}
	if e := &i.elems[seg]; e.n > 0 {
		copy(dst, refsAt(e.addr, e.n)[from:])
		return
	}
	// Compilers emit tables in ascending order of functions, as DeclaredFuncs is: the next one is most often the one behind the last.
	declared, next := i.Module.DeclaredFuncs, 0
	for k, fn := range i.Module.Elems[seg].Funcs[from : from+uint64(len(dst))] {
		if next >= len(declared) || declared[next] != fn {
			var ok bool
			if next, ok = slices.BinarySearch(declared, fn); !ok {
				dst[k] = i.FuncRef(fn)
				continue
			}
		}
		dst[k] = i.refBase + Ref(next)
		next++
	}
}

func (i *Instance) visitElems(visit func([]Ref, wasm.ValType)) {
	for k := range i.elems {
		if e := &i.elems[k]; e.n > 0 {
			visit(refsAt(e.addr, e.n), i.Module.Canon(i.Module.Elems[k].Type))
		}
	}
}
