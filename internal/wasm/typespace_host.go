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
	m := &Module{Types: []SubType{{Kind: CompFunc, Final: true, Super: -1, Func: ft}}, RecGroups: []RecGroup{{Len: 1}}}
	if err := ts.intern(m, m.RecGroups[0], func() error { return nil }); err != nil {
		return 0, err
	}
	return m.TypeIDs[0], nil
}

// TopOf returns the top of the hierarchy of a canonical reference type: any, func, extern or exn.
func (ts *TypeSpace) TopOf(t ValType) HeapType { return topHeap(*ts.defs.Load(), t.Heap()) }
