package modgen

import (
	"fmt"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Support returns a module that exports what module b imports from SupportName, nil if that is nothing. Its types are those
// of b, index by index, so that they are equivalent. Imported functions count their calls in an exported global and give
// counts, zeros and nulls, or a parameter of the type.
func Support(b []byte) ([]byte, error) {
	m, err := wasm.Decode(b, wasm.DecodeOptions{Features: wasm.AllFeatures})
	if err != nil {
		return nil, err
	}
	var funcs, tables, mems, tags, globals, exports, code []byte
	// Global 0 counts.
	counter := []byte{byte(wasm.I32), 1, byte(wasm.OpI32Const), 0, byte(wasm.OpEnd)}
	globals = append(globals, counter...)
	var n struct{ funcs, tables, mems, tags, globals, exports int }
	n.globals = 1
	export := func(name string, kind wasm.ExternKind, index *int) {
		exports = appendU(append(appendName(exports, name), byte(kind)), uint64(*index))
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
			body, err := supportBody(&m.Types[im.Func].Func)
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

func supportBody(t *wasm.FuncType) ([]byte, error) {
	get, set := appendOp(nil, wasm.OpGlobalGet), appendOp(nil, wasm.OpGlobalSet)
	b := append([]byte{0}, append(get, 0)...)
	b = append(append(b, byte(wasm.OpI32Const), 1, byte(wasm.OpI32Add)), append(set, 0)...)
results:
	for _, r := range t.Results {
		for i, p := range t.Params {
			if p == r {
				b = appendU(appendOp(b, wasm.OpLocalGet), uint64(i))
				continue results
			}
		}
		if r == wasm.I32 {
			b = append(append(b, get...), 0)
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
		return append(appendOp(b, wasm.OpV128Const), v, 0, 0, 0, v, 0, 0, 0, v, 0, 0, 0, v, 0, 0, 0), nil
	}
	if !t.Nullable() {
		return nil, fmt.Errorf("modgen: no plain value of type %s", t)
	}
	return appendNull(b, t.Heap()), nil
}
