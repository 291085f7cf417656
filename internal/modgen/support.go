package modgen

import (
	"fmt"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Support returns a module that exports what module b imports from SupportName, nil if that is nothing. Its types are those
// of b, index by index, so that they are equivalent. Imported functions count their calls in a global and give counts, zeros
// and nulls, or a parameter of the type; every fourth call is passed on to what b has put into a table that it imports, so that
// calls, tail calls and exceptions cross from instance to instance and back.
func Support(b []byte) ([]byte, error) {
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err == nil {
		err = wasm.Validate(m, wasm.NewTypeSpace(), wasm.ValidateOptions{Workers: 1})
	}
	if err != nil {
		return nil, err
	}
	table := -1 // a table of functions
	for i, n := 0, 0; i < len(m.Imports); i++ {
		if im := &m.Imports[i]; im.Kind == wasm.ExternTable && im.Module == SupportName {
			if im.Table.Elem == wasm.FuncRef && !im.Table.Is64 && im.Table.Min >= 4 && (n == 0 || m.Used.Has(wasm.FeatureReferenceTypes)) {
				table = n
			}
			n++
		}
	}
	var funcs, tables, mems, tags, globals, exports, code []byte
	// Global 0 counts.
	counter := []byte{byte(wasm.I32), 1, byte(wasm.OpI32Const), 0, byte(wasm.OpEnd)}
	globals = append(globals, counter...)
	var n struct{ funcs, tables, mems, tags, globals, exports int }
	n.globals = 1
	export := func(name string, kind wasm.ExternKind, index *int) {
		exports = appendU(append(wasm.AppendName(exports, name), byte(kind)), uint64(*index))
		*index++
		n.exports++
	}
	for i := range m.Imports {
		im := &m.Imports[i]
		if im.Module != SupportName {
			continue
		}
		switch im.Kind {
		case wasm.ExternFunc:
			funcs = appendU(funcs, uint64(im.Func))
			body, err := supportBody(m, im.Func, table)
			if err != nil {
				return nil, err
			}
			code = append(appendU(code, uint64(len(body))), body...)
			export(im.Name, im.Kind, &n.funcs)
		case wasm.ExternTable:
			tables = appendTable(tables, im.Table)
			export(im.Name, im.Kind, &n.tables)
		case wasm.ExternMemory:
			mems = appendMemory(mems, im.Memory)
			export(im.Name, im.Kind, &n.mems)
		case wasm.ExternGlobal:
			globals = appendGlobal(globals, im.Global)
			if globals, err = appendSimple(globals, im.Global.Type, 1); err != nil {
				return nil, err
			}
			globals = endExpr(globals)
			export(im.Name, im.Kind, &n.globals)
		case wasm.ExternTag:
			tags = appendU(append(tags, 0), uint64(im.Tag.Type))
			export(im.Name, im.Kind, &n.tags)
		}
	}
	if n.exports == 0 {
		return nil, nil
	}
	out := append([]byte(nil), header...)
	out = appendSection(out, wasm.SectionType, appendTypes(nil, m.RecGroups, m.Types))
	out = appendVec(out, wasm.SectionFunction, n.funcs, funcs)
	out = appendVec(out, wasm.SectionTable, n.tables, tables)
	out = appendVec(out, wasm.SectionMemory, n.mems, mems)
	out = appendVec(out, wasm.SectionTag, n.tags, tags)
	out = appendVec(out, wasm.SectionGlobal, n.globals, globals)
	out = appendVec(out, wasm.SectionExport, n.exports, exports)
	return appendVec(out, wasm.SectionCode, n.funcs, code), nil
}

// supportBody makes a function of a type.
func supportBody(m *wasm.Module, typ uint32, table int) ([]byte, error) {
	t := &m.Types[typ].Func
	get, set := append(wasm.AppendOpcode(nil, wasm.OpGlobalGet), 0), append(wasm.AppendOpcode(nil, wasm.OpGlobalSet), 0)
	b := append([]byte{0}, get...)
	b = append(append(b, byte(wasm.OpI32Const), 1, byte(wasm.OpI32Add)), set...)
	if table >= 0 {
		// The slot is bits 2 and 3 of the count.
		slot := append(append([]byte(nil), get...), byte(wasm.OpI32Const), 2, byte(wasm.OpI32ShrU), byte(wasm.OpI32Const), 3, byte(wasm.OpI32And))
		b = append(append(append(b, byte(wasm.OpBlock), 0x40), get...), byte(wasm.OpI32Const), 3, byte(wasm.OpI32And), byte(wasm.OpI32Const), 3)
		b = append(b, byte(wasm.OpI32Ne), byte(wasm.OpBrIf), 0)
		if m.Used.Has(wasm.FeatureGc) {
			b = appendU(append(append(b, slot...), byte(wasm.OpTableGet)), uint64(table))
			b = append(wasm.AppendHeapType(wasm.AppendOpcode(b, wasm.OpRefTest), wasm.HeapType(typ)), byte(wasm.OpI32Eqz), byte(wasm.OpBrIf), 0)
		}
		for i := range t.Params {
			b = appendU(wasm.AppendOpcode(b, wasm.OpLocalGet), uint64(i))
		}
		b = append(b, slot...)
		call := wasm.OpCallIndirect
		if m.Used.Has(wasm.FeatureTailCall) {
			call = wasm.OpReturnCallIndirect
		}
		b = appendU(appendU(wasm.AppendOpcode(b, call), uint64(typ)), uint64(table))
		b = append(b, byte(wasm.OpReturn), byte(wasm.OpEnd))
	}
results:
	for _, r := range t.Results {
		for i, p := range t.Params {
			if p == r {
				b = appendU(wasm.AppendOpcode(b, wasm.OpLocalGet), uint64(i))
				continue results
			}
		}
		if r == wasm.I32 {
			b = append(b, get...)
			continue
		}
		var err error
		if b, err = appendSimple(b, r, 0); err != nil {
			return nil, err
		}
	}
	return endExpr(b), nil
}

// appendSimple appends an instruction that gives a plain value of the type.
func appendSimple(b []byte, t wasm.ValType, v byte) ([]byte, error) {
	switch t {
	case wasm.I32:
		return append(b, byte(wasm.OpI32Const), v), nil
	case wasm.I64:
		return append(b, byte(wasm.OpI64Const), v), nil
	case wasm.F32:
		return append(b, byte(wasm.OpF32Const), 0, 0, v, 0), nil
	case wasm.F64:
		return append(b, byte(wasm.OpF64Const), 0, 0, 0, 0, 0, 0, v, 0), nil
	case wasm.V128:
		return append(wasm.AppendOpcode(b, wasm.OpV128Const), v, 0, 0, 0, v, 0, 0, 0, v, 0, 0, 0, v, 0, 0, 0), nil
	}
	if !t.Nullable() {
		return nil, fmt.Errorf("modgen: no plain value of type %s", t)
	}
	return appendNull(b, t.Heap()), nil
}
