package wasm

// maxSubtypeDepth is the JS API's limit on the length of a chain of supertypes.
const maxSubtypeDepth = 63

// validateTypes checks the type section group by group (specification: Validation, Recursive Types) and interns each group.
func validateTypes(m *Module, _ *FuncValidator) error {
	n := len(m.Types)
	m.TypeIDs = make([]TypeID, 0, n)
	m.defs = make([]*typeDef, 0, n)
	depth := make([]uint8, n)
	for _, g := range m.RecGroups {
		end := g.Start + g.Len
		for i := g.Start; i < end; i++ {
			if err := checkDefinition(m, i, end, depth); err != nil {
				return at(err, m.itemOffset(SectionType, int(i)))
			}
		}
		err := m.space.intern(m, g, func() error {
			for i := g.Start; i < end; i++ {
				if err := checkSuper(m, i); err != nil {
					return at(err, m.itemOffset(SectionType, int(i)))
				}
			}
			return nil
		})
		if err != nil {
			return at(err, m.itemOffset(SectionType, int(g.Start)))
		}
	}
	return nil
}

// checkDefinition checks what type i, of a group that ends at end, refers to. depth has the number of supertypes of each type.
func checkDefinition(m *Module, i, end uint32, depth []uint8) error {
	t := &m.Types[i]
	// A supertype stands before the type, so that chains end.
	if t.Super >= 0 {
		if uint32(t.Super) >= i {
			return invalid(0, "unknown type %d: supertype of type %d", t.Super, i)
		}
		depth[i] = depth[t.Super] + 1
		if depth[i] > maxSubtypeDepth {
			return &LimitError{Limit: "depth of subtypes", Max: maxSubtypeDepth, Got: uint64(depth[i]), Func: -1}
		}
	}
	return t.eachType(func(vt ValType) error { return checkType(vt, end) })
}

// eachType calls f for the types in a composite type until it returns an error.
func (t *SubType) eachType(f func(ValType) error) error {
	for _, list := range [][]ValType{t.Func.Params, t.Func.Results} {
		for _, vt := range list {
			if err := f(vt); err != nil {
				return err
			}
		}
	}
	for i := range t.Fields {
		if err := f(t.Fields[i].Type); err != nil {
			return err
		}
	}
	return nil
}

// checkType checks that a type refers to types below a bound.
func checkType(t ValType, bound uint32) error {
	if h := t.Heap(); t.IsRef() && h.Concrete() && uint32(h) >= bound {
		return invalid(0, "unknown type %d", h)
	}
	return nil
}

func checkSuper(m *Module, i uint32) error {
	t := &m.Types[i]
	if t.Super < 0 {
		return nil
	}
	super := &m.Types[t.Super]
	if super.Final || !matchComp(m.defs, t, super) {
		return invalid(0, "sub type %d does not match super type %d", i, t.Super)
	}
	return nil
}

// funcTypeIndex checks that x is the index of a function type.
func (m *Module) funcTypeIndex(x uint32) error {
	if uint64(x) >= uint64(len(m.Types)) {
		return invalid(0, "unknown type %d", x)
	}
	if m.Types[x].Kind != CompFunc {
		return invalid(0, "type mismatch: type %d is not a function type", x)
	}
	return nil
}
