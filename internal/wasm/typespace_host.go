package wasm

// FuncTypeID returns the identity of a host function's type: final, without supertype, alone in its recursion group, as the text
// format's abbreviation (func …) defines it. Heap types must be abstract.
func (ts *TypeSpace) FuncTypeID(ft FuncType) (TypeID, error) {
	for _, l := range [2][]ValType{ft.Params, ft.Results} {
		for _, t := range l {
			if t.IsRef() && t.Heap().Concrete() {
				return 0, &ValidationError{Func: -1, Msg: "a host function's type must not name a module's types"}
			}
		}
	}
	// A module of one type, all in one piece: a host may define thousands of functions.
	var one struct {
		Module
		types  [1]SubType
		groups [1]RecGroup
		defs   [1]*typeDef
		ids    [1]TypeID
	}
	m := &one.Module
	one.types[0] = SubType{Kind: CompFunc, Final: true, Super: -1, Func: ft}
	one.groups[0] = RecGroup{Len: 1}
	m.Types, m.RecGroups, m.defs, m.TypeIDs = one.types[:], one.groups[:], one.defs[:0], one.ids[:0]
	if err := ts.intern(m, m.RecGroups[0], func() error { return nil }); err != nil {
		return 0, err
	}
	return m.TypeIDs[0], nil
}

// TopOf returns the top of the hierarchy of a canonical reference type: any, func, extern or exn.
func (ts *TypeSpace) TopOf(t ValType) HeapType { return topHeap(*ts.defs.Load(), t.Heap()) }
