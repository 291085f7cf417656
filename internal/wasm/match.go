package wasm

// Matching of types (specification: Validation, Matching). The functions work on definitions indexed by whatever the concrete
// heap types hold: type indices with Module.defs, TypeIDs with the definitions of a TypeSpace.

// matchVal reports whether sub is a subtype of super; packed types match themselves only.
func matchVal(defs []*typeDef, sub, super ValType) bool {
	if sub == super || sub == Bottom {
		return true
	}
	if !sub.IsRef() || !super.IsRef() || sub.Nullable() && !super.Nullable() {
		return false
	}
	return matchHeap(defs, sub.Heap(), super.Heap())
}

// above has, for each abstract heap type h at -h, the set of abstract heap types above it, with bit -g for g.
var above = func() (t [0x20]uint32) {
	for _, chain := range [][]HeapType{
		{HeapNone, HeapI31, HeapEq, HeapAny},
		{HeapNone, HeapStruct, HeapEq, HeapAny},
		{HeapNone, HeapArray, HeapEq, HeapAny},
		{HeapNoFunc, HeapFunc},
		{HeapNoExtern, HeapExtern},
		{HeapNoExn, HeapExn},
	} {
		for i, h := range chain {
			for _, g := range chain[i:] {
				t[-h] |= 1 << -g
			}
		}
	}
	return t
}()

// compHeap is the abstract heap type right above a defined type of each kind, and compBottom the one below.
var (
	compHeap   = [...]HeapType{CompFunc: HeapFunc, CompStruct: HeapStruct, CompArray: HeapArray}
	compBottom = [...]HeapType{CompFunc: HeapNoFunc, CompStruct: HeapNone, CompArray: HeapNone}
)

func matchHeap(defs []*typeDef, sub, super HeapType) bool {
	switch {
	case sub == super || sub == HeapBottom:
		return true
	case super == HeapBottom:
		return false
	case sub.Concrete() && super.Concrete():
		return defs[sub].below(defs[super])
	case sub.Concrete():
		return above[-compHeap[defs[sub].sub.Kind]]&(1<<-super) != 0
	case super.Concrete():
		return sub == compBottom[defs[super].sub.Kind]
	}
	return above[-sub]&(1<<-super) != 0
}

// topHeap returns the top of a heap type's hierarchy.
func topHeap(defs []*typeDef, h HeapType) HeapType {
	if h.Concrete() {
		h = compHeap[defs[h].sub.Kind]
	}
	return h.Top()
}

// Top returns the top of the hierarchy of an abstract heap type: any, func, extern or exn (specification: Validation, Matching, Heap Types).
func (h HeapType) Top() HeapType {
	switch h {
	case HeapFunc, HeapNoFunc:
		return HeapFunc
	case HeapExtern, HeapNoExtern:
		return HeapExtern
	case HeapExn, HeapNoExn:
		return HeapExn
	}
	return HeapAny
}

// Top returns the top of the hierarchy of a module-relative heap type: any, func, extern or exn.
// Precondition: the module is validated.
func (m *Module) Top(h HeapType) HeapType { return topHeap(m.defs, h) }

// Matches reports whether sub is a subtype of super, both module-relative.
// Precondition: the module is validated.
func (m *Module) Matches(sub, super ValType) bool { return matchVal(m.defs, sub, super) }

// matchFunc is the subtype order of function types: parameters contravariant, results covariant (specification: Validation,
// Matching, Function Types).
func matchFunc(defs []*typeDef, sub, super *FuncType) bool {
	if len(sub.Params) != len(super.Params) || len(sub.Results) != len(super.Results) {
		return false
	}
	for i, p := range sub.Params {
		if !matchVal(defs, super.Params[i], p) {
			return false
		}
	}
	return matchAll(defs, sub.Results, super.Results)
}

func matchAll(defs []*typeDef, sub, super []ValType) bool {
	if len(sub) != len(super) {
		return false
	}
	for i, t := range sub {
		if !matchVal(defs, t, super[i]) {
			return false
		}
	}
	return true
}

// matchField: mutable fields are invariant, immutable ones covariant (specification: Validation, Matching, Field Types).
func matchField(defs []*typeDef, sub, super FieldType) bool {
	if sub.Mutable != super.Mutable || !matchVal(defs, sub.Type, super.Type) {
		return false
	}
	return !sub.Mutable || matchVal(defs, super.Type, sub.Type)
}

// matchComp is the subtype order of composite types (specification: Validation, Matching, Composite Types).
func matchComp(defs []*typeDef, sub, super *SubType) bool {
	if sub.Kind != super.Kind {
		return false
	}
	if sub.Kind == CompFunc {
		return matchFunc(defs, &sub.Func, &super.Func)
	}
	// A struct may have more fields than its supertype; arrays have one.
	if len(sub.Fields) < len(super.Fields) {
		return false
	}
	for i, f := range super.Fields {
		if !matchField(defs, sub.Fields[i], f) {
			return false
		}
	}
	return true
}
