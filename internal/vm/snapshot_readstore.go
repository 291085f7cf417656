package vm

import (
	"slices"

	"github.com/spindle-wasm/spindle/gc/heap"
	"github.com/spindle-wasm/spindle/internal/wasm"
)

func (x *snapshotReader) store(s *Store, at *readBlocks) {
	n := x.Len(1)
	instances := make([]Instance, n)
	for k := range instances {
		i := &instances[k]
		m := x.index(len(x.Modules), "a module")
		if !x.ok() {
			return
		}
		*i = Instance{Index: uint32(k), Store: s, Module: x.Modules[m].Module, Code: x.Modules[m].Code}
		s.Instances = append(s.Instances, i)
	}
	if len(x.threads) > 1 {
		main := x.threads[0].Store.Instances
		for k, i := range s.Instances {
			if k >= len(main) || main[k].Module != i.Module {
				x.Failf("a thread has other instances than the first one")
				return
			}
		}
	}
	for range x.Len(1) {
		if k := x.index(len(x.hosts), "a host function"); x.ok() {
			s.hostFuncs = append(s.hostFuncs, x.hosts[k])
		}
	}
	x.funcs(s)
	for range x.Len(2) {
		r, k := x.index(len(s.funcs), "a reference"), x.index(len(x.hosts), "a host function")
		if !x.ok() {
			return
		}
		if s.hostRefs == nil {
			s.hostRefs = map[*HostFunc]Ref{}
		}
		if d := &s.funcs[r]; r == 0 || d.Code != 0 || s.hostFuncs[d.Func] != x.hosts[k] {
			x.Failf("reference %d is of no host function", r)
			return
		}
		s.hostRefs[x.hosts[k]] = Ref(r)
	}
	x.globals = map[uintptr]wasm.GlobalType{}
	for range x.Len(3) {
		g := &Global{Type: wasm.GlobalType{Type: x.valType(), Mutable: x.Bool()}, addr: x.addr(at, GlobalSize/8)}
		s.globals = append(s.globals, g)
		x.globals[g.addr] = g.Type
	}
	for range x.Len(2) {
		k, owned := x.index(len(x.memories), "a memory"), x.Bool()
		if !x.ok() {
			return
		}
		m := x.memories[k]
		if slices.Contains(s.memories, m) && owned || owned == m.Type.Shared || m.owner != nil {
			x.Failf("memory %d is another thread's", k)
			return
		}
		if err := s.adopt(m, owned); err != nil {
			x.Failf("memory %d: %v", k, err)
			return
		}
	}
	for range x.Len(4) {
		if x.ok() {
			x.table(s, at)
		}
	}
	for _, i := range s.Instances {
		if !x.ok() {
			return
		}
		x.instance(i, at)
	}
	for _, i := range s.Instances {
		if x.ok() {
			i.bindImports()
		}
	}
}

func (x *snapshotReader) funcs(s *Store) {
	n := x.Len(1)
	s.funcs = make([]FuncDesc, 1, n+1)
	for k := 1; k < n; k++ {
		in, fn := x.Below(uint64(len(s.Instances))+1, "an instance"), x.Uint32()
		if !x.ok() {
			return
		}
		if in == 0 {
			if int(fn) >= len(s.hostFuncs) {
				x.Failf("no host function %d", fn)
				return
			}
			id := x.hostType[slices.Index(x.hosts, s.hostFuncs[fn])]
			s.funcs = append(s.funcs, FuncDesc{Type: uint32(id), Func: fn})
			continue
		}
		i := s.Instances[in-1]
		if int(fn) < i.Module.NumImportedFuncs || int(fn) >= len(i.Module.Funcs) {
			x.Failf("instance %d defines no function %d", in-1, fn)
			return
		}
		s.funcs = append(s.funcs, i.desc(fn))
	}
	s.thread.Ctx.Funcs = addrOf(s.funcs)
}

// valType reads a type that has no index in it.
func (x *snapshotReader) valType() wasm.ValType {
	t := wasm.ValType(x.Uint())
	switch {
	case t.IsNum() || t == wasm.V128:
	case t.IsRef() && t == wasm.RefTo(t.Heap(), t.Nullable()) && t.Heap() < 0 && t.Heap() >= -0x40:
	default:
		x.Failf("type %#x", uint64(t))
		return wasm.I32
	}
	return t
}

func (x *snapshotReader) table(s *Store, at *readBlocks) {
	var t wasm.TableType
	if k := x.Below(uint64(len(s.Instances))+1, "an instance"); k > 0 {
		m := s.Instances[k-1].Module
		idx := x.index(len(m.Tables), "a table")
		if !x.ok() {
			return
		}
		t = m.Tables[idx].Type
		t.Elem = m.Canon(t.Elem)
	} else {
		t.Elem = x.valType()
		t.Min, t.Max, t.HasMax, t.Is64 = x.Uint(), x.Uint(), x.Bool(), x.Bool()
	}
	limit := uint64(maxTable)
	if t.HasMax {
		limit = min(limit, t.Max)
	}
	n := x.Below(limit+1, "a table's size")
	if !x.ok() {
		return
	}
	tb := &Table{Type: t, Desc: &TableDesc{Len: n}, pools: x.Pools, max: limit}
	p := x.Uint()
	switch {
	case p != 0:
		storage := x.Below(limit+2, "a table's storage")
		addr, ok := at.claim(p, (storage+1)/2)
		if x.ok() && (!ok || storage < n) {
			x.Failf("no table of %d elements at place %#x, or it is something else", n, p)
		}
		if !x.ok() {
			return
		}
		tb.storage, tb.Desc.Base = storage, addr
	default:
		elems := x.Blob()
		if uint64(len(elems)) != n*4 {
			x.Failf("%d bytes for a table of %d elements", len(elems), n)
		}
		if !x.ok() || n == 0 {
			break
		}
		r, err := x.Pools.get(int(limit)*4, len(elems))
		if err != nil {
			x.Failf("a table of %d elements: %v", n, err)
			return
		}
		copy(r.Bytes(len(elems)), elems)
		tb.region, tb.storage, tb.Desc.Base = r, n, r.Base()
	}
	s.tables = append(s.tables, tb)
}

func (x *snapshotReader) instance(i *Instance, at *readBlocks) {
	m, s := i.Module, i.Store
	i.refBase = x.Uint32()
	if uint64(i.refBase)+uint64(len(m.DeclaredFuncs)) > uint64(len(s.funcs)) || i.refBase == 0 {
		x.Failf("references %d and on of %d", i.refBase, len(s.funcs))
		return
	}
	for range x.Len(2) {
		fn, r := x.index(len(m.Funcs), "a function"), x.index(len(s.funcs), "a reference")
		if i.refs == nil {
			i.refs = map[uint32]Ref{}
		}
		i.refs[uint32(fn)] = Ref(r)
	}
	i.Imports = make([]ImportedFunc, m.NumImportedFuncs)
	for k := range i.Imports {
		im := &i.Imports[k]
		im.Type = m.TypeIDs[m.Funcs[k]]
		from := x.Below(uint64(len(s.Instances))+1, "an instance")
		fn := x.Uint32()
		if !x.ok() {
			return
		}
		if from == 0 {
			if int(fn) >= len(x.hosts) || x.hostType[fn] != im.Type {
				x.Failf("import %d is bound to no host function of its type", k)
				return
			}
			im.Host = x.hosts[fn]
			continue
		}
		im.Inst, im.Func = s.Instances[from-1], fn
		if int(fn) >= len(im.Inst.Module.Funcs) || from-1 >= uint64(i.Index) {
			x.Failf("import %d is bound to function %d of instance %d", k, fn, from-1)
			return
		}
		got := im.Inst.FuncTypeID(fn)
		if !x.Types.IsSubtype(got, im.Type) {
			x.Failf("import %d is bound to a function of another type", k)
			return
		}
		im.Type = got
	}
	for k := range m.Memories {
		mm := x.index(len(x.memories), "a memory")
		if !x.ok() {
			return
		}
		v := x.memories[mm]
		if !slices.Contains(s.memories, v) || v.Type.Is64 != m.Memories[k].Is64 || v.Type.Shared != m.Memories[k].Shared {
			x.Failf("memory %d is not one of the thread's", mm)
			return
		}
		i.Memories = append(i.Memories, v)
		i.memDescs = append(i.memDescs, addrOfVar(v.Desc))
	}
	i.view.mems = addrOf(i.memDescs)
	for k := range m.Tables {
		n := x.index(len(s.tables), "a table")
		if !x.ok() {
			return
		}
		tb, want := s.tables[n], m.Canon(m.Tables[k].Type.Elem)
		if tb.Type.Is64 != m.Tables[k].Type.Is64 || !x.Types.Matches(want, tb.Type.Elem) || !x.Types.Matches(tb.Type.Elem, want) {
			x.Failf("table %d is of another type", n)
			return
		}
		i.Tables = append(i.Tables, tb)
		i.tableDescs = append(i.tableDescs, addrOfVar(tb.Desc))
	}
	i.view.tables = addrOf(i.tableDescs)
	for k := range m.Tags {
		n := x.index(len(x.tags), "a tag")
		if !x.ok() {
			return
		}
		if x.tags[n].Type != m.TypeIDs[m.Tags[k].Type] {
			x.Failf("tag %d is of another type", n)
			return
		}
		i.Tags = append(i.Tags, x.tags[n])
	}
	if n := len(m.Globals) - m.NumImportedGlobals; n > 0 {
		i.view.globals = x.addr(at, n*GlobalSize/8)
	}
	i.impGlobals = make([]uintptr, m.NumImportedGlobals)
	for k := range i.Module.Globals {
		typ := m.Globals[k].Type
		typ.Type = m.Canon(typ.Type)
		if k < len(i.impGlobals) {
			i.impGlobals[k] = x.importedGlobal(at, typ)
		} else {
			x.globals[i.globalAddr(uint32(k))] = typ
		}
	}
	i.view.impGlobals = addrOf(i.impGlobals)
	x.segments(i, at)
	i.view.aux.floor, i.view.aux.top = x.Int(), x.Word()
}

// importedGlobal reads the place of a global that is another instance's or the host's, or, of a further thread, the thread's copy of the host's.
func (x *snapshotReader) importedGlobal(at *readBlocks, want wasm.GlobalType) uintptr {
	p := x.Uint()
	if k := int(p&3) - 1; k >= 0 {
		addr := at[k].from + uintptr(p>>2)
		if got, ok := x.globals[addr]; ok {
			if got.Mutable != want.Mutable || !x.Types.Matches(got.Type, want.Type) || want.Mutable && !x.Types.Matches(want.Type, got.Type) {
				x.Failf("the global at place %#x is of another type", p)
			}
			return addr
		}
	}
	addr, ok := at.claim(p, GlobalSize/8)
	if !ok {
		x.Failf("no global at place %#x", p)
		return 0
	}
	x.globals[addr] = want
	return addr
}

func (x *snapshotReader) segments(i *Instance, at *readBlocks) {
	m := i.Module
	i.elems, i.dropped = make([]elemState, len(m.Elems)), make([]bool, len(m.Datas))
	for k := range i.elems {
		e, n := &i.elems[k], 0
		e.dropped, e.n = x.Bool(), x.Size()
		if m.Elems[k].IsExpr && !e.dropped {
			n = len(m.Elems[k].Exprs)
		}
		if x.ok() && e.n != n {
			x.Failf("element segment %d has %d values, not %d", k, e.n, n)
		}
		if !x.ok() {
			return
		}
		if n > 0 {
			e.addr = x.addr(at, (n+1)/2)
		}
	}
	for k := range i.dropped {
		i.dropped[k] = x.Bool()
	}
}

// bindImports makes out of what the index spaces have what the imports are bound to, in their order.
func (i *Instance) bindImports() {
	funcs, tables, memories, globals, tags := 0, 0, 0, 0, 0
	for k := range i.Module.Imports {
		e := Extern{Kind: i.Module.Imports[k].Kind}
		switch e.Kind {
		case wasm.ExternFunc:
			im := &i.Imports[funcs]
			e.Func = &Func{Type: im.Type, Inst: im.Inst, Index: im.Func, Host: im.Host}
			funcs++
		case wasm.ExternTable:
			e.Table = i.Tables[tables]
			tables++
		case wasm.ExternMemory:
			e.Memory = i.Memories[memories]
			memories++
		case wasm.ExternGlobal:
			e.Global = i.importedGlobal(globals, i.Store)
			globals++
		case wasm.ExternTag:
			e.Tag = i.Tags[tags]
			tags++
		}
		i.binds = append(i.binds, e)
	}
}

// checkStack checks the references on a guest stack.
func (x *snapshotReader) checkStack(t *Thread, base uintptr, n uint64) {
	t.Engine.StackRefs(t, func(slot *uint64, typ wasm.ValType) {
		if a := uint64(addrOfVar(slot) - base); !x.ok() {
		} else if a >= n {
			x.Failf("the guest stack: a frame is larger than the stack")
		} else {
			x.checkRef(t.Store, Ref(*slot), typ)
		}
	})
}

// checkStore checks the references in globals, tables, segments and exceptions.
func (x *snapshotReader) checkStore(s *Store) {
	check := func(refs []Ref, typ wasm.ValType) {
		for _, r := range refs {
			if r != NullRef && x.ok() {
				x.checkRef(s, r, typ)
			}
		}
	}
	for _, g := range s.globals {
		if g.Type.Type.IsRef() {
			x.checkRef(s, Ref(*slotAt(g.addr)), g.Type.Type)
		}
	}
	for _, t := range s.tables {
		check(t.Refs(), t.Type.Elem)
	}
	for _, i := range s.Instances {
		for k := range i.Module.Globals {
			if typ := i.Module.Globals[k].Type.Type; typ.IsRef() && x.ok() {
				x.checkRef(s, Ref(*slotAt(i.globalAddr(uint32(k)))), i.Module.Canon(typ))
			}
		}
		i.visitElems(check)
	}
	s.refs.visitFields(func(p *uint64, typ wasm.ValType) { x.checkRef(s, Ref(*p), typ) })
}

// checkRef checks that a reference of a type, which is canonical, refers to something that there is.
func (x *snapshotReader) checkRef(s *Store, r Ref, typ wasm.ValType) {
	if r == NullRef || !x.ok() {
		return
	}
	switch x.Types.TopOf(typ) {
	case wasm.HeapFunc, wasm.HeapExn:
		if x.knows(s, r, typ) {
			return
		}
	default:
		if IsI31(r) && x.Types.Matches(wasm.RefTo(wasm.HeapI31, false), typ) || IsI31(r) && typ.Heap() == wasm.HeapExtern {
			return
		}
		if x.heap != nil && heap.IsObject(r) { // host values are in no file
			x.roots = append(x.roots, heapRoot{r, typ, x.Pos()})
			return
		}
	}
	x.Failf("reference %#x of type %v refers to nothing", r, typ)
}

// knows reports whether a reference to a function or an exception is one in a store.
func (x *snapshotReader) knows(s *Store, r Ref, typ wasm.ValType) bool {
	if x.Types.TopOf(typ) == wasm.HeapExn {
		return uint64(r) < uint64(len(s.refs.exns.recs)) && s.refs.exns.recs[r].tag != nil
	}
	return uint64(r) < uint64(len(s.funcs)) && (typ.Heap() < 0 || x.Types.IsSubtype(wasm.TypeID(s.funcs[r].Type), wasm.TypeID(typ.Heap())))
}
