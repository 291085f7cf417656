package wasm

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
)

// TypeID is the canonical identity of a defined type within one TypeSpace: equal exactly if the types are equivalent
// (iso-recursive equality of their recursion groups, specification: Validation, Conventions), whatever module they came from.
type TypeID uint32

// TypeSpace gives every defined type of the modules that were validated with it a TypeID. A Runtime owns one; types are
// comparable only within a space. It grows by the distinct recursion groups it has seen (a module that is validated again
// adds nothing) and never shrinks: it lives as long as the Runtime.
//
// Any number of goroutines may use a TypeSpace; only interning takes the lock.
type TypeSpace struct {
	defs atomic.Pointer[[]*typeDef] // by TypeID; appended to under mu, elements never change

	mu     sync.Mutex
	groups map[string]TypeID // first member of each known recursion group, by its key
	key    []byte            // buffer for keys

	validators sync.Pool // of *FuncValidator

	attachOnce sync.Once
	attached   any
}

// Attached returns what the first call's make made: what package vm keeps about the types, for as long as the space lives.
func (ts *TypeSpace) Attached(make func() any) any {
	ts.attachOnce.Do(func() { ts.attached = make() })
	return ts.attached
}

// typeDef is a canonical type, or a provisional one while its group is checked for the first time.
type typeDef struct {
	// display holds the ids of all supertypes from the root down to the type itself: a is below b exactly if b stands in
	// a's display at b's depth (Cohen's display).
	display []TypeID
	sub     SubType // heap types and Super are TypeIDs
	// required is the first field without a default value, -1 if all have one.
	required int32
}

// provisional marks ids within the group that is being checked.
const provisional TypeID = 1 << 31

// below reports whether d is a subtype of e.
func (d *typeDef) below(e *typeDef) bool {
	n := len(e.display)
	return d == e || len(d.display) >= n && d.display[n-1] == e.display[n-1]
}

// NewTypeSpace returns an empty space.
func NewTypeSpace() *TypeSpace {
	ts := &TypeSpace{groups: map[string]TypeID{}}
	ts.defs.Store(new([]*typeDef))
	ts.validators.New = func() any { return new(FuncValidator) }
	return ts
}

func (ts *TypeSpace) def(id TypeID) *typeDef { return (*ts.defs.Load())[id] }

// Len returns the number of types in the space; ids are smaller.
func (ts *TypeSpace) Len() int { return len(*ts.defs.Load()) }

// IsSubtype reports whether a is b or declared to be below it, in constant time.
func (ts *TypeSpace) IsSubtype(a, b TypeID) bool {
	if a == b {
		return true
	}
	defs := *ts.defs.Load()
	return defs[a].below(defs[b])
}

// Depth returns the number of supertypes of a type.
func (ts *TypeSpace) Depth(id TypeID) int { return len(ts.def(id).display) - 1 }

// Supers returns the ids of a type's supertypes from the root of its hierarchy down, itself last: Supers(a)[Depth(b)] == b
// exactly if a is a subtype of b. The slice must not be written to.
func (ts *TypeSpace) Supers(id TypeID) []TypeID { return ts.def(id).display }

// Def returns the canonical form of a type: concrete heap types and Super hold TypeIDs, Group is the id of the first type of
// the recursion group. It must not be written to.
func (ts *TypeSpace) Def(id TypeID) *SubType { return &ts.def(id).sub }

// Matches reports whether the canonical type sub is a subtype of the canonical type super (specification: Validation, Matching); Module.Canon
// makes types canonical.
func (ts *TypeSpace) Matches(sub, super ValType) bool {
	return sub == super || matchVal(*ts.defs.Load(), sub, super)
}

// intern sets m.defs and m.TypeIDs for one recursion group, whose indices have been checked to be in range; all earlier
// groups are interned. check is called if the space has not seen the group yet, with provisional definitions in m.defs: an
// error of it leaves the space as it was.
func (ts *TypeSpace) intern(m *Module, g RecGroup, check func() error) error {
	const keep = 1 << 16
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if cap(ts.key) > keep { // of an unusual group
		ts.key = nil
	}
	ts.key = groupKey(ts.key[:0], m, g)
	first, ok := ts.groups[string(ts.key)]
	if !ok {
		for i := g.Start; i < g.Start+g.Len; i++ {
			m.defs = append(m.defs, newTypeDef(m, m.Types[i], provisional|TypeID(i)))
		}
		if err := check(); err != nil {
			return err
		}
		m.defs = m.defs[:g.Start]
		defs := *ts.defs.Load()
		if uint64(len(defs))+uint64(g.Len) > maxTypeIndex {
			return &LimitError{Limit: "types of a runtime", Max: maxTypeIndex, Got: uint64(len(defs)) + uint64(g.Len), Func: -1}
		}
		first = TypeID(len(defs))
		for i := range g.Len {
			m.TypeIDs = append(m.TypeIDs, first+TypeID(i))
		}
		for i := range g.Len {
			t := canonSub(m, m.Types[g.Start+i])
			t.Group = uint32(first)
			d := newTypeDef(m, m.Types[g.Start+i], first+TypeID(i))
			d.sub = t
			m.defs = append(m.defs, d)
		}
		defs = append(defs, m.defs[g.Start:]...)
		ts.defs.Store(&defs)
		ts.groups[string(ts.key)] = first
		return nil
	}
	defs := *ts.defs.Load()
	m.defs = append(m.defs, defs[first:first+TypeID(g.Len)]...)
	for i := range g.Len {
		m.TypeIDs = append(m.TypeIDs, first+TypeID(i))
	}
	return nil
}

// newTypeDef makes the definition of a type whose supertype, if any, is in m.defs.
func newTypeDef(m *Module, t SubType, id TypeID) *typeDef {
	d := &typeDef{sub: t}
	d.required = int32(slices.IndexFunc(t.Fields, func(f FieldType) bool { return !f.Type.Defaultable() }))
	if t.Super >= 0 {
		super := m.defs[t.Super].display
		d.display = append(make([]TypeID, 0, len(super)+1), super...)
	}
	d.display = append(d.display, id)
	return d
}

// groupKey appends a recursion group's identity: its types with outer references as TypeIDs and inner ones relative to the
// group (specification: Validation, Conventions, rolling).
func groupKey(key []byte, m *Module, g RecGroup) []byte {
	const (
		inner      = 1 << 9 // beside kind and nullability of a ValType
		superOuter = 1
		superInner = 2
	)
	val := func(t ValType) {
		if h := t.Heap(); t.IsRef() && h.Concrete() {
			t = RefTo(0, t.Nullable())
			if uint32(h) >= g.Start {
				t |= inner | ValType(uint32(h)-g.Start)<<32
			} else {
				t |= ValType(m.TypeIDs[h]) << 32
			}
		}
		key = binary.LittleEndian.AppendUint64(key, uint64(t))
	}
	for i := g.Start; i < g.Start+g.Len; i++ {
		t := &m.Types[i]
		super, relation := uint32(0), byte(0)
		switch {
		case t.Super >= int32(g.Start):
			super, relation = uint32(t.Super)-g.Start, superInner
		case t.Super >= 0:
			super, relation = uint32(m.TypeIDs[t.Super]), superOuter
		}
		final := byte(0)
		if t.Final {
			final = 1
		}
		key = append(key, byte(t.Kind), final, relation)
		key = binary.LittleEndian.AppendUint32(key, super)
		switch t.Kind {
		case CompFunc:
			key = binary.LittleEndian.AppendUint32(key, uint32(len(t.Func.Params)))
			for _, p := range t.Func.Params {
				val(p)
			}
			key = binary.LittleEndian.AppendUint32(key, uint32(len(t.Func.Results)))
			for _, p := range t.Func.Results {
				val(p)
			}
		default:
			key = binary.LittleEndian.AppendUint32(key, uint32(len(t.Fields)))
			for _, f := range t.Fields {
				mut := byte(0)
				if f.Mutable {
					mut = 1
				}
				key = append(key, mut)
				val(f.Type)
			}
		}
	}
	return key
}

func canonSub(m *Module, t SubType) SubType {
	if t.Super >= 0 {
		t.Super = int32(m.TypeIDs[t.Super])
	}
	vals := func(ts []ValType) []ValType {
		out := make([]ValType, len(ts))
		for i, v := range ts {
			out[i] = m.Canon(v)
		}
		return out
	}
	t.Func = FuncType{Params: vals(t.Func.Params), Results: vals(t.Func.Results)}
	fields := make([]FieldType, len(t.Fields))
	for i, f := range t.Fields {
		fields[i] = FieldType{Type: m.Canon(f.Type), Mutable: f.Mutable}
	}
	t.Fields = fields
	return t
}

// Canon returns t with a TypeID in place of a type index, for comparison across modules of one TypeSpace.
// Precondition: the module is validated.
func (m *Module) Canon(t ValType) ValType {
	if h := t.Heap(); t.IsRef() && h.Concrete() {
		return RefTo(HeapType(m.TypeIDs[h]), t.Nullable())
	}
	return t
}

// TypeSpace returns the space that the module was validated with, nil before.
func (m *Module) TypeSpace() *TypeSpace { return m.space }
