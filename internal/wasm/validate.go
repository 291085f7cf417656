package wasm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ValidateOptions tune Validate.
type ValidateOptions struct {
	// Workers bounds the goroutines that check function bodies; 0 means GOMAXPROCS.
	Workers int
}

// Validate checks a decoded module (specification: Validation, Modules) and completes it: TypeIDs, DeclaredFuncs and Used are set. It has to
// be called once, before the module is shared. The error is a *ValidationError, *MalformedError (instructions are read here
// for the first time), *FeatureError or *LimitError; a malformed module is reported as such even if it is invalid before the
// malformed place. Among function bodies the first one in the module that fails decides, whatever the number of workers.
func Validate(m *Module, ts *TypeSpace, opts ValidateOptions) error {
	v := ts.validators.Get().(*FuncValidator)
	defer func() {
		v.release()
		ts.validators.Put(v)
	}()
	err := validateModule(m, ts, v)
	if err == nil {
		err = validateBodies(m, ts, v, opts.Workers)
	}
	m.Used |= v.used
	if err != nil {
		var invalid *ValidationError
		if errors.As(err, &invalid) {
			if malformed := scanBodies(m); malformed != nil {
				return malformed
			}
		}
	}
	return err
}

// release drops what a pooled validator holds of a module, and buffers that an unusual one has made large.
func (v *FuncValidator) release() {
	const keep = 1 << 12
	v.m, v.reader = nil, InstrReader{}
	for _, n := range [...]int{
		cap(v.labels), cap(v.stack), cap(v.locals), cap(v.runs), cap(v.isUnset), cap(v.setLog), cap(v.arena),
		cap(v.instr.Labels), cap(v.instr.Types), cap(v.instr.Catch),
	} {
		if n > keep {
			*v = FuncValidator{}
		}
	}
	clear(v.labels[:cap(v.labels)])
}

// invalid returns an error outside of functions.
func invalid(offset uint32, format string, args ...any) error {
	return &ValidationError{Func: -1, Offset: offset, Msg: fmt.Sprintf(format, args...)}
}

// validateModule checks all but the function bodies. The order of the checks is that of the sections, except that constant
// expressions come after everything that they refer to by index.
func validateModule(m *Module, ts *TypeSpace, v *FuncValidator) error {
	m.space = ts
	v.m, v.features, v.used = m, m.Enabled, 0
	for _, s := range [...]struct {
		id    SectionID
		check func(*Module, *FuncValidator) error
	}{
		{SectionType, validateTypes}, {SectionImport, validateImports}, {SectionFunction, validateFuncs},
		{SectionTable, validateTables}, {SectionMemory, validateMemories}, {SectionTag, validateTags},
		{SectionGlobal, validateGlobals}, {SectionExport, validateExports}, {SectionStart, validateStart},
		{SectionElement, validateElems}, {SectionData, validateDatas},
	} {
		if err := s.check(m, v); err != nil {
			return at(err, m.sections[s.id])
		}
	}
	declareFuncs(m)
	return nil
}

func validateImports(m *Module, _ *FuncValidator) error {
	for i := range m.Imports {
		im := &m.Imports[i]
		var err error
		switch im.Kind {
		case ExternFunc:
			err = m.funcTypeIndex(im.Func)
		case ExternTable:
			err = validateTable(m, &im.Table)
		case ExternMemory:
			err = validateMemory(&im.Memory)
		case ExternGlobal:
			err = checkType(im.Global.Type, uint32(len(m.Types)))
		case ExternTag:
			err = validateTag(m, im.Tag)
		}
		if err != nil {
			return at(err, im.Offset)
		}
	}
	return nil
}

func validateFuncs(m *Module, _ *FuncValidator) error {
	for i, x := range m.Funcs[m.NumImportedFuncs:] {
		if err := m.funcTypeIndex(x); err != nil {
			return at(err, m.itemOffset(SectionFunction, i))
		}
	}
	return nil
}

// validateLimits checks limits against a range (specification: Validation, Limits).
func validateLimits(l Limits, most uint64, message string) error {
	if l.Min > most || l.HasMax && l.Max > most {
		return invalid(0, "%s", message)
	}
	if l.HasMax && l.Min > l.Max {
		return invalid(0, "size minimum must not be greater than maximum")
	}
	return nil
}

func validateTable(m *Module, t *TableType) error {
	most, message := uint64(1<<32-1), "table size must be at most 2^32-1"
	if t.Is64 {
		most, message = 1<<64-1, ""
	}
	if err := validateLimits(t.Limits, most, message); err != nil {
		return err
	}
	return checkType(t.Elem, uint32(len(m.Types)))
}

func validateTables(m *Module, v *FuncValidator) error {
	for i := range m.Tables[m.NumImportedTables:] {
		t := &m.Tables[m.NumImportedTables+i]
		err := validateTable(m, &t.Type)
		switch {
		case err != nil:
		case t.Init != nil:
			// Tables come before globals: only imported ones can be named (specification: Validation, Modules).
			err = v.constant(t.Init, t.Type.Elem, uint32(m.NumImportedGlobals))
		case !t.Type.Elem.Defaultable():
			err = invalid(0, "type mismatch: table of non-nullable references needs an initialiser")
		}
		if err != nil {
			return at(err, m.itemOffset(SectionTable, i))
		}
	}
	return v.several(ExternTable, len(m.Tables), FeatureReferenceTypes, "multiple tables")
}

// several checks the feature that allows more than one table or memory. Without it the error has the words of the WebAssembly
// version in which this was a rule of validation; it blames the second one.
func (v *FuncValidator) several(kind ExternKind, n int, f Features, message string) error {
	if n < 2 {
		return nil
	}
	v.used |= f
	if v.features.Has(f) {
		return nil
	}
	imported := 0
	for i := range v.m.Imports {
		if im := &v.m.Imports[i]; im.Kind == kind {
			if imported++; imported == 2 {
				return invalid(im.Offset, "%s", message)
			}
		}
	}
	section := SectionTable
	if kind == ExternMemory {
		section = SectionMemory
	}
	return invalid(v.m.itemOffset(section, 1-imported), "%s", message)
}

func validateMemory(t *MemoryType) error {
	most, message := uint64(1<<16), "memory size must be at most 65536 pages (4GiB)"
	if t.Is64 {
		most, message = 1<<48, "memory size must be at most 2^48 pages"
	}
	if err := validateLimits(t.Limits, most, message); err != nil {
		return err
	}
	if t.Shared && !t.HasMax {
		return invalid(0, "shared memory must have maximum")
	}
	return nil
}

func validateMemories(m *Module, v *FuncValidator) error {
	for i := range m.Memories[m.NumImportedMemories:] {
		if err := validateMemory(&m.Memories[m.NumImportedMemories+i]); err != nil {
			return at(err, m.itemOffset(SectionMemory, i))
		}
	}
	return v.several(ExternMemory, len(m.Memories), FeatureMultiMemory, "multiple memories")
}

func validateTag(m *Module, t TagType) error {
	if err := m.funcTypeIndex(t.Type); err != nil {
		return err
	}
	if len(m.Types[t.Type].Func.Results) != 0 {
		return invalid(0, "non-empty tag result type")
	}
	return nil
}

func validateTags(m *Module, _ *FuncValidator) error {
	for i, t := range m.Tags[m.NumImportedTags:] {
		if err := validateTag(m, t); err != nil {
			return at(err, m.itemOffset(SectionTag, i))
		}
	}
	return nil
}

func validateGlobals(m *Module, v *FuncValidator) error {
	for i := m.NumImportedGlobals; i < len(m.Globals); i++ {
		g := &m.Globals[i]
		if err := checkType(g.Type.Type, uint32(len(m.Types))); err != nil {
			return at(err, m.itemOffset(SectionGlobal, i-m.NumImportedGlobals))
		}
		// An initialiser may name the globals before it; without garbage collection, imported ones only.
		visible := uint32(m.NumImportedGlobals)
		if m.Enabled.Has(FeatureGc) {
			visible = uint32(i)
		}
		if err := v.constant(&g.Init, g.Type.Type, visible); err != nil {
			return err
		}
	}
	return nil
}

func validateExports(m *Module, v *FuncValidator) error {
	sizes := [...]int{
		ExternFunc: len(m.Funcs), ExternTable: len(m.Tables), ExternMemory: len(m.Memories), ExternGlobal: len(m.Globals),
		ExternTag: len(m.Tags),
	}
	for i := range m.Exports {
		e := &m.Exports[i]
		if uint64(e.Index) >= uint64(sizes[e.Kind]) {
			kind := e.Kind.String()
			if e.Kind == ExternFunc {
				kind = "function"
			}
			return invalid(m.itemOffset(SectionExport, i), "unknown %s %d", kind, e.Index)
		}
		if e.Kind == ExternGlobal && m.Globals[e.Index].Type.Mutable {
			v.fn, v.at = -1, 0
			if err := v.need(FeatureMutableGlobals, "the export of a mutable global"); err != nil {
				return at(err, m.itemOffset(SectionExport, i))
			}
		}
	}
	return orderExports(m)
}

// orderExports sorts the exports by name and checks that no name is there twice.
func orderExports(m *Module) error {
	order := make([]uint32, len(m.Exports))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(m.Exports[a].Name, m.Exports[b].Name), cmp.Compare(a, b))
	})
	again := len(m.Exports) // the first export whose name is taken
	for i := 1; i < len(order); i++ {
		if m.Exports[order[i-1]].Name == m.Exports[order[i]].Name {
			again = min(again, int(order[i]))
		}
	}
	if again < len(m.Exports) {
		return invalid(m.itemOffset(SectionExport, again), "duplicate export name %.80q", m.Exports[again].Name)
	}
	m.exportOrder = order
	return nil
}

func validateStart(m *Module, _ *FuncValidator) error {
	if m.Start < 0 {
		return nil
	}
	if m.Start >= int64(len(m.Funcs)) {
		return invalid(0, "unknown function %d", m.Start)
	}
	if t := m.FuncType(uint32(m.Start)); len(t.Params)+len(t.Results) != 0 {
		return invalid(0, "start function has parameters or results")
	}
	return nil
}

func validateElems(m *Module, v *FuncValidator) error {
	for i := range m.Elems {
		e := &m.Elems[i]
		if err := checkType(e.Type, uint32(len(m.Types))); err != nil {
			return at(err, e.Offset)
		}
		for _, x := range e.Funcs {
			if uint64(x) >= uint64(len(m.Funcs)) {
				return invalid(e.Offset, "unknown function %d", x)
			}
		}
		for k := range e.Exprs {
			if err := v.constant(&e.Exprs[k], e.Type, v.allGlobals()); err != nil {
				return err
			}
		}
		if e.Mode != SegmentActive {
			continue
		}
		if uint64(e.Table) >= uint64(len(m.Tables)) {
			return invalid(e.Offset, "unknown table %d", e.Table)
		}
		t := &m.Tables[e.Table].Type
		if !matchVal(m.defs, e.Type, t.Elem) {
			return invalid(e.Offset, "type mismatch: elements of type %s for a table of %s", e.Type, t.Elem)
		}
		if err := v.constant(&e.Start, t.AddrType(), v.allGlobals()); err != nil {
			return err
		}
	}
	return nil
}

func validateDatas(m *Module, v *FuncValidator) error {
	for i := range m.Datas {
		s := &m.Datas[i]
		if s.Mode != SegmentActive {
			continue
		}
		if uint64(s.Memory) >= uint64(len(m.Memories)) {
			return invalid(s.Offset, "unknown memory %d", s.Memory)
		}
		if err := v.constant(&s.Start, m.Memories[s.Memory].AddrType(), v.allGlobals()); err != nil {
			return err
		}
	}
	return nil
}
