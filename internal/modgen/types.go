package modgen

import (
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// typeTable holds the module's defined types. Types are added while bodies are written (block types, mostly), always as
// groups of one, so that indices stay.
type typeTable struct {
	subs   []wasm.SubType
	groups []wasm.RecGroup
	// canon maps a type to the first one that it is known to be equivalent to. It need not find all equivalences: what the
	// generator takes for different is never used in place of one another.
	canon []int32
	plain map[string]uint32 // type index of function types that are final, without supertype, by encoding
}

// above lists, for each abstract heap type, the abstract ones above it (specification: Validation, Matching, Heap Types).
var above = map[wasm.HeapType][]wasm.HeapType{
	wasm.HeapNone:     {wasm.HeapI31, wasm.HeapStruct, wasm.HeapArray, wasm.HeapEq, wasm.HeapAny},
	wasm.HeapI31:      {wasm.HeapEq, wasm.HeapAny},
	wasm.HeapStruct:   {wasm.HeapEq, wasm.HeapAny},
	wasm.HeapArray:    {wasm.HeapEq, wasm.HeapAny},
	wasm.HeapEq:       {wasm.HeapAny},
	wasm.HeapNoFunc:   {wasm.HeapFunc},
	wasm.HeapNoExtern: {wasm.HeapExtern},
	wasm.HeapNoExn:    {wasm.HeapExn},
}

var kindHeap = [...]wasm.HeapType{wasm.CompFunc: wasm.HeapFunc, wasm.CompStruct: wasm.HeapStruct, wasm.CompArray: wasm.HeapArray}

// top returns the top of the hierarchy of h.
func (t *typeTable) top(h wasm.HeapType) wasm.HeapType {
	if h.Concrete() {
		h = kindHeap[t.subs[h].Kind]
	}
	if up := above[h]; len(up) > 0 {
		return up[len(up)-1]
	}
	return h
}

// bottom returns the bottom of the hierarchy of h.
func (t *typeTable) bottom(h wasm.HeapType) wasm.HeapType {
	switch t.top(h) {
	case wasm.HeapFunc:
		return wasm.HeapNoFunc
	case wasm.HeapExtern:
		return wasm.HeapNoExtern
	case wasm.HeapExn:
		return wasm.HeapNoExn
	}
	return wasm.HeapNone
}

func (t *typeTable) heapMatch(sub, super wasm.HeapType) bool {
	switch {
	case sub == super:
		return true
	case sub.Concrete() && super.Concrete():
		for x := int32(sub); x >= 0; x = t.subs[x].Super {
			if t.canon[x] == t.canon[super] {
				return true
			}
		}
		return false
	case sub.Concrete():
		k := kindHeap[t.subs[sub].Kind]
		return k == super || slices.Contains(above[k], super)
	case super.Concrete():
		return sub == t.bottom(super)
	}
	return slices.Contains(above[sub], super)
}

// match reports whether sub is a subtype of super; false may also mean that it is not known to be.
func (t *typeTable) match(sub, super wasm.ValType) bool {
	if sub == super {
		return true
	}
	if !sub.IsRef() || !super.IsRef() || sub.Nullable() && !super.Nullable() {
		return false
	}
	return t.heapMatch(sub.Heap(), super.Heap())
}

func (t *typeTable) matchAll(sub, super []wasm.ValType) bool {
	if len(sub) != len(super) {
		return false
	}
	for i := range sub {
		if !t.match(sub[i], super[i]) {
			return false
		}
	}
	return true
}

// add appends a recursion group.
func (t *typeTable) add(types ...wasm.SubType) {
	start := len(t.subs)
	for i := range types {
		types[i].Group = uint32(len(t.groups))
		t.canon = append(t.canon, int32(start+i))
	}
	t.subs = append(t.subs, types...)
	t.groups = append(t.groups, wasm.RecGroup{Start: uint32(start), Len: uint32(len(types))})
}

// funcType returns a type index for a plain function type, adding it if there is none yet.
func (t *typeTable) funcType(params, results []wasm.ValType) uint32 {
	key := string(wasm.AppendValTypes(wasm.AppendValTypes(nil, params), results))
	if x, ok := t.plain[key]; ok {
		return x
	}
	if t.plain == nil {
		t.plain = map[string]uint32{}
	}
	x := uint32(len(t.subs))
	t.plain[key] = x
	t.add(wasm.SubType{Final: true, Super: -1, Func: wasm.FuncType{Params: slices.Clone(params), Results: slices.Clone(results)}})
	return x
}

// ofKind lists the indices of the types of a kind.
func (t *typeTable) ofKind(k wasm.CompKind) (list []uint32) {
	for i := range t.subs {
		if t.subs[i].Kind == k {
			list = append(list, uint32(i))
		}
	}
	return list
}

// makeTypes decides the type section.
func (g *gen) makeTypes() {
	gc := g.has(wasm.FeatureGc)
	for range g.c.span(1, 6) {
		g.groupBound = 0
		if !gc {
			g.types.add(g.newFunc())
			continue
		}
		switch k := g.c.n(6); {
		case k == 5 && len(g.types.groups) > 0:
			g.copyGroup(g.c.n(len(g.types.groups)))
		case k >= 3:
			// Members may refer to each other, forwards too.
			n := g.c.span(1, 4)
			if g.c.oneIn(16) {
				n = 0 // an empty group is one, too
			}
			start := len(g.types.subs)
			kinds := make([]wasm.CompKind, n)
			for i := range kinds {
				kinds[i] = wasm.CompKind(g.c.n(3))
			}
			// Kinds are fixed first, so that references to later members know their hierarchy.
			members := make([]wasm.SubType, n)
			for i := range members {
				members[i] = wasm.SubType{Kind: kinds[i], Final: true, Super: -1}
			}
			g.types.add(members...)
			g.groupBound = len(g.types.subs)
			for i := range members {
				g.types.subs[start+i] = g.newSub(start+i, kinds[i])
			}
		default:
			x := len(g.types.subs)
			kind := wasm.CompKind(g.c.n(3))
			g.types.add(wasm.SubType{Kind: kind, Final: true, Super: -1})
			g.groupBound = x + 1
			g.types.subs[x] = g.newSub(x, kind)
		}
	}
	g.groupBound = 0
}

func (g *gen) newFunc() wasm.SubType {
	results := g.c.n(4)
	if !g.has(wasm.FeatureMultiValue) {
		results = g.c.n(2)
	}
	return wasm.SubType{Final: true, Super: -1, Func: wasm.FuncType{Params: g.valTypes(g.c.n(5)), Results: g.valTypes(results)}}
}

// newSub makes the type at index x, below an earlier one if it can.
func (g *gen) newSub(x int, kind wasm.CompKind) wasm.SubType {
	group := g.types.subs[x].Group
	var supers []int
	for i := range x {
		if s := &g.types.subs[i]; s.Kind == kind && !s.Final {
			supers = append(supers, i)
		}
	}
	var s wasm.SubType
	if len(supers) > 0 && g.c.oneIn(2) {
		s = g.narrower(pick(g.c, supers))
	} else {
		switch kind {
		case wasm.CompFunc:
			s = g.newFunc()
		case wasm.CompStruct:
			s = wasm.SubType{Super: -1, Fields: g.fields(g.c.n(5))}
		case wasm.CompArray:
			s = wasm.SubType{Super: -1, Fields: g.fields(1)}
		}
	}
	s.Kind, s.Group, s.Final = kind, group, g.c.oneIn(3)
	return s
}

func (g *gen) fields(n int) []wasm.FieldType {
	list := make([]wasm.FieldType, n)
	for i := range list {
		f := wasm.FieldType{Type: g.valType(), Mutable: g.c.oneIn(2)}
		switch g.c.n(8) {
		case 6:
			f.Type = wasm.I8
		case 7:
			f.Type = wasm.I16
		}
		list[i] = f
	}
	return list
}

// narrower makes a subtype of type x.
func (g *gen) narrower(x int) wasm.SubType {
	super := &g.types.subs[x]
	s := wasm.SubType{Super: int32(x), Func: wasm.FuncType{Params: slices.Clone(super.Func.Params), Results: slices.Clone(super.Func.Results)},
		Fields: slices.Clone(super.Fields)}
	for i, t := range s.Func.Results {
		s.Func.Results[i] = g.subtype(t)
	}
	for i, t := range s.Func.Params {
		// Parameters are contravariant.
		if t.IsRef() && g.c.oneIn(2) {
			s.Func.Params[i] = t.WithNull(true)
		}
	}
	for i, f := range s.Fields {
		if !f.Mutable {
			s.Fields[i].Type = g.subtype(f.Type)
		}
	}
	if super.Kind == wasm.CompStruct {
		s.Fields = append(s.Fields, g.fields(g.c.n(3))...)
	}
	return s
}

// subtype returns t or a type below it.
func (g *gen) subtype(t wasm.ValType) wasm.ValType {
	if !t.IsRef() || !g.c.oneIn(2) {
		return t
	}
	if g.c.oneIn(2) && g.inhabited(t.Heap()) {
		return t.WithNull(false)
	}
	if t.Nullable() && g.has(wasm.FeatureGc) && g.c.oneIn(2) {
		return wasm.RefTo(g.types.bottom(t.Heap()), true)
	}
	return t
}

// copyGroup adds a recursion group that is equivalent to an earlier one (specification: Validation, Conventions).
func (g *gen) copyGroup(x int) {
	old := g.types.groups[x]
	shift := uint32(len(g.types.subs)) - old.Start
	val := func(t wasm.ValType) wasm.ValType {
		if h := t.Heap(); t.IsRef() && h.Concrete() && uint32(h) >= old.Start {
			return wasm.RefTo(h+wasm.HeapType(shift), t.Nullable())
		}
		return t
	}
	var members []wasm.SubType
	for _, s := range g.types.subs[old.Start : old.Start+old.Len] {
		c := s
		if s.Super >= int32(old.Start) {
			c.Super += int32(shift)
		}
		c.Func = wasm.FuncType{}
		for _, t := range s.Func.Params {
			c.Func.Params = append(c.Func.Params, val(t))
		}
		for _, t := range s.Func.Results {
			c.Func.Results = append(c.Func.Results, val(t))
		}
		c.Fields = nil
		for _, f := range s.Fields {
			c.Fields = append(c.Fields, wasm.FieldType{Type: val(f.Type), Mutable: f.Mutable})
		}
		members = append(members, c)
	}
	start := len(g.types.subs)
	g.types.add(members...)
	for i := range members {
		g.types.canon[start+i] = g.types.canon[int(old.Start)+i]
	}
}

// inhabited reports whether a module without struct and array instructions can make a non-null value of the type. Functions of
// a type may turn out not to exist; then a trap stands in.
func (g *gen) inhabited(h wasm.HeapType) bool {
	if h.Concrete() {
		return g.types.subs[h].Kind == wasm.CompFunc || g.cfg.Aggregates
	}
	switch h {
	case wasm.HeapFunc, wasm.HeapExn:
		return true
	case wasm.HeapExtern, wasm.HeapAny, wasm.HeapEq, wasm.HeapI31:
		return g.has(wasm.FeatureGc)
	case wasm.HeapStruct, wasm.HeapArray:
		return g.cfg.Aggregates
	}
	return false
}

func (g *gen) valTypes(n int) []wasm.ValType {
	list := make([]wasm.ValType, n)
	for i := range list {
		list[i] = g.valType()
	}
	return list
}

func (g *gen) numType() wasm.ValType {
	return pick(g.c, []wasm.ValType{wasm.I32, wasm.I64, wasm.F32, wasm.F64})
}

// valType picks a value type.
func (g *gen) valType() wasm.ValType {
	switch k := g.c.n(16); {
	case k < 9:
		return g.numType()
	case k < 12:
		if g.has(wasm.FeatureSimd) {
			return wasm.V128
		}
		return g.numType()
	}
	if !g.has(wasm.FeatureReferenceTypes) {
		return g.numType()
	}
	return g.refType()
}

// refType picks a reference type.
func (g *gen) refType() wasm.ValType {
	h := g.heapType()
	null := !g.has(wasm.FeatureFunctionReferences) || !g.inhabited(h) || !g.c.oneIn(3)
	return wasm.RefTo(h, null)
}

func (g *gen) heapType() wasm.HeapType {
	heaps := []wasm.HeapType{wasm.HeapFunc, wasm.HeapExtern}
	if g.has(wasm.FeatureExceptionHandling) {
		heaps = append(heaps, wasm.HeapExn)
	}
	if g.has(wasm.FeatureGc) {
		heaps = append(heaps, wasm.HeapI31, wasm.HeapAny, wasm.HeapEq, wasm.HeapI31, wasm.HeapNone, wasm.HeapNoFunc, wasm.HeapNoExtern,
			wasm.HeapStruct, wasm.HeapArray)
		if g.has(wasm.FeatureExceptionHandling) {
			heaps = append(heaps, wasm.HeapNoExn)
		}
	}
	// Types of the group that is being made may be referred to; outside of the type section, all are complete.
	n := len(g.types.subs)
	if g.groupBound > 0 {
		n = g.groupBound
	}
	if g.has(wasm.FeatureFunctionReferences) && n > 0 && g.c.oneIn(2) {
		return wasm.HeapType(g.c.n(n))
	}
	return pick(g.c, heaps)
}
