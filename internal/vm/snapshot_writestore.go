package vm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

var errHostValue = errors.New("the guest holds a value of the host (externref)")

func (x *snapshotWriter) answer(a *Answer) {
	x.Bool(a != nil)
	if a == nil {
		return
	}
	x.Words(a.Results)
	x.Uint(uint64(len(a.Writes)))
	for _, w := range a.Writes {
		x.Uint(w.Addr)
		x.Blob(w.Bytes)
	}
}

// refs writes tables of host values and exceptions: a thread's own, or those that all share.
func (x *snapshotWriter) refs(r *refTables) {
	at := &blockMap{2: x.blocks(&r.mem)}
	x.arena(&r.mem, 0)
	x.freeBlocks(&r.mem, at)
	if v := r.hostValue(); v != nil {
		panic(&SnapshotError{fmt.Sprintf("a value of type %T", v), errHostValue})
	}
	x.Uint(uint64(len(r.externs.vals)))
	x.Uint(uint64(len(r.exns.recs)))
	for i := range r.exns.recs {
		rec := &r.exns.recs[i]
		if rec.tag == nil {
			x.Uint(0)
			continue
		}
		k, ok := x.tags[rec.tag]
		if !ok {
			refuse("an exception has a tag of the host")
		}
		x.Uint(uint64(k) + 1)
		x.Uint(at.place(rec.addr))
		x.Bool(rec.escaped)
	}
	x.Uint(uint64(len(r.exns.free)))
	for _, f := range r.exns.free {
		x.Uint(uint64(f))
	}
}

func (x *snapshotWriter) store(s *Store, at *blockMap) {
	x.Uint(uint64(len(s.Instances)))
	for _, i := range s.Instances {
		x.Uint(uint64(x.module(i.Module)))
	}
	x.Uint(uint64(len(s.hostFuncs)))
	for _, h := range s.hostFuncs {
		k, ok := x.hosts[h]
		if !ok {
			refuse("the guest has a reference to host function %s, which no module imports", h.Name)
		}
		x.Uint(uint64(k))
	}
	x.Uint(uint64(len(s.funcs)))
	for k := 1; k < len(s.funcs); k++ {
		d := &s.funcs[k]
		if d.Code == 0 {
			x.Uint(0)
		} else {
			x.Uint(uint64(d.Instance) + 1)
		}
		x.Uint(uint64(d.Func))
	}
	// In the order of their numbers, so that equal images have equal files.
	var refs []Ref
	of := map[Ref]*HostFunc{}
	for h, r := range s.hostRefs {
		refs, of[r] = append(refs, r), h
	}
	slices.Sort(refs)
	x.Uint(uint64(len(refs)))
	for _, r := range refs {
		x.Uint(uint64(r))
		x.Uint(uint64(x.hosts[of[r]]))
	}
	x.Uint(uint64(len(s.globals)))
	for _, g := range s.globals {
		x.valType(g.Type.Type)
		x.Bool(g.Type.Mutable)
		x.Uint(at.place(g.addr))
	}
	x.Uint(uint64(len(s.memories)))
	for _, m := range s.memories {
		x.Uint(uint64(x.memories[m]))
		x.Bool(m.owner == s)
	}
	x.Uint(uint64(len(s.tables)))
	for _, t := range s.tables {
		x.table(s, t, at)
	}
	for _, i := range s.Instances {
		x.instance(i, at)
	}
}

// valType writes a type that has no index in it.
func (x *snapshotWriter) valType(t wasm.ValType) {
	if t.IsRef() && t.Heap() >= 0 {
		refuse("a global or table that the host has made is of a type that only modules can define")
	}
	x.Uint(uint64(t))
}

func (x *snapshotWriter) table(s *Store, t *Table, at *blockMap) {
	inst, idx := -1, uint32(0)
	for k, i := range s.Instances {
		if n, ok := i.find(Extern{Kind: wasm.ExternTable, Table: t}); ok {
			inst, idx = k, n
		}
	}
	x.Uint(uint64(inst + 1))
	if inst >= 0 {
		x.Uint(uint64(idx))
	} else {
		x.valType(t.Type.Elem)
		x.Uint(t.Type.Min)
		x.Uint(t.Type.Max)
		x.Bool(t.Type.HasMax)
		x.Bool(t.Type.Is64)
	}
	x.Uint(t.Desc.Len)
	p := uint64(0)
	if t.Desc.Len > 0 {
		p = at.place(t.Desc.Base)
	}
	x.Uint(p)
	if p != 0 {
		x.Uint(t.storage)
	} else {
		x.Blob(bytesAt(t.Desc.Base, int(t.Desc.Len)*4))
	}
}

func (x *snapshotWriter) instance(i *Instance, at *blockMap) {
	m := i.Module
	if len(i.Tables) != len(m.Tables) || len(i.Imports) != m.NumImportedFuncs || len(i.Memories) != len(m.Memories) || len(i.elems) != len(m.Elems) {
		refuse("an instance of module %q was not made to its end", m.Names().Module)
	}
	x.Uint(uint64(i.refBase))
	var fns []uint32
	for fn := range i.refs {
		fns = append(fns, fn)
	}
	slices.Sort(fns)
	x.Uint(uint64(len(fns)))
	for _, fn := range fns {
		x.Uint(uint64(fn))
		x.Uint(uint64(i.refs[fn]))
	}
	for k := range i.Imports {
		im := &i.Imports[k]
		if im.Host != nil {
			x.Uint(0)
			x.Uint(uint64(x.hosts[im.Host]))
		} else {
			x.Uint(uint64(im.Inst.Index) + 1)
			x.Uint(uint64(im.Func))
		}
	}
	for _, mm := range i.Memories {
		x.Uint(uint64(x.memories[mm]))
	}
	for _, t := range i.Tables {
		x.Uint(uint64(slices.Index(i.Store.tables, t)))
	}
	for _, t := range i.Tags {
		x.Uint(uint64(x.tags[t]))
	}
	if len(m.Globals) > m.NumImportedGlobals {
		x.Uint(at.place(i.view.globals))
	}
	for _, a := range i.impGlobals {
		x.Uint(at.place(a))
	}
	for k := range i.elems {
		e := &i.elems[k]
		x.Bool(e.dropped)
		x.Uint(uint64(e.n))
		if e.n > 0 {
			x.Uint(at.place(e.addr))
		}
	}
	for _, d := range i.dropped {
		x.Bool(d)
	}
	x.Int(i.view.aux.floor)
	x.Word(i.view.aux.top)
}
